//! What only a reader of somebody's mail can answer.

use std::time::{Duration, Instant};

use commands::Commands;
use commands::access::letters;
use reqwest::{Method, StatusCode};
use serde_json::json;
use simulators::smtp::Trouble;
use tokio::sync::watch;

use crate::support::{Account, Answer, App, Mail, PASSWORD};

const EMAIL: &str = "wanjiru@baraka.example";
const NEW: &str = "another horse battery";

async fn request_code(app: &App, email: &str) -> Answer {
    app.post("", "/v1/auth/code/request", json!({"email": email})).await
}

/// Asks for a code; tells the ticket that goes with it.
async fn ticket(app: &App, email: &str) -> String {
    let asked = request_code(app, email).await.expect(202);
    asked.data()["ticket"].as_str().unwrap().to_owned()
}

async fn login(app: &App, ticket: &str, code: &str) -> Answer {
    let body = json!({"email": EMAIL, "ticket": ticket, "code": code});
    app.post("", "/v1/auth/code/login", body).await
}

/// One that is none of theirs.
fn wrong(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
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
    let ticket = ticket(&app, EMAIL).await;
    let code = mail.answer(&app, EMAIL).await;
    assert!(code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()), "{code}");
    let account = Account::of(EMAIL, &login(&app, &ticket, &code).await.expect(200));
    let me = app.me(&account.access).await.expect(200).data();
    assert_eq!(me["user"]["email_verified"], true, "whoever has the code reads the mail");
    assert_eq!(login(&app, &ticket, &code).await.refused(401), "auth.invalid_credentials");
    let started = app.audited(&account, "session.Started").await;
    assert_eq!(started[0]["payload"]["Started"]["method"], "email_code");
}

#[tokio::test]
async fn a_code_is_guessed_five_times_and_no_more() {
    let app = App::start().await;
    let mail = Mail::of(&app);
    app.account(EMAIL).await;
    let first = ticket(&app, EMAIL).await;
    let code = mail.answer(&app, EMAIL).await;
    for _ in 0..5 {
        login(&app, &first, wrong(&code)).await.expect(401);
    }
    assert_eq!(login(&app, &first, &code).await.refused(401), "auth.invalid_credentials");
    let second = ticket(&app, EMAIL).await;
    let code = mail.answer(&app, EMAIL).await;
    login(&app, &second, &code).await.expect(200);
}

#[tokio::test]
async fn a_stranger_who_guesses_at_somebodys_code_takes_none_of_its_tries() {
    let app = App::start().await;
    let mail = Mail::of(&app);
    app.account(EMAIL).await;
    let own = ticket(&app, EMAIL).await;
    let code = mail.answer(&app, EMAIL).await;
    // With a ticket of their own, with one of another address, and with none at all.
    let theirs = [ticket(&app, EMAIL).await, ticket(&app, "ada@obi.example").await, "no".into()];
    for ticket in &theirs {
        for _ in 0..5 {
            let refused = login(&app, ticket, wrong(&code)).await;
            assert_eq!(refused.refused(401), "auth.invalid_credentials");
        }
        login(&app, ticket, &code).await.expect(401);
    }
    login(&app, &own, &code).await.expect(200);
}

#[tokio::test]
async fn a_code_opens_with_the_ticket_of_who_asked_for_it_and_no_other() {
    let app = App::start().await;
    let mail = Mail::of(&app);
    app.account(EMAIL).await;
    let one = ticket(&app, EMAIL).await;
    let first = mail.answer(&app, EMAIL).await;
    let other = ticket(&app, EMAIL).await;
    let second = mail.answer(&app, EMAIL).await;
    if first != second {
        assert_eq!(login(&app, &other, &first).await.refused(401), "auth.invalid_credentials");
    }
    assert_eq!(login(&app, &first, &first).await.refused(401), "auth.invalid_credentials");
    login(&app, &one, &first).await.expect(200);
    // Whoever is in needs no other.
    assert_eq!(login(&app, &other, &second).await.refused(401), "auth.invalid_credentials");
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
        // A ticket is another each time, and looks the same.
        let (known, unknown) = [&known, &unknown].map(|told| (told.data(), told.text.len())).into();
        assert_eq!((known.0["status"].clone(), known.1), (unknown.0["status"].clone(), unknown.1));
        assert_eq!(known.0["ticket"].is_string(), ask.ends_with("/request"));
    }
    mail.post(&app).await;
    assert!(mail.sink.letters("ada@obi.example").is_empty());
    let answers = [forgot(&app, EMAIL).await, forgot(&app, EMAIL).await, forgot(&app, EMAIL).await];
    assert!(answers.iter().all(|answer| answer.status == StatusCode::ACCEPTED));
    assert_eq!(forgot(&app, EMAIL).await.refused(429), "rate_limit.exceeded");
}

