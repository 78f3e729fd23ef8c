//! How often each template was used, and what became of the messages.

use actix_web::HttpRequest;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use projections::template_usage::{self as facts, TemplateUsage};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::number::{Counted, Number};
use super::span::Asked;
use super::table::{self, Table};
use crate::State;
use crate::auth::Member;
use crate::problem::Problem;
use crate::query::Query;

/// One template in one step in which it was used.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsTemplate")]
pub(super) struct Template {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    channel_id: Uuid,
    #[schemars(example = &"order_ready")]
    name: String,
    #[schemars(example = &"en_US")]
    language: String,
    used: Number,
    sent: Number,
    delivered: Number,
    read: Number,
    failed: Number,
    failures: Vec<Failure>,
}

/// Messages that failed for one reason.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsFailedTemplates")]
pub(super) struct Failure {
    /// The provider's code, where it told one.
    code: Option<i64>,
    #[serde(flatten)]
    count: Number,
}

pub(super) async fn show(
    state: Data<State>,
    member: Member,
    request: HttpRequest,
    asked: Query<Asked>,
) -> Result<Table<Vec<Template>>, Problem> {
    let span = asked.into_inner().span(&state, None)?;
    let (live, finder) = span.finder(&state, &member, &TemplateUsage).await?;
    let filter = span.filter();
    let counted =
        |measure, group| Counted::find(&finder, measure, &span.edges, Some(group), &filter);
    let (used, sent, delivered, read, failed, failures) = tokio::try_join!(
        counted(facts::USED, facts::TEMPLATE),
        counted(facts::SENT, facts::TEMPLATE),
        counted(facts::DELIVERED, facts::TEMPLATE),
        counted(facts::READ, facts::TEMPLATE),
        counted(facts::FAILED, facts::TEMPLATE),
        counted(facts::FAILED, facts::FAILURE),
    )?;
    let reasons: Vec<(usize, String, Reason)> = failures
        .places()
        .into_iter()
        .filter_map(|(step, key)| {
            let reason = serde_json::from_str(&key).ok()?;
            Some((step, key, reason))
        })
        .collect();
    let template = |(step, key): (usize, String)| {
        let template: (Uuid, String, String) = serde_json::from_str(&key).ok()?;
        let of_it = reasons.iter().filter(|(at, _, (channel, name, language, _))| {
            *at == step && (channel, name, language) == (&template.0, &template.1, &template.2)
        });
        let failure = |(_, key, reason): &(usize, String, Reason)| Failure {
            code: reason.3,
            count: failures.number((step, Some(key))),
        };
        let failures = of_it.map(failure).collect();
        let place = (step, Some(key.as_str()));
        let (channel_id, name, language) = template;
        Some(Template {
            start: span.edges[step],
            end: span.edges[step + 1],
            channel_id,
            name,
            language,
            used: used.number(place),
            sent: sent.number(place),
            delivered: delivered.number(place),
            read: read.number(place),
            failed: failed.number(place),
            failures,
        })
    };
    let templates: Vec<Template> = used.places().into_iter().filter_map(template).collect();
    table::answer(&request, &live, templates, span.meta())
}

/// Channel, name and language of a template, and a code.
type Reason = (Uuid, String, String, Option<i64>);
