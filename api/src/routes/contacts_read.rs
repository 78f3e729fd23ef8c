//! Reading contacts.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use projections::contacts::{self, Contacts, Cursor, Row};
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
use crate::reading::{self, Values};

pub(super) fn routes(api: &mut Api) {
    api.get("/v1/contacts", list)
        .is("contact.list", "Lists contacts, the newest first")
        .refuses(422, &["parameter.invalid"]);
    api.get("/v1/contacts/{id}", show).is("contact.show", "Shows a contact");
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListAsked {
    /// Beginnings of words of a name; the beginning or the end of a number.
    q: Option<String>,
    /// Only contacts with this tag.
    tag: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
    min_position: Option<String>,
}

/// Names and numbers are null where the person was erased.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Contact")]
struct Item {
    id: Uuid,
    #[schemars(example = &"Ada Obi")]
    name: Option<String>,
    /// Digits with the country code.
    #[schemars(example = &"254712345678")]
    phone: Option<String>,
    /// By which the provider knows a person who hides the number.
    #[schemars(example = &"KE.1234567890")]
    user_id: Option<String>,
    #[schemars(example = &"ada.obi")]
    username: Option<String>,
    #[schemars(example = ["vip"])]
    tags: BTreeSet<String>,
    #[schemars(example = serde_json::json!({"city": "Nairobi"}))]
    attributes: BTreeMap<String, Option<String>>,
    #[schemars(extend("enum" = ["active", "blocked", "merged"]))]
    status: String,
    /// Who told of the person first.
    #[schemars(extend("enum" = ["api", "whatsapp"]))]
    source: String,
    version: i64,
    registered_at: DateTime<Utc>,
}

async fn list(
    state: Data<State>,
    member: Member,
    asked: Query<ListAsked>,
) -> Result<envelope::Page<Item>, Problem> {
    let page = Page::<Cursor>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let tag = reading::text("tag", asked.tag.clone())?;
    let searched = reading::search(&state, &member, asked.q.as_deref(), min).await?;
    let (mut live, finder) = reading::finder(&state, &member, &Contacts, min).await?;
    let mut found = None;
    if let Some((search, people)) = searched {
        (live, found) = (live.with(search), Some(people));
    }
    let rows = contacts::page(&finder, tag, found, page.after, page.fetch()).await?;
    let cut = page.cut(rows, Row::cursor);
    let values = Values::open(&state, &member, cut.rows.iter().flat_map(tokens)).await?;
    let items = cut.rows.into_iter().map(|row| item(row, &values)).collect();
    Ok(envelope::page(&live, items, cut.next))
}

async fn show(
    state: Data<State>,
    member: Member,
    id: Path<Uuid>,
    asked: Query<Since>,
) -> Result<One<Item>, Problem> {
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let (live, finder) = reading::finder(&state, &member, &Contacts, min).await?;
    let row = contacts::find(&finder, *id).await?.ok_or_else(Problem::not_found)?;
    let values = Values::open(&state, &member, tokens(&row)).await?;
    Ok(envelope::one(&live, row.version, item(row, &values)))
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
