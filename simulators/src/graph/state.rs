//! What the server keeps: accounts, files, templates, the ledger, and who wrote when.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::error::Error;
use super::limits::Used;
use super::media::{Files, Samples};
use super::templates::Shelf;
use super::{Account, Sent, Settings};
use crate::chance::Chance;
use crate::lock;
use crate::post::{Letter, Post, Seal};
use crate::script::{Callbacks, Script};
use crate::server::Server;
use crate::whatsapp::{self, Line, Person};

/// Codes for faults that pass by themselves.
const PASSING: &[u32] = &[131_000, 131_016, 130_429];

pub(super) struct State {
    pub(super) settings: Settings,
    /// Where this server is, for the addresses that it gives out.
    pub(super) base: String,
    pub(super) post: Post,
    pub(super) script: Mutex<Script<u32>>,
    pub(super) books: Mutex<Books>,
}

pub(super) struct Books {
    accounts: Vec<Account>,
    pub(super) sent: Vec<Sent>,
    pub(super) read: Vec<String>,
    wrote: HashMap<String, DateTime<Utc>>,
    pub(super) unreachable: HashSet<String>,
    pub(super) allowed: Option<HashSet<String>>,
    pub(super) files: Files,
    pub(super) samples: Samples,
    pub(super) shelf: Shelf,
    pub(super) used: Used,
    pub(super) ids: Chance,
}

impl State {
    pub(super) fn new(mut settings: Settings, server: &Server) -> State {
        let accounts = std::mem::take(&mut settings.accounts);
        // No two servers give out the same ids.
        let ids = Chance::of(&server.address().to_string(), Utc::now().timestamp_micros());
        let state = State {
            post: Post::new(server.handle(), settings.patience),
            base: format!("http://{}", server.address()),
            script: Mutex::new(Script::new(PASSING)),
            books: Mutex::new(Books {
                accounts: Vec::new(),
                sent: Vec::new(),
                read: Vec::new(),
                wrote: HashMap::new(),
                unreachable: HashSet::new(),
                allowed: None,
                files: Files::default(),
                samples: Samples::default(),
                shelf: Shelf::default(),
                used: Used::default(),
                ids,
            }),
            settings,
        };
        accounts.into_iter().for_each(|account| state.open(account));
        state
    }

    pub(super) fn open(&self, account: Account) {
        if let Some(url) = &account.webhook_url {
            self.post.lives_at(&account.line.phone_number_id, url);
        }
        let accounts = &mut lock(&self.books).accounts;
        accounts.retain(|it| it.line.phone_number_id != account.line.phone_number_id);
        accounts.push(account);
    }

    pub(super) fn tell(&self, phone_number_id: &str, field: &str, value: Value) {
        let account = lock(&self.books).line(phone_number_id);
        if let Some(account) = account {
            let letter = letter(&account, field, value);
            self.post.dispatch(vec![(Duration::ZERO, letter)], &Callbacks::default());
        }
    }

    pub(super) fn customer_writes(
        &self,
        phone_number_id: &str,
        from: &Person,
        kind: &str,
        content: Value,
    ) -> Option<String> {
        let (account, id) = {
            let mut books = lock(&self.books);
            let account = books.line(phone_number_id)?;
            books.heard(from.address(), Utc::now());
            (account, books.ids.wamid(from.address()))
        };
        let now = Utc::now();
        let said = whatsapp::message(&account.line, from, &id, now, kind, content, Value::Null);
        self.tell(phone_number_id, "messages", said);
        Some(id)
    }
}

impl Books {
    pub(super) fn line(&self, phone_number_id: &str) -> Option<Account> {
        self.accounts.iter().find(|it| it.line.phone_number_id == phone_number_id).cloned()
    }

    pub(super) fn of_business(&self, account_id: &str) -> Option<Account> {
        self.accounts.iter().find(|it| it.line.account_id == account_id).cloned()
    }

    /// Who a token belongs to, if to anybody.
    pub(super) fn holder(&self, token: Option<&str>) -> Result<(), Error> {
        let known = self.accounts.iter().any(|account| Some(account.token.as_str()) == token);
        if known { Ok(()) } else { Err(Error::of(190)) }
    }

    /// The account that a token gives access to, by something that is true of its line.
    pub(super) fn access(
        &self,
        token: Option<&str>,
        (verb, id): (&str, &str),
        fits: impl Fn(&Line) -> bool,
    ) -> Result<Account, Error> {
        self.holder(token)?;
        let found =
            self.accounts.iter().find(|it| Some(it.token.as_str()) == token && fits(&it.line));
        found.cloned().ok_or_else(|| Error::no_object(verb, id))
    }

    pub(super) fn heard(&mut self, from: &str, at: DateTime<Utc>) {
        let last = self.wrote.entry(from.to_owned()).or_insert(at);
        *last = at.max(*last);
    }

    /// Whether someone wrote in the last 24 hours.
    pub(super) fn in_window(&self, who: &str, now: DateTime<Utc>) -> bool {
        self.wrote.get(who).is_some_and(|at| now < *at + TimeDelta::hours(24))
    }

    /// What a message is called.
    pub(super) fn name(&mut self, to: &str, callback_data: Option<&str>) -> String {
        let Some(data) = callback_data else { return self.ids.wamid(to) };
        let twin = |sent: &&Sent| sent.to == to && sent.callback_data.as_deref() == Some(data);
        wamid(to, data, self.sent.iter().filter(twin).count())
    }

    pub(super) fn keep(&mut self, line: &str, mime_type: &str, bytes: Bytes) -> String {
        let id = self.ids.digits(16);
        self.files.keep(id.clone(), line, mime_type, bytes);
        id
    }
}

/// What a message is called that was sent to somebody along with these callback data, after so many
/// others with the same. Whichever server was asked for it: one that takes over names it alike.
pub fn wamid(to: &str, callback_data: &str, before: usize) -> String {
    Chance::of(&format!("{to} {callback_data} {before}"), 0).wamid(to)
}

/// A webhook with one change, signed for the account's app.
pub(super) fn letter(account: &Account, field: &str, value: Value) -> Letter {
    let mut entry = whatsapp::entry(&account.line, field, value);
    if field != "messages" {
        entry["time"] = json!(Utc::now().timestamp());
    }
    let body = whatsapp::bytes(whatsapp::envelope_of(vec![entry]));
    let signature = whatsapp::sign(&account.app_secret, &body);
    let seal: Seal = Arc::new(move |_, _| vec![("x-hub-signature-256", signature.clone())]);
    Letter { addressee: account.line.phone_number_id.clone(), seal: Some(seal), body }
}

/// A number as WhatsApp writes it; ids of other kinds stay as they are.
pub(super) fn digits(number: &str) -> String {
    if number.chars().any(char::is_alphabetic) {
        return number.to_owned();
    }
    number.chars().filter(char::is_ascii_digit).collect()
}
