//! Two lanes follow the log, how things stand and what happened: what goes wrong in one holds nobody
//! up in the other.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use projections::explain::{Cause, explain};
use serde_json::json;
use sqlx::PgPool;

use crate::support::{App, Organization};

/// How long it may take until somebody is seen to wait.
const SOON: Duration = Duration::from_secs(10);

/// Adds a contact, and asks for contacts as fresh as that.
async fn is_shown(app: &App, shop: &Organization, name: &str) {
    let added = app.post(&shop.agent, "/v1/contacts", json!({"name": name})).await.expect(201);
    let shown = app.get_since(&added, &shop.agent, "/v1/contacts").await.expect(200);
    assert!(shown.text.contains(name), "{}", shown.text);
}

async fn audited(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from read.audit").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_screen_shows_what_is_new_while_the_audit_can_not_be_written() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    app.settle().await;
    let owner = &app.db.database.owner;
    let before = audited(owner).await;
    let execute = async |sql: &str| sqlx::query(sql).execute(owner).await.unwrap();
    execute("revoke insert on read_data.audit_g1 from verbatim_projector").await;
    // The lane of the audit fails and begins anew meanwhile.
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(1_200) {
        is_shown(&app, &shop, "Ana").await;
    }
    assert_eq!(audited(owner).await, before);
    execute("grant insert on read_data.audit_g1 to verbatim_projector").await;
    app.assert_verified().await;
    assert!(audited(owner).await > before);
}

#[tokio::test]
async fn who_locks_the_audit_is_not_blamed_for_what_screens_show() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    app.settle().await;
    let owner = &app.db.database.owner;
    let mut held = owner.begin().await.unwrap();
    let lock = "lock table read_data.audit_g1 in access exclusive mode";
    sqlx::query(lock).execute(&mut *held).await.unwrap();
    let (mut blocked, since) = (BTreeSet::new(), Instant::now());
    while !blocked.contains("audit") {
        assert!(since.elapsed() < SOON, "nobody waits: {blocked:?}");
        is_shown(&app, &shop, "Ben").await;
        let explained = explain(owner).await.unwrap();
        let by_lock = explained.iter().filter(|explanation| {
            explanation.obstacles.iter().any(|obstacle| obstacle.cause == Cause::Blocked)
        });
        blocked.extend(by_lock.map(|explanation| explanation.model));
    }
    let past = BTreeSet::from(["agent_activity", "audit", "message_volume"]);
    assert!(blocked.is_subset(&past), "{blocked:?}");
    held.rollback().await.unwrap();
    app.assert_verified().await;
}
