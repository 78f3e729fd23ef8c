//! Many ask for pages of an inbox, or of conversations, at the same time: what is read for several is
//! what each of them would have been told alone.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use projections::conversation_messages::ConversationMessages;
use projections::inbox::Inbox;
use projections::{Model, generation};
use serde_json::json;
use sqlx::{PgPool, Postgres, Transaction};
use tokio::time::timeout;

use crate::support::{ANA, App, BEN, customer};
use crate::workspace::{fresh_key, with_two};

/// How many ask for the same at once, how often it is looked whether they all wait, and for how long.
const EACH: usize = 4;
const LOOKS: usize = 100;
const LONGEST: Duration = Duration::from_millis(1_500);
/// How often a page is asked for twice within a moment, and how long one is waited for that ought to be
/// there.
pub(crate) const TRIES: usize = 20;
const MOMENT: Duration = Duration::from_millis(200);

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
    let asked = asked.into_iter().map(|(key, query)| (key, format!("/v1/inbox?{query}")));
    // What was told a moment ago is not asked for again until then.
    let elsewhere = async || {
        app.organization("Tumaini").await;
    };
    told_alike(&app, &Inbox, &asked.collect::<Vec<_>>(), elsewhere).await;
}

#[tokio::test]
async fn who_asks_for_messages_together_with_others_gets_their_own_and_no_more_than_alone() {
    let app = App::start().await;
    let (shop, other) = (app.organization("Baraka").await, app.organization("Neema").await);
    let (theirs, nobodys) = with_two(&app, &shop).await;
    for second in 0..5 {
        let said = format!("{second}, said Ben");
        app.say(&shop, &BEN, &format!("wamid.b{second}"), 10 + second, &said).await;
        let said = format!("{second}, said Ana");
        app.say(&other, &ANA, &format!("wamid.a{second}"), second, &said).await;
    }
    let elsewhere = app.conversation(&other, &ANA).await;
    let agent = fresh_key(&app, &shop).await;
    app.settle().await;
    let path = |conversation: &str, query: &str| {
        format!("/v1/conversations/{conversation}/messages?{query}")
    };
    let first = app.get(&shop.owner, &path(&nobodys, "limit=2")).await.expect(200).json();
    let next = format!("limit=2&cursor={}", first["meta"]["next_cursor"].as_str().unwrap());
    let asked = [
        (&shop.owner, path(&theirs, "")),
        (&shop.owner, path(&nobodys, "")),
        (&shop.owner, path(&nobodys, "limit=2")),
        (&shop.owner, path(&nobodys, &next)),
        (&shop.owner, path(&elsewhere, "")),
        (&agent, path(&theirs, "")),
        (&agent, path(&nobodys, "")),
        (&other.owner, path(&elsewhere, "")),
        (&other.owner, path(&elsewhere, "limit=3")),
        (&other.owner, path(&nobodys, "")),
    ];
    let asked = asked.map(|(key, path)| (key.as_str(), path));
    // What was read of a conversation is not read again until something happens in it.
    let read = async || {
        for (key, id) in
            [(&shop.owner, &theirs), (&shop.owner, &nobodys), (&other.owner, &elsewhere)]
        {
            app.post(key, &format!("/v1/conversations/{id}/read"), json!({})).await.expect(200);
        }
    };
    let told = told_alike(&app, &ConversationMessages, &asked, read).await;
    let statuses: Vec<u16> = told.iter().map(|told| told.0).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 404, 404, 200, 200, 200, 404]);
}

#[tokio::test]
async fn a_page_of_the_inbox_is_told_to_the_next_who_asks_without_being_read_again() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    // On a busy machine a moment may be over before the table is locked.
    for second in (0..).take(TRIES) {
        app.say(&shop, &ANA, &format!("wamid.{second}"), second, "Hello").await;
        app.settle().await;
        let first = app.get(&shop.owner, "/v1/inbox").await.expect(200).text;
        if let Some(again) = told_unread(&app, &shop.owner, &Inbox, "/v1/inbox").await {
            assert_eq!(again, first);
            return;
        }
    }
    panic!("the page is read again each time");
}

/// What somebody is told while nobody can read the model, if it is anything.
pub(crate) async fn told_unread(
    app: &App,
    key: &str,
    model: &dyn Model,
    path: &str,
) -> Option<String> {
    let (held, _) = hold(app, model, "access exclusive").await;
    let told = timeout(MOMENT, app.get(key, path)).await;
    held.commit().await.unwrap();
    told.ok().map(|told| told.expect(200).text)
}

/// Locks the model's table, which is told as well, until what it returns is committed.
pub(crate) async fn hold(
    app: &App,
    model: &dyn Model,
    mode: &str,
) -> (Transaction<'static, Postgres>, String) {
    let pool = &app.db.database.owner;
    let live = generation::live(pool, model).await.unwrap().unwrap();
    let table = model.table(live.generation);
    let mut held = pool.begin().await.unwrap();
    let lock = format!("lock table {table} in {mode} mode");
    sqlx::query(&lock).execute(&mut *held).await.unwrap();
    (held, table)
}

/// Asks for each of these alone, and for all of them several times at once while nobody can read the
/// model, after something happened that none of them tells. Returns what each was told.
async fn told_alike(
    app: &App,
    model: &'static dyn Model,
    asked: &[(&str, String)],
    happens: impl AsyncFnOnce(),
) -> Vec<(u16, String, String)> {
    let ask = async |(key, path): &(&str, String)| {
        let answer = app.get(key, path).await;
        let told = match answer.status.as_u16() {
            200 => answer.text.clone(),
            status => answer.refused(status),
        };
        (answer.status.as_u16(), told, answer.header("log-position").to_owned())
    };
    let mut alone = vec![];
    for one in asked {
        alone.push(ask(one).await);
    }
    happens().await;
    app.settle().await;
    let (held, table) = hold(app, model, "access exclusive").await;
    let together = join_all((0..EACH).flat_map(|_| asked.iter().map(&ask)));
    let released = async {
        all_wait(&app.db.database.owner, &table).await;
        held.commit().await.unwrap();
    };
    let (together, ()) = tokio::join!(together, released);
    for (number, told) in together.iter().enumerate() {
        let which = number % asked.len();
        let ((status, text, position), before) = (told, &alone[which]);
        assert_eq!((status, text), (&before.0, &before.1), "{:?}", asked[which]);
        let later = place(position) >= place(&before.2);
        assert!(later, "{:?}: {position} after {}", asked[which], before.2);
    }
    alone
}

/// Where in the log an answer stands that says so.
fn place(position: &str) -> Option<i64> {
    let (_, place) = position.split_once('.')?;
    Some(place.parse().unwrap())
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
