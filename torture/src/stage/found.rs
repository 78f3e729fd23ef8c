//! Founding the organisation as any client would: its owner registers and invites a colleague, both
//! make keys, a line and a till are connected, and customers write.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{ACCESS_TOKEN, APP_SECRET, PATIENCE, PAUSE, Stage, customer, line};
use crate::Outcome;

/// Less than the five minutes for which signing in counts as just now.
const SIGNED_IN: Duration = Duration::from_secs(120);
/// So many that what is written to them may all go out within minutes: to one of them 45 messages at
/// once, then one in six seconds.
const CUSTOMERS: usize = 96;
const PASSWORD: &str = "correct horse battery";
const OWNER: &str = "wanjiru@baraka.example";
const COLLEAGUE: &str = "otieno@baraka.example";

impl Stage {
    pub(super) async fn found(&mut self) -> Outcome<()> {
        let owner = json!({
            "organization": "Baraka", "name": "Wanjiru", "email": OWNER,
            "password": PASSWORD,
        });
        let owner = text(&self.make("", "/v1/auth/register", owner).await?, "access_token")?;
        let invited = json!({"email": COLLEAGUE, "role": "admin"});
        self.make(&owner, "/v1/invitations", invited).await?;
        let token = self.mailed().await?;
        let accepted = json!({"token": token, "name": "Otieno", "password": PASSWORD});
        let accepted = self.make("", "/v1/invitations/accept", accepted).await?;
        self.asks = self.key(&text(&accepted, "access_token")?).await?;
        self.decides = self.key(&owner).await?;
        self.connect().await?;
        self.customers_write().await
    }

    async fn make(&self, by: &str, path: &str, body: Value) -> Outcome<Value> {
        let mut request = self.http.post(self.url(path)).json(&body);
        if !by.is_empty() {
            request = request.bearer_auth(by);
        }
        let answer = request.send().await?;
        let (status, told) = (answer.status(), answer.text().await?);
        if status != 201 {
            return Err(format!("{path}: {status} {told}").into());
        }
        Ok(serde_json::from_str::<Value>(&told)?["data"].take())
    }

    async fn key(&self, by: &str) -> Outcome<String> {
        let asked = json!({"name": "torture", "scopes": ["read", "write"]});
        text(&self.make(by, "/v1/api-keys", asked).await?, "key")
    }

    /// What the one who decides calls with who has just signed in; `None` where that can't be now.
    pub(crate) async fn signed_in(&self) -> Option<String> {
        let mut session = self.session.lock().await;
        if let Some((since, token)) = &*session
            && since.elapsed() < SIGNED_IN
        {
            return Some(token.clone());
        }
        let login = json!({"email": OWNER, "password": PASSWORD});
        let answer = self.http.post(self.url("/v1/auth/login")).json(&login).send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        let told: Value = serde_json::from_str(&answer.text().await.ok()?).ok()?;
        let token = told["data"]["access_token"].as_str()?.to_owned();
        *session = Some((Instant::now(), token.clone()));
        Some(token)
    }

    pub(crate) async fn sign_out(&self) {
        *self.session.lock().await = None;
    }

    /// The token in the mail that invites the colleague.
    async fn mailed(&self) -> Outcome<String> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            if let Some(letter) = self.mail.letters(COLLEAGUE).pop() {
                return Ok(letter
                    .text()
                    .lines()
                    .nth(2)
                    .ok_or("a mail without a token")?
                    .to_owned());
            }
            sleep(PAUSE).await;
        }
        Err("the colleague got no mail".into())
    }

    async fn connect(&mut self) -> Outcome<()> {
        let line = line();
        let shop = json!({
            "provider": "whatsapp", "name": "Shop", "account_id": line.account_id,
            "phone_number_id": line.phone_number_id,
            "display_phone_number": line.display_phone_number, "app_secret": APP_SECRET,
            "verify_token": "made up", "access_token": ACCESS_TOKEN,
        });
        let till = json!({
            "provider": "pawapay", "name": "Till", "api_token": "token",
            "callback_public_key": self.pawapay.public_key(),
        });
        let shop = text(&self.make(&self.decides, "/v1/channels", shop).await?, "id")?;
        let till = text(&self.make(&self.decides, "/v1/channels", till).await?, "id")?;
        self.webhook = self.url(&format!("/webhooks/whatsapp/{shop}"));
        self.graph.webhook(&line.phone_number_id, &self.webhook);
        self.pawapay.callback(&self.url(&format!("/webhooks/pawapay/{till}")));
        Ok(())
    }

    /// Each once, by which a conversation is opened and may be answered for a day.
    async fn customers_write(&mut self) -> Outcome<()> {
        for number in 0..CUSTOMERS {
            let hello = json!({"body": format!("Hello from {number}")});
            let line = line().phone_number_id;
            self.graph.customer_writes(&line, &customer(number), "text", hello);
        }
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let inbox = self.get("/v1/inbox?status=all&limit=200").await?;
            let rows = inbox["data"].as_array().cloned().unwrap_or_default();
            let of = |number: usize| {
                let phone = json!(customer(number).wa_id);
                let row = rows.iter().find(|row| row["contact"]["phone"] == phone)?;
                Some(row["conversation_id"].as_str()?.to_owned())
            };
            if let Some(conversations) = (0..CUSTOMERS).map(of).collect() {
                self.conversations = conversations;
                return Ok(());
            }
            sleep(PAUSE).await;
        }
        Err("the customers' conversations do not appear".into())
    }
}

fn text(data: &Value, member: &str) -> Outcome<String> {
    Ok(data[member].as_str().ok_or(format!("an answer without {member}: {data}"))?.to_owned())
}

/// What customers' webhooks are signed with.
pub(crate) fn app_secret() -> &'static str {
    APP_SECRET
}
