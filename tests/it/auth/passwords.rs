//! Changing a password.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Account, App, PASSWORD};

const EMAIL: &str = "wanjiru@baraka.example";
const NEW: &str = "another horse battery";

#[tokio::test]
async fn a_changed_password_opens_and_ends_every_other_session() {
    let app = App::start().await;
    let here = app.account(EMAIL).await;
    let there = Account::of(EMAIL, &app.login(EMAIL, PASSWORD).await.expect(200));
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    app.post(&here.access, "/v1/auth/password/change", body).await.expect(200);
    app.login(EMAIL, PASSWORD).await.expect(401);
    app.login(EMAIL, NEW).await.expect(200);
    assert_eq!(app.refresh(&there.refresh).await.refused(401), "session.over");
    let since = Instant::now();
    while app.me(&there.access).await.status == 200 {
        assert!(since.elapsed().as_secs() < 5, "the other session goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    app.me(&here.access).await.expect(200);
    app.refresh(&here.refresh).await.expect(200);
    let set = app.audited(&here, "user.PasswordSet").await;
    assert_eq!(set[0]["payload"]["PasswordSet"]["cause"], "change");
}

#[tokio::test]
async fn who_does_not_know_the_old_password_changes_nothing() {
    let app = App::start().await;
    let account = app.account(EMAIL).await;
    for (current, new, code, field) in [
        ("wrong horse battery", NEW, "user.wrong_password", "current_password"),
        (PASSWORD, "short", "user.invalid_password", "new_password"),
    ] {
        let body = json!({"current_password": current, "new_password": new});
        let refused = app.post(&account.access, "/v1/auth/password/change", body).await;
        assert_eq!(refused.refused(422), code);
        assert_eq!(refused.json()["errors"][0]["field"], field);
    }
    app.login(EMAIL, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_change_that_is_rehearsed_leaves_the_old_password_and_no_secret() {
    let app = App::start().await;
    let account = app.account(EMAIL).await;
    let secrets = async || -> i64 {
        let count = sqlx::query_scalar("select count(*) from secrets");
        count.fetch_one(&app.db.database.owner).await.unwrap()
    };
    let before = secrets().await;
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    let path = "/v1/auth/password/change?dry_run=true";
    let told = app.post(&account.access, path, body).await.expect(200);
    assert_eq!(told.data()["events"][0]["type"], "user.PasswordSet");
    assert_eq!(secrets().await, before);
    app.login(EMAIL, NEW).await.expect(401);
    app.login(EMAIL, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_typed_accent_is_the_same_however_it_is_composed() {
    let app = App::start().await;
    let account = app.account(EMAIL).await;
    let body = json!({"current_password": PASSWORD, "new_password": "pi\u{f1}ata de mi"});
    app.post(&account.access, "/v1/auth/password/change", body).await.expect(200);
    app.login(EMAIL, "pin\u{303}ata de mi").await.expect(200);
}
