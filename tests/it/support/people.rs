//! People who registered and signed in themselves.

use commands::Meta;
use commands::access::accounts;
use commands::access::password::Password;
use domain::Actor;
use domain::user::Email;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, App};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// Somebody with an account, and what they call with.
pub(crate) struct Account {
    pub(crate) email: String,
    pub(crate) organization: String,
    pub(crate) user: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Account {
    /// With the tokens of an answer that signed them in.
    #[track_caller]
    pub(crate) fn of(email: &str, answer: &Answer) -> Account {
        let data = answer.data();
        assert_eq!(data["status"], "signed_in", "{}", answer.text);
        let text = |name: &str| data[name].as_str().unwrap().to_owned();
        Account {
            email: email.to_owned(),
            organization: text("organization_id"),
            user: text("user_id"),
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }
}

impl App {
    pub(crate) async fn register(&self, email: &str) -> Answer {
        let body = json!({
            "organization": "Baraka", "name": "Wanjiru Baraka", "email": email, "password": PASSWORD,
        });
        self.post("", "/v1/auth/register", body).await
    }

    /// The owner of a new organisation.
    pub(crate) async fn account(&self, email: &str) -> Account {
        Account::of(email, &self.register(email).await.expect(201))
    }

    /// A member who could only call by key gets a password, and signs in.
    pub(crate) async fn sign_in(&self, organization: Uuid, user: Uuid) -> Account {
        let address = format!("{}@baraka.example", Uuid::now_v7().simple());
        let (email, password) = (Email::parse(&address).unwrap(), Password::new(PASSWORD).unwrap());
        let meta = Meta::new(organization, Actor::System);
        accounts::let_sign_in(&self.commands, &meta, user, &email, &password).await.unwrap();
        Account::of(&address, &self.login(&address, PASSWORD).await.expect(200))
    }

    /// Approves a payout; whoever has signed in too long ago shows their password once more.
    pub(crate) async fn approve(
        &self,
        by: &Account,
        payout: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let path = format!("/v1/payouts/{payout}/approve");
        let ask = async || self.send(Method::POST, &by.access, &path, None, headers).await;
        let answer = ask().await;
        if answer.json()["code"] != "auth.step_up_required" {
            return answer;
        }
        let step_up = json!({"password": PASSWORD});
        self.post(&by.access, "/v1/auth/step-up", step_up).await.expect(200);
        ask().await
    }

    pub(crate) async fn login(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        self.post("", "/v1/auth/login", body).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.post("", "/v1/auth/refresh", json!({"refresh_token": token})).await
    }

    pub(crate) async fn me(&self, token: &str) -> Answer {
        self.get(token, "/v1/auth/me").await
    }

    /// What the organisation's audit tells of an action, newest first.
    pub(crate) async fn audited(&self, by: &Account, action: &str) -> Vec<Value> {
        self.settle().await;
        let path = format!("/v1/audit/events?limit=200&action={action}");
        self.get(&by.access, &path).await.expect(200).data().as_array().unwrap().clone()
    }
}
