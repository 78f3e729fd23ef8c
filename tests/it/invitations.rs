//! People are asked to join by mail, and become members by showing that they read it.

use api::terms::{Limits, Terms, per_hour};
use chrono::{DateTime, TimeDelta, Utc};
use event_store::Clock;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::{Arc, RwLock};

use crate::support::{Account, Answer, App, Mail, PASSWORD};

async fn invite(app: &App, key: &str, email: &str, role: &str) -> Answer {
    app.post(key, "/v1/invitations", json!({"email": email, "role": role})).await
}

fn id(answer: &Answer) -> String {
    answer.data()["id"].as_str().unwrap().to_owned()
}

async fn accept(app: &App, token: &str) -> Answer {
    let body = json!({"token": token, "name": "Otieno Odhiambo", "password": PASSWORD});
    app.post("", "/v1/invitations/accept", body).await
}

#[tokio::test]
async fn who_accepts_is_a_member_with_a_password_and_a_verified_address() {
    let app = App::start().await;
    let (shop, mail) = (app.organization("Baraka").await, Mail::of(&app));
    let invited =
        invite(&app, &shop.owner, "Otieno@Baraka.example", "supervisor").await.expect(201);
    assert_eq!(invited.data()["email"], "otieno@baraka.example");
    assert_eq!(invited.data()["status"], "pending");
    let token = mail.answer(&app, "otieno@baraka.example").await;
    let shown = app.get("", &format!("/v1/invitations/by-token/{token}")).await.expect(200).data();
    assert_eq!(shown["organization"]["name"], "Baraka");
    assert_eq!(
        (&shown["email"], &shown["role"]),
        (&json!("otieno@baraka.example"), &json!("supervisor"))
    );
    let head = app.store.head();
    let accepted = accept(&app, &token).await.expect(201);
    let account = Account::of("otieno@baraka.example", &accepted);
    assert_eq!(account.user, invited.data()["user_id"]);
    let me = app.me(&account.access).await.expect(200).data();
    assert_eq!(
        (&me["user"]["role"], &me["user"]["email_verified"]),
        (&json!("supervisor"), &json!(true))
    );
    app.login(&account.email, PASSWORD).await.expect(200);
    // All of it at once, or nothing.
    let told = app.audit(&shop, "action=invitation.Accepted").await;
    let registered = app.audit(&shop, "action=user.Registered").await;
    assert_eq!(told[0]["command_id"], registered[0]["command_id"]);
    assert_eq!(told[0]["actor"], format!("user:{}", account.user));
    assert!(app.store.head() > head);
    let list = app.get_since(&accepted, &shop.owner, "/v1/invitations?status=accepted").await;
    assert_eq!(list.expect(200).data()[0]["id"], invited.data()["id"]);
    app.assert_verified().await;
}

#[tokio::test]
async fn a_token_is_good_once_and_not_after_another_was_mailed_or_it_was_revoked() {
    let app = App::start().await;
    let (shop, mail) = (app.organization("Baraka").await, Mail::of(&app));
    let path = |answer: &Answer, act: &str| format!("/v1/invitations/{}/{act}", id(answer));
    let first = invite(&app, &shop.owner, "a@baraka.example", "agent").await.expect(201);
    let old = mail.answer(&app, "a@baraka.example").await;
    app.post(&shop.owner, &path(&first, "resend"), Value::Null).await.expect(200);
    let new = mail.answer(&app, "a@baraka.example").await;
    assert_eq!(accept(&app, &old).await.refused(422), "invitation.expired");
    accept(&app, &new).await.expect(201);
    assert_eq!(accept(&app, &new).await.refused(422), "invitation.expired");
    let again = app.post(&shop.owner, &path(&first, "resend"), Value::Null).await;
    assert_eq!(again.refused(409), "invitation.accepted");

    let second = invite(&app, &shop.owner, "b@baraka.example", "agent").await.expect(201);
    let token = mail.answer(&app, "b@baraka.example").await;
    app.post(&shop.owner, &path(&second, "revoke"), Value::Null).await.expect(200);
    app.post(&shop.owner, &path(&second, "revoke"), Value::Null).await.expect(200);
    assert_eq!(accept(&app, &token).await.refused(422), "invitation.expired");
    let gone = app.get("", &format!("/v1/invitations/by-token/{token}")).await;
    assert_eq!(gone.refused(404), "invitation.not_found");
    // What was revoked may be asked anew.
    invite(&app, &shop.owner, "b@baraka.example", "agent").await.expect(201);
}

