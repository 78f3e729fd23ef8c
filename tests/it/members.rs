//! Members: what others decide about them, what becomes of their work, and whether they are there.

mod seats;

use std::time::{Duration, Instant};

use commands::policies::release_work::{ReleaseWork, Releaser};
use commands::{Meta, access, effects, policies, presence, setup};
use domain::Actor;
use domain::aggregate::Role;
use event_store::subscription::Subscription;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{ANA, App, BEN, Organization};

/// A member and a key of theirs.
async fn hire(app: &App, shop: &Organization, role: Role) -> (Uuid, String) {
    let user = setup::register_user(&app.commands, shop.id, "Otieno", role).await.unwrap();
    let meta = Meta::new(shop.id, Actor::System);
    (user, access::issue(&app.commands, &meta, user, role, "test").await.unwrap())
}

async fn owner_id(app: &App, shop: &Organization) -> String {
    let owners = app.get(&shop.owner, "/v1/members?role=owner").await.expect(200).data();
    owners[0]["id"].as_str().unwrap().to_owned()
}

/// Lets the policy and its effects come to rest.
async fn release(app: &App) {
    let policy = ReleaseWork::new(app.commands.clone());
    let releaser = Releaser::new(app.commands.clone());
    let mut subscription = Subscription::resume(&app.store, "release_work", 0).await.unwrap();
    let since = Instant::now();
    loop {
        app.settle().await;
        let mut done = policies::follow(&app.commands, &policy, &mut subscription).await.unwrap();
        done += effects::attempt_due(&app.store, &releaser).await.unwrap();
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from effects where kind = 'member.release' and state <> 'done'",
        )
        .fetch_one(&app.db.database.owner)
        .await
        .unwrap();
        if done == 0 && waiting == 0 {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{waiting} are not released");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn members_are_listed_with_what_they_are() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    app.settle().await;
    let all = app.get(&shop.auditor, "/v1/members").await.expect(200).data();
    assert_eq!(all.as_array().unwrap().len(), 3);
    let some = app.get(&shop.agent, "/v1/members?role=agent,auditor").await.expect(200).data();
    assert_eq!(some.as_array().unwrap().len(), 2);
    let path = format!("/v1/members/{}", shop.agent_id);
    let one = app.get(&shop.agent, &path).await.expect(200);
    let data = one.data();
    assert_eq!((&data["name"], &data["status"]), (&json!("agent"), &json!("active")));
    assert_eq!((&data["presence"], &data["role"]), (&json!("offline"), &json!("agent")));
    let page = app.get(&shop.agent, "/v1/members?limit=2").await.expect(200).json();
    assert_eq!(page["meta"]["has_more"], true);
    let other = app.organization("Obi").await;
    assert_eq!(app.get(&other.owner, &path).await.refused(404), "not_found");
    let foreign = app.patch(&other.owner, &path, json!({"role": "admin"})).await;
    assert_eq!(foreign.refused(404), "user.not_found");
    for query in ["role=boss", "status=gone", "presence=asleep", "team=x"] {
        let refused = app.get(&shop.agent, &format!("/v1/members?{query}")).await;
        assert_eq!(refused.refused(422), "parameter.invalid");
    }
}

#[tokio::test]
async fn nobody_decides_about_who_is_above_them() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    app.settle().await;
    let (admin_id, admin) = hire(&app, &shop, Role::Admin).await;
    let of = |id: &str| format!("/v1/members/{id}");
    let agent = of(&shop.agent_id.to_string());
    let changed = app.patch(&admin, &agent, json!({"name": "Ann", "role": "supervisor"})).await;
    assert_eq!(changed.expect(200).data()["role"], "supervisor");
    let lifted = app.patch(&admin, &agent, json!({"role": "owner"})).await;
    assert_eq!(lifted.refused(403), "user.above_own_role");
    let owner = of(&owner_id(&app, &shop).await);
    let lowered = app.patch(&admin, &owner, json!({"role": "agent"})).await;
    assert_eq!(lowered.refused(403), "user.above_own_role");
    let out = app.post(&admin, &format!("{owner}/deactivate"), Value::Null).await;
    assert_eq!(out.refused(403), "user.above_own_role");
    let own = format!("{}/deactivate", of(&admin_id.to_string()));
    let own = app.post(&admin, &own, Value::Null).await;
    assert_eq!(own.refused(409), "user.own_deactivation");
    let denied = app.patch(&shop.agent, &agent, json!({"role": "admin"})).await;
    assert_eq!(denied.refused(403), "permission.denied");
    // Anybody says what they are called.
    let own = app.patch(&shop.agent, "/v1/members/me", json!({"name": "Ann Atieno"})).await;
    let seen = app.get_since(&own.expect(200), &shop.agent, &agent).await.expect(200).data();
    assert_eq!((&seen["name"], &seen["role"]), (&json!("Ann Atieno"), &json!("supervisor")));
}

#[tokio::test]
async fn an_organisation_keeps_an_owner_even_when_two_leave_at_once() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    app.settle().await;
    let first = owner_id(&app, &shop).await;
    let path = |id: &str| format!("/v1/members/{id}");
    let alone = app.patch(&shop.owner, &path(&first), json!({"role": "admin"})).await;
    assert_eq!(alone.refused(409), "organization.last_owner");
    let (second, key) = hire(&app, &shop, Role::Owner).await;
    let second = second.to_string();
    let (one, other) = (path(&first), path(&second));
    let lower = json!({"role": "admin"});
    let (a, b) = tokio::join!(
        app.patch(&shop.owner, &other, lower.clone()),
        app.patch(&key, &one, lower.clone())
    );
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    // Who comes second is the last owner, or no longer one who decides about an owner.
    assert!([[200, 409], [200, 403]].contains(&statuses), "{} {}", a.text, b.text);
    app.assert_verified().await;
}

