//! Channels: the organisation's ways to its providers, with the secrets by their fingerprints, and
//! the last warning that each line got.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::channel::{Account, Connected, Event, Notice, Provider, SecretKind, WhenClosed};
use domain::secret::SecretRef;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::finder::Finder;
use crate::model::{Column, ReadModel, Source, Table, column};
use crate::{Error, Recorded};

pub struct Channels;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub channel_id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub channel_id: Uuid,
    pub provider: Provider,
    pub name: String,
    /// The WhatsApp Business account.
    pub account: Option<String>,
    /// The provider's id of the line.
    pub line: Option<String>,
    pub display_phone_number: Option<String>,
    pub when_closed: Option<WhenClosed>,
    /// The fingerprint of each secret that is kept, by what it is for.
    pub secrets: BTreeMap<String, String>,
    pub callback_key: Option<String>,
    /// The last that the provider told about the line itself or its account.
    pub alert: Option<Alert>,
    pub version: i64,
    pub connected_at: DateTime<Utc>,
    pub disconnected_at: Option<DateTime<Utc>>,
    /// When somebody of the organisation changed it last.
    pub changed_at: DateTime<Utc>,
}

/// In the provider's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "ChannelAlert")]
pub struct Alert {
    pub field: String,
    pub event: String,
    pub at: DateTime<Utc>,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("channel_id", "uuid"),
        column("provider", "text"),
        column("name", "text"),
        column("account", "text"),
        column("line", "text"),
        column("display_phone_number", "text"),
        column("when_closed", "text"),
        column("secrets", "jsonb"),
        column("callback_key", "text"),
        column("alert", "jsonb"),
        column("version", "bigint"),
        column("connected_at", "timestamptz"),
        column("disconnected_at", "timestamptz"),
        column("changed_at", "timestamptz"),
    ];
    const KEY: usize = 2;
    const INDEXES: &'static [&'static str] = &["(tenant_id, connected_at desc, channel_id desc)"];
}

impl ReadModel for Channels {
    const NAME: &'static str = "channels";
    const VERSION: u32 = 1;
    const SOURCE: Source = Source::Stream("channel");
    type Key = Key;
    type Row = Row;

    fn keys(event: &Recorded) -> Vec<Key> {
        match &event.event {
            domain::Event::Channel(_) => {
                vec![Key { tenant_id: event.stored.tenant_id, channel_id: event.stream() }]
            }
            _ => vec![],
        }
    }

    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::Channel(event) = &recorded.event else { return row };
        let at = recorded.stored.recorded_at;
        let mut row = match (row, event) {
            (None, Event::Connected(line)) => of_line(key, line, at),
            (None, Event::PawapayConnected(account)) => of_account(key, account, at),
            (row, _) => row?,
        };
        row.version = recorded.stored.sequence;
        let changed_before = std::mem::replace(&mut row.changed_at, at);
        match event {
            Event::Connected(_) | Event::PawapayConnected(_) => {}
            Event::Renamed { name } => row.name.clone_from(name),
            Event::WhenClosedChosen { when_closed } => row.when_closed = Some(*when_closed),
            Event::SecretReplaced { which, secret } => {
                row.secrets.extend(shown([(*which, secret)]));
            }
            Event::CallbackKeyChanged { callback_key } => row.callback_key.clone_from(callback_key),
            Event::Disconnected {} => row.disconnected_at = Some(at),
            Event::Reconnected {} => row.disconnected_at = None,
            Event::AccountUpdated(notice)
            | Event::PhoneNumberUpdated(notice)
            | Event::LineFailed(notice) => {
                row.alert = Some(alert(notice, at));
                row.changed_at = changed_before;
            }
            Event::AutomationReported(_)
            | Event::CallUpdated(_)
            | Event::ContactSynced(_)
            | Event::GroupUpdated(_)
            | Event::PreferenceChanged(_)
            | Event::TemplateUpdated(_)
            | Event::Unsupported(_) => row.changed_at = changed_before,
        }
        Some(row)
    }
}

fn of_line(key: &Key, line: &Connected, at: DateTime<Utc>) -> Row {
    Row {
        account: Some(line.account.clone()),
        line: Some(line.line.clone()),
        display_phone_number: line.display_phone_number.clone(),
        when_closed: Some(line.when_closed),
        secrets: shown(line.secrets()),
        ..plain(key, line.provider, &line.name, at)
    }
}

fn of_account(key: &Key, account: &Account, at: DateTime<Utc>) -> Row {
    Row {
        secrets: shown([(SecretKind::ApiToken, &account.api_token)]),
        callback_key: account.callback_key.clone(),
        ..plain(key, Provider::Pawapay, &account.name, at)
    }
}

fn plain(key: &Key, provider: Provider, name: &str, at: DateTime<Utc>) -> Row {
    Row {
        tenant_id: key.tenant_id,
        channel_id: key.channel_id,
        provider,
        name: name.to_owned(),
        account: None,
        line: None,
        display_phone_number: None,
        when_closed: None,
        secrets: BTreeMap::new(),
        callback_key: None,
        alert: None,
        version: 0,
        connected_at: at,
        disconnected_at: None,
        changed_at: at,
    }
}

fn shown<'a>(
    secrets: impl IntoIterator<Item = (SecretKind, &'a SecretRef)>,
) -> BTreeMap<String, String> {
    let shown = |(kind, secret): (SecretKind, &SecretRef)| {
        (kind.as_str().to_owned(), secret.fingerprint.clone())
    };
    secrets.into_iter().map(shown).collect()
}

fn alert(notice: &Notice, recorded_at: DateTime<Utc>) -> Alert {
    Alert {
        field: notice.field.clone(),
        event: notice.event.clone(),
        at: notice.at.unwrap_or(recorded_at),
    }
}

/// Which channels somebody wants to see.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    pub provider: Option<Provider>,
    /// Whether it is connected now.
    pub connected: Option<bool>,
}

/// The last row of a page: when the channel was connected first, and its id.
pub type Cursor = (DateTime<Utc>, Uuid);

impl Row {
    /// Where a page goes on behind this row.
    pub fn cursor(&self) -> Cursor {
        (self.connected_at, self.channel_id)
    }
}

/// Channels, the newest first.
pub async fn page(
    finder: &Finder<Channels>,
    filter: Filter,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let mut find = finder.select("r.*");
    find.when("provider = {}", filter.provider.map(Provider::as_str))
        .when("(disconnected_at is null) = {}", filter.connected);
    if let Some((at, channel)) = after {
        find.sql.push(" and (connected_at, channel_id) < (").push_bind(at);
        find.sql.push(", ").push_bind(channel).push(")");
    }
    find.fetch("connected_at desc, channel_id desc", limit).await
}

/// One channel.
pub async fn find(finder: &Finder<Channels>, channel: Uuid) -> Result<Option<Row>, Error> {
    let mut find = finder.select("r.*");
    find.when("channel_id = {}", Some(channel));
    find.fetch_one().await
}
