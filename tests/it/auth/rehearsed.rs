//! What somebody does before they are known, and about how they are known, can be rehearsed: then
//! nothing is written, nothing used up, and a guess counts as one.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Account, Answer, App, Mail, PASSWORD};

const EMAIL: &str = "wanjiru@baraka.example";
const GUEST: &str = "otieno@baraka.example";
const NEW: &str = "another horse battery";

struct World {
    app: App,
    mail: Mail,
}

impl World {
    async fn new() -> World {
        let app = App::start().await;
        let mail = Mail::of(&app);
        World { app, mail }
    }

    /// Tells the events' names, of which none is recorded.
    async fn rehearse(&self, key: &str, path: &str, body: &Value) -> Vec<String> {
        let before = self.written().await;
        let told = self.dry(key, path, body).await.expect(200);
        assert_eq!(told.header("content-type"), "application/vnd.verbatim.dry-run+json");
        assert_eq!(self.written().await, before, "{path} wrote something");
        let events = told.data()["events"].as_array().unwrap().clone();
        events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    async fn dry(&self, key: &str, path: &str, body: &Value) -> Answer {
        let once = [("idempotency-key", "1")];
        let path = format!("{path}?dry_run=true");
        self.app.send(Method::POST, key, &path, Some(body.clone()), &once).await
    }

    /// All that a command could leave.
    async fn written(&self) -> Vec<i64> {
        let tables = [
            "events",
            "secrets",
            "claims",
            "idempotency_keys",
            "effects",
            "asked_letters",
            "heartbeats",
            "presences",
        ];
        let counts = tables.map(|table| format!("(select count(*) from {table})"));
        let counts = format!("select array[{}]", counts.join(", "));
        sqlx::query_scalar(&counts).fetch_one(&self.app.db.database.owner).await.unwrap()
    }
}

#[tokio::test]
async fn what_was_mailed_is_not_used_up_by_a_rehearsal() {
    let world = World::new().await;
    let (app, mail) = (&world.app, &world.mail);
    let account = app.account(EMAIL).await;
    let again = "/v1/auth/email/resend";
    let events = world.rehearse(&account.access, again, &json!({})).await;
    assert_eq!(events, ["user.ChallengeIssued"]);
    let (verify, token) = ("/v1/auth/email/verify", mail.answer(app, EMAIL).await);
    assert_eq!(mail.sink.letters(EMAIL).len(), 1, "rehearsing sends nothing");
    let body = json!({"token": token});
    let events = world.rehearse("", verify, &body).await;
    assert_eq!(events, ["user.ChallengeMet", "user.EmailVerified"]);
    app.post("", verify, body.clone()).await.expect(200);
    assert_eq!(world.dry("", verify, &body).await.refused(422), "user.challenge_failed");
    app.post("", "/v1/auth/password/forgot", json!({"email": EMAIL})).await.expect(202);
    let body = json!({"token": mail.answer(app, EMAIL).await, "password": NEW});
    let reset = "/v1/auth/password/reset";
    let events = world.rehearse("", reset, &body).await;
    assert_eq!(events, ["user.ChallengeMet", "user.PasswordSet"]);
    app.login(EMAIL, PASSWORD).await.expect(200);
    app.post("", reset, body).await.expect(200);
    app.login(EMAIL, NEW).await.expect(200);
}

#[tokio::test]
async fn accepting_an_invitation_is_rehearsed_and_makes_nobody_a_member() {
    let world = World::new().await;
    let (app, mail) = (&world.app, &world.mail);
    let owner = app.account(EMAIL).await;
    let guest = json!({"email": GUEST, "role": "agent"});
    app.post(&owner.access, "/v1/invitations", guest).await.expect(201);
    let token = mail.answer(app, GUEST).await;
    let body = json!({"token": token, "name": "Otieno", "password": PASSWORD});
    let accept = "/v1/invitations/accept";
    let events = world.rehearse("", accept, &body).await;
    assert_eq!(events[0], "invitation.Accepted");
    Account::of(GUEST, &app.post("", accept, body.clone()).await.expect(201));
    assert_eq!(world.dry("", accept, &body).await.refused(422), "invitation.expired");
}

#[tokio::test]
async fn a_token_and_a_beat_are_rehearsed_and_nobody_has_come() {
    let world = World::new().await;
    let owner = world.app.account(EMAIL).await;
    let till = json!({"name": "Till", "scopes": ["read"]});
    let made = world.app.post(&owner.access, "/v1/api-keys", till).await.expect(201).data();
    let [id, key] = ["id", "key"].map(|name| made[name].as_str().unwrap());
    let before = world.written().await;
    let grant = [("grant_type", "client_credentials")];
    let path = "/v1/auth/token?dry_run=true";
    let told = world.app.post_form(Some((id, key)), path, &grant).await.expect(200);
    assert_eq!(told.data()["events"][0]["type"], "api_key.TokenIssued");
    let guess = world.app.post_form(Some((id, "vb_guess")), path, &grant).await;
    assert_eq!(guess.refused(401), "auth.invalid_client");
    assert_eq!(world.written().await, before);
    let beat = "/v1/members/me/heartbeat";
    let events = world.rehearse(&owner.access, beat, &json!({})).await;
    assert_eq!(events, ["presence.CameOnline"]);
}

#[tokio::test]
async fn a_guess_counts_in_a_rehearsal_as_it_does_in_earnest() {
    let world = World::new().await;
    let owner = world.app.account(EMAIL).await;
    let change = "/v1/auth/password/change";
    let body = |own: &str| json!({"current_password": own, "new_password": NEW});
    for _ in 0..10 {
        let wrong = world.dry(&owner.access, change, &body("wrong horse battery")).await;
        assert_eq!(wrong.refused(422), "user.wrong_password");
    }
    let right = world.dry(&owner.access, change, &body(PASSWORD)).await;
    assert_eq!(right.refused(429), "rate_limit.exceeded");
}
