//! An organisation that has one of each thing, and everybody who may call there.

use std::collections::BTreeMap;

use chrono::Utc;
use commands::policies::send_messages::SendMessages;
use commands::policies::{self, Policy};
use commands::{Meta, access, setup};
use domain::Actor;
use domain::aggregate::Role;
use domain::api_key::{self, ApiKey, Scopes};
use domain::conversation::{self, Conversation};
use event_store::subscription::Subscription;
use reqwest::Method;
use serde_json::{Value, json};
use simulators::whatsapp;
use uuid::Uuid;

use crate::support::{ANA, App, Organization, line};

/// What the narrow key is for.
const SCOPES: [&str; 2] = ["contacts:read", "tickets:write"];

pub(super) struct World {
    pub(super) organization: Organization,
    /// By what the document calls them: the collection in a path, or the name of a field.
    ids: BTreeMap<&'static str, String>,
}

impl World {
    pub(super) async fn of(app: &App, name: &str) -> World {
        let organization = app.organization(name).await;
        let mut world = World { organization, ids: BTreeMap::new() };
        world.talk(app).await;
        world.make(app).await;
        app.settle().await;
        world
    }

    /// The id of one of its things.
    pub(super) fn id(&self, of: &str) -> String {
        match self.ids.get(of) {
            Some(id) => id.clone(),
            None => panic!("tell in tests/it/access/world.rs which id stands for `{of}`"),
        }
    }

    fn has(&mut self, names: &[&'static str], id: impl ToString) {
        self.ids.extend(names.iter().map(|name| (*name, id.to_string())));
    }

    /// A customer sends a picture; of the answer nobody knows what became.
    async fn talk(&mut self, app: &App) {
        let picture = json!({"id": "1013859600285441", "mime_type": "image/png"});
        let (now, kind) = (Utc::now(), "image");
        let said = whatsapp::message(&line(), &ANA, "wamid.1", now, kind, picture, Value::Null);
        app.tell(&self.organization, said).await.expect(200);
        let conversation = app.conversation(&self.organization, &ANA).await;
        let path = format!("/v1/conversations/{conversation}/messages");
        let picture = app.get(&self.organization.owner, &path).await.expect(200).data();
        self.has(&["message_id", "reply_to"], picture[0]["id"].as_str().unwrap());
        let text = json!({"type": "text", "text": {"body": "Your pot is ready."}});
        let sent = app.post(&self.organization.owner, &path, text).await.expect(202).data();
        let sent = sent["message_id"].as_str().unwrap();
        self.has(&["messages"], sent);
        self.has(&["conversations", "conversation_id"], &conversation);
        let mut policy = Subscription::resume(&app.store, SendMessages::NAME, 0).await.unwrap();
        while policies::follow(&app.commands, &SendMessages, &mut policy).await.unwrap() > 0 {}
        let meta = Meta::new(self.organization.id, Actor::System);
        let (id, message) = (conversation.parse().unwrap(), sent.parse().unwrap());
        let lose = || conversation::Command::LoseSight { message, reason: "no answer".into() };
        app.commands.execute::<Conversation>(id, lose, &meta).await.unwrap();
    }

    async fn make(&mut self, app: &App) {
        let channel = self.organization.channel;
        self.has(&["channel", "channel_id"], channel);
        self.has(&["agent_id"], self.organization.agent_id);
        let spare = json!({"provider": "whatsapp", "name": "Spare", "account_id": "1098",
            "phone_number_id": "1045", "app_secret": "a", "verify_token": "b"});
        self.make_one(app, "channels", &[], spare).await;
        let key = json!({"name": "Till", "scopes": ["contacts:read"]});
        self.make_one(app, "api-keys", &[], key).await;
        self.make_one(app, "contacts", &["contact_id"], json!({"name": "Ada Obi"})).await;
        self.make_one(app, "invitations", &[], json!({"email": "ada@obi.example"})).await;
        self.make_one(app, "teams", &[], json!({"name": "Deliveries"})).await;
        self.make_one(app, "tickets", &["into"], json!({"subject": "Broken lid"})).await;
        self.make_one(app, "tickets", &["ticket_id"], json!({"subject": "Broken pot"})).await;
        let template = json!({"channel_id": channel, "name": "order_ready", "language": "en_US",
            "components": [{"type": "body", "text": "It is ready."}]});
        self.make_one(app, "templates", &[], template).await;
        let (commands, id) = (&app.commands, self.organization.id);
        let member = setup::register_user(commands, id, "Otieno", Role::Agent).await.unwrap();
        self.has(&["members", "user_id"], member);
        let payout = self.payout(app, &self.organization.owner).await;
        self.has(&["payouts"], payout);
        self.has(&["organizations"], app.organization("Spare").await.id);
        // These are nobody's ids.
        self.has(&["measure"], "conversations.opened");
        self.has(&["token"], "vbi_1");
        self.has(&["media"], "1013859600285441");
    }

    /// The newest of a collection stands for it, and for what fields call it.
    async fn make_one(
        &mut self,
        app: &App,
        collection: &'static str,
        fields: &[&'static str],
        body: Value,
    ) {
        let path = format!("/v1/{collection}");
        let made = app.post(&self.organization.owner, &path, body).await.expect(201).data();
        let id = made["id"].as_str().unwrap();
        self.has(&[collection], id);
        self.has(fields, id);
    }

    /// A payout that somebody asks for.
    pub(super) async fn payout(&self, app: &App, by: &str) -> String {
        let payout = json!({"amount": 150_000, "currency": "KES", "provider": "MPESA_KEN",
            "recipient": {"phone": "+254 712 345 678"}, "reason": "Refund"});
        let key = Uuid::now_v7().to_string();
        let headers = [("idempotency-key", key.as_str())];
        let asked = app.send(Method::POST, by, "/v1/payouts", Some(payout), &headers).await;
        asked.expect(201).data()["id"].as_str().unwrap().to_owned()
    }

    /// Somebody of a role, signed in.
    pub(super) async fn sign_in(&self, app: &App, role: Role) -> String {
        let (commands, id) = (&app.commands, self.organization.id);
        let user = setup::register_user(commands, id, role.as_str(), role).await.unwrap();
        app.sign_in(id, user).await.access
    }

    /// A key of the owner's for little.
    pub(super) async fn narrow_key(&self, app: &App) -> String {
        let (commands, meta) = (&app.commands, Meta::new(self.organization.id, Actor::System));
        let members = app.get(&self.organization.owner, "/v1/members?role=owner").await.data();
        let owner = members[0]["id"].as_str().unwrap().parse().unwrap();
        let issued = access::issue(commands, &meta, owner, Role::Owner, "narrow");
        let text = issued.await.unwrap();
        let keys = app.audit(&self.organization, "action=api_key.Issued").await;
        let key = keys[0]["aggregate"]["id"].as_str().unwrap().parse().unwrap();
        let scopes = Scopes::of(SCOPES.map(|scope| scope.parse().unwrap())).unwrap();
        let narrow = || api_key::Command::Rescope { scopes: scopes.clone() };
        commands.execute::<ApiKey>(key, narrow, &meta).await.unwrap();
        text
    }
}
