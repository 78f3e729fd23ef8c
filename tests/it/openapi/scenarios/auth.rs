//! For each operation of signing in what makes it succeed, and what makes it refuse.

use std::time::{SystemTime, UNIX_EPOCH};

use commands::access::letters;
use domain::user::{Purpose, User};
use serde_json::{Value, json};
use totp_rs::{Algorithm, Secret, TOTP};
use uuid::Uuid;

use super::{Shop, missing};
use crate::support::{Account, Answer, PASSWORD};

impl Shop {
    pub(super) async fn auth(&self, verb: &str) {
        let email = format!("{}@baraka.example", Uuid::now_v7().simple());
        let account = self.app.account(&email).await;
        match verb {
            "register" => drop(self.app.register(&email).await.refused(409)),
            "login" => {
                self.app.login(&email, PASSWORD).await.expect(200);
                self.app.login(&email, "wrong horse battery").await.refused(401);
            }
            "refresh" => {
                self.app.refresh(&account.refresh).await.expect(200);
                self.app.refresh("vb").await.refused(401);
            }
            "me" => {
                self.app.me(&account.access).await.expect(200);
                self.app.me("vb").await.refused(401);
            }
            "logout" | "resend_verification" => {
                let path = if verb == "logout" { "logout" } else { "email/resend" };
                self.both_ways(&account.access, path, json!({})).await;
            }
            "request_code" | "forgot_password" => {
                let path = if verb == "request_code" { "code/request" } else { "password/forgot" };
                self.ask("", path, json!({"email": email})).await.expect(202);
                self.ask("", path, json!({"email": "nobody"})).await.refused(422);
            }
            "code_login" | "verify_email" | "reset_password" => self.mailed(verb, &account).await,
            "change_password" => {
                let body = json!({"current_password": PASSWORD, "new_password": "battery staple"});
                self.both_ways(&account.access, "password/change", body).await;
            }
            _ => self.second_factor(verb, &account).await,
        }
    }

    async fn ask(&self, key: &str, path: &str, body: Value) -> Answer {
        self.app.post(key, &format!("/v1/auth/{path}"), body).await
    }

    /// With a token that opens, and by somebody whom nobody knows.
    async fn both_ways(&self, token: &str, path: &str, body: Value) -> Answer {
        self.ask("", path, body.clone()).await.refused(401);
        let answer = self.ask(token, path, body).await;
        assert!(answer.status.is_success(), "{}", answer.text);
        answer
    }

    /// What opens only with what was mailed.
    async fn mailed(&self, verb: &str, account: &Account) {
        let email = account.email.as_str();
        let (purpose, path) = match verb {
            "code_login" => (Purpose::LoginCode, "code/login"),
            "verify_email" => (Purpose::EmailVerification, "email/verify"),
            _ => (Purpose::PasswordReset, "password/reset"),
        };
        let body = |text: &str, ticket: &Value| match purpose {
            Purpose::LoginCode => json!({"email": email, "ticket": ticket, "code": text}),
            Purpose::PasswordReset => json!({"token": text, "password": "battery staple"}),
            _ => json!({"token": text}),
        };
        let asked = match purpose {
            Purpose::LoginCode => self.ask("", "code/request", json!({"email": email})).await,
            Purpose::PasswordReset => {
                self.ask("", "password/forgot", json!({"email": email})).await
            }
            _ => self.ask(&account.access, "email/resend", json!({})).await,
        };
        let ticket = asked.expect(202).data()["ticket"].clone();
        let refused = self.ask("", path, body("nothing", &ticket)).await;
        assert!(refused.status.is_client_error(), "{}", refused.text);
        let text = self.in_the_mail(account, purpose).await;
        self.ask("", path, body(&text, &ticket)).await.expect(200);
    }

    /// What somebody reads in their mail.
    async fn in_the_mail(&self, account: &Account, purpose: Purpose) -> String {
        letters::write_all(&self.app.commands).await.unwrap();
        let [tenant, user] =
            [&account.organization, &account.user].map(|id| Uuid::parse_str(id).unwrap());
        let (user, _) = self.app.commands.load::<User>(tenant, user).await.unwrap();
        let challenge = user.challenges.newest(purpose).unwrap();
        let secret = self.app.store.secret(challenge.id).await.unwrap();
        // Whose it is stands before it, and a ticket's hash before a code.
        let before = if purpose == Purpose::LoginCode { 48 } else { 16 };
        String::from_utf8(secret.unwrap().1[before..].to_vec()).unwrap()
    }

    async fn second_factor(&self, verb: &str, account: &Account) {
        let token = account.access.as_str();
        let password = json!({"password": PASSWORD});
        let (path, setup) = ("second-factor/confirm", "second-factor/setup");
        let seed = self.both_ways(token, setup, password.clone()).await.data();
        let code = |offset: i64| code(seed["secret"].as_str().unwrap(), offset);
        self.ask(token, path, json!({"code": "no"})).await.refused(422);
        let confirmed = self.ask(token, path, json!({"code": code(-1)})).await.expect(200);
        let recovery = confirmed.data()["recovery_codes"][0].clone();
        if matches!(verb, "disable_second_factor" | "replace_recovery_codes") {
            self.ask(token, "step-up", json!({"code": code(0)})).await.expect(200);
        }
        match verb {
            "set_up_second_factor" | "confirm_second_factor" => {}
            "disable_second_factor" => {
                drop(self.both_ways(token, "second-factor/disable", password).await);
            }
            "replace_recovery_codes" => {
                drop(self.both_ways(token, "second-factor/recovery-codes", password).await);
            }
            "revoke_recovery_code" => {
                let body = json!({"password": PASSWORD, "recovery_code": recovery});
                drop(self.both_ways(token, "second-factor/recovery-codes/revoke", body).await);
            }
            "step_up" => drop(self.both_ways(token, "step-up", json!({"code": code(0)})).await),
            "second_factor" => {
                let asked = self.app.login(&account.email, PASSWORD).await.expect(200).data();
                let show = |code: String| json!({"mfa_token": asked["mfa_token"], "code": code});
                self.ask("", "login/second-factor", show("no".into())).await.refused(401);
                self.ask("", "login/second-factor", show(code(0))).await.expect(200);
            }
            _ => missing(verb),
        }
    }
}

/// What an authenticator app shows, so many steps from now.
fn code(secret: &str, offset: i64) -> String {
    let secret = Secret::Encoded(secret.to_owned()).to_bytes().unwrap();
    let totp = TOTP::new(Algorithm::SHA1, 6, 1, 30, secret, None, "somebody".to_owned()).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    totp.generate(now.checked_add_signed(offset * 30).unwrap())
}
