//! What only a reader of somebody's mail can answer.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;
use simulators::smtp::Trouble;

use crate::support::{Account, Answer, App, Mail, PASSWORD};

const EMAIL: &str = "wanjiru@baraka.example";
const NEW: &str = "another horse battery";

async fn request_code(app: &App, email: &str) -> Answer {
    app.post("", "/v1/auth/code/request", json!({"email": email})).await
}

async fn login(app: &App, code: &str) -> Answer {
    app.post("", "/v1/auth/code/login", json!({"email": EMAIL, "code": code})).await
}

async fn forgot(app: &App, email: &str) -> Answer {
    app.post("", "/v1/auth/password/forgot", json!({"email": email})).await
}

async fn reset(app: &App, token: &str) -> Answer {
    let body = json!({"token": token, "password": NEW});
    app.post("", "/v1/auth/password/reset", body).await
}

#[tokio::test]
async fn an_address_is_verified_by_the_token_that_was_mailed_to_it() {
    let app = App::start().await;
    let mail = Mail::of(&app);
    let account = app.account(EMAIL).await;
    let letter = mail.letter(&app, EMAIL).await;
    assert_eq!(letter.from, "post@verbatim.example");
    assert_eq!(letter.header("Subject"), Some("Verify your e-mail address"));
    assert_eq!(letter.header("Auto-Submitted"), Some("auto-generated"));
    let token = mail.answer(&app, EMAIL).await;
    let verify = async || app.post("", "/v1/auth/email/verify", json!({"token": token})).await;
    verify().await.expect(200);
    assert_eq!(app.me(&account.access).await.data()["user"]["email_verified"], true);
    assert_eq!(verify().await.refused(422), "user.challenge_failed");
    // There is nothing left to verify.
    app.post(&account.access, "/v1/auth/email/resend", json!(null)).await.expect(202);
    mail.post(&app).await;
    assert_eq!(mail.sink.letters(EMAIL).len(), 1);
}

#[tokio::test]
async fn a_mailed_code_signs_in_once() {
    let app = App::start().await;
    let mail = Mail::of(&app);
    app.account(EMAIL).await;
    request_code(&app, EMAIL).await.expect(202);
    let code = mail.answer(&app, EMAIL).await;
    assert!(code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()), "{code}");
    let account = Account::of(EMAIL, &login(&app, &code).await.expect(200));
    let me = app.me(&account.access).await.expect(200).data();
    assert_eq!(me["user"]["email_verified"], true, "whoever has the code reads the mail");
    assert_eq!(login(&app, &code).await.refused(401), "auth.invalid_credentials");
    let started = app.audited(&account, "session.Started").await;
    assert_eq!(started[0]["payload"]["Started"]["method"], "email_code");
}

#[tokio::test]
async fn a_code_is_guessed_five_times_and_no_more() {
    let app = App::start().await;
    let mail = Mail::of(&app);
    app.account(EMAIL).await;
    request_code(&app, EMAIL).await.expect(202);
    let code = mail.answer(&app, EMAIL).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        login(&app, wrong).await.expect(401);
    }
    assert_eq!(login(&app, &code).await.refused(401), "auth.invalid_credentials");
    request_code(&app, EMAIL).await.expect(202);
    let code = mail.answer(&app, EMAIL).await;
    login(&app, &code).await.expect(200);
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_and_ends_every_session() {
    let app = App::start().await;
    let mail = Mail::of(&app);
    let account = app.account(EMAIL).await;
    forgot(&app, EMAIL).await.expect(202);
    let token = mail.answer(&app, EMAIL).await;
    assert!(token.starts_with("vbp_"), "{token}");
    reset(&app, &token).await.expect(200);
    app.login(EMAIL, PASSWORD).await.expect(401);
    let again = Account::of(EMAIL, &app.login(EMAIL, NEW).await.expect(200));
    assert_eq!(app.refresh(&account.refresh).await.refused(401), "session.over");
    let since = Instant::now();
    while app.me(&account.access).await.status == 200 {
        assert!(since.elapsed().as_secs() < 5, "the session goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let refused = reset(&app, &token).await;
    assert_eq!(refused.refused(422), "user.challenge_failed");
    assert_eq!(refused.json()["errors"][0]["field"], "token");
    app.me(&again.access).await.expect(200);
}

#[tokio::test]
async fn nobody_is_told_whether_an_address_is_known() {
    let app = App::start().await;
    let mail = Mail::of(&app);
    app.account(EMAIL).await;
    for ask in ["/v1/auth/password/forgot", "/v1/auth/code/request"] {
        let known = app.post("", ask, json!({"email": EMAIL})).await.expect(202);
        let unknown = app.post("", ask, json!({"email": "ada@obi.example"})).await.expect(202);
        assert_eq!(known.text, unknown.text);
    }
    mail.post(&app).await;
    assert!(mail.sink.letters("ada@obi.example").is_empty());
    let answers = [forgot(&app, EMAIL).await, forgot(&app, EMAIL).await, forgot(&app, EMAIL).await];
    assert!(answers.iter().all(|answer| answer.status == StatusCode::ACCEPTED));
    assert_eq!(forgot(&app, EMAIL).await.refused(429), "rate_limit.exceeded");
}

#[tokio::test]
async fn a_mail_that_can_not_go_now_goes_later_and_one_that_never_can_is_given_up() {
    let app = App::start().await;
    let mail = Mail::of(&app);
    mail.sink.trouble([Trouble::Busy, Trouble::NoSuchRecipient, Trouble::LostAnswer]);
    let effects = async || {
        mail.post(&app).await;
        let query = "select state, reason from effects where kind = 'mail' order by created_at";
        let rows: Vec<(String, Option<String>)> =
            sqlx::query_as(query).fetch_all(&app.db.database.owner).await.unwrap();
        rows
    };
    let due = async || {
        let query = "update effects set due_at = clock_timestamp() where state = 'pending'";
        sqlx::query(query).execute(&app.db.database.owner).await.unwrap();
    };
    app.account(EMAIL).await;
    let (state, reason) = effects().await.remove(0);
    assert_eq!(state, "pending");
    assert!(reason.unwrap().contains("450"));
    due().await;
    let (state, reason) = effects().await.remove(0);
    assert_eq!(state, "dead");
    let reason = reason.unwrap();
    assert!(reason.contains("550") && !reason.contains("wanjiru"), "{reason}");
    // The answer is lost: the same mail comes again, and says so.
    forgot(&app, EMAIL).await.expect(202);
    assert_eq!(effects().await[1].0, "pending");
    due().await;
    assert_eq!(effects().await[1].0, "done");
    let letters = mail.sink.letters(EMAIL);
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0].header("Message-ID"), letters[1].header("Message-ID"));
}

#[tokio::test]
async fn a_mail_that_is_of_no_use_any_more_is_not_sent() {
    let app = App::start().await;
    let mail = Mail::of(&app);
    app.account(EMAIL).await;
    request_code(&app, EMAIL).await.expect(202);
    request_code(&app, EMAIL).await.expect(202);
    mail.post(&app).await;
    // Verification, and the newer of the two codes.
    assert_eq!(mail.sink.letters(EMAIL).len(), 2);
}
