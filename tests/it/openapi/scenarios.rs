//! For each operation what makes it succeed, and what makes it refuse.

mod auth;
mod media;
mod members;
mod rehearsal;

use std::sync::{Arc, RwLock};

use chrono::{TimeDelta, Utc};
use commands::effects;
use commands::gateways::http;
use commands::policies::send_messages::{GraphSettings, SendMessages, Sender};
use commands::policies::{self, Policy};
use commands::{Commands, Meta};
use domain::Actor;
use domain::payout::{self, Payout};
use event_store::Clock;
use event_store::subscription::Subscription;
use reqwest::Method;
use serde_json::{Value, json};
use simulators::graph::{Account, Graph, Rule, Settings, Window};
use simulators::script::Act;
use simulators::whatsapp;
use uuid::Uuid;

use crate::support::{
    self, ACCESS_TOKEN, ANA, APP_SECRET, Answer, App, Organization, VERIFY_TOKEN, line,
};

/// An organisation with a customer who has just written, and WhatsApp at the other end.
pub(super) struct Shop {
    app: App,
    organization: Organization,
    /// The owner, signed in.
    approver: support::Account,
    graph: Graph,
    conversation: String,
    /// One that nobody has.
    nobody: Uuid,
}

impl Shop {
    pub(super) async fn open() -> Shop {
        let account = Account {
            line: line(),
            token: ACCESS_TOKEN.into(),
            app_secret: APP_SECRET.into(),
            webhook_url: None,
        };
        let settings =
            Settings { accounts: vec![account], window: Window::Open, ..Settings::default() };
        let graph = Graph::start(settings).unwrap();
        let app = App::measured(&graph.url()).await;
        let organization = app.organization("Baraka").await;
        let approver = app.sign_in(organization.id, organization.owner_id).await;
        let hello = json!({"body": "Is it open today?"});
        let said =
            whatsapp::message(&line(), &ANA, "wamid.1", Utc::now(), "text", hello, Value::Null);
        app.tell(&organization, said).await.expect(200);
        let conversation = app.conversation(&organization, &ANA).await;
        Shop { app, organization, approver, graph, conversation, nobody: Uuid::now_v7() }
    }

    pub(super) async fn play(&self, operation: &str) {
        match operation {
            "analytics.rows" => {
                self.read("/v1/analytics/rows/conversations.opened").await;
                self.read("/v1/analytics/rows/volume.inbound").await;
                let path = "/v1/analytics/rows/moons.full";
                self.app.get(&self.organization.owner, path).await.refused(404);
            }
            "auth.token" => self.token().await,
            "channel.list" => self.both("/v1/channels", "provider=pigeon").await,
            "api_key.list" => self.both("/v1/api-keys", "status=ajar").await,
            "audit.list" => self.both("/v1/audit/events", "from=yesterday").await,
            "contact.list" => self.both("/v1/contacts", "limit=0").await,
            "inbox.list" => self.both("/v1/inbox", "status=ajar").await,
            "invitation.list" => self.both("/v1/invitations", "status=ajar").await,
            "member.list" => self.both("/v1/members", "role=boss").await,
            "team.list" => self.both("/v1/teams", "member=ajar").await,
            "payout.list" => self.both("/v1/payouts", "status=ajar").await,
            "template.list" => self.both("/v1/templates", "channel=ajar").await,
            "ticket.list" => self.both("/v1/tickets", "priority=ajar").await,
            "event.stream" => {
                self.app.listen(&self.organization.agent, "?topics=inbox", "").await;
                self.app.not_heard(&self.organization.agent, "?topics=weather").await.refused(422);
            }
            "server.health" => self.read("/health").await,
            "server.ready" => self.read("/ready").await,
            "server.metrics" => self.measure().await,
            "server.projections" => {
                self.read("/v1/projections").await;
                self.app.get("", "/v1/projections").await.refused(401);
            }
            "webhook.verify" | "webhook.whatsapp" | "webhook.pawapay" => {
                self.webhook(operation).await;
            }
            _ => match operation.split_once('.').unwrap() {
                ("analytics", what) => self.analytics(what).await,
                ("api_key", verb) => self.api_key(verb).await,
                ("auth", verb) => self.auth(verb).await,
                ("channel", verb) => self.channel(verb).await,
                ("contact", verb) => self.contact(verb).await,
                ("conversation", verb) => self.conversation(verb).await,
                ("invitation", verb) => self.invitation(verb).await,
                ("media", _) | ("message", "media" | "show") | ("template", "upload_sample") => {
                    self.media(operation).await;
                }
                ("member", verb) => self.member(verb).await,
                ("message", verb) => self.message(verb).await,
                ("payout", verb) => self.payout(verb).await,
                ("platform", verb) => self.platform(verb).await,
                ("team", verb) => self.team(verb).await,
                ("template", verb) => self.template(verb).await,
                ("ticket", verb) => self.ticket(verb).await,
                ("workspace", verb) => self.workspace(verb).await,
                _ => missing(operation),
            },
        }
    }