#[tokio::test]
async fn who_is_deactivated_is_out_within_five_seconds_and_what_they_had_is_nobodys() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let (user, key) = hire(&app, &shop, Role::Agent).await;
    app.say(&shop, &ANA, "wamid.1", 0, "Hello").await;
    app.say(&shop, &BEN, "wamid.2", 1, "Hello").await;
    let (open, closed) = (app.conversation(&shop, &ANA).await, app.conversation(&shop, &BEN).await);
    let act = |id: &str, action: &str| format!("/v1/conversations/{id}/{action}");
    for id in [&open, &closed] {
        app.post(&key, &act(id, "assign"), json!({"agent_id": user})).await.expect(200);
    }
    app.post(&key, &act(&closed, "resolve"), Value::Null).await.expect(200);
    let ticket = app.post(&key, "/v1/tickets", json!({"subject": "A tap drips"})).await.expect(201);
    let ticket = format!("/v1/tickets/{}", ticket.data()["id"].as_str().unwrap());
    app.post(&key, &format!("{ticket}/assign"), json!({"agent_id": user})).await.expect(200);

    let member = format!("/v1/members/{user}");
    app.post(&shop.owner, &format!("{member}/deactivate"), Value::Null).await.expect(200);
    let since = Instant::now();
    while app.get(&key, "/v1/inbox").await.status == 200 {
        assert!(since.elapsed() < Duration::from_secs(5), "the key still opens");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    release(&app).await;
    let assignee = async |path: &str| {
        app.get(&shop.owner, path).await.expect(200).data()["assignee_id"].clone()
    };
    app.settle().await;
    assert_eq!(assignee(&format!("/v1/conversations/{open}")).await, Value::Null);
    assert_eq!(assignee(&ticket).await, Value::Null);
    let told = app.audit(&shop, "action=conversation.Unassigned").await;
    assert_eq!(told[0]["actor"], "policy:release_work");
    // A closed one is nobody's to do, until the customer writes again.
    app.say(&shop, &BEN, "wamid.3", 60, "It broke again").await;
    release(&app).await;
    assert_eq!(assignee(&format!("/v1/conversations/{closed}")).await, Value::Null);

    let given = app.post(&shop.owner, &act(&open, "assign"), json!({"agent_id": user})).await;
    assert_eq!(given.refused(422), "conversation.unknown_agent");
    let back = app.post(&shop.owner, &format!("{member}/reactivate"), Value::Null).await;
    assert_eq!(back.expect(200).data()["status"], "active");
    app.post(&shop.owner, &act(&open, "assign"), json!({"agent_id": user})).await.expect(200);
    release(&app).await;
    assert_eq!(assignee(&format!("/v1/conversations/{open}")).await, json!(user));
    app.assert_verified().await;
}

#[tokio::test]
async fn a_beat_says_that_somebody_is_there_and_silence_that_they_left() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let beat = async || app.post(&shop.agent, "/v1/members/me/heartbeat", Value::Null).await;
    let first = beat().await.expect(200);
    let head = app.store.head();
    for _ in 0..3 {
        beat().await.expect(200);
    }
    assert_eq!(app.store.head(), head, "a beat is no event");
    let path = format!("/v1/members/{}", shop.agent_id);
    let seen = app.get_since(&first, &shop.owner, &path).await.expect(200).data();
    assert_eq!((&seen["presence"], &seen["availability"]), (&json!("online"), &json!("online")));

    let choose = async |availability: &str| {
        let body = Some(json!({"availability": availability}));
        let path = "/v1/members/me/availability";
        app.send(Method::PUT, &shop.agent, path, body, &[]).await
    };
    let away = choose("away").await.expect(200);
    assert_eq!(away.data()["presence"], "away");
    assert_eq!(choose("asleep").await.refused(422), "request.invalid");
    let there = app.get_since(&away, &shop.owner, "/v1/members?presence=away").await.expect(200);
    assert_eq!(there.data()[0]["id"], json!(shop.agent_id));

    assert_eq!(presence::sweep(&app.commands, Duration::from_secs(60)).await.unwrap(), 0);
    assert_eq!(presence::sweep(&app.commands, Duration::ZERO).await.unwrap(), 1);
    assert_eq!(presence::sweep(&app.commands, Duration::ZERO).await.unwrap(), 0);
    app.settle().await;
    let gone = app.get(&shop.owner, "/v1/members?presence=offline").await.expect(200).data();
    assert_eq!(gone.as_array().unwrap().len(), 3);
    let seen = app.get(&shop.owner, &path).await.expect(200).data();
    assert_eq!((&seen["presence"], &seen["availability"]), (&json!("offline"), &json!("away")));
    assert!(seen["last_seen_at"].is_string());
    let told = app.audit(&shop, "aggregate=presence").await;
    assert_eq!(told.len(), 3, "came, chose, left");
    beat().await.expect(200);
    app.assert_verified().await;
}

#[tokio::test]
async fn a_crash_of_the_database_forgets_beats_and_leaves_nobody_online_for_ever() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    app.post(&shop.agent, "/v1/members/me/heartbeat", Value::Null).await.expect(200);
    // What an unlogged table looks like after one.
    sqlx::query("truncate heartbeats").execute(&app.db.database.owner).await.unwrap();
    assert_eq!(presence::sweep(&app.commands, Duration::from_secs(60)).await.unwrap(), 0);
    assert_eq!(presence::sweep(&app.commands, Duration::ZERO).await.unwrap(), 1);
}
