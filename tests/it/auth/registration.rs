//! Whoever registers founds an organisation, and is its owner.

use reqwest::StatusCode;
use serde_json::json;

use crate::support::{App, PASSWORD};

#[tokio::test]
async fn who_registers_owns_an_organisation_and_is_signed_in() {
    let app = App::start().await;
    let head = app.store.head();
    let answer = app.register("Wanjiru@Baraka.example").await.expect(201);
    let account = crate::support::Account::of("wanjiru@baraka.example", &answer);
    let me = app.me(&account.access).await.expect(200).data();
    assert_eq!(me["user"]["email"], "wanjiru@baraka.example");
    assert_eq!(me["user"]["name"], "Wanjiru Baraka");
    assert_eq!((&me["user"]["role"], &me["role"]), (&json!("owner"), &json!("owner")));
    assert_eq!(me["user"]["email_verified"], false);
    assert_eq!(me["organization"]["name"], "Baraka");
    app.get_since(&answer, &account.access, "/v1/inbox").await.expect(200);
    let told = app.audited(&account, "session.Started").await;
    assert_eq!(told[0]["actor"], format!("user:{}", account.user));
    assert_eq!(told[0]["payload"]["Started"]["method"], "registration");
    // All of it at once, or nothing.
    let recorded = app.store.head() - head;
    assert_eq!(answer.header("log-position"), format!("1.{recorded}"));
    let founded = &app.audited(&account, "organization.Founded").await[0];
    assert_eq!(founded["command_id"], told[0]["command_id"]);
    app.assert_verified().await;
}

#[tokio::test]
async fn an_address_has_one_account_among_all_organisations() {
    let app = App::start().await;
    let (one, other) =
        tokio::join!(app.register("ada@obi.example"), app.register(" ADA@obi.example"));
    let mut statuses = [one.status, other.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::CREATED, StatusCode::CONFLICT]);
    let refused = app.register("ada@obi.example").await;
    assert_eq!(refused.refused(409), "user.email_taken");
    let told = refused.json();
    assert_eq!(told["errors"][0]["field"], "email");
    assert!(told.get("owner").is_none(), "whose it is stays untold");
    app.account("ada@obi-home.example").await;
}

#[tokio::test]
async fn neither_address_nor_password_nor_token_is_in_the_database() {
    let app = App::start().await;
    let account = app.account("wanjiru@baraka.example").await;
    app.me(&account.access).await.expect(200);
    app.settle().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', schemaname, tablename) from pg_tables
          where schemaname in ('public', 'read_data')",
    )
    .fetch_all(&app.db.database.owner)
    .await
    .unwrap();
    let secrets = ["wanjiru@", PASSWORD, &account.access[4..], &account.refresh[4..]];
    for table in tables {
        let rows: Vec<String> = sqlx::query_scalar(&format!("select t::text from {table} t"))
            .fetch_all(&app.db.database.owner)
            .await
            .unwrap();
        for secret in secrets {
            let hexed = hex::encode(secret);
            let holds = |row: &String| row.contains(secret) || row.contains(&hexed);
            assert!(!rows.iter().any(holds), "{secret} in {table}");
        }
    }
}

#[tokio::test]
async fn what_nobody_could_use_is_refused_by_its_field() {
    let app = App::start().await;
    let good = json!({
        "organization": "Baraka", "name": "Wanjiru", "email": "w@baraka.example",
        "password": PASSWORD,
    });
    for (field, value, code) in [
        ("email", "wanjiru", "user.invalid_email"),
        ("password", "1234567", "user.invalid_password"),
        ("name", " ", "user.invalid_name"),
        ("organization", "", "organization.invalid_name"),
    ] {
        let mut body = good.clone();
        body[field] = json!(value);
        let refused = app.post("", "/v1/auth/register", body).await;
        assert_eq!(refused.refused(422), code);
        assert_eq!(refused.json()["errors"][0]["field"], field);
    }
    assert_eq!(app.store.head(), 0);
    app.post("", "/v1/auth/register", good).await.expect(201);
}

#[tokio::test]
async fn who_registers_too_often_waits() {
    let app = App::start().await;
    let mut answers = vec![];
    for _ in 0..6 {
        answers.push(app.register("ada@obi.example").await);
    }
    let refused = answers.pop().unwrap();
    assert_eq!(refused.refused(429), "rate_limit.exceeded");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=720).contains(&wait), "{wait}");
    assert!(answers.iter().all(|answer| answer.status != StatusCode::TOO_MANY_REQUESTS));
}