    async fn read(&self, path: &str) {
        self.app.settle().await;
        self.app.get(&self.organization.owner, path).await.expect(200);
    }

    /// A list, and the list under a condition that can't be read.
    async fn both(&self, path: &str, wrong: &str) {
        self.read(path).await;
        let sign = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{sign}{wrong}");
        self.app.get(&self.organization.owner, &path).await.refused(422);
    }

    /// One thing of a kind, and one that is not there.
    async fn shown(&self, path: &str, id: &str, under: &str) {
        self.read(&format!("{path}/{id}{under}")).await;
        let absent = format!("{path}/{}{under}", self.nobody);
        self.app.get(&self.organization.owner, &absent).await.refused(404);
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        let key = Uuid::now_v7().to_string();
        let headers = [("idempotency-key", key.as_str())];
        let agent = &self.organization.agent;
        let rehearsal = self.rehearse(&Method::POST, agent, path, &body).await;
        let answer = self.app.send(Method::POST, agent, path, Some(body), &headers).await;
        rehearsal.came_true(&answer);
        answer
    }

    /// A command that succeeds, its repeat, and the same on what is not there.
    async fn on(&self, method: Method, path: &str, id: &str, under: &str, body: Value) {
        let agent = &self.organization.agent;
        let here = format!("{path}/{id}{under}");
        let key = Uuid::now_v7().to_string();
        let headers = [("idempotency-key", key.as_str())];
        let rehearsal = self.rehearse(&method, agent, &here, &body).await;
        for replayed in ["", "true"] {
            let body = Some(body.clone());
            let answer = self.app.send(method.clone(), agent, &here, body, &headers).await;
            rehearsal.came_true(&answer);
            assert!(answer.status.is_success(), "{}", answer.text);
            assert_eq!(answer.header("idempotent-replayed"), replayed);
        }
        let absent = format!("{path}/{}{under}", self.nobody);
        self.app.send(method.clone(), agent, &absent, Some(body), &[]).await.refused(404);
        self.app.send(method, &self.organization.auditor, &here, None, &[]).await.refused(403);
    }

    /// Numbers, the same as a table, and in steps that there are not.
    async fn analytics(&self, what: &str) {
        let path = format!("/v1/analytics/{what}");
        self.both(&format!("{path}?step=1h"), "timezone=Mars").await;
        let (owner, accept) = (&self.organization.owner, [("accept", "text/csv")]);
        let table = self.app.send(Method::GET, owner, &path, None, &accept).await.expect(200);
        assert!(table.header("content-type").starts_with("text/csv"));
    }

