//! Reading contacts; `contacts` registers these two on its resources.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use chrono::{DateTime, Utc};
use projections::contacts::{self, Contacts, Cursor, Row};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::Member;
use crate::envelope;
use crate::page::Page;
use crate::position::Position;
use crate::problem::Problem;
use crate::reading::{self, Values};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListAsked {
    q: Option<String>,
    tag: Option<String>,
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
    name: Option<String>,
    phone: Option<String>,
    user_id: Option<String>,
    username: Option<String>,
    tags: BTreeSet<String>,
    attributes: BTreeMap<String, Option<String>>,
    status: String,
    source: String,
    version: i64,
    registered_at: DateTime<Utc>,
}

pub(crate) async fn list(
    state: Data<State>,
    member: Member,
    asked: Query<ListAsked>,
) -> Result<HttpResponse, Problem> {
    let page = Page::<Cursor>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let tag = reading::text("tag", asked.tag.clone())?;
    let searched = reading::search(&state, &member, asked.q.as_deref(), min).await?;
    let (mut live, finder) = reading::finder(&state, &member, &Contacts, min).await?;
    let found = searched.map(|(search, found)| {
        live = live.with(search);
        found
    });
    let rows = contacts::page(&finder, tag, found, page.after, page.fetch()).await?;
    let cut = page.cut(rows, Row::cursor);
    let values = Values::open(&state, &member, cut.rows.iter().flat_map(tokens)).await?;
    let items: Vec<Item> = cut.rows.into_iter().map(|row| item(row, &values)).collect();
    Ok(envelope::page(&live, items, cut.next))
}

pub(crate) async fn show(
    state: Data<State>,
    member: Member,
    id: Path<Uuid>,
    asked: Query<ShowAsked>,
) -> Result<HttpResponse, Problem> {
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let (live, finder) = reading::finder(&state, &member, &Contacts, min).await?;
    let row = contacts::find(&finder, *id).await?.ok_or_else(Problem::not_found)?;
    let version = row.version;
    let values = Values::open(&state, &member, tokens(&row)).await?;
    Ok(reading::versioned(envelope::one(&live, item(row, &values)), version))
}

fn tokens(row: &Row) -> impl Iterator<Item = &String> {
    let known_by = [&row.name, &row.phone, &row.user_id, &row.username];
    known_by.into_iter().flatten().chain(row.attributes.values())
}

fn item(row: Row, values: &Values) -> Item {
    let text = |token: &Option<String>| values.text(token.as_ref());
    let attribute = |(name, token): (String, String)| (name, values.text(Some(&token)));
    Item {
        name: text(&row.name),
        phone: text(&row.phone),
        user_id: text(&row.user_id),
        username: text(&row.username),
        attributes: row.attributes.into_iter().map(attribute).collect(),
        id: row.contact_id,
        tags: row.tags,
        status: row.status,
        source: row.source,
        version: row.version,
        registered_at: row.registered_at,
    }
}
