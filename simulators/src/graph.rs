//! A server that speaks WhatsApp's Cloud API on the Graph API: messages, media, templates, and the
//! signed webhooks that follow. It keeps a ledger of what it really sent.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::lock;
use crate::post::{Patience, Posted};
use crate::script::{self, Chaos};
use crate::server::Server;
use crate::whatsapp::{Line, Person};
use state::{State, digits};

mod door;
mod error;
mod interactive;
mod limits;
mod media;
mod message;
mod review;
mod send;
mod state;
mod templates;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use limits::Rate;
pub use state::wamid;
pub use templates::Template;

/// Trouble for the next calls. Codes are those of Meta's list, such as 131016.
pub type Rule = script::Rule<u32>;

/// A business's number, and what its owner agreed on with Meta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub line: Line,
    pub token: String,
    pub app_secret: String,
    /// Where webhooks go; without it nothing is told.
    pub webhook_url: Option<String>,
}

/// What happens to a message of one's own words to who hasn't written for 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    Open,
    /// Refused at once, with 131047.
    Refused,
    /// Accepted, and a status webhook says that it failed.
    Fails,
}

/// Who looks at templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Review {
    /// The test, by `approve` and `reject`.
    ByHand,
    /// Nobody: after this long they are approved, or rejected where their form is poor.
    After(Duration),
}

/// How long after a message was accepted its statuses come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub sent: Duration,
    pub delivered: Duration,
    /// None: nobody shows that they read.
    pub read: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub accounts: Vec<Account>,
    pub window: Window,
    /// Messages of a number; beyond it 130429.
    pub throughput: Option<Rate>,
    /// Messages of a number to one person; beyond it 131056.
    pub pair: Option<Rate>,
    pub pace: Pace,
    pub review: Review,
    pub patience: Patience,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            accounts: Vec::new(),
            window: Window::Refused,
            throughput: Some(Rate::THROUGHPUT),
            pair: Some(Rate::PAIR),
            pace: Pace {
                sent: Duration::from_millis(10),
                delivered: Duration::from_millis(30),
                read: Some(Duration::from_millis(60)),
            },
            review: Review::ByHand,
            patience: Patience::default(),
        }
    }
}

/// A message that left for WhatsApp, whatever its sender was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub wamid: String,
    pub phone_number_id: String,
    /// The recipient's number, or the id that stands for it.
    pub to: String,
    pub body: Value,
    pub callback_data: Option<String>,
    pub at: DateTime<Utc>,
    /// Why it never arrived.
    pub failed: Option<u32>,
}

/// The running server. Dropping it closes the port and forgets everything.
pub struct Graph {
    server: Server,
    state: Arc<State>,
}

impl Graph {
    pub fn start(settings: Settings) -> io::Result<Graph> {
        let mut graph = Graph::closed(settings)?;
        graph.open();
        Ok(graph)
    }

    /// A server that lets its callers wait until it is opened.
    pub fn closed(settings: Settings) -> io::Result<Graph> {
        let server = Server::bind()?;
        let state = Arc::new(State::new(settings, &server));
        Ok(Graph { server, state })
    }