    async fn channel(&self, verb: &str) {
        let (path, owner) = ("/v1/channels", &self.organization.owner);
        let line = Uuid::now_v7().as_u128().to_string();
        let line = json!({"provider": "whatsapp", "name": "Support", "account_id": "1097",
            "phone_number_id": line[..15], "app_secret": "a", "verify_token": "b"});
        let connected = self.app.post(owner, path, line.clone()).await.expect(201);
        let at = format!("{path}/{}", connected.data()["id"].as_str().unwrap());
        let absent = format!("{path}/{}", self.nobody);
        match verb {
            "connect" => drop(self.app.post(owner, path, line).await.refused(409)),
            "show" => {
                self.read(&at).await;
                self.app.get(owner, &absent).await.refused(404);
            }
            "change" => {
                let name = json!({"name": "Sales"});
                self.app.patch(owner, &at, name.clone()).await.expect(200);
                self.app.patch(owner, &absent, name).await.refused(404);
            }
            "disconnect" | "reconnect" => {
                self.app.post(owner, &format!("{at}/{verb}"), Value::Null).await.expect(200);
                self.app.post(owner, &format!("{absent}/{verb}"), Value::Null).await.refused(404);
            }
            _ => missing(verb),
        }
    }

    async fn measure(&self) {
        self.read("/metrics").await;
        App::start().await.get("", "/metrics").await.refused(404);
    }

    async fn webhook(&self, operation: &str) {
        let (app, channel) = (&self.app, self.organization.channel);
        let path = format!("/webhooks/whatsapp/{channel}?hub.mode=subscribe&hub.challenge=7");
        match operation {
            "webhook.verify" => {
                let token = VERIFY_TOKEN.replace(' ', "%20");
                app.get("", &format!("{path}&hub.verify_token={token}")).await.expect(200);
                app.get("", &path).await.refused(403);
            }
            "webhook.whatsapp" => {
                app.say(&self.organization, &ANA, "wamid.2", 0, "Hello").await;
                app.deliver_signed(channel, b"{}", "sha256=00").await.refused(401);
            }
            _ => {
                let payout = self.requested().await;
                let path = format!("/webhooks/pawapay/{}", self.organization.pawapay);
                let told = json!({"payoutId": payout, "status": "COMPLETED", "amount": "1500.00",
                    "currency": "KES", "created": "2026-03-02T08:00:00Z",
                    "recipient": {"type": "MMO", "accountDetails": {
                        "phoneNumber": "254712345678", "provider": "MPESA_KEN"}}});
                app.post("", &path, told).await.expect(200);
                app.post("", &path, json!({})).await.refused(400);
            }
        }
    }

    async fn contact(&self, verb: &str) {
        let made = self.post("/v1/contacts", json!({"name": "Ada Obi"})).await.expect(201);
        let id = made.data()["id"].as_str().unwrap().to_owned();
        match verb {
            "register" => {
                drop(self.post("/v1/contacts", json!({"phone": "0712"})).await.refused(422))
            }
            "show" => self.shown("/v1/contacts", &id, "").await,
            "change" => {
                let tags = json!({"tags": ["vip"]});
                self.on(Method::PATCH, "/v1/contacts", &id, "", tags).await;
            }
            _ => missing(verb),
        }
    }

    async fn conversation(&self, verb: &str) {
        let (path, id) = ("/v1/conversations", self.conversation.as_str());
        match verb {
            "show" => return self.shown(path, id, "").await,
            "messages" => return self.shown(path, id, "/messages").await,
            _ => {}
        }
        let (under, body) = match verb {
            "read" | "unassign" | "resolve" | "reopen" => (format!("/{verb}"), Value::Null),
            "assign" => ("/assign".into(), json!({"agent_id": self.organization.agent_id})),
            "note" => ("/notes".into(), json!({"body": "She wants it before Friday."})),
            "send" => ("/messages".into(), text()),
            _ => missing(verb),
        };
        self.on(Method::POST, path, id, &under, body).await;
        self.post(&format!("{path}/{id}/reopen"), Value::Null).await.expect(200);
    }

