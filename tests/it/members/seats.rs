//! A plan has room for so many members: exactly so many, whoever comes at once.

use api::terms::Terms;
use commands::{Meta, setup};
use domain::Actor;
use domain::aggregate::Role;
use domain::organization::{Command, Limits, Organization as Aggregate, Plan};
use domain::user::User;
use event_store::log;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{App, Mail, Organization, PASSWORD};

async fn limit(app: &App, shop: &Organization, members: u32) {
    let limits = Limits { members: Some(members), ..Limits::default() };
    let set = || Command::SetPlan { plan: Plan::Starter, limits: limits.clone() };
    let meta = Meta::new(shop.id, Actor::System);
    app.commands.execute::<Aggregate>(shop.id, set, &meta).await.unwrap();
}

async fn invite(app: &App, shop: &Organization, mail: &Mail, email: &str) -> String {
    let guest = json!({"email": email});
    app.post(&shop.owner, "/v1/invitations", guest).await.expect(201);
    mail.answer(app, email).await
}

fn acceptance(token: &str) -> Value {
    json!({"token": token, "name": "Otieno", "password": PASSWORD})
}

async fn active(app: &App, shop: &Organization) -> usize {
    app.settle().await;
    let members = app.get(&shop.owner, "/v1/members?status=active").await.expect(200).data();
    members.as_array().unwrap().len()
}

#[tokio::test]
async fn who_finds_no_seat_is_neither_invited_nor_taken_back() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    limit(&app, &shop, 3).await;
    let guest = json!({"email": "a@baraka.example"});
    let full = app.post(&shop.owner, "/v1/invitations", guest.clone()).await;
    assert_eq!(full.refused(403), "organization.no_seat_left");
    let agent = format!("/v1/members/{}", shop.agent_id);
    app.post(&shop.owner, &format!("{agent}/deactivate"), Value::Null).await.expect(200);
    app.post(&shop.owner, "/v1/invitations", guest).await.expect(201);
    setup::register_user(&app.commands, shop.id, "Otieno", Role::Agent).await.unwrap();
    let back = app.post(&shop.owner, &format!("{agent}/reactivate"), Value::Null).await;
    assert_eq!(back.refused(403), "organization.no_seat_left");
    app.assert_verified().await;
}

#[tokio::test]
async fn of_two_who_accept_at_once_one_gets_the_last_seat() {
    const ROUNDS: u32 = 12;
    let app = App::start().await;
    let twin = app.twin(Terms::default()).await;
    let (shop, mail) = (app.organization("Baraka").await, Mail::of(&app));
    for round in 0..ROUNDS {
        limit(&app, &shop, 3 + round + 1).await;
        let emails = [0, 1].map(|number| format!("guest-{round}-{number}@baraka.example"));
        let mut tokens = vec![];
        for email in &emails {
            tokens.push(invite(&app, &shop, &mail, email).await);
        }
        let path = "/v1/invitations/accept";
        let (one, two) = (acceptance(&tokens[0]), acceptance(&tokens[1]));
        // In every other round they come to different processes.
        let answers = match round % 2 {
            0 => futures_util::join!(app.post("", path, one), app.post("", path, two)),
            _ => futures_util::join!(app.post("", path, one), twin.post("", path, two)),
        };
        let mut statuses = [answers.0.status.as_u16(), answers.1.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 403], "{answers:?}");
        let late = if answers.0.status == 403 { answers.0 } else { answers.1 };
        assert_eq!(late.refused(403), "organization.no_seat_left");
        assert_eq!(active(&app, &shop).await, 3 + round as usize + 1);
    }
    app.assert_verified().await;
}

/// Makes the organisation's stream one of before its members were counted.
async fn forget_members(app: &App, shop: Uuid) {
    let owner = &app.db.database.owner;
    let renamed = "update events set payload = '{\"Renamed\":{\"name\":\"Baraka\"}}',
                          event_type = 'Renamed'
                    where tenant_id = $1 and aggregate_type = 'organization'
                      and event_type in ('MembersCounted', 'MemberAdded', 'MemberRemoved')";
    sqlx::query(renamed).bind(shop).execute(owner).await.unwrap();
}

#[tokio::test]
async fn an_organisation_that_never_counted_its_members_counts_them_from_its_log() {
    let app = App::start().await;
    let (shop, mail) = (app.organization("Baraka").await, Mail::of(&app));
    let agent = format!("/v1/members/{}", shop.agent_id);
    app.post(&shop.owner, &format!("{agent}/deactivate"), Value::Null).await.expect(200);
    forget_members(&app, shop.id).await;
    // Another process remembers nothing of it.
    let later = commands::Commands::new(app.db.store().await);
    let (organization, _) = later.load::<Aggregate>(shop.id, shop.id).await.unwrap();
    assert_eq!(organization.members, None);
    let hired = setup::register_user(&later, shop.id, "Otieno", Role::Agent).await.unwrap();
    let (organization, _) = later.load::<Aggregate>(shop.id, shop.id).await.unwrap();
    let members = organization.members.unwrap();
    let (user, version) = later.load::<User>(shop.id, shop.agent_id).await.unwrap();
    assert!(user.deactivated && version > 1);
    assert!(members.contains(&hired) && !members.contains(&shop.agent_id), "{members:?}");
    assert_eq!(members.len(), 3, "the owner, the auditor, and who was hired");
    limit(&app, &shop, 4).await;
    let token = invite(&app, &shop, &mail, "a@baraka.example").await;
    app.post("", "/v1/invitations/accept", acceptance(&token)).await.expect(201);
    let counted =
        log::last_of_each(&app.db.database.owner, shop.id, "organization", &["MembersCounted"]);
    assert_eq!(counted.await.unwrap().len(), 1);
}
