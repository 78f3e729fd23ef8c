//! Plays the day: every webhook at its time, and between them what the shop's people do. Safe to
//! repeat: what was taken in before counts as redelivered, what was done is answered as a repeat.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::iter::Peekable;
use std::vec::IntoIter;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use simulators::graph;
use simulators::whatsapp::{self, Delivery};

use super::provider::{receipt, verdict};
use super::stage::Stage;
use super::story::{self, Act, Fate, To, Verdict, What, Who};
use super::{Client, Demo, Hand};
use crate::server::Outcome;

/// How long PawaPay takes for a payout.
const PAYING: TimeDelta = TimeDelta::seconds(47);

pub(crate) struct Play<'a> {
    pub(crate) demo: &'a Demo,
    pub(crate) client: &'a Client,
    pub(crate) hand: &'a Hand,
    pub(crate) stage: &'a Stage,
    webhooks: Peekable<IntoIter<Delivery>>,
    now: DateTime<Utc>,
    /// Ids by the names that the story has for things.
    names: HashMap<String, String>,
    played: usize,
    all: usize,
}

impl<'a> Play<'a> {
    pub(crate) fn new(
        demo: &'a Demo,
        client: &'a Client,
        hand: &'a Hand,
        stage: &'a Stage,
    ) -> Play<'a> {
        let mut webhooks = vec![story::yesterdays(&demo.line(), demo.day)];
        webhooks.extend(whatsapp::day(&demo.line(), demo.day));
        let (all, webhooks) = (webhooks.len(), webhooks.into_iter().peekable());
        let now = demo.founded_at();
        let names = [
            ("owner", demo.users.owner),
            ("tomás", demo.users.agent),
            ("nomsa", demo.users.agent2),
            ("line", demo.channel_id),
        ];
        let names = names.map(|(name, id)| (name.to_owned(), id.to_string())).into();
        Play { demo, client, hand, stage, webhooks, now, names, played: 0, all }
    }

    /// What needs a provider is only done where the providers are simulators.
    pub(crate) async fn day(mut self) -> Outcome<()> {
        if self.stage.providers().is_some() {
            for act in story::acts() {
                self.act(act).await?;
            }
        }
        while let Some(webhook) = self.webhooks.next() {
            self.deliver(webhook).await?;
        }
        self.evening().await
    }

    /// Lets it become this time, and arrive what does until then.
    async fn reach(&mut self, time: DateTime<Utc>) -> Outcome<()> {
        while let Some(webhook) = self.webhooks.next_if(|webhook| webhook.at <= time) {
            self.deliver(webhook).await?;
        }
        self.turn(time);
        Ok(())
    }

    /// Time never goes back.
    fn turn(&mut self, time: DateTime<Utc>) {
        self.now = self.now.max(time);
        self.hand.set(Some(self.now));
    }

    async fn deliver(&mut self, webhook: Delivery) -> Outcome<()> {
        self.turn(webhook.at);
        self.client.webhook(self.demo, webhook.body).await?;
        self.played += 1;
        progress(self.played, self.all, self.now)
    }

    async fn act(&mut self, act: Act) -> Outcome<()> {
        let at = self.demo.day + act.at;
        self.reach(at).await?;
        match act.what {
            What::Ask { who, path, body, called } => {
                let answer = self.ask(who, path, body).await?;
                if let Some(name) = called {
                    self.names.insert(name.to_owned(), text(&answer["data"]["id"]));
                }
            }
            What::Say { who, to, message, fate } => self.say(who, to, message, fate).await?,
            What::Review { template, verdict } => self.review(template, verdict).await?,
            What::Approve { payout } => self.approve(payout).await?,
            What::Pay { payout } => self.pay(payout).await?,
        }
        Ok(())
    }

    fn key(&self, who: Who) -> &'a str {
        match who {
            Who::Owner => &self.demo.keys.owner,
            Who::Tomas => &self.demo.keys.agent,
            Who::Nomsa => &self.demo.keys.agent2,
        }
    }

    /// Nobody does two things of one kind to one thing in one second.
    async fn ask(&mut self, who: Who, path: &str, mut body: Value) -> Outcome<Value> {
        let mut parts = vec![];
        for part in path.split('/') {
            parts.push(self.resolved(part).await?);
        }
        if let Value::Object(fields) = &mut body {
            for value in fields.values_mut() {
                if let Value::String(text) = value {
                    *text = self.resolved(text).await?;
                }
            }
        }
        let (path, time) = (parts.join("/"), self.now.format("%T"));
        let idempotency = format!("demo-{time}-{path}");
        self.client.post(self.key(who), &path, &body, &idempotency).await
    }

    /// `{lamp}` is the id of what is called so, `{Achieng}` of her conversation.
    async fn resolved(&mut self, text_or_name: &str) -> Outcome<String> {
        let name = text_or_name.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let Some(name) = name else { return Ok(text_or_name.to_owned()) };
        if let Some(id) = self.names.get(name) {
            return Ok(id.clone());
        }
        let phone = story::phone(name).ok_or_else(|| format!("nobody is called {name}"))?;
        let path = format!("/v1/inbox?status=all&q={phone}");
        let found = self.client.get(&self.demo.keys.owner, &path).await?;
        let id = text(&found["data"][0]["conversation_id"]);
        self.names.insert(name.to_owned(), id.clone());
        Ok(id)
    }

    /// A message leaves, and what becomes of it comes back.
    async fn say(&mut self, who: Who, to: To, message: Value, fate: Fate) -> Outcome<()> {
        let at = self.now;
        let (answer, phone) = match to {
            To::Customer(name) => {
                let phone = story::phone(name).unwrap_or_default();
                let path = format!("/v1/conversations/{{{name}}}/messages");
                (self.ask(who, &path, message).await?, phone)
            }
            To::Number(phone) => {
                let start = json!({
                    "channel_id": "{line}", "to": {"phone": phone}, "message": message,
                });
                (self.ask(who, "/v1/messages", start).await?, phone)
            }
        };
        let [conversation, id] = ["id", "message_id"].map(|name| text(&answer["data"][name]));
        let path = format!("/v1/conversations/{conversation}/messages?limit=200");
        let left = |messages: &Value| {
            let mut said = messages.as_array().into_iter().flatten();
            let ours = said.find(|message| message["id"] == json!(id));
            ours.is_some_and(|message| message["delivery"]["status"] != "queued")
        };
        self.client.until(self.key(who), &path, left).await?;
        let wamid = graph::wamid(phone, &id, 0);
        for (step, after) in fate.steps() {
            let then = at + TimeDelta::seconds(*after);
            self.reach(then).await?;
            let body = receipt(&self.demo.line(), phone, &wamid, &id, then, step, fate);
            self.client.webhook(self.demo, body).await?;
        }
        Ok(())
    }

    /// Meta's reviewers say what they think of a template, once it has come to them.
    async fn review(&mut self, template: &str, said: Verdict) -> Outcome<()> {
        let Some((graph, _)) = self.stage.providers() else { return Ok(()) };
        let path = format!("/v1/templates/{}", self.resolved(template).await?);
        let came = |template: &Value| template["provider_template_id"].is_string();
        let template = self.client.until(&self.demo.keys.owner, &path, came).await?;
        let id = text(&template["data"]["provider_template_id"]);
        match said {
            Verdict::Approved => graph.approve(&id),
            Verdict::Rejected { reason, .. } => graph.reject(&id, reason),
        };
        let body = verdict(&self.demo.line(), &template["data"], self.now, said);
        self.client.webhook(self.demo, body).await
    }

    /// The owner signs in for it, unless it is approved already: on a day that was cut short.
    async fn approve(&mut self, payout: &str) -> Outcome<()> {
        let path = format!("/v1/payouts/{}", self.resolved(payout).await?);
        let shown = self.client.get(&self.demo.keys.owner, &path).await?;
        if shown["data"]["status"] != "requested" {
            return Ok(());
        }
        let login = serde_json::to_value(&self.demo.login)?;
        let token = self.client.post("", "/v1/auth/login", &login, "demo-login").await?;
        let token = text(&token["data"]["access_token"]);
        let (path, key) = (format!("{path}/approve"), format!("demo-approve-{payout}"));
        self.client.post(&token, &path, &Value::Null, &key).await.map(drop)
    }

    /// PawaPay has a payout, takes its time, and has paid it.
    async fn pay(&mut self, payout: &str) -> Outcome<()> {
        let Some((_, pawapay)) = self.stage.providers() else { return Ok(()) };
        let id = self.resolved(payout).await?;
        let (key, path) = (&self.demo.keys.owner, format!("/v1/payouts/{id}"));
        let has = || pawapay.payouts().iter().any(|payout| payout["payoutId"] == json!(id));
        let there = |payout: &Value| has() || payout["status"] == "completed";
        self.client.until(key, &path, there).await?;
        self.reach(self.now + PAYING).await?;
        pawapay.complete(&id);
        self.client.until(key, &path, |payout| payout["status"] == "completed").await?;
        Ok(())
    }

    /// The agents share the evening's work: of the newest conversations that the day has left
    /// alone they take some, note, and close some.
    async fn evening(&mut self) -> Outcome<()> {
        let inbox = self.client.get(&self.demo.keys.agent, &format!("/v1/inbox?{WHICH}")).await?;
        let ids = inbox["data"].as_array().into_iter().flatten();
        let ids: Vec<String> = ids
            .map(|conversation| text(&conversation["conversation_id"]))
            .filter(|id| !self.names.values().any(|known| known == id))
            .collect();
        for (number, id) in ids.iter().enumerate() {
            let (who, me) = match number % 2 {
                0 => (Who::Tomas, "{tomás}"),
                _ => (Who::Nomsa, "{nomsa}"),
            };
            let acts: &[(&str, Value)] = match number % 4 {
                0 => &[("assign", json!({"agent_id": me})), ("read", Value::Null)],
                1 => &[
                    ("assign", json!({"agent_id": me})),
                    ("read", Value::Null),
                    ("notes", json!({"body": "Called back, all settled."})),
                    ("resolve", Value::Null),
                ],
                2 => &[("read", Value::Null)],
                _ => &[],
            };
            for (act, body) in acts {
                self.turn(self.now + TimeDelta::seconds(23));
                let path = format!("/v1/conversations/{id}/{act}");
                self.ask(who, &path, body.clone()).await?;
            }
        }
        Ok(())
    }
}

/// By the time of the newest message, which nothing that the agents do changes; and the closed ones
/// among them, which some become. So those who are cut short and begin again do the same again,
/// at the same times, and each act that was done is answered as a repeat.
const WHICH: &str = "status=all&limit=30";

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A line that stays in its place, for somebody who watches.
fn progress(number: usize, all: usize, at: DateTime<Utc>) -> Outcome<()> {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        write!(out, "\rPlaying a day of customers … {} ({number} of {all})", at.format("%H:%M"))?;
        if number == all {
            write!(out, "\r{:60}\r", "")?;
        }
        out.flush()?;
    }
    Ok(())
}