    pub fn open(&mut self) {
        self.server.serve(Arc::clone(&self.state));
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What stands before `/v23.0/…`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Adds a number, or changes what is known of it.
    pub fn account(&self, account: Account) {
        self.state.open(account);
    }

    /// Where a number's webhooks go from now on, those under way included.
    pub fn webhook(&self, phone_number_id: &str, url: &str) {
        self.state.post.lives_at(phone_number_id, url);
    }

    pub fn script(&self, rule: Rule) {
        lock(&self.state.script).add(rule);
    }

    pub fn chaos(&self, chaos: Chaos) {
        lock(&self.state.script).chaos(Some(chaos));
    }

    /// No more rules and no more chaos.
    pub fn calm(&self) {
        lock(&self.state.script).clear();
    }

    /// Opens the customer service window for 24 hours from then.
    pub fn customer_wrote(&self, wa_id: &str, at: DateTime<Utc>) {
        lock(&self.state.books).heard(&digits(wa_id), at);
    }

    /// A customer writes: the webhook goes out and the window opens. Returns the message's id.
    pub fn customer_writes(
        &self,
        phone_number_id: &str,
        from: &Person,
        kind: &str,
        content: Value,
    ) -> Option<String> {
        self.state.customer_writes(phone_number_id, from, kind, content)
    }

    /// What is sent to this number is accepted and fails with 131026.
    pub fn unreachable(&self, wa_id: &str) {
        lock(&self.state.books).unreachable.insert(digits(wa_id));
    }

    /// Everybody else is refused with 131030, as for a number that isn't live yet.
    pub fn allow_only(&self, wa_ids: &[&str]) {
        let allowed: HashSet<String> = wa_ids.iter().map(|wa_id| digits(wa_id)).collect();
        lock(&self.state.books).allowed = Some(allowed);
    }

    /// Everything that was sent, in the order in which it was accepted.
    pub fn sent(&self) -> Vec<Sent> {
        lock(&self.state.books).sent.clone()
    }

    /// How many messages that is.
    pub fn count(&self) -> usize {
        lock(&self.state.books).sent.len()
    }

    /// The customers' messages that were marked as read.
    pub fn marked_read(&self) -> Vec<String> {
        lock(&self.state.books).read.clone()
    }

    /// A file that a customer sent, to be named in a message. Returns its id.
    pub fn media(&self, phone_number_id: &str, mime_type: &str, bytes: Vec<u8>) -> String {
        lock(&self.state.books).keep(phone_number_id, mime_type, bytes.into())
    }

    pub fn templates(&self) -> Vec<Template> {
        lock(&self.state.books).shelf.all()
    }

    /// Takes a template over from an earlier server, with the id and the state that it had there and
    /// in the words in which it was created. False where nobody could have created it so.
    pub fn shelve(&self, account_id: &str, id: &str, status: &str, created: &Value) -> bool {
        let shelf = &mut lock(&self.state.books).shelf;
        let created = shelf.create(account_id, id.to_owned(), created, Utc::now()).is_ok();
        if let Some(template) = shelf.get_mut(id) {
            status.clone_into(&mut template.status);
        }
        created
    }

    /// What the review says, with its webhook. False where there is no such template.
    pub fn approve(&self, template_id: &str) -> bool {
        self.state.told(template_id, "APPROVED", "NONE", None)
    }

    pub fn reject(&self, template_id: &str, reason: &str) -> bool {
        self.state.told(template_id, "REJECTED", reason, None)
    }

    /// For low quality: it can't be sent until it is approved again.
    pub fn pause(&self, template_id: &str) -> bool {
        self.state.told(template_id, "PAUSED", "NONE", Some("FIRST_PAUSE"))
    }

    pub fn disable(&self, template_id: &str) -> bool {
        self.state.told(template_id, "DISABLED", "NONE", Some("DISABLED"))
    }

    /// Out of use until somebody at Meta takes it back.
    pub fn archive(&self, template_id: &str) -> bool {
        self.state.told(template_id, "ARCHIVED", "NONE", None)
    }

    pub fn recategorise(&self, template_id: &str, category: &str) -> bool {
        self.state.recategorised(template_id, category)
    }

    /// `GREEN`, `YELLOW`, `RED`.
    pub fn quality(&self, template_id: &str, score: &str) -> bool {
        self.state.rated(template_id, score)
    }

    /// Any other webhook: the value of a change of this field.
    pub fn tell(&self, phone_number_id: &str, field: &str, value: Value) {
        self.state.tell(phone_number_id, field, value);
    }

    /// Webhooks that haven't arrived yet.
    pub fn pending(&self) -> usize {
        self.state.post.pending()
    }

    /// Webhooks that have arrived, or were given up.
    pub fn posted(&self) -> Vec<Posted> {
        self.state.post.posted()
    }
}