#[tokio::test]
async fn an_invitation_expires_after_a_week_and_its_address_may_be_invited_again() {
    let hand = Arc::new(RwLock::new(Some(Utc::now())));
    let app = App::start_at(Clock::Told(hand.clone())).await;
    let (shop, mail) = (app.organization("Baraka").await, Mail::of(&app));
    let invited = invite(&app, &shop.owner, "a@baraka.example", "agent").await.expect(201);
    let token = mail.answer(&app, "a@baraka.example").await;
    let taken = invite(&app, &shop.owner, "a@baraka.example", "agent").await;
    assert_eq!(taken.refused(409), "invitation.email_taken");
    assert_eq!(taken.json()["owner"], invited.data()["id"]);
    let expiry: DateTime<Utc> = invited.data()["expires_at"].as_str().unwrap().parse().unwrap();
    *hand.write().unwrap() = Some(expiry + TimeDelta::seconds(1));
    assert_eq!(accept(&app, &token).await.refused(422), "invitation.expired");
    let list = app.get(&shop.owner, "/v1/invitations?status=expired").await.expect(200);
    assert_eq!(list.data()[0]["status"], "expired");
    let other = invite(&app, &shop.owner, "a@baraka.example", "agent").await.expect(201);
    assert_ne!(id(&other), id(&invited));
}

#[tokio::test]
async fn only_owner_and_admin_invite_and_to_no_more_than_they_are() {
    let app = App::start().await;
    let (shop, mail) = (app.organization("Baraka").await, Mail::of(&app));
    for key in [&shop.agent, &shop.auditor] {
        let refused = invite(&app, key, "a@baraka.example", "agent").await;
        assert_eq!(refused.refused(403), "permission.denied");
    }
    invite(&app, &shop.owner, "admin@baraka.example", "admin").await.expect(201);
    let token = mail.answer(&app, "admin@baraka.example").await;
    let admin = Account::of("admin@baraka.example", &accept(&app, &token).await.expect(201));
    let refused = invite(&app, &admin.access, "owner@baraka.example", "owner").await;
    assert_eq!(refused.refused(403), "invitation.above_own_role");
    let refused = invite(&app, &admin.access, "not an address", "agent").await;
    assert_eq!(refused.refused(422), "user.invalid_email");
    let member = invite(&app, &shop.owner, "admin@baraka.example", "agent").await;
    assert_eq!(member.refused(409), "invitation.is_member");
}

#[tokio::test]
async fn an_address_that_has_an_account_elsewhere_is_told_to_nobody_but_its_owner() {
    let app = App::start().await;
    let (shop, mail) = (app.organization("Baraka").await, Mail::of(&app));
    let elsewhere = app.account("wanjiru@obi.example").await;
    // What was mailed to it before goes first.
    mail.post(&app).await;
    invite(&app, &shop.owner, &elsewhere.email, "agent").await.expect(201);
    let token = mail.answer(&app, &elsewhere.email).await;
    assert_eq!(accept(&app, &token).await.refused(409), "user.email_taken");
}

