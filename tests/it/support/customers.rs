//! Customers of a test's organisation: they write to its line, as Meta tells it.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use simulators::whatsapp::{self, Person};
pub(crate) use simulators::whatsapp::{customer, line};

use super::{Answer, App, Organization};

pub(crate) const ANA: Person = Person::with_phone("Ana Lima", "258801000122");
pub(crate) const BEN: Person = Person::with_phone("Ben Otieno", "254190000157");

/// So many seconds into a morning in March.
pub(crate) fn at(second: i64) -> DateTime<Utc> {
    let morning: DateTime<Utc> = "2026-03-02T08:00:00Z".parse().unwrap();
    morning + TimeDelta::seconds(second)
}

/// A text, as it stands among a webhook's messages.
pub(crate) fn text(from: &Person, id: &str, second: i64, body: &str) -> Value {
    whatsapp::said(from, id, at(second), "text", json!({"body": body}), Value::Null)
}

impl App {
    /// Delivers the value of a `messages` change.
    pub(crate) async fn tell(&self, to: &Organization, value: Value) -> Answer {
        self.notify(to, "messages", value).await
    }

    /// Delivers the value of any change.
    pub(crate) async fn notify(&self, to: &Organization, field: &str, value: Value) -> Answer {
        let body = whatsapp::bytes(whatsapp::envelope(&line(), field, value));
        self.deliver(to.channel, &body).await
    }

    /// A customer writes a text.
    pub(crate) async fn say(
        &self,
        to: &Organization,
        from: &Person,
        id: &str,
        second: i64,
        body: &str,
    ) -> Answer {
        let said = whatsapp::messages(&line(), &[from], vec![text(from, id, second, body)]);
        self.tell(to, said).await.expect(200)
    }

    /// A customer writes a message of any kind.
    pub(crate) async fn send_kind(
        &self,
        to: &Organization,
        from: &Person,
        (id, second): (&str, i64),
        (kind, content): (&str, Value),
        extras: Value,
    ) -> Answer {
        let said = whatsapp::message(&line(), from, id, at(second), kind, content, extras);
        self.tell(to, said).await.expect(200)
    }

    /// Staff writes to a customer in WhatsApp's own app.
    pub(crate) async fn echo(
        &self,
        by: &Organization,
        to: &Person,
        id: &str,
        second: i64,
        body: &str,
    ) -> Answer {
        let body = json!({"body": body});
        let echo = whatsapp::echoed(&line(), to, id, at(second), "text", body);
        let echoes = whatsapp::echoes(&line(), vec![echo]);
        self.notify(by, "smb_message_echoes", echoes).await.expect(200)
    }

    /// WhatsApp tells what became of a message to a customer.
    pub(crate) async fn report(
        &self,
        to: &Organization,
        of: &Person,
        (id, second): (&str, i64),
        status: &str,
        extras: Value,
    ) -> Answer {
        let status = whatsapp::status(of, id, at(second), status, extras);
        self.tell(to, whatsapp::statuses(&line(), &[of], vec![status])).await.expect(200)
    }

    /// All conversations, whatever their state, once the read models are at rest.
    pub(crate) async fn conversations(&self, of: &Organization) -> Vec<Value> {
        self.settle().await;
        let inbox = self.get(&of.owner, "/v1/inbox?status=all&limit=200").await.expect(200);
        inbox.data().as_array().unwrap().clone()
    }

    /// The id of the only conversation with a person.
    pub(crate) async fn conversation(&self, of: &Organization, with: &Person) -> String {
        let mut found = self.conversations(of).await;
        found.retain(|row| match &with.wa_id {
            Some(phone) => row["contact"]["phone"] == json!(phone),
            None => row["contact"]["user_id"] == json!(with.user_id),
        });
        assert_eq!(found.len(), 1, "{found:?}");
        found[0]["conversation_id"].as_str().unwrap().to_owned()
    }

    /// What was said in a conversation, oldest first.
    pub(crate) async fn messages(&self, of: &Organization, conversation: &str) -> Vec<Value> {
        self.settle().await;
        let path = format!("/v1/conversations/{conversation}/messages?limit=200");
        let page = self.get(&of.agent, &path).await.expect(200);
        page.data().as_array().unwrap().iter().rev().cloned().collect()
    }

    /// Events of the organisation, newest first, that a filter of the audit finds.
    pub(crate) async fn audit(&self, of: &Organization, filter: &str) -> Vec<Value> {
        self.settle().await;
        let path = format!("/v1/audit/events?limit=200&{filter}");
        self.get(&of.auditor, &path).await.expect(200).data().as_array().unwrap().clone()
    }
}
