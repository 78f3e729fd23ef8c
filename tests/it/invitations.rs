//! People are asked to join by mail, and become members by showing that they read it.

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
