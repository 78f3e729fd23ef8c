//! A server that speaks pawaPay's Merchant API v2 for payouts: initiation, status, callbacks. It
//! keeps a ledger of the money that really moved.

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
use signature::Signer;
use state::{MERCHANT, State};

mod amount;
mod door;
mod intake;
mod payout;
mod provider;
mod signature;
mod state;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

/// Trouble for the next calls. Codes are pawaPay's failure codes, such as `INVALID_CURRENCY`.
pub type Rule = script::Rule<&'static str>;

/// How long payouts stay in their states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From accepted to processing.
    pub processing: Duration,
    /// From processing to paid or failed.
    pub settled: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub token: String,
    /// Where callbacks go; without it nothing is told.
    pub callback_url: Option<String>,
    pub pace: Pace,
    pub patience: Patience,
    /// Whether callbacks are signed.
    pub signs: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            token: "token".to_owned(),
            callback_url: None,
            pace: Pace {
                processing: Duration::from_millis(10),
                settled: Duration::from_millis(30),
            },
            patience: Patience::default(),
            signs: false,
        }
    }
}

/// Money that reached somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    pub payout_id: String,
    /// As it was asked for.
    pub amount: String,
    pub currency: String,
    pub phone_number: String,
    pub provider: String,
    pub client_reference_id: Option<String>,
    pub provider_transaction_id: String,
    pub at: DateTime<Utc>,
}

/// The running server. Dropping it closes the port and forgets everything.
pub struct Pawapay {
    server: Server,
    state: Arc<State>,
}

impl Pawapay {
    pub fn start(settings: Settings) -> io::Result<Pawapay> {
        let mut pawapay = Pawapay::closed(settings)?;
        pawapay.open();
        Ok(pawapay)
    }

    /// A server that lets its callers wait until it is opened.
    pub fn closed(settings: Settings) -> io::Result<Pawapay> {
        let server = Server::bind()?;
        let signer = settings.signs.then(Signer::new).transpose()?;
        let state = Arc::new(State::new(settings, signer, &server));
        Ok(Pawapay { server, state })
    }

    pub fn open(&mut self) {
        self.server.serve(Arc::clone(&self.state));
    }

    /// Takes a payout over from an earlier server, in the words in which it was asked for. False
    /// where nobody could have asked for it so.
    pub fn take_over(&self, asked: &Value) -> bool {
        let trouble = lock(&self.state.script).next(&state::seen(asked));
        self.state.pay(asked, &trouble).is_ok()
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What stands before `/v2/…`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The key that signed callbacks are checked with, in PEM.
    pub fn public_key(&self) -> Option<String> {
        self.state.signer.as_ref().map(Signer::public_key)
    }

    /// Where callbacks go from now on, those under way included.
    pub fn callback(&self, url: &str) {
        self.state.post.lives_at(MERCHANT, url);
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

    /// Puts money into the wallet of a currency. Wallets that never got any are never empty.
    /// False where the amount is none.
    pub fn fund(&self, currency: &str, amount: &str) -> bool {
        self.state.fund(currency, amount)
    }

    /// The provider has trouble: its payouts are accepted and wait in `ENQUEUED`.
    pub fn delay(&self, provider: &str) {
        lock(&self.state.books).providers.insert(provider.to_owned(), provider::Health::Delayed);
    }

    /// The provider takes nothing: `PROVIDER_TEMPORARILY_UNAVAILABLE`.
    pub fn close(&self, provider: &str) {
        lock(&self.state.books).providers.insert(provider.to_owned(), provider::Health::Closed);
    }

    /// The provider is well again, and what waited for it goes on.
    pub fn resume(&self, provider: &str) {
        self.state.resume(provider);
    }

    /// Lets a payout that stays somewhere end. False where there is none, or it has ended.
    pub fn complete(&self, payout_id: &str) -> bool {
        self.state.end(payout_id, None)
    }

    pub fn fail(&self, payout_id: &str, code: &'static str) -> bool {
        self.state.end(payout_id, Some(code))
    }

    /// The money that moved, in the order in which it did.
    pub fn paid(&self) -> Vec<Paid> {
        lock(&self.state.books).paid.clone()
    }

    /// How often that happened.
    pub fn count(&self) -> usize {
        lock(&self.state.books).paid.len()
    }

    /// Every payout that was accepted, as its status is told, in the order of acceptance.
    pub fn payouts(&self) -> Vec<Value> {
        lock(&self.state.books).payouts.iter().map(payout::Payout::told).collect()
    }

    /// Callbacks that haven't arrived yet.
    pub fn pending(&self) -> usize {
        self.state.post.pending()
    }

    /// Callbacks that have arrived, or were given up.
    pub fn posted(&self) -> Vec<Posted> {
        self.state.post.posted()
    }
}
