//! What the server keeps, and the way of a payout from accepted to its end.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::amount::Amount;
use super::intake::{Refusal, check};
use super::payout::{Payout, Status, instant};
use super::provider::Health;
use super::signature::Signer;
use super::{Paid, Settings};
use crate::chance::Chance;
use crate::lock;
use crate::post::{Letter, Post};
use crate::script::{Act, Callbacks, Script, Seen, Trouble};
use crate::server::Server;

/// The one whom callbacks go to.
pub(super) const MERCHANT: &str = "merchant";

pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) post: Post,
    pub(super) script: Mutex<Script<&'static str>>,
    pub(super) books: Mutex<Books>,
    pub(super) signer: Option<Signer>,
}

pub(super) struct Books {
    pub(super) payouts: Vec<Payout>,
    ids: HashMap<String, usize>,
    pub(super) paid: Vec<Paid>,
    /// What is left in each wallet, in hundredths, reserved money taken off.
    wallets: HashMap<String, i128>,
    pub(super) providers: HashMap<String, Health>,
    /// Payouts that go no further until told.
    held: HashSet<String>,
    chance: Chance,
}

impl Books {
    pub(super) fn find(&self, id: &str) -> Option<&Payout> {
        self.ids.get(&id.to_lowercase()).and_then(|at| self.payouts.get(*at))
    }

    fn find_mut(&mut self, id: &str) -> Option<&mut Payout> {
        self.ids.get(&id.to_lowercase()).and_then(|at| self.payouts.get_mut(*at))
    }