#[tokio::test]
async fn a_known_address_is_answered_before_anything_is_done_about_it() {
    let app = App::start().await;
    let mail = Mail::of(&app);
    app.account(EMAIL).await;
    mail.post(&app).await;
    // While the log takes in nothing, whatever happens on account of the address waits.
    let mut held = app.db.database.owner.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(7201)").execute(&mut *held).await.unwrap();
    for email in [EMAIL, "ada@obi.example"] {
        forgot(&app, email).await.expect(202);
        let asked = request_code(&app, email).await.expect(202);
        assert_eq!(asked.header("log-position"), "", "that would tell whether the log has grown");
    }
    held.rollback().await.unwrap();
    mail.post(&app).await;
    assert_eq!(mail.sink.letters(EMAIL).len(), 3);
}

#[tokio::test]
async fn a_server_that_stops_writes_the_letters_that_were_asked_for() {
    let app = App::start().await;
    let mail = Mail::of(&app);
    app.account(EMAIL).await;
    forgot(&app, EMAIL).await.expect(202);
    let (stop, told) = watch::channel(true);
    letters::run(app.commands.clone(), told).await;
    drop(stop);
    assert!(mail.answer(&app, EMAIL).await.starts_with("vbp_"));
}

#[tokio::test]
async fn a_letter_whose_server_is_gone_is_written_by_another_once() {
    let app = App::start().await;
    let mail = Mail::of(&app);
    app.account(EMAIL).await;
    mail.post(&app).await;
    let key = [("idempotency-key", "1")];
    let ask = async || {
        let body = Some(json!({"email": EMAIL}));
        app.send(Method::POST, "", "/v1/auth/password/forgot", body, &key).await.expect(202)
    };
    let first = ask().await;
    // The one that answered writes nothing any more.
    let other = Commands::new(app.db.store().await);
    letters::write_all(&other).await.unwrap();
    let again = ask().await;
    assert_eq!((again.header("idempotent-replayed"), &again.text), ("true", &first.text));
    mail.post(&app).await;
    assert_eq!(mail.sink.letters(EMAIL).len(), 2, "to verify the address, and to reset");
}

#[tokio::test]
async fn a_letter_whose_writer_died_before_anybody_heard_of_it_comes_once() {
    let app = App::start().await;
    let mail = Mail::of(&app);
    app.account(EMAIL).await;
    mail.post(&app).await;
    forgot(&app, EMAIL).await.expect(202);
    let sql = async |query: &str| {
        sqlx::query(query).execute(&app.db.database.owner).await.unwrap();
    };
    sql("create table left_letters as select * from asked_letters").await;
    sql("create table left_secrets as select * from secrets where kind = 'letter'").await;
    letters::write_all(&app.commands).await.unwrap();
    sql("insert into asked_letters select * from left_letters").await;
    sql("insert into secrets select * from left_secrets").await;
    letters::write_all(&Commands::new(app.db.store().await)).await.unwrap();
    assert!(mail.answer(&app, EMAIL).await.starts_with("vbp_"));
    assert_eq!(mail.sink.letters(EMAIL).len(), 2, "to verify the address, and to reset");
}

#[tokio::test]
async fn no_more_letters_wait_than_may_and_none_for_ever() {
    let app = App::start().await;
    // As many as may wait; what they asked for has expired.
    let fill =
        "insert into asked_letters (id) select gen_random_uuid() from generate_series(1, 1000)";
    sqlx::query(fill).execute(&app.db.database.owner).await.unwrap();
    assert_eq!(forgot(&app, EMAIL).await.refused(503), "unavailable");
    letters::write_all(&app.commands).await.unwrap();
    forgot(&app, EMAIL).await.expect(202);
    letters::write_all(&app.commands).await.unwrap();
    let left = "select (select count(*) from asked_letters),
                       (select count(*) from secrets where kind = 'letter')";
    let left: (i64, i64) = sqlx::query_as(left).fetch_one(&app.db.database.owner).await.unwrap();
    assert_eq!(left, (0, 0));
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
    forgot(&app, EMAIL).await.expect(202);
    forgot(&app, EMAIL).await.expect(202);
    mail.post(&app).await;
    // Verification, and the newer of the two tokens.
    assert_eq!(mail.sink.letters(EMAIL).len(), 2);
}