    async fn message(&self, verb: &str) {
        let to = json!({"phone": "+1 415 555 2671"});
        let start = json!({"channel_id": self.organization.channel, "to": to, "message": text()});
        match verb {
            "start" => {
                let template = json!({"type": "template",
                    "template": {"name": "order_ready", "language": "en_US"}});
                let mut allowed = start.clone();
                allowed["message"] = template;
                self.post("/v1/messages", allowed).await.expect(202);
                self.post("/v1/messages", start).await.refused(409);
            }
            "failed" => {
                self.failed().await;
                self.read("/v1/messages/failed").await;
                let path = "/v1/messages/failed?limit=0";
                self.app.get(&self.organization.owner, path).await.refused(422);
            }
            "retry" | "discard" => {
                let id = self.failed().await;
                self.on(Method::POST, "/v1/messages", &id, &format!("/{verb}"), Value::Null).await;
            }
            _ => missing(verb),
        }
    }

    /// Sends a message that WhatsApp refuses.
    async fn failed(&self) -> String {
        self.carry_out().await;
        self.graph.script(Rule::on(Act::Send).times(1).refused(131_026));
        let path = format!("/v1/conversations/{}/messages", self.conversation);
        let sent = self.post(&path, text()).await.expect(202);
        self.carry_out().await;
        sent.data()["message_id"].as_str().unwrap().to_owned()
    }

    /// Sends whatever waits to be sent.
    async fn carry_out(&self) {
        let settings = GraphSettings { base_url: self.graph.url(), version: "v23.0".into() };
        let sender = Sender::new(self.app.commands.clone(), http::client().unwrap(), settings);
        let store = &self.app.store;
        let mut policy = Subscription::resume(store, SendMessages::NAME, 0).await.unwrap();
        while policies::follow(&self.app.commands, &SendMessages, &mut policy).await.unwrap() > 0 {}
        while effects::attempt_due(store, &sender).await.unwrap() > 0 {}
    }

    async fn requested(&self) -> String {
        let payout = json!({"amount": 150_000, "currency": "KES", "provider": "MPESA_KEN",
            "recipient": {"phone": "+254 712 345 678"}, "reason": "Refund"});
        let made = self.post("/v1/payouts", payout).await.expect(201);
        made.data()["id"].as_str().unwrap().to_owned()
    }

    async fn payout(&self, verb: &str) {
        let (path, id) = ("/v1/payouts", self.requested().await);
        let decide = async |id: &str, verb: &str| {
            let body = if verb == "reject" { json!({"reason": "Twice?"}) } else { Value::Null };
            self.app.post(&self.organization.owner, &format!("{path}/{id}/{verb}"), body).await
        };
        match verb {
            "request" => drop(self.post(path, json!({})).await.refused(422)),
            "show" => self.shown(path, &id, "").await,
            "approve" => {
                let [id, nobody] = [&id, &self.nobody.to_string()];
                self.app.approve(&self.approver, id, &[]).await.expect(200);
                self.app.approve(&self.approver, nobody, &[]).await.refused(404);
            }
            "reject" | "cancel" => {
                decide(&id, verb).await.expect(200);
                decide(&self.nobody.to_string(), verb).await.refused(404);
            }
            "revise" => self.on(Method::PATCH, path, &id, "", json!({"amount": 140_000})).await,
            "check" => {
                decide(&id, verb).await.refused(409);
                self.lost(&id).await;
                decide(&id, verb).await.expect(202);
            }
            "settle" => {
                let settle = json!({"outcome": "failed", "evidence": "Letter", "reason": "Closed"});
                let path = format!("{path}/{id}/settle");
                let owner = &self.organization.owner;
                self.app.post(owner, &path, settle.clone()).await.refused(409);
                self.lost(&id).await;
                self.app.post(owner, &path, settle).await.expect(200);
            }
            _ => missing(verb),
        }
    }

    /// Two hours ago PawaPay was asked for it, and gave no answer.
    async fn lost(&self, id: &str) {
        self.app.approve(&self.approver, id, &[]).await.expect(200);
        let then = Arc::new(RwLock::new(Some(Utc::now() - TimeDelta::hours(2))));
        let commands = Commands::new(self.app.db.store_at(Clock::Told(then)).await);
        let meta = || Meta::new(self.organization.id, Actor::System);
        let id = id.parse().unwrap();
        let submit = || payout::Command::Submit { revision: 0, token: "token".into() };
        commands.execute::<Payout>(id, submit, &meta()).await.unwrap();
        let lose = || payout::Command::LoseSight { reason: "no answer".into() };
        commands.execute::<Payout>(id, lose, &meta()).await.unwrap();
    }

