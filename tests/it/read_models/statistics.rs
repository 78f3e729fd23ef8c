//! A read model is paged by its indexes from its first minutes on.

use projections::inbox::Inbox;
use projections::{Model, generation, statistics};
use uuid::Uuid;

use crate::support::App;

/// How the database would walk to the first page of an organisation's inbox.
async fn plan(app: &App, table: &str, tenant: Uuid) -> String {
    let mut db = app.db.database.owner.acquire().await.unwrap();
    sqlx::query("set plan_cache_mode = force_generic_plan").execute(&mut *db).await.unwrap();
    let page = format!(
        "prepare page(uuid) as select * from {table} where tenant_id = $1
            and last_message_at is not null and state in ('open', 'human_handling')
          order by last_message_at desc, conversation_id desc limit 51"
    );
    sqlx::raw_sql(&page).execute(&mut *db).await.unwrap();
    let explained = format!("explain execute page('{tenant}')");
    let lines: Vec<String> = sqlx::query_scalar(&explained).fetch_all(&mut *db).await.unwrap();
    db.close_on_drop();
    lines.join("\n")
}

#[tokio::test]
async fn a_young_inbox_is_not_sorted_for_each_page() {
    let app = App::start().await;
    let owner = &app.db.database.owner;
    let live = generation::live(owner, &Inbox).await.unwrap().unwrap();
    let (table, tenant) = (Inbox.table(live.generation), Uuid::now_v7());
    // Nobody's but the planner's: only how the table looks matters here.
    let fill = format!(
        "alter table {table} set (autovacuum_enabled = false);
         insert into {table}
         select r.* from generate_series(1, 3000) n,
           json_populate_record(null::{table}, json_build_object(
             'tenant_id', '{tenant}', 'conversation_id', gen_random_uuid(), 'channel_id',
             gen_random_uuid(), 'contact_id', gen_random_uuid(), 'state', 'open', 'cycle', 1,
             'messages', 1, 'unread', 0, 'version', 1, 'opened_at', now(),
             'last_message_at', now() - n * interval '1 minute')) r"
    );
    sqlx::raw_sql(&fill).execute(owner).await.unwrap();
    let before = plan(&app, &table, tenant).await;
    assert!(before.contains("Sort"), "else there is nothing to mend: {before}");
    // What a session changed is counted about a second after it did.
    while statistics::refresh(owner).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    let after = plan(&app, &table, tenant).await;
    assert!(!after.contains("Sort"), "{after}");
    assert_eq!(statistics::refresh(owner).await.unwrap(), 0, "once is enough");
}
