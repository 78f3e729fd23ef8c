//! The walk: each operation is asked for by everybody, and once more with ids of another
//! organisation's.

use std::collections::BTreeSet;
use std::sync::{Arc, RwLock};

use chrono::Utc;
use commands::access::staff;
use domain::aggregate::Role;
use event_store::Clock;
use serde_json::{Value, json};
use uuid::Uuid;

use super::operation::{Operation, Place, Request};
use super::world::World;
use crate::support::{Answer, App};

pub(super) const COLUMNS: [&str; 10] = [
    "owner",
    "admin",
    "supervisor",
    "agent",
    "auditor",
    "visitor",
    "staff",
    "key",
    "nobody",
    "foreign",
];

/// Codes of 401 and 403 that are about what somebody showed to open something with, not about who
/// they are: they were let in.
const SHOWN: &[&str] =
    &["auth.invalid_credentials", "session.over", "webhook.signature", "webhook.verify_token"];
/// The key is somebody else's.
const ANOTHERS: &str = "api_key.anothers";
/// They may make keys, but not such a one.
const TOO_WIDE: &str = "api_key.too_wide";

pub(super) struct Walk {
    app: App,
    ours: World,
    theirs: World,
    /// All who have something to show, in the order of the columns.
    callers: Vec<(&'static str, String)>,
    /// The other organisation's owner, signed in.
    stranger: String,
}

impl Walk {
    pub(super) async fn begin() -> Walk {
        // Whoever has signed in has done so just now, however long the walk takes.
        let app = App::start_at(Clock::Told(Arc::new(RwLock::new(Some(Utc::now()))))).await;
        let (ours, theirs) = (World::of(&app, "Ours").await, World::of(&app, "Theirs").await);
        let mut callers = vec![];
        for role in Role::ALL {
            callers.push((role.as_str(), ours.sign_in(&app, role).await));
        }
        let (_, staff) = staff::add(&app.commands, "Achieng").await.unwrap();
        let enter = format!("/v1/platform/organizations/{}/enter", ours.organization.id);
        let visit = app.post(&staff, &enter, json!({"reason": "Ticket 17"})).await.expect(200);
        callers.push(("visitor", visit.data()["access_token"].as_str().unwrap().to_owned()));
        callers.push(("staff", staff));
        callers.push(("key", ours.narrow_key(&app).await));
        let stranger = theirs.sign_in(&app, Role::Owner).await;
        app.settle().await;
        Walk { app, ours, theirs, callers, stranger }
    }

    /// How everybody is answered, in the order of the columns.
    pub(super) async fn row(&self, operation: &Operation) -> Vec<String> {
        let foreign = self.foreign(operation).await;
        let mut row = vec![];
        for (column, key) in &self.callers {
            row.push(self.cell(operation, column, key, !row.contains(&"yes")).await);
        }
        let request = operation.request(|place| self.ours.id(&place.of));
        let mut nobody = BTreeSet::new();
        for key in ["", "vb_nonsense"] {
            nobody.insert(judged(&self.ask(operation, key, &request).await));
        }
        row.push(if nobody.len() == 1 { nobody.pop_first().unwrap() } else { "unclear" });
        row.into_iter().map(str::to_owned).chain([foreign]).collect()
    }

    /// The first who may is to find something: later ones may come when it was taken away.
    async fn cell(
        &self,
        operation: &Operation,
        column: &str,
        key: &str,
        first: bool,
    ) -> &'static str {
        let asks = matches!(column, "owner" | "admin" | "supervisor" | "agent");
        if operation.path.starts_with("/v1/payouts/{id}") && asks {
            let other = if column == "owner" { &self.callers[1].1 } else { &self.callers[0].1 };
            let own = self.about_payout(operation, key, key).await;
            let others = self.about_payout(operation, key, other).await;
            return match (own, others) {
                _ if own == others => own,
                ("yes", _) => "own",
                _ => "others",
            };
        }
        let request = operation.request(|place| self.ours.id(&place.of));
        let answer = self.ask(operation, key, &request).await;
        let cell = judged(&answer);
        if first && cell == "yes" && operation.is_of_an_organization() {
            let (id, text) = (&operation.id, &answer.text);
            assert_ne!(answer.status.as_u16(), 404, "there is nothing to ask {id} about: {text}");
        }
        cell
    }

    /// How somebody is answered who asks for this about what somebody asked to be paid.
    async fn about_payout(&self, operation: &Operation, key: &str, by: &str) -> &'static str {
        let payout = self.ours.payout(&self.app, by).await;
        self.app.settle().await;
        let request = operation.request(|place| match place.of.as_str() {
            "payouts" => payout.clone(),
            of => self.ours.id(of),
        });
        judged(&self.ask(operation, key, &request).await)
    }

    /// With which statuses another organisation's ids are refused, in each place where an id may
    /// stand: as if nobody had them.
    async fn foreign(&self, operation: &Operation) -> String {
        let places = operation.request(|place| self.theirs.id(&place.of)).places;
        let mut statuses = BTreeSet::new();
        for place in places.into_iter().filter(|_| operation.is_of_an_organization()) {
            let [foreign, nobodys] = [self.ours.id(&place.of), Uuid::now_v7().to_string()];
            let foreign = self.ask_with(operation, &place, &foreign).await;
            let nobodys = self.ask_with(operation, &place, &nobodys).await;
            let (id, of) = (&operation.id, &place.of);
            let refused = !foreign.status.is_success();
            let same =
                foreign.status == nobodys.status && (!refused || foreign.text == nobodys.text);
            assert!(same, "{id} tells foreign {of} from none: {foreign:?} {nobodys:?}");
            assert!(!place.is_in_path() || foreign.status == 404, "{id}: {}", foreign.text);
            statuses.insert(foreign.status.as_str().to_owned());
        }
        match statuses.is_empty() {
            true => ".".to_owned(),
            false => statuses.into_iter().collect::<Vec<_>>().join(","),
        }
    }

    /// The other organisation's owner asks about their own things, but for one.
    async fn ask_with(&self, operation: &Operation, place: &Place, id: &str) -> Answer {
        let request = operation.request(|asked| {
            if asked == place { id.to_owned() } else { self.theirs.id(&asked.of) }
        });
        self.ask(operation, &self.stranger, &request).await
    }

    async fn ask(&self, operation: &Operation, key: &str, request: &Request) -> Answer {
        let idempotency_key = Uuid::now_v7().to_string();
        if request.is_file {
            let file = ("image/png", b"a pot".to_vec());
            return self.app.post_file(key, &request.path, file, &idempotency_key).await;
        }
        let headers = [("idempotency-key", idempotency_key.as_str())];
        let body = Some(request.body.clone()).filter(|body| *body != Value::Null);
        self.app.send(operation.method.clone(), key, &request.path, body, &headers).await
    }
}

/// Whether somebody was let in; what they were told then is another matter.
fn judged(answer: &Answer) -> &'static str {
    match answer.status.as_u16() {
        status @ (401 | 403) if SHOWN.contains(&answer.refused(status).as_str()) => "yes",
        401 => "401",
        403 if answer.refused(403) == ANOTHERS => "own",
        403 if answer.refused(403) == TOO_WIDE => "yes",
        403 => "403",
        500 => panic!("{answer:?}"),
        _ => "yes",
    }
}
