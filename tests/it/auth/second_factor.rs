//! The second factor: a phone that shows codes, and what it guards.

use std::sync::{Arc, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use commands::access::accounts::Newcomer;
use commands::access::password::Password;
use commands::{Meta, access, setup};
use domain::Actor;
use domain::aggregate::Role;
use domain::user::Email;
use event_store::Clock;
use reqwest::Method;
use serde_json::{Value, json};
use totp_rs::TOTP;
use uuid::Uuid;

use crate::support::{Account, Answer, App, PASSWORD, till_account};

const EMAIL: &str = "wanjiru@baraka.example";
const AGENT: &str = "tomas@baraka.example";

/// A server whose clock stands still until it is told to go on.
struct World {
    app: App,
    hand: Arc<RwLock<Option<DateTime<Utc>>>>,
}

/// What an authenticator app keeps.
struct Phone(TOTP);

impl World {
    async fn new() -> World {
        let hand = Arc::new(RwLock::new(Some("2026-03-02T08:00:00Z".parse().unwrap())));
        World { app: App::start_at(Clock::Told(hand.clone())).await, hand }
    }

    fn now(&self) -> DateTime<Utc> {
        self.hand.read().unwrap().unwrap()
    }

    fn wait(&self, time: TimeDelta) {
        let mut hand = self.hand.write().unwrap();
        *hand = hand.map(|now| now + time);
    }

    /// The app's next code: each is good once.
    fn next_code(&self, phone: &Phone) -> String {
        self.wait(TimeDelta::seconds(30));
        self.code(phone)
    }

    fn code(&self, phone: &Phone) -> String {
        phone.0.generate(u64::try_from(self.now().timestamp()).unwrap())
    }

    async fn set_up(&self, account: &Account) -> (Phone, Vec<String>) {
        let seed = self.act(account, "setup", json!({"password": PASSWORD})).await.expect(200);
        let phone = Phone(TOTP::from_url(seed.data()["otpauth_url"].as_str().unwrap()).unwrap());
        assert_eq!(phone.0.get_secret_base32(), seed.data()["secret"].as_str().unwrap());
        let code = self.next_code(&phone);
        let confirmed = self.act(account, "confirm", json!({"code": code})).await.expect(200);
        let codes = confirmed.data()["recovery_codes"].as_array().unwrap().clone();
        let codes = codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect();
        (phone, codes)
    }

    async fn act(&self, account: &Account, action: &str, body: Value) -> Answer {
        self.app.post(&account.access, &format!("/v1/auth/second-factor/{action}"), body).await
    }

    /// Signs in by password, and on with `shown`.
    async fn login(&self, shown: Value) -> Answer {
        let first = self.app.login(EMAIL, PASSWORD).await.expect(200).data();
        assert_eq!(first["status"], "second_factor_required");
        assert!(first.get("access_token").is_none());
        let mut body = shown;
        body["mfa_token"] = first["mfa_token"].clone();
        self.app.post("", "/v1/auth/login/second-factor", body).await
    }

    async fn step_up(&self, account: &Account, body: Value) -> Answer {
        self.app.post(&account.access, "/v1/auth/step-up", body).await
    }

    async fn require(&self, account: &Account, required: bool) -> Answer {
        let body = Some(json!({"security": {"require_second_factor": required}}));
        let path = "/v1/workspace";
        self.app.send(Method::PATCH, &account.access, path, body, &[]).await
    }

    async fn agent(&self, of: &Account) -> (Uuid, Account) {
        let newcomer = Newcomer {
            name: "Tomás".into(),
            email: Email::parse(AGENT).unwrap(),
            password: Password::new(PASSWORD).unwrap(),
        };
        let tenant = of.organization.parse().unwrap();
        let commands = &self.app.commands;
        let id = setup::register_account(commands, tenant, &newcomer, Role::Agent).await.unwrap();
        (id, Account::of(AGENT, &self.app.login(AGENT, PASSWORD).await.expect(200)))
    }
}

#[tokio::test]
async fn a_login_takes_a_code_of_the_phone_once() {
    let world = World::new().await;
    let account = world.app.account(EMAIL).await;
    let (phone, _) = world.set_up(&account).await;
    let code = world.next_code(&phone);
    let signed_in = Account::of(EMAIL, &world.login(json!({"code": code})).await.expect(200));
    let me = world.app.me(&signed_in.access).await.expect(200).data();
    assert_eq!(
        (&me["user"]["second_factor"], &me["user"]["recovery_codes_left"]),
        (&json!(true), &json!(10))
    );
    let again = world.login(json!({"code": code})).await;
    assert_eq!(again.refused(401), "auth.invalid_credentials");
    world.wait(TimeDelta::seconds(120));
    let old = world.login(json!({"code": code})).await;
    assert_eq!(old.refused(401), "auth.invalid_credentials");
    let started = world.app.audited(&signed_in, "session.Started").await;
    assert_eq!(started[0]["payload"]["Started"]["method"], "second_factor");
}

#[tokio::test]
async fn a_token_of_the_first_step_opens_nothing_else_and_only_for_a_moment() {
    let world = World::new().await;
    let account = world.app.account(EMAIL).await;
    let (phone, _) = world.set_up(&account).await;
    let first = world.app.login(EMAIL, PASSWORD).await.expect(200).data();
    let token = first["mfa_token"].as_str().unwrap();
    assert_eq!(world.app.me(token).await.refused(401), "auth.invalid_key");
    world.wait(TimeDelta::minutes(6));
    let body = json!({"mfa_token": token, "code": world.code(&phone)});
    let late = world.app.post("", "/v1/auth/login/second-factor", body).await;
    assert_eq!(late.refused(401), "auth.invalid_credentials");
    for body in [
        json!({"mfa_token": token}),
        json!({"mfa_token": token, "code": "1", "recovery_code": "2"}),
    ] {
        world.app.post("", "/v1/auth/login/second-factor", body).await.expect(422);
    }
}

#[tokio::test]
async fn a_recovery_code_stands_in_for_a_lost_phone_once() {
    let world = World::new().await;
    let account = world.app.account(EMAIL).await;
    let (_, codes) = world.set_up(&account).await;
    let shown = json!({"recovery_code": codes[0].to_uppercase()});
    world.login(shown.clone()).await.expect(200);
    assert_eq!(world.login(shown).await.refused(401), "auth.invalid_credentials");
    let revoke = json!({"password": PASSWORD, "recovery_code": codes[1]});
    let revoked = world.act(&account, "recovery-codes/revoke", revoke.clone()).await.expect(200);
    assert_eq!(revoked.data()["recovery_codes_left"], 8);
    let again = world.act(&account, "recovery-codes/revoke", revoke).await;
    assert_eq!(again.refused(422), "user.no_such_recovery_code");
    world.login(json!({"recovery_code": codes[1]})).await.expect(401);
    let renew = async || world.act(&account, "recovery-codes", json!({"password": PASSWORD})).await;
    assert_eq!(renew().await.refused(403), "auth.step_up_required");
    // So many tries are more than anybody has in a quarter of an hour.
    let forget = sqlx::query("delete from rate_limits");
    forget.execute(&world.app.db.database.owner).await.unwrap();
    world.step_up(&account, json!({"recovery_code": codes[3]})).await.expect(200);
    let renewed = renew().await.expect(200).data()["recovery_codes"].clone();
    world.login(json!({"recovery_code": codes[2]})).await.expect(401);
    world.login(json!({"recovery_code": renewed[0]})).await.expect(200);
    let used = world.app.audited(&account, "user.RecoveryCodeUsed").await;
    assert_eq!(used[0]["payload"]["RecoveryCodeUsed"]["left"], 9);
}

#[tokio::test]
async fn it_counts_from_its_first_right_code_until_it_is_disabled() {
    let world = World::new().await;
    let account = world.app.account(EMAIL).await;
    let wrong = world.act(&account, "setup", json!({"password": "wrong horse battery"})).await;
    assert_eq!(wrong.refused(422), "user.wrong_password");
    world.act(&account, "setup", json!({"password": PASSWORD})).await.expect(200);
    let wrong = world.act(&account, "confirm", json!({"code": "000000"})).await;
    assert_eq!(wrong.refused(422), "user.wrong_code");
    // A seed whose codes nobody has shown yet keeps nobody out.
    Account::of(EMAIL, &world.app.login(EMAIL, PASSWORD).await.expect(200));
    let (phone, _) = world.set_up(&account).await;
    let again = world.act(&account, "setup", json!({"password": PASSWORD})).await;
    assert_eq!(again.refused(409), "user.second_factor_active");
    let disable = async || world.act(&account, "disable", json!({"password": PASSWORD})).await;
    assert_eq!(disable().await.refused(403), "auth.step_up_required");
    world.step_up(&account, json!({"code": world.next_code(&phone)})).await.expect(200);
    disable().await.expect(200);
    Account::of(EMAIL, &world.app.login(EMAIL, PASSWORD).await.expect(200));
    let secrets: i64 = sqlx::query_scalar(
        "select count(*) from secrets where kind in ('totp_seed', 'recovery_code')",
    )
    .fetch_one(&world.app.db.database.owner)
    .await
    .unwrap();
    assert_eq!(secrets, 0, "what is of no more use is destroyed");
}

#[tokio::test]
async fn an_organisation_that_requires_it_lets_nobody_do_anything_without() {
    let world = World::new().await;
    let owner = world.app.account(EMAIL).await;
    let refused = world.require(&owner, true).await;
    assert_eq!(refused.refused(409), "organization.own_second_factor_first");
    world.set_up(&owner).await;
    let (_, agent) = world.agent(&owner).await;
    assert_eq!(world.require(&agent, true).await.refused(403), "permission.denied");
    world.require(&owner, true).await.expect(200);
    let kept = Account::of(AGENT, &world.app.login(AGENT, PASSWORD).await.expect(200));
    let kept_out = world.app.get(&kept.access, "/v1/inbox").await;
    assert_eq!(kept_out.refused(403), "auth.second_factor_required");
    let me = world.app.me(&kept.access).await.expect(200).data();
    assert_eq!(me["second_factor_required"], true);
    let (phone, _) = world.set_up(&kept).await;
    world.app.get(&kept.access, "/v1/inbox").await.expect(200);
    world.step_up(&kept, json!({"code": world.next_code(&phone)})).await.expect(200);
    let disabled = world.act(&kept, "disable", json!({"password": PASSWORD})).await;
    assert_eq!(disabled.refused(409), "user.second_factor_required");
    world.require(&owner, false).await.expect(200);
    world.act(&kept, "disable", json!({"password": PASSWORD})).await.expect(200);
}

/// An owner who approves what an agent asks for.
struct Till {
    world: World,
    owner: Account,
    agent: Account,
    channel: Uuid,
}

impl Till {
    async fn open() -> Till {
        let world = World::new().await;
        let owner = world.app.account(EMAIL).await;
        let (_, agent) = world.agent(&owner).await;
        let channel = world.app.connect(&owner.access, till_account()).await;
        Till { world, owner, agent, channel }
    }

    async fn request(&self) -> String {
        let body = json!({
            "amount": 2500, "currency": "RWF", "provider": "MTN_MOMO_RWA",
            "channel_id": self.channel, "recipient": {"phone": "+250 788 000 131"},
            "reason": "Refund of A17",
        });
        let key = Uuid::now_v7().to_string();
        let (headers, agent) = ([("idempotency-key", key.as_str())], &self.agent.access);
        let asked = self.world.app.send(Method::POST, agent, "/v1/payouts", Some(body), &headers);
        format!("/v1/payouts/{}", asked.await.expect(201).data()["id"].as_str().unwrap())
    }

    async fn approve(&self, key: &str, payout: &str) -> Answer {
        self.world.app.post(key, &format!("{payout}/approve"), Value::Null).await
    }

    /// In which way who may not approve is to show who they are.
    async fn refused(&self, key: &str, payout: &str) -> String {
        let refused = self.approve(key, payout).await;
        assert_eq!(refused.refused(403), "auth.step_up_required");
        refused.json()["step_up"].as_str().unwrap().to_owned()
    }

    /// A key of the owner's.
    async fn key(&self) -> String {
        let meta = Meta::new(self.owner.organization.parse().unwrap(), Actor::System);
        let user = self.owner.user.parse().unwrap();
        let commands = &self.world.app.commands;
        access::issue(commands, &meta, user, Role::Owner, "till").await.unwrap()
    }
}

#[tokio::test]
async fn who_has_it_shows_it_again_to_approve_a_payout() {
    let till = Till::open().await;
    let (world, owner) = (&till.world, &till.owner);
    let (phone, _) = world.set_up(owner).await;
    let (first, second) = (till.request().await, till.request().await);
    // That they have just signed in is not enough.
    assert_eq!(till.refused(&owner.access, &first).await, "second_factor");
    let wrong = world.step_up(owner, json!({"code": "000000"})).await;
    assert_eq!(wrong.refused(422), "user.wrong_code");
    let password = world.step_up(owner, json!({"password": PASSWORD})).await;
    assert_eq!(password.refused(409), "user.second_factor_due");
    let code = world.next_code(&phone);
    world.step_up(owner, json!({"code": code})).await.expect(200);
    till.approve(&owner.access, &first).await.expect(200);
    world.wait(TimeDelta::minutes(5));
    assert_eq!(till.refused(&owner.access, &second).await, "second_factor");
    // A key has no second factor to show.
    assert_eq!(till.refused(&till.key().await, &second).await, "sign_in");
}

#[tokio::test]
async fn who_has_none_shows_their_password_again_to_approve_a_payout() {
    let till = Till::open().await;
    let (world, owner) = (&till.world, &till.owner);
    let payouts = [till.request().await, till.request().await, till.request().await];
    // Whoever has just signed in has just shown it.
    world.wait(TimeDelta::minutes(5) - TimeDelta::seconds(1));
    till.approve(&owner.access, &payouts[0]).await.expect(200);
    world.wait(TimeDelta::seconds(1));
    assert_eq!(till.refused(&owner.access, &payouts[1]).await, "password");
    let wrong = world.step_up(owner, json!({"password": "wrong horse battery"})).await;
    assert_eq!(wrong.refused(422), "user.wrong_password");
    let both = world.step_up(owner, json!({"password": PASSWORD, "code": "492039"})).await;
    assert_eq!(both.refused(422), "request.invalid");
    assert_eq!(till.refused(&owner.access, &payouts[1]).await, "password");
    world.step_up(owner, json!({"password": PASSWORD})).await.expect(200);
    till.approve(&owner.access, &payouts[1]).await.expect(200);
    world.wait(TimeDelta::minutes(5));
    // Staying signed in is not signing in.
    let later = Account::of(EMAIL, &world.app.refresh(&owner.refresh).await.expect(200));
    assert_eq!(till.refused(&later.access, &payouts[2]).await, "password");
    let again = Account::of(EMAIL, &world.app.login(EMAIL, PASSWORD).await.expect(200));
    // A key is nobody who could have shown anything.
    assert_eq!(till.refused(&till.key().await, &payouts[2]).await, "sign_in");
    till.approve(&again.access, &payouts[2]).await.expect(200);
}