    async fn template(&self, verb: &str) {
        let path = "/v1/templates";
        let name = format!("order_{}", Uuid::now_v7().simple());
        let draft = json!({"channel_id": self.organization.channel, "name": name,
            "language": "en_US", "components": [{"type": "body", "text": "It is ready."}]});
        let made = self.post(path, draft.clone()).await.expect(201);
        let id = made.data()["id"].as_str().unwrap().to_owned();
        let (method, under, body) = match verb {
            "draft" => return drop(self.post(path, draft).await.refused(409)),
            "show" => return self.shown(path, &id, "").await,
            "try_out" => {
                self.post("/v1/templates/validate", draft).await.expect(200);
                self.post("/v1/templates/validate", json!([])).await.refused(422);
                return;
            }
            "validate" => {
                self.post(&format!("{path}/{id}/validate"), Value::Null).await.expect(200);
                self.post(&format!("{path}/{}/validate", self.nobody), Value::Null)
                    .await
                    .refused(404);
                return;
            }
            "sync_all" => {
                let of = |channel: Uuid| json!({"channel_id": channel});
                let sync = "/v1/templates/sync";
                self.post(sync, of(self.organization.channel)).await.expect(200);
                self.post(sync, of(self.nobody)).await.refused(422);
                return;
            }
            "sync" => (Method::POST, "/sync", Value::Null),
            "change" => (Method::PATCH, "", json!({"work_approved": true})),
            "remove" => (Method::DELETE, "", Value::Null),
            "submit" => (Method::POST, "/submit", Value::Null),
            "duplicate" => (Method::POST, "/duplicate", json!({"language": "sw"})),
            "override_category" => {
                let change = Some(json!({"category": "marketing"}));
                let at = format!("{path}/{id}");
                let agent = &self.organization.agent;
                self.app.send(Method::PATCH, agent, &at, change, &[]).await.expect(200);
                (Method::POST, "/override-category", json!({"reason": "It invites to a sale."}))
            }
            _ => missing(verb),
        };
        self.on(method, path, &id, under, body).await;
    }

    async fn ticket(&self, verb: &str) {
        let path = "/v1/tickets";
        let opened = async || {
            let about = json!({"subject": "Broken pot", "conversation_id": self.conversation});
            let made = self.post(path, about).await.expect(201);
            made.data()["id"].as_str().unwrap().to_owned()
        };
        let id = opened().await;
        let (method, under, body) = match verb {
            "open" => return drop(self.post(path, json!({"subject": ""})).await.refused(422)),
            "show" => return self.shown(path, &id, "").await,
            "comments" => return self.shown(path, &id, "/comments").await,
            "change" => (Method::PATCH, String::new(), json!({"subject": "Broken lid"})),
            "comment" => (Method::POST, "/comments".into(), json!({"body": "On its way."})),
            "assign" => {
                (Method::POST, "/assign".into(), json!({"agent_id": self.organization.agent_id}))
            }
            "prioritise" => (Method::POST, "/prioritise".into(), json!({"priority": "high"})),
            "merge" => (Method::POST, "/merge".into(), json!({"into": opened().await})),
            "rate" => {
                self.post(&format!("{path}/{id}/rate"), json!({"rating": 5})).await.refused(409);
                self.post(&format!("{path}/{id}/solve"), Value::Null).await.expect(200);
                (Method::POST, "/rate".into(), json!({"rating": 5, "comment": "Quick"}))
            }
            "unassign" | "pend" | "solve" | "close" | "reopen" => {
                (Method::POST, format!("/{verb}"), Value::Null)
            }
            _ => missing(verb),
        };
        self.on(method, path, &id, &under, body).await;
    }
}

fn text() -> Value {
    json!({"type": "text", "text": {"body": "Your pot is ready."}})
}

fn missing(operation: &str) -> ! {
    panic!("write a scenario for {operation} in tests/it/openapi/scenarios")
}
