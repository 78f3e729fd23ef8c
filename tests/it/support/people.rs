//! People who registered and signed in themselves.

use serde_json::{Value, json};

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
