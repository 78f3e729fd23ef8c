//! Reading channels, whose secrets nobody sees; `channels` registers these on its resources.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use chrono::{DateTime, Utc};
use domain::channel::{Provider, WhenClosed};
use projections::channels::{self, Alert, Channels, Cursor, Filter, Row};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::Member;
use crate::envelope;
use crate::page::Page;
use crate::position::Position;
use crate::problem::Problem;
use crate::reading;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListAsked {
    provider: Option<String>,
    status: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
    min_position: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShowAsked {
    min_position: Option<String>,
}

#[derive(Serialize)]
struct Item {
    id: Uuid,
    provider: Provider,
    name: String,
    status: &'static str,
    account_id: Option<String>,
    phone_number_id: Option<String>,
    display_phone_number: Option<String>,
    when_closed: Option<WhenClosed>,
    /// Fingerprints: two that are equal are of the same secret.
    secrets: BTreeMap<String, String>,
    callback_public_key: Option<String>,
    webhook: Webhook,
    alert: Option<Alert>,
    version: i64,
    connected_at: DateTime<Utc>,
    disconnected_at: Option<DateTime<Utc>>,
    changed_at: DateTime<Utc>,
}

/// Where the provider reaches us, and where it has to be told so.
#[derive(Serialize)]
pub(super) struct Webhook {
    path: String,
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

pub(super) fn status(connected: bool) -> &'static str {
    if connected { "connected" } else { "disconnected" }
}

pub(crate) async fn list(
    state: Data<State>,
    member: Member,
    asked: Query<ListAsked>,
) -> Result<HttpResponse, Problem> {
    let page = Page::<Cursor>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let filter = Filter {
        provider: provider(asked.provider.as_deref())?,
        connected: connected(asked.status.as_deref())?,
    };
    let (live, finder) = reading::finder(&state, &member, &Channels, min).await?;
    let rows = channels::page(&finder, filter, page.after, page.fetch()).await?;
    let cut = page.cut(rows, Row::cursor);
    let items: Vec<Item> = cut.rows.into_iter().map(item).collect();
    Ok(envelope::page(&live, items, cut.next))
}

pub(crate) async fn show(
    state: Data<State>,
    member: Member,
    id: Path<Uuid>,
    asked: Query<ShowAsked>,
) -> Result<HttpResponse, Problem> {
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let (live, finder) = reading::finder(&state, &member, &Channels, min).await?;
    let row = channels::find(&finder, *id).await?.ok_or_else(Problem::not_found)?;
    let version = row.version;
    Ok(reading::versioned(envelope::one(&live, item(row)), version))
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
    let named = |text: &str| {
        let known = [true, false].into_iter().find(|connected| status(*connected) == text);
        known.ok_or_else(|| reading::unreadable("status", "is connected or disconnected"))
    };
    text.map(named).transpose()
}

fn item(row: Row) -> Item {
    Item {
        webhook: webhook(row.provider, row.channel_id),
        id: row.channel_id,
        provider: row.provider,
        name: row.name,
        status: status(row.disconnected_at.is_none()),
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
