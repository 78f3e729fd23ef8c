//! Reading message templates.

use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use domain::template::{self, Category, Component, Draft, ParameterFormat};
use projections::templates::{self, Cursor, Filter, Row, Templates};
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
    api.get("/v1/templates", list)
        .is("template.list", "Lists templates by name")
        .refuses(422, &["parameter.invalid"]);
    api.get("/v1/templates/{id}", show).is("template.show", "Shows a template");
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListAsked {
    /// States with commas between, or `all`; otherwise all but `removed`.
    #[schemars(example = &"approved,paused")]
    status: Option<String>,
    /// Only templates of this channel's account.
    #[schemars(with = "Option<Uuid>")]
    channel: Option<String>,
    /// Only templates of this category.
    #[schemars(with = "Option<Category>")]
    category: Option<String>,
    /// Only templates in this language.
    #[schemars(example = &"en_US")]
    language: Option<String>,
    /// A part of the name.
    #[schemars(example = &"order")]
    name: Option<String>,
    /// Only templates that somebody marked as fit for work, or only others.
    work_approved: Option<bool>,
    limit: Option<i64>,
    cursor: Option<String>,
    min_position: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Template")]
struct Item {
    id: Uuid,
    channel_id: Uuid,
    #[schemars(example = &"order_ready")]
    name: String,
    #[schemars(example = &"en_US")]
    language: String,
    #[schemars(with = "Category")]
    category: String,
    #[schemars(with = "template::State")]
    status: String,
    /// A word or a title of Meta's.
    #[schemars(example = &"INVALID_FORMAT")]
    status_reason: Option<String>,
    #[schemars(example = &"Two placeholders touch. Put words between them.")]
    status_detail: Option<String>,
    parameter_format: ParameterFormat,
    #[schemars(example = super::templates::form::components())]
    components: Vec<Component>,
    /// How long Meta tries to deliver; -1 is as long as it can.
    message_send_ttl_seconds: Option<i32>,
    /// Whether Meta has not seen it as it is now.
    changed_since_submission: bool,
    work_approved: bool,
    /// Why it is not utility.
    #[schemars(example = &"It invites to a sale.")]
    override_reason: Option<String>,
    #[schemars(example = &"594425479261596")]
    provider_template_id: Option<String>,
    #[schemars(example = &"green")]
    quality: Option<String>,
    /// The category that Meta announced, and from when.
    #[schemars(example = &"marketing")]
    next_category: Option<String>,
    next_category_at: Option<DateTime<Utc>>,
    notice: Option<Notice>,
    duplicate_of: Option<Uuid>,
    version: i64,
    drafted_at: DateTime<Utc>,
    submitted_at: Option<DateTime<Utc>>,
    changed_at: DateTime<Utc>,
}

/// The last that Meta told besides all that.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TemplateNotice")]
struct Notice {
    #[schemars(example = &"LOCKED")]
    event: String,
    #[schemars(example = &"It was edited too often.")]
    detail: Option<String>,
}

async fn list(
    state: Data<State>,
    member: Member,
    asked: Query<ListAsked>,
) -> Result<envelope::Page<Item>, Problem> {
    let page = Page::<Cursor>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let language = reading::text("language", asked.language.clone())?;
    let filter = Filter {
        states: statuses(asked.status.as_deref())?,
        channel: reading::id("channel", asked.channel.as_deref())?,
        category: category(asked.category.as_deref())?,
        language: language.as_deref().map(Draft::language),
        name: reading::text("name", asked.name.clone())?,
        work_approved: asked.work_approved,
    };
    let (live, finder) = reading::finder(&state, &member, &Templates, min).await?;
    let rows = templates::page(&finder, filter, page.after, page.fetch()).await?;
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
    let (live, finder) = reading::finder(&state, &member, &Templates, min).await?;
    let row = templates::find(&finder, *id).await?.ok_or_else(Problem::not_found)?;
    Ok(envelope::one(&live, row.version, item(row)))
}

/// Which states are meant: all but `removed` unless told, by name with commas between, or `all`.
fn statuses(text: Option<&str>) -> Result<Vec<template::State>, Problem> {
    let all = template::State::ALL.into_iter();
    let Some(text) = text else {
        return Ok(all.filter(|state| *state != template::State::Removed).collect());
    };
    if text == "all" {
        return Ok(vec![]);
    }
    let known = |name: &str| all.clone().find(|state| state.as_str() == name);
    text.split(',').map(known).collect::<Option<Vec<_>>>().ok_or_else(|| {
        let names = template::State::ALL.map(template::State::as_str).join(", ");
        reading::unreadable("status", format!("is all, or some of {names}"))
    })
}

fn category(text: Option<&str>) -> Result<Option<Category>, Problem> {
    let named = |text: &str| {
        Category::named(text).ok_or_else(|| {
            let names = Category::ALL.map(Category::as_str).join(", ");
            reading::unreadable("category", format!("is one of {names}"))
        })
    };
    text.map(named).transpose()
}

fn item(row: Row) -> Item {
    let detail = row.note_detail;
    Item {
        id: row.template_id,
        channel_id: row.channel_id,
        name: row.name,
        language: row.language,
        category: row.category,
        status: row.state,
        status_reason: row.reason,
        status_detail: row.detail,
        parameter_format: row.content.parameter_format,
        components: row.content.components,
        message_send_ttl_seconds: row.content.message_send_ttl_seconds,
        changed_since_submission: row.changed,
        work_approved: row.work_approved,
        override_reason: row.override_reason,
        provider_template_id: row.provider_id,
        quality: row.quality,
        next_category: row.next_category,
        next_category_at: row.next_category_at,
        notice: row.note.map(|event| Notice { event, detail }),
        duplicate_of: row.duplicate_of,
        version: row.version,
        drafted_at: row.drafted_at,
        submitted_at: row.submitted_at,
        changed_at: row.changed_at,
    }
}
