//! Reading message templates; `templates` registers these two on its resources.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use chrono::{DateTime, Utc};
use domain::template::{self, Category, Component, Draft, ParameterFormat};
use projections::templates::{self, Cursor, Filter, Row, Templates};
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
    status: Option<String>,
    channel: Option<String>,
    category: Option<String>,
    language: Option<String>,
    name: Option<String>,
    work_approved: Option<bool>,
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
    channel_id: Uuid,
    name: String,
    language: String,
    category: String,
    status: String,
    status_reason: Option<String>,
    status_detail: Option<String>,
    parameter_format: ParameterFormat,
    components: Vec<Component>,
    message_send_ttl_seconds: Option<i32>,
    changed_since_submission: bool,
    work_approved: bool,
    override_reason: Option<String>,
    provider_template_id: Option<String>,
    quality: Option<String>,
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
#[derive(Serialize)]
struct Notice {
    event: String,
    detail: Option<String>,
}

pub(crate) async fn list(
    state: Data<State>,
    member: Member,
    asked: Query<ListAsked>,
) -> Result<HttpResponse, Problem> {
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
    let (live, finder) = reading::finder(&state, &member, &Templates, min).await?;
    let row = templates::find(&finder, *id).await?.ok_or_else(Problem::not_found)?;
    let version = row.version;
    Ok(reading::versioned(envelope::one(&live, item(row)), version))
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
