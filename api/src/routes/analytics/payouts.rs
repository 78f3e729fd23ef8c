//! Payouts by currency: how many, how much, how long they took, and why they failed. Each kind is
//! counted on the day when it happened: a payout may be requested in one step and fail in another.

use std::collections::BTreeSet;

use actix_web::HttpRequest;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use projections::finder::Finder;
use projections::payout_facts::{self as facts, PayoutFacts};
use schemars::JsonSchema;
use serde::Serialize;

use super::number::{Counted, Sum};
use super::span::{Asked, Span};
use super::table::{self, Table};
use crate::State;
use crate::auth::Member;
use crate::problem::Problem;
use crate::query::Query;

/// One currency in one step in which something happened.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsPayouts")]
pub(super) struct Payouts {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    #[schemars(example = &"KES")]
    currency: String,
    requested: Sum,
    /// Times are from the request.
    approved: Sum,
    rejected: Sum,
    cancelled: Sum,
    /// From the approval.
    submitted: Sum,
    /// From the submission.
    completed: Sum,
    failed: Sum,
    /// Submitted then, and still not known to be paid or not.
    unknown: Sum,
    failures: Vec<Failure>,
}

/// Payouts that failed for one reason.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsFailedPayouts")]
pub(super) struct Failure {
    /// The provider's.
    #[schemars(example = &"RECIPIENT_NOT_FOUND")]
    code: Option<String>,
    #[serde(flatten)]
    sum: Sum,
}

pub(super) async fn show(
    state: Data<State>,
    member: Member,
    request: HttpRequest,
    asked: Query<Asked>,
) -> Result<Table<Vec<Payouts>>, Problem> {
    let span = asked.into_inner().span(&state, None)?;
    let (live, finder) = span.finder(&state, &member, &PayoutFacts).await?;
    let payouts = payouts(&finder, &span, &span.edges).await?;
    table::answer(&request, &live, payouts, span.meta())
}

/// What is told of the steps between each two of the edges.
pub(super) async fn payouts(
    finder: &Finder<PayoutFacts>,
    span: &Span,
    edges: &[DateTime<Utc>],
) -> Result<Vec<Payouts>, Problem> {
    let filter = span.filter();
    let counted = |measure| Counted::find(finder, measure, edges, Some(facts::CURRENCY), &filter);
    let (requested, approved, rejected, cancelled) = tokio::try_join!(
        counted(facts::REQUESTED),
        counted(facts::APPROVED),
        counted(facts::REJECTED),
        counted(facts::CANCELLED),
    )?;
    let (submitted, completed, failed, unknown) = tokio::try_join!(
        counted(facts::SUBMITTED),
        counted(facts::COMPLETED),
        counted(facts::FAILED),
        counted(facts::UNKNOWN),
    )?;
    let failures =
        Counted::find(finder, facts::FAILED, edges, Some(facts::FAILURE), &filter).await?;
    let mut places = BTreeSet::new();
    for all in [&requested, &approved, &rejected, &cancelled, &submitted, &completed, &failed] {
        places.extend(all.places());
    }
    let of = |(step, currency): (usize, String)| {
        let place = (step, Some(currency.as_str()));
        Payouts {
            start: edges[step],
            end: edges[step + 1],
            requested: requested.sum(place),
            approved: approved.sum(place),
            rejected: rejected.sum(place),
            cancelled: cancelled.sum(place),
            submitted: submitted.sum(place),
            completed: completed.sum(place),
            failed: failed.sum(place),
            unknown: unknown.sum(place),
            failures: reasons(&failures, step, &currency),
            currency,
        }
    };
    Ok(places.into_iter().map(of).collect())
}

fn reasons(failures: &Counted, step: usize, currency: &str) -> Vec<Failure> {
    let reason = |(at, key): (usize, String)| {
        let (of, code): (String, Option<String>) = serde_json::from_str(&key).ok()?;
        let sum = failures.sum((at, Some(&key)));
        (at == step && of == currency).then_some(Failure { code, sum })
    };
    failures.places().into_iter().filter_map(reason).collect()
}