#[tokio::test]
async fn who_can_not_be_invited_is_told_why_as_often_as_they_are_named() {
    let app = App::start().await;
    let (shop, mail) = (app.organization("Baraka").await, Mail::of(&app));
    let (member, known) = ("member@baraka.example", "known@baraka.example");
    invite(&app, &shop.owner, member, "agent").await.expect(201);
    accept(&app, &mail.answer(&app, member).await).await.expect(201);
    let alone = invite(&app, &shop.owner, known, "agent").await.expect(201);
    let named = [member, known, member, known, "new@baraka.example", "new@baraka.example"];
    let body = json!({"invitations": named.map(|email| json!({"email": email}))});
    let report = app.post(&shop.owner, "/v1/invitations/bulk", body).await.expect(200).data();
    let told = |item: &Value| (item["code"].clone(), item["detail"].clone());
    let items: Vec<(Value, Value)> =
        report["invitations"].as_array().unwrap().iter().map(told).collect();
    assert_eq!((&items[0], &items[1]), (&items[2], &items[3]));
    let codes: Vec<&Value> = items.iter().map(|(code, _)| code).collect();
    assert_eq!(codes[..2], ["invitation.is_member", "invitation.email_taken"]);
    assert_eq!((codes[4], codes[5]), (&Value::Null, &json!("invitation.told_twice")));
    assert_eq!(
        items[1].1,
        "this address is invited already: send that invitation again, or revoke it"
    );
    // Alone they are told the same.
    let again = invite(&app, &shop.owner, known, "agent").await;
    assert_eq!(again.refused(409), "invitation.email_taken");
    assert_eq!(
        (&again.json()["detail"], &again.json()["owner"]),
        (&items[1].1, &alone.data()["id"])
    );
}

#[tokio::test]
async fn many_are_invited_at_once_and_who_can_not_be_keeps_nobody_out() {
    let app = App::start().await;
    let (shop, mail) = (app.organization("Baraka").await, Mail::of(&app));
    invite(&app, &shop.owner, "known@baraka.example", "agent").await.expect(201);
    let body = json!({"invitations": [
        {"email": "a@baraka.example"},
        {"email": "A@baraka.example"},
        {"email": "nobody"},
        {"email": "known@baraka.example"},
        {"email": "b@baraka.example", "role": "auditor"},
    ]});
    let with = [("idempotency-key", "batch-1")];
    let path = "/v1/invitations/bulk";
    let send = || app.send(Method::POST, &shop.owner, path, Some(body.clone()), &with);
    let report = send().await.expect(200);
    let data = report.data();
    assert_eq!((&data["created"], &data["refused"]), (&json!(2), &json!(3)));
    let items = data["invitations"].as_array().unwrap();
    let codes: Vec<&str> = items.iter().filter_map(|item| item["code"].as_str()).collect();
    assert_eq!(codes, ["invitation.told_twice", "user.invalid_email", "invitation.email_taken"]);
    mail.post(&app).await;
    assert_eq!(mail.sink.letters("b@baraka.example").len(), 1);
    let again = send().await.expect(200);
    assert_eq!((again.header("idempotent-replayed"), &again.text), ("true", &report.text));
    let list = app.get_since(&report, &shop.owner, "/v1/invitations?status=pending").await;
    assert_eq!(list.expect(200).data().as_array().unwrap().len(), 3);
    for count in [0, 101] {
        let many = vec![json!({"email": "x@baraka.example"}); count];
        let refused = app.post(&shop.owner, path, json!({"invitations": many})).await;
        assert_eq!(refused.refused(422), "invitation.too_many");
    }
    let other = app.organization("Obi").await;
    let foreign = format!("/v1/invitations/{}", items[0]["id"].as_str().unwrap());
    assert_eq!(app.get(&other.owner, &foreign).await.refused(404), "not_found");
    let foreign = app.post(&other.owner, &format!("{foreign}/revoke"), Value::Null).await;
    assert_eq!(foreign.refused(404), "invitation.not_found");
}

#[tokio::test]
async fn nobody_is_invited_again_and_again() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let guest = json!({"email": "ben@baraka.example", "role": "agent"});
    let made = app.post(&shop.owner, "/v1/invitations", guest).await.expect(201);
    let resend = format!("{}/resend", made.header("location"));
    for _ in 0..5 {
        app.post(&shop.owner, &resend, Value::Null).await.expect(200);
    }
    let sixth = app.post(&shop.owner, &resend, Value::Null).await;
    assert_eq!(sixth.refused(429), "rate_limit.exceeded");
    assert_ne!(sixth.header("retry-after"), "");
}