    fn reserve(&mut self, currency: &str, amount: Amount) -> Result<(), Refusal> {
        match self.wallets.get_mut(currency) {
            Some(left) if *left < amount.hundredths => {
                Err(Refusal::of("PAWAPAY_WALLET_OUT_OF_FUNDS"))
            }
            Some(left) => {
                *left -= amount.hundredths;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl State {
    pub(super) fn new(settings: Settings, signer: Option<Signer>, server: &Server) -> State {
        let post = Post::new(server.handle(), settings.patience);
        if let Some(url) = &settings.callback_url {
            post.lives_at(MERCHANT, url);
        }
        let now = Utc::now().timestamp_micros();
        State {
            settings,
            post,
            signer,
            // pawaPay has no code for a fault that passes: a rejection is final.
            script: Mutex::new(Script::new(&[])),
            books: Mutex::new(Books {
                payouts: Vec::new(),
                ids: HashMap::new(),
                paid: Vec::new(),
                wallets: HashMap::new(),
                providers: HashMap::new(),
                held: HashSet::new(),
                chance: Chance::of(&server.address().to_string(), now),
            }),
        }
    }

    pub(super) fn fund(&self, currency: &str, amount: &str) -> bool {
        let Some(amount) = Amount::parse(amount) else { return false };
        *lock(&self.books).wallets.entry(currency.to_owned()).or_default() += amount.hundredths;
        true
    }

    /// The id alone decides whether a payout has been asked for before.
    pub(super) fn pay(
        self: &Arc<Self>,
        asked: &Value,
        trouble: &Trouble<&'static str>,
    ) -> Result<Value, Refusal> {
        let (amount, provider) = check(asked)?;
        let id = asked["payoutId"].as_str().unwrap_or_default().to_owned();
        let mut books = lock(&self.books);
        if let Some(known) = books.find(&id) {
            let created = instant(known.created);
            return Ok(json!({"payoutId": id, "status": "DUPLICATE_IGNORED", "created": created}));
        }
        let health = books.providers.get(provider.name).copied().unwrap_or(Health::Operational);
        if health == Health::Closed {
            return Err(Refusal::of("PROVIDER_TEMPORARILY_UNAVAILABLE"));
        }
        books.reserve(asked["currency"].as_str().unwrap_or_default(), amount)?;
        let mut trouble = trouble.clone();
        if health == Health::Delayed {
            trouble.stays = trouble.stays.or(Some(Status::Enqueued.name()));
        }
        let payout = Payout {
            id: id.clone(),
            status: Status::Accepted,
            amount,
            asked: asked.clone(),
            country: provider.country,
            created: Utc::now(),
            provider_transaction_id: books.chance.digits(10),
            trouble,
        };
        let created = instant(payout.created);
        let at = books.payouts.len();
        books.ids.insert(id.to_lowercase(), at);
        books.payouts.push(payout);
        drop(books);
        self.walk(&id);
        Ok(json!({"payoutId": id, "status": "ACCEPTED", "created": created}))
    }

    /// Takes a payout through its states, unless it is to stay in one of them.
    fn walk(self: &Arc<Self>, id: &str) {
        let (state, id) = (Arc::clone(self), id.to_owned());
        self.post.spawn(async move {
            let pace = state.settings.pace;
            let Some((stays, fails)) =
                lock(&state.books).find(&id).map(|it| (it.trouble.stays, it.trouble.fails))
            else {
                return;
            };
            if stays == Some(Status::Accepted.name()) {
                return state.hold(&id, Status::Accepted);
            }
            sleep(pace.processing).await;
            if stays == Some(Status::Enqueued.name()) {
                return state.hold(&id, Status::Enqueued);
            }
            state.reach(&id, Status::Processing);
            sleep(pace.settled).await;
            match stays {
                Some("PROCESSING") => state.hold(&id, Status::Processing),
                Some("IN_RECONCILIATION") => state.hold(&id, Status::InReconciliation),
                _ => drop(state.end(&id, fails)),
            }
        });
    }

    fn reach(&self, id: &str, status: Status) {
        if let Some(payout) = lock(&self.books).find_mut(id)
            && !payout.status.is_final()
        {
            payout.status = status;
        }
    }

    fn hold(&self, id: &str, status: Status) {
        self.reach(id, status);
        lock(&self.books).held.insert(id.to_owned());
    }

    /// Lets go on what waits for a provider.
    pub(super) fn resume(self: &Arc<Self>, provider: &str) {
        let waiting: Vec<String> = {
            let mut books = lock(&self.books);
            books.providers.insert(provider.to_owned(), Health::Operational);
            let held = std::mem::take(&mut books.held);
            let enqueued = |id: &String| {
                books.find(id).is_some_and(|payout| {
                    payout.status == Status::Enqueued && payout.provider() == provider
                })
            };
            let (waiting, held): (Vec<String>, Vec<String>) = held.into_iter().partition(enqueued);
            books.held = held.into_iter().collect();
            for id in &waiting {
                if let Some(payout) = books.find_mut(id) {
                    payout.trouble.stays = None;
                }
            }
            waiting
        };
        waiting.iter().for_each(|id| self.walk(id));
    }

    /// The end of a payout: money moves or is set free, and the callback goes out.
    pub(super) fn end(&self, id: &str, failed: Option<&'static str>) -> bool {
        let _writing = self.post.writing();
        let payout = {
            let mut books = lock(&self.books);
            let Some(payout) = books.find_mut(id).filter(|it| !it.status.is_final()) else {
                return false;
            };
            payout.status = failed.map_or(Status::Completed, Status::Failed);
            let payout = payout.clone();
            books.held.remove(&payout.id);
            if failed.is_some() {
                let currency = payout.asked("/currency");
                if let Some(left) = books.wallets.get_mut(&currency) {
                    *left += payout.amount.hundredths;
                }
            } else {
                books.paid.push(paid(&payout));
            }
            payout
        };
        let how = &payout.trouble.callbacks;
        self.tell(&payout, payout.callback(how.lie), how);
        true
    }

    pub(super) fn tell(&self, payout: &Payout, callback: Value, how: &Callbacks) {
        let mut letters = vec![(Duration::ZERO, self.letter(&callback))];
        if how.reversed {
            letters.push((Duration::ZERO, self.letter(&payout.outdated())));
        }
        // The outdated one is in its place already.
        self.post.dispatch(letters, &Callbacks { reversed: false, ..how.clone() });
    }

    fn letter(&self, callback: &Value) -> Letter {
        let body = callback.to_string().into_bytes();
        let seal = self.signer.clone().map(Signer::seal);
        Letter { addressee: MERCHANT.to_owned(), seal, body }
    }
}

/// A request for a payout as far as rules look at it.
pub(super) fn seen(asked: &Value) -> Seen {
    let details = &asked["recipient"]["accountDetails"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Seen {
        act: Act::Pay,
        kind: text(&details["provider"]),
        to: text(&details["phoneNumber"]),
        about: text(&asked["payoutId"]),
    }
}

fn paid(payout: &Payout) -> Paid {
    Paid {
        payout_id: payout.id.clone(),
        amount: payout.asked("/amount"),
        currency: payout.asked("/currency"),
        phone_number: payout.asked("/recipient/accountDetails/phoneNumber"),
        provider: payout.provider(),
        client_reference_id: payout.asked["clientReferenceId"].as_str().map(str::to_owned),
        provider_transaction_id: payout.provider_transaction_id.clone(),
        at: Utc::now(),
    }
}
