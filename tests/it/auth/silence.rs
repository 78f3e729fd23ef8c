//! The server's log says what happened, and nothing that opens anything or tells who anybody is.

use std::io::Write;
use std::sync::{Arc, Mutex};

use commands::access::staff;
use reqwest::Method;
use serde_json::{Value, json};
use totp_rs::TOTP;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::support::{Account, App, Mail, PASSWORD};

const EMAIL: &str = "wanjiru@baraka.example";
const GUEST: &str = "otieno@baraka.example";
const NEW: &str = "another horse battery";

/// All that is logged in this process.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<u8>>>);

impl Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Ear {
    /// As loud as anybody would ask for who looks for a fault.
    fn listen() -> Ear {
        let ear = Ear::default();
        let writer = ear.clone();
        let filter = EnvFilter::new("debug,api=trace,commands=trace,event_store=trace");
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_span_events(FmtSpan::CLOSE)
            .with_writer(move || writer.clone())
            .init();
        ear
    }

    fn heard(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Everything that somebody could do harm with, or that is somebody's own.
struct Secrets(Vec<String>);

impl Secrets {
    fn add(&mut self, secret: &str) -> String {
        self.0.push(secret.to_owned());
        secret.to_owned()
    }

    fn of(&mut self, told: &Value, names: &[&str]) {
        for name in names {
            self.add(told[*name].as_str().unwrap_or_else(|| panic!("{name} in {told}")));
        }
    }

    fn account(&mut self, account: &Account) {
        self.add(&account.access);
        self.add(&account.refresh);
    }
}

#[tokio::test]
async fn the_log_holds_no_credential_no_address_and_no_path_with_a_token_in_it() {
    let ear = Ear::listen();
    let app = App::start().await;
    let mail = Mail::of(&app);
    let personal = [EMAIL, GUEST, PASSWORD, NEW, "nobody@obi.example", "wrong horse", "q=wanjiru"];
    let mut secrets = Secrets(personal.map(str::to_owned).to_vec());
    let owner = app.account(EMAIL).await;
    secrets.account(&owner);
    signed_in(&app, &mail, &owner, &mut secrets).await;
    mailed(&app, &mail, &mut secrets).await;
    programs(&app, &mut secrets).await;
    app.settle().await;
    let heard = ear.heard();
    for secret in secrets.0 {
        let line = heard.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "{secret}");
    }
    for said in [
        "command{correlation_id=",
        "append{correlation_id=",
        "route=\"/v1/auth/login\"",
        "route=\"/v1/invitations/by-token/{token}\"",
    ] {
        assert!(heard.contains(said), "nobody heard of {said}");
    }
}

/// Tries that fail, a session that goes on, and a second factor.
async fn signed_in(app: &App, mail: &Mail, owner: &Account, secrets: &mut Secrets) {
    app.login(EMAIL, "wrong horse").await.refused(401);
    app.login("nobody@obi.example", PASSWORD).await.refused(401);
    let next = Account::of(EMAIL, &app.refresh(&owner.refresh).await.expect(200));
    secrets.account(&next);
    app.refresh(&owner.refresh).await.refused(401);
    let token = secrets.add(&mail.answer(app, EMAIL).await);
    app.post("", "/v1/auth/email/verify", json!({"token": token})).await.expect(200);
    let factor = "/v1/auth/second-factor";
    let body = json!({"password": PASSWORD});
    let seed = app.post(&next.access, &format!("{factor}/setup"), body).await.expect(200).data();
    secrets.of(&seed, &["secret", "otpauth_url"]);
    let phone = TOTP::from_url(seed["otpauth_url"].as_str().unwrap()).unwrap();
    let body = json!({"code": phone.generate_current().unwrap()});
    let codes = app.post(&next.access, &format!("{factor}/confirm"), body).await.expect(200).data();
    let recovery = secrets.add(codes["recovery_codes"][0].as_str().unwrap());
    let asked = app.login(EMAIL, PASSWORD).await.expect(200).data();
    secrets.of(&asked, &["mfa_token"]);
    let body = json!({"mfa_token": asked["mfa_token"], "recovery_code": recovery});
    let shown = app.post("", "/v1/auth/login/second-factor", body).await.expect(200);
    secrets.account(&Account::of(EMAIL, &shown));
}

/// What comes by mail: a code, a token to reset a password, an invitation.
async fn mailed(app: &App, mail: &Mail, secrets: &mut Secrets) {
    let shop = app.organization("Baraka").await;
    secrets.add(&shop.owner);
    let guest = json!({"email": GUEST, "role": "admin"});
    app.post(&shop.owner, "/v1/invitations", guest).await.expect(201);
    let token = secrets.add(&mail.answer(app, GUEST).await);
    app.get("", &format!("/v1/invitations/by-token/{token}")).await.expect(200);
    app.get("", &format!("/v1/invitations/by-token/{token}/nowhere")).await.refused(404);
    let accept = json!({"token": token, "name": "Otieno", "password": PASSWORD});
    let accepted = app.post("", "/v1/invitations/accept", accept).await.expect(201);
    secrets.account(&Account::of(GUEST, &accepted));
    app.get("", &format!("/v1/invitations/by-token/{token}")).await.refused(404);
    let asked = app.post("", "/v1/auth/code/request", json!({"email": GUEST})).await.expect(202);
    let ticket = secrets.add(asked.data()["ticket"].as_str().unwrap());
    let code = mail.answer(app, GUEST).await;
    let body = json!({"email": GUEST, "ticket": ticket, "code": code});
    let signed_in = app.post("", "/v1/auth/code/login", body).await.expect(200);
    secrets.account(&Account::of(GUEST, &signed_in));
    app.post("", "/v1/auth/password/forgot", json!({"email": GUEST})).await.expect(202);
    let token = secrets.add(&mail.answer(app, GUEST).await);
    let body = json!({"token": token, "password": NEW});
    app.post("", "/v1/auth/password/reset", body.clone()).await.expect(200);
    app.post("", "/v1/auth/password/reset", body).await.refused(422);
}

/// Keys, tokens for them, and the platform's staff.
async fn programs(app: &App, secrets: &mut Secrets) {
    let shop = app.organization("Till").await;
    secrets.add(&shop.agent);
    let key = json!({"name": "Till", "scopes": ["read"]});
    let made = app.post(&shop.owner, "/v1/api-keys", key).await.expect(201).data();
    secrets.of(&made, &["key"]);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let grant = [("grant_type", "client_credentials")];
    let token = app.post_form(Some((id, key)), "/v1/auth/token", &grant).await.expect(200).json();
    secrets.of(&token, &["access_token"]);
    app.get(token["access_token"].as_str().unwrap(), "/v1/inbox?q=wanjiru").await.expect(200);
    let with = [("x-api-key", key)];
    app.send(Method::GET, "", "/v1/inbox", None, &with).await.expect(200);
    let (_, staff) = staff::add(&app.commands, "Achieng").await.unwrap();
    secrets.add(&staff);
    let enter = format!("/v1/platform/organizations/{}/enter", shop.id);
    let visit = app.post(&staff, &enter, json!({"reason": "Ticket 17"})).await.expect(200).data();
    secrets.of(&visit, &["access_token"]);
}