#[tokio::test]
async fn a_rehearsal_of_many_tells_who_would_be_refused_as_the_real_call_does() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    invite(&app, &shop.owner, "known@baraka.example", "agent").await.expect(201);
    let path = "/v1/invitations/bulk";
    let body = json!({"invitations": [
        {"email": "a@baraka.example"},
        {"email": "A@baraka.example"},
        {"email": "nobody"},
        {"email": "known@baraka.example"},
    ]});
    let head = app.store.head();
    let told = app.post(&shop.owner, &format!("{path}?dry_run=true"), body.clone()).await;
    let told = told.expect(200).data();
    assert_eq!(app.store.head(), head);
    let kinds: Vec<_> = told["events"].as_array().unwrap().iter().map(|it| &it["type"]).collect();
    assert_eq!(kinds, ["invitation.Created"]);
    let real = app.post(&shop.owner, path, body).await.expect(200).data();
    let refused = |(number, item): (usize, &Value)| {
        let field = format!("invitations[{number}]");
        json!({"field": field, "code": item["code"], "detail": item["detail"]})
    };
    let items = real["invitations"].as_array().unwrap().iter().enumerate();
    let expected: Vec<Value> =
        items.filter(|(_, item)| item["status"] == "refused").map(refused).collect();
    assert_eq!((told["refusals"].as_array().unwrap(), expected.len()), (&expected, 3));
    let nobody = json!({"invitations": [{"email": "nobody"}]});
    let told = app.post(&shop.owner, &format!("{path}?dry_run=true"), nobody).await.expect(200);
    assert_eq!(told.data()["refusals"][0]["code"], "user.invalid_email");
    assert_eq!(told.data()["events"], json!([]));
}

#[tokio::test]
async fn an_organisation_invites_no_more_people_in_an_hour_than_its_limit() {
    let limits = Limits { invitations: per_hour(60), ..Limits::default() };
    let terms = Terms { limits, ..Terms::default() };
    let app = App::start_on(terms.clone()).await;
    let twin = app.twin(terms).await;
    let (shop, other) = (app.organization("Baraka").await, app.organization("Obi").await);
    let path = "/v1/invitations/bulk";
    let many = |from: usize, count: usize| {
        let guest = |number| json!({"email": format!("guest-{number}@baraka.example")});
        json!({"invitations": (from..from + count).map(guest).collect::<Vec<_>>()})
    };
    let first = app.post(&shop.owner, path, many(0, 40)).await.expect(200);
    assert_eq!(first.data()["created"], 40);
    // Whoever asks, in whichever process, for one or for many: all or nobody.
    let late = twin.post(&shop.owner, path, many(40, 30)).await;
    assert_eq!(late.refused(429), "rate_limit.exceeded");
    assert_eq!(late.json()["policy"], "invitations");
    // Ten are too many, and each comes back in a minute.
    let wait: u64 = late.header("retry-after").parse().unwrap();
    assert!((500..=600).contains(&wait), "{wait}");
    twin.post(&shop.owner, path, many(40, 19)).await.expect(200);
    invite(&app, &shop.owner, "last@baraka.example", "agent").await.expect(201);
    let refused = invite(&app, &shop.owner, "later@baraka.example", "agent").await;
    assert_eq!(refused.refused(429), "rate_limit.exceeded");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    // What only asks, or can't be mailed, is not counted; nor is anybody else's.
    let rehearsal = format!("{path}?dry_run=true");
    app.post(&shop.owner, &rehearsal, many(70, 5)).await.expect(200);
    let nobody = json!({"invitations": [{"email": "nobody"}]});
    app.post(&shop.owner, path, nobody).await.expect(200);
    app.post(&other.owner, path, many(100, 60)).await.expect(200);
}
