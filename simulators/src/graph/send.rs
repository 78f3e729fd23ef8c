//! A message on its way: what keeps it from being accepted, and the statuses that follow.

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::error::{Error, in_webhook};
use super::message::{Message, Outgoing, Recipient, check};
use super::state::{Books, State, digits, letter};
use super::{Account, Sent, Window};
use crate::lock;
use crate::post::Letter;
use crate::script::Trouble;
use crate::whatsapp::{self, Person};

impl State {
    pub(super) fn message(
        &self,
        account: &Account,
        body: Value,
        trouble: &Trouble<u32>,
    ) -> Result<Value, Error> {
        match check(&body)? {
            Message::Read { message_id } => {
                if !message_id.starts_with("wamid.") {
                    return Err(Error::because(131_009, "Param message_id is no message's id"));
                }
                lock(&self.books).read.push(message_id);
                Ok(json!({"success": true}))
            }
            Message::Send(outgoing) => self.send(account, &outgoing, body, trouble),
        }
    }

    fn send(
        &self,
        account: &Account,
        outgoing: &Outgoing,
        body: Value,
        trouble: &Trouble<u32>,
    ) -> Result<Value, Error> {
        let _writing = self.post.writing();
        let now = Utc::now();
        let to = outgoing.to.address();
        let (sent, category) = {
            let mut books = lock(&self.books);
            let category = self.admit(&mut books, account, outgoing, &body, now)?;
            let sent = Sent {
                wamid: books.name(to, outgoing.callback_data.as_deref()),
                phone_number_id: account.line.phone_number_id.clone(),
                to: to.to_owned(),
                body,
                callback_data: outgoing.callback_data.clone(),
                at: now,
                failed: trouble.fails.or_else(|| self.doom(&books, outgoing, now)),
            };
            books.sent.push(sent.clone());
            (sent, category)
        };
        let mut message = json!({"id": sent.wamid});
        if outgoing.kind == "template" {
            message["message_status"] = json!("accepted");
        }
        let contact = match &outgoing.to {
            Recipient::Number(wa_id) => json!({"input": outgoing.input, "wa_id": wa_id}),
            Recipient::User(user_id) => json!({"input": outgoing.input, "user_id": user_id}),
        };
        self.follow(account, outgoing, &sent, &category, trouble);
        Ok(json!({
            "messaging_product": "whatsapp",
            "contacts": [contact],
            "messages": [message],
        }))
    }

    /// Whether a message is accepted, and in what category it is paid for.
    fn admit(
        &self,
        books: &mut Books,
        account: &Account,
        outgoing: &Outgoing,
        body: &Value,
        now: DateTime<Utc>,
    ) -> Result<String, Error> {
        let to = outgoing.to.address();
        if to == digits(&account.line.display_phone_number) {
            return Err(Error::of(131_021));
        }
        if books.allowed.as_ref().is_some_and(|allowed| !allowed.contains(to)) {
            return Err(Error::of(131_030));
        }
        if let Some(id) = &outgoing.media {
            let line = &account.line.phone_number_id;
            if books.files.get(id).is_none_or(|file| file.phone_number_id != *line) {
                let details = format!("Media ID {id} doesn't exist for this phone number");
                return Err(Error::because(131_009, details));
            }
        }
        let category = if outgoing.kind == "template" {
            let template = books.shelf.used_by(&account.line.account_id, &body["template"])?;
            template.category.to_lowercase()
        } else {
            if self.settings.window == Window::Refused && !books.in_window(to, now) {
                return Err(Error::of(131_047));
            }
            "service".to_owned()
        };
        let line = &account.line.phone_number_id;
        if !books.used.admits(line, self.settings.throughput, now) {
            return Err(Error::of(130_429));
        }
        if !books.used.admits(&format!("{line} {to}"), self.settings.pair, now) {
            return Err(Error::of(131_056));
        }
        Ok(category)
    }

    /// Why an accepted message fails nevertheless.
    fn doom(&self, books: &Books, outgoing: &Outgoing, now: DateTime<Utc>) -> Option<u32> {
        let to = outgoing.to.address();
        if books.unreachable.contains(to) {
            return Some(131_026);
        }
        let closed = self.settings.window == Window::Fails
            && outgoing.kind != "template"
            && !books.in_window(to, now);
        closed.then_some(131_047)
    }

    fn follow(
        &self,
        account: &Account,
        outgoing: &Outgoing,
        sent: &Sent,
        category: &str,
        trouble: &Trouble<u32>,
    ) {
        let free = category == "service"
            || (category == "utility" && lock(&self.books).in_window(&sent.to, sent.at));
        let pricing = json!({
            "billable": !free,
            "pricing_model": "PMP",
            "type": if free { "free_customer_service" } else { "regular" },
            "category": category,
        });
        let person = recipient(&outgoing.to);
        let mut told: Vec<(Duration, Value)> = Vec::new();
        for (status, after) in self.steps(sent, trouble) {
            let mut extras = Map::new();
            if let Some(data) = &sent.callback_data {
                extras.insert("biz_opaque_callback_data".into(), json!(data));
            }
            if matches!(status, "sent" | "delivered") {
                extras.insert("pricing".into(), pricing.clone());
            }
            if let ("failed", Some(code)) = (status, sent.failed) {
                extras.insert("errors".into(), json!([in_webhook(code)]));
            }
            let at = sent.at + TimeDelta::from_std(after).unwrap_or_default();
            let status = whatsapp::status(&person, &sent.wamid, at, status, Value::Object(extras));
            told.push((after, status));
        }
        let write = |statuses| {
            letter(account, "messages", whatsapp::statuses(&account.line, &[], statuses))
        };
        let letters: Vec<(Duration, Letter)> = match told.last() {
            Some((last, _)) if trouble.callbacks.together => {
                let mut statuses: Vec<Value> = told.iter().map(|(_, it)| it.clone()).collect();
                if trouble.callbacks.reversed {
                    statuses.reverse();
                }
                vec![(*last, write(statuses))]
            }
            _ => told.into_iter().map(|(after, status)| (after, write(vec![status]))).collect(),
        };
        self.post.dispatch(letters, &trouble.callbacks);
    }

    /// What becomes of a message, and when, up to the state in which it is to stay.
    fn steps(&self, sent: &Sent, trouble: &Trouble<u32>) -> Vec<(&'static str, Duration)> {
        let pace = self.settings.pace;
        let mut steps = match sent.failed {
            // A message outside the window isn't even taken.
            Some(131_047) => vec![("failed", pace.sent)],
            Some(_) => vec![("sent", pace.sent), ("failed", pace.delivered)],
            None => vec![("sent", pace.sent), ("delivered", pace.delivered)],
        };
        if let (None, Some(read)) = (sent.failed, pace.read) {
            steps.push(("read", read));
        }
        if let Some(last) = trouble.stays {
            let reached = steps.iter().position(|(status, _)| *status == last);
            steps.truncate(reached.map_or(0, |at| at + 1));
        }
        steps
    }
}

fn recipient(to: &Recipient) -> Person {
    let (wa_id, user_id) = match to {
        Recipient::Number(wa_id) => (Some(wa_id), None),
        Recipient::User(user_id) => (None, Some(user_id)),
    };
    Person {
        name: Cow::Borrowed(""),
        username: None,
        wa_id: wa_id.cloned().map(Cow::Owned),
        user_id: user_id.cloned().map(Cow::Owned),
    }
}
