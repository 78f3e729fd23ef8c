//! Many ask for pages of an inbox at the same time: what is read for several is what each of them
//! would have been told alone.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use projections::Model;
use projections::generation;
use projections::inbox::Inbox;
use sqlx::PgPool;

use crate::support::{App, customer};
use crate::workspace::{fresh_key, with_two};

/// How many ask for the same at once, how often it is looked whether they all wait, and for how long.
const EACH: usize = 4;
const LOOKS: usize = 100;
const LONGEST: Duration = Duration::from_millis(1_500);

#[tokio::test]
async fn who_asks_together_with_others_sees_what_they_would_see_alone() {
    let app = App::start().await;
    let (shop, other) = (app.organization("Baraka").await, app.organization("Neema").await);
    with_two(&app, &shop).await;
    for (second, number) in (0..).zip([7, 8, 9]) {
        app.say(&other, &customer(number), &format!("wamid.{number}"), second, "Hello").await;
    }
    let agent = fresh_key(&app, &shop).await;
    app.settle().await;
    let first = app.get(&other.owner, "/v1/inbox?limit=1").await.expect(200).json();
    let next = format!("limit=1&cursor={}", first["meta"]["next_cursor"].as_str().unwrap());
    let asked: Vec<(&str, &str)> = vec![
        (&shop.owner, ""),
        (&agent, ""),
        (&other.owner, ""),
        (&shop.owner, "limit=1"),
        (&agent, "limit=1"),
        (&other.owner, "limit=1"),
        (&other.owner, &next),
        (&shop.owner, "assignee=unassigned"),
        (&shop.owner, "assignee=me"),
        (&shop.owner, "unread=true&status=all"),
        (&shop.owner, "q=ana"),
        (&agent, "q=ana"),
    ];
    let ask = async |(key, query): (&str, &str)| {
        let page = app.get(key, &format!("/v1/inbox?{query}")).await.expect(200);
        (page.header("log-position").to_owned(), page.text)
    };
    let mut alone = vec![];
    for one in &asked {
        alone.push(ask(*one).await);
    }
    let pool = &app.db.database.owner;
    let live = generation::live(pool, &Inbox).await.unwrap().unwrap();
    let table = Inbox.table(live.generation);
    let mut held = pool.begin().await.unwrap();
    sqlx::query(&format!("lock table {table} in access exclusive mode"))
        .execute(&mut *held)
        .await
        .unwrap();
    let together = join_all((0..EACH).flat_map(|_| asked.iter().map(|one| ask(*one))));
    let released = async {
        all_wait(pool, &table).await;
        held.commit().await.unwrap();
    };
    let (together, ()) = tokio::join!(together, released);
    for (number, told) in together.iter().enumerate() {
        let which = number % asked.len();
        assert_eq!(told, &alone[which], "{:?}", asked[which]);
    }
}

/// Until somebody waits for the table, and for some time nobody more comes.
async fn all_wait(pool: &PgPool, table: &str) {
    let (mut waiting, mut looks, since) = (0, 0, Instant::now());
    while waiting == 0 || (looks < LOOKS && since.elapsed() < LONGEST) {
        let now: i64 = sqlx::query_scalar(
            "select count(*) from pg_locks where relation = $1::regclass and not granted
                and database = (select oid from pg_database where datname = current_database())",
        )
        .bind(table)
        .fetch_one(pool)
        .await
        .unwrap();
        looks = if now == waiting { looks + 1 } else { 0 };
        waiting = now;
    }
}
