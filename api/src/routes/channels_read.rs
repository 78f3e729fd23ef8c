//! Reading channels, whose secrets nobody sees.

use std::collections::BTreeMap;

use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use domain::channel::{Provider, WhenClosed};
use projections::channels::{self, Alert, Channels, Cursor, Filter, Row};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::Member;
use crate::envelope::{self, One};
use crate::openapi::Api;
use crate::page::Page;
use crate::position::{Position, Since};
use crate::problem::Problem;
use crate::query::Query;
use crate::reading;

pub(super) fn routes(api: &mut Api) {
    api.get("/v1/channels", list)
        .is("channel.list", "Lists channels")
        .refuses(422, &["parameter.invalid"]);
    api.get("/v1/channels/{id}", show).is("channel.show", "Shows a channel");
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListAsked {
    /// Only channels of this provider.
    #[schemars(with = "Option<Provider>")]
    provider: Option<String>,
    /// Only channels that are so.
    #[schemars(with = "Option<Status>")]
    status: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
    min_position: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Channel")]
struct Item {
    id: Uuid,
    provider: Provider,
    #[schemars(example = &"Shop")]
    name: String,
    status: Status,
    /// The WhatsApp Business account.
    #[schemars(example = &"102290129340398")]
    account_id: Option<String>,
    #[schemars(example = &"106540352242922")]
    phone_number_id: Option<String>,
    #[schemars(example = &"15550783881")]
    display_phone_number: Option<String>,
    when_closed: Option<WhenClosed>,
    /// Fingerprints: two that are equal are of the same secret.
    #[schemars(example = serde_json::json!({"app_secret": "0f1e2d3c4b5a6978"}))]
    secrets: BTreeMap<String, String>,
    /// PawaPay's, by which callbacks are checked.
    #[schemars(example = &"-----BEGIN PUBLIC KEY-----…")]
    callback_public_key: Option<String>,
    webhook: Webhook,
    alert: Option<Alert>,
    version: i64,
    connected_at: DateTime<Utc>,
    disconnected_at: Option<DateTime<Utc>>,
    changed_at: DateTime<Utc>,
}

/// Where the provider reaches us, and where it has to be told so.
#[derive(Serialize, JsonSchema)]
pub(super) struct Webhook {
    #[schemars(example = &"/webhooks/whatsapp/019b2f6e-7c1a-7d35-9e0b-4f1d2a6c8b90")]
    path: String,
    #[schemars(example = &"in Meta's App Dashboard, under WhatsApp > Configuration > Webhook")]
    register: &'static str,
}

pub(super) fn webhook(provider: Provider, channel: Uuid) -> Webhook {
    let register = match provider {
        Provider::Whatsapp => {
            "in Meta's App Dashboard, under WhatsApp > Configuration > Webhook: the callback URL \
             is this path behind your public https address, the verify token is the channel's; \
             then subscribe to the field messages and what else you want to hear of"
        }
        Provider::Pawapay => {
            "in PawaPay's Dashboard, under System configuration > Callback URLs: for payouts, \
             this path behind your public https address"
        }
    };
    Webhook { path: format!("/webhooks/{}/{channel}", provider.as_str()), register }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ChannelStatus")]
pub(super) enum Status {
    Connected,
    Disconnected,
}

impl Status {
    pub(super) fn of(connected: bool) -> Status {
        if connected { Status::Connected } else { Status::Disconnected }
    }
}

async fn list(
    state: Data<State>,
    member: Member,
    asked: Query<ListAsked>,
) -> Result<envelope::Page<Item>, Problem> {
    let page = Page::<Cursor>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let filter = Filter {
        provider: provider(asked.provider.as_deref())?,
        connected: connected(asked.status.as_deref())?,
    };
    let (live, finder) = reading::finder(&state, &member, &Channels, min).await?;
    let rows = channels::page(&finder, filter, page.after, page.fetch()).await?;
    let cut = page.cut(rows, Row::cursor);
    let items = cut.rows.into_iter().map(item).collect();
    Ok(envelope::page(&live, items, cut.next))
}

async fn show(
    state: Data<State>,
    member: Member,
    id: Path<Uuid>,
    asked: Query<Since>,
) -> Result<One<Item>, Problem> {
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let (live, finder) = reading::finder(&state, &member, &Channels, min).await?;
    let row = channels::find(&finder, *id).await?.ok_or_else(Problem::not_found)?;
    Ok(envelope::one(&live, row.version, item(row)))
}

fn provider(text: Option<&str>) -> Result<Option<Provider>, Problem> {
    let named = |text: &str| {
        let known = Provider::ALL.into_iter().find(|one| one.as_str() == text);
        known.ok_or_else(|| {
            let names = Provider::ALL.map(Provider::as_str).join(", ");
            reading::unreadable("provider", format!("is one of {names}"))
        })
    };
    text.map(named).transpose()
}

fn connected(text: Option<&str>) -> Result<Option<bool>, Problem> {
    let named = |text: &str| match text {
        "connected" => Ok(true),
        "disconnected" => Ok(false),
        _ => Err(reading::unreadable("status", "is connected or disconnected")),
    };
    text.map(named).transpose()
}

fn item(row: Row) -> Item {
    Item {
        webhook: webhook(row.provider, row.channel_id),
        id: row.channel_id,
        provider: row.provider,
        name: row.name,
        status: Status::of(row.disconnected_at.is_none()),
        account_id: row.account,
        phone_number_id: row.line,
        display_phone_number: row.display_phone_number,
        when_closed: row.when_closed,
        secrets: row.secrets,
        callback_public_key: row.callback_key,
        alert: row.alert,
        version: row.version,
        connected_at: row.connected_at,
        disconnected_at: row.disconnected_at,
        changed_at: row.changed_at,
    }
}
