//! The position that an answer tells: a read that hands it back sees what the answer said.

use api::terms::Terms;
use serde_json::{Value, json};

use super::{problem, shop};
use crate::support::{Answer, App};

fn position(answer: &Answer) -> i64 {
    answer.header("log-position").split_once('.').unwrap().1.parse().unwrap()
}

#[tokio::test]
async fn a_command_that_changes_nothing_tells_where_it_was_so_already() {
    let (app, ours) = shop().await;
    let twin = app.twin(Terms::default()).await;
    let made = app.post(&ours.agent, "/v1/tickets", json!({"subject": "Broken pot"})).await;
    let ticket = made.expect(201).header("location").to_owned();
    for round in 0..20 {
        // Another process writes last; this one may not have heard of it.
        let (act, status) = if round % 2 == 0 { ("solve", "solved") } else { ("reopen", "open") };
        let path = format!("{ticket}/{act}");
        let acted = twin.post(&ours.agent, &path, Value::Null).await.expect(200);
        let again = app.post(&ours.agent, &path, Value::Null).await.expect(200);
        assert_eq!(again.data(), acted.data());
        assert!(position(&again) >= position(&acted), "{again:?}");
        let seen = app.get_since(&again, &ours.agent, &ticket).await.expect(200);
        assert_eq!(seen.data()["status"], status);
        let rehearsed = app.post(&ours.agent, &format!("{path}?dry_run=true"), Value::Null).await;
        assert!(position(&rehearsed.expect(200)) >= position(&acted));
    }
}

#[tokio::test]
async fn what_is_read_out_of_the_log_tells_a_position_as_well() {
    let app = App::start().await;
    let account = app.account("wanjiru@baraka.example").await;
    let name = json!({"name": "Wanjiru Obi"});
    let renamed = app.patch(&account.access, "/v1/members/me", name).await.expect(200);
    let me = app.get_since(&renamed, &account.access, "/v1/auth/me").await.expect(200);
    assert_eq!(me.data()["user"]["name"], "Wanjiru Obi");
    assert!(position(&me) >= position(&renamed));
    let path = "/v1/auth/me?min_position=";
    let never = app.get(&account.access, &format!("{path}1.999999")).await;
    assert_eq!(problem(&never, 400), "min_position.invalid");
    assert_eq!(never.json()["errors"][0]["field"], "min_position");
    let other = app.get(&account.access, &format!("{path}2.1")).await;
    assert_eq!(problem(&other, 409), "log.epoch");
}
