//! Everything at a glance: conversations, messages and their way, templates, tickets and payouts
//! over one span, and where things stand now.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use commands::gateways::whatsapp::graph::Reason;
use projections::conversation_facts::{self, ConversationFacts};
use projections::conversation_messages::{self, ConversationMessages};
use projections::facts::Filter;
use projections::finder::Finder;
use projections::message_volume::{self, MessageVolume};
use projections::payout_facts::PayoutFacts;
use projections::templates::{self, Templates};
use projections::tickets::{self, Tickets};
use schemars::JsonSchema;
use serde::Serialize;

use super::conversations::{Course, courses};
use super::number::{Counted, Number, Times, address_of};
use super::payouts::{Payouts, payouts};
use super::span::{Asked, Span};
use super::table::{self, Table};
use super::volume::points;
use crate::State;
use crate::auth::Member;
use crate::problem::Problem;
use crate::query::Query;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsOverview")]
pub(super) struct Overview {
    conversations: Conversations,
    messages: Messages,
    delivery: Delivery,
    templates: Reviews,
    tickets: Desk,
    payouts: Vec<Payouts>,
    /// Only where a step was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Brief>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsOverviewConversations")]
pub(super) struct Conversations {
    #[serde(flatten)]
    course: Course,
    /// Opened before the span's end, and not over now.
    open: Number,
    /// Of the open ones, those that nobody has.
    unassigned: Number,
    /// Of the open ones, those whose customer waits for somebody's answer.
    waiting: Number,
}

/// Everything that was said, reactions and edits too, by whichever way.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsOverviewMessages")]
pub(super) struct Messages {
    inbound: Number,
    outbound: Number,
}

/// The way of the messages that were written here in the span: each step counts those that got at
/// least that far.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsDelivery")]
pub(super) struct Delivery {
    written: Number,
    /// By who wrote them.
    by_author: BTreeMap<String, Number>,
    waiting: Number,
    sent: Number,
    delivered: Number,
    read: Number,
    failed: Number,
    unknown: Number,
    discarded: Number,
    failures: Vec<Failure>,
}

/// Messages that failed for one reason.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsFailedMessages")]
pub(super) struct Failure {
    /// The provider's code; 0 where it named none.
    code: Option<i64>,
    #[schemars(example = &"Message undeliverable")]
    title: Option<String>,
    /// What the code means, in one word.
    #[schemars(with = "Option<String>", example = &"undeliverable")]
    reason: Option<Reason>,
    #[serde(flatten)]
    count: Number,
}

/// What Meta's reviewers were asked, and what they said.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsReviews")]
pub(super) struct Reviews {
    submitted: Number,
    approved: Times,
    rejected: Times,
}

/// Tickets, and how long they took from their opening.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsDesk")]
pub(super) struct Desk {
    opened: Number,
    solved: Times,
    closed: Times,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsBrief")]
pub(super) struct Brief {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    inbound: u64,
    outbound: u64,
    #[serde(flatten)]
    course: Course,
}

pub(super) async fn show(
    state: Data<State>,
    member: Member,
    request: HttpRequest,
    asked: Query<Asked>,
) -> Result<Table<Overview>, Problem> {
    let span = asked.into_inner().span(&state, None)?;
    let (live, facts) = span.finder(&state, &member, &ConversationFacts).await?;
    let (live, messages) = span.beside(&state, &member, live, &ConversationMessages).await?;
    let (live, volume) = span.beside(&state, &member, live, &MessageVolume).await?;
    let (live, reviews) = span.beside(&state, &member, live, &Templates).await?;
    let (live, desk) = span.beside(&state, &member, live, &Tickets).await?;
    let (live, money) = span.beside(&state, &member, live, &PayoutFacts).await?;
    let overview = Overview {
        conversations: conversations(&facts, &span).await?,
        messages: said(&volume, &span).await?,
        delivery: delivery(&messages, &span).await?,
        templates: reviewed(&reviews, &span).await?,
        tickets: tickets_of(&desk, &span).await?,
        payouts: payouts(&money, &span, &span.whole()).await?,
        steps: match span.steps().nth(1) {
            Some(_) => briefs(&facts, &volume, &span).await?,
            None => vec![],
        },
    };
    table::answer(&request, &live, overview, span.meta())
}

/// The only step of a whole span.
const WHOLE: (usize, Option<&str>) = (0, None);

async fn conversations(
    finder: &Finder<ConversationFacts>,
    span: &Span,
) -> Result<Conversations, Problem> {
    use conversation_facts as facts;
    let course = courses(finder, span, &span.whole()).await?.pop();
    let course = course.ok_or_else(|| crate::reading::unreadable("to", "is after from"))?;
    let (filter, ever) = (span.filter(), [DateTime::UNIX_EPOCH, span.to]);
    let counted = |measure| Counted::find(finder, measure, &ever, None, &filter);
    let (open, unassigned, waiting) = tokio::try_join!(
        counted(facts::OPEN),
        counted(facts::UNASSIGNED),
        counted(facts::WAITING),
    )?;
    Ok(Conversations {
        course,
        open: open.number(WHOLE),
        unassigned: unassigned.number(WHOLE),
        waiting: waiting.number(WHOLE),
    })
}

async fn said(finder: &Finder<MessageVolume>, span: &Span) -> Result<Messages, Problem> {
    let filter = message_volume::Filter { channel: span.channel, ..Default::default() };
    let volumes = message_volume::series(finder, &span.whole(), filter).await?;
    let (mut inbound, mut outbound) = (0, 0);
    for point in points(&span.whole(), volumes) {
        (inbound, outbound) = (inbound + point.inbound, outbound + point.outbound);
    }
    let number = |name, value| {
        let channel = span.channel.map(|channel| ("channel", channel.to_string()));
        let told = channel.into_iter().collect();
        Number { value, rows: address_of(name, (span.from, span.to), told) }
    };
    Ok(Messages {
        inbound: number("volume.inbound", inbound),
        outbound: number("volume.outbound", outbound),
    })
}

async fn delivery(finder: &Finder<ConversationMessages>, span: &Span) -> Result<Delivery, Problem> {
    use conversation_messages as facts;
    let (filter, whole) = (span.filter(), span.whole());
    let grouped = |measure, group| Counted::find(finder, measure, &whole, group, &filter);
    let counted = |measure| grouped(measure, None);
    let (written, waiting, sent, delivered) = tokio::try_join!(
        counted(facts::WRITTEN),
        counted(facts::WAITING),
        counted(facts::SENT),
        counted(facts::DELIVERED),
    )?;
    let (read, failed, unknown, discarded) = tokio::try_join!(
        counted(facts::READ),
        counted(facts::FAILED),
        counted(facts::UNKNOWN),
        counted(facts::DISCARDED),
    )?;
    let (by_author, failures) = tokio::try_join!(
        grouped(facts::WRITTEN, Some(facts::AUTHOR)),
        grouped(facts::FAILED, Some(facts::FAILURE)),
    )?;
    let author = |(step, author): (usize, String)| {
        let number = by_author.number((step, Some(&author)));
        (author, number)
    };
    Ok(Delivery {
        written: written.number(WHOLE),
        by_author: by_author.places().into_iter().map(author).collect(),
        waiting: waiting.number(WHOLE),
        sent: sent.number(WHOLE),
        delivered: delivered.number(WHOLE),
        read: read.number(WHOLE),
        failed: failed.number(WHOLE),
        unknown: unknown.number(WHOLE),
        discarded: discarded.number(WHOLE),
        failures: reasons(&failures),
    })
}

/// The most frequent first.
fn reasons(failures: &Counted) -> Vec<Failure> {
    let reason = |(step, key): (usize, String)| {
        let (code, title): (Option<i64>, Option<String>) = serde_json::from_str(&key).ok()?;
        let reason = code.filter(|code| *code != 0).map(|code| Reason::of(code, None));
        Some(Failure { code, title, reason, count: failures.number((step, Some(&key))) })
    };
    let mut reasons: Vec<Failure> = failures.places().into_iter().filter_map(reason).collect();
    reasons.sort_by_key(|failure| std::cmp::Reverse(failure.count.value));
    reasons
}

async fn reviewed(finder: &Finder<Templates>, span: &Span) -> Result<Reviews, Problem> {
    let (filter, whole) = (span.filter(), span.whole());
    let counted = |measure| Counted::find(finder, measure, &whole, None, &filter);
    let (submitted, approved, rejected) = tokio::try_join!(
        counted(templates::SUBMITTED),
        counted(templates::APPROVED),
        counted(templates::REJECTED),
    )?;
    Ok(Reviews {
        submitted: submitted.number(WHOLE),
        approved: approved.times(WHOLE),
        rejected: rejected.times(WHOLE),
    })
}

async fn tickets_of(finder: &Finder<Tickets>, span: &Span) -> Result<Desk, Problem> {
    let (filter, whole): (Filter, _) = (span.filter(), span.whole());
    let counted = |measure| Counted::find(finder, measure, &whole, None, &filter);
    let (opened, solved, closed) = tokio::try_join!(
        counted(tickets::OPENED),
        counted(tickets::SOLVED),
        counted(tickets::CLOSED),
    )?;
    Ok(Desk {
        opened: opened.number(WHOLE),
        solved: solved.times(WHOLE),
        closed: closed.times(WHOLE),
    })
}

async fn briefs(
    facts: &Finder<ConversationFacts>,
    volume: &Finder<MessageVolume>,
    span: &Span,
) -> Result<Vec<Brief>, Problem> {
    let filter = message_volume::Filter { channel: span.channel, ..Default::default() };
    let volumes = message_volume::series(volume, &span.edges, filter).await?;
    let courses = courses(facts, span, &span.edges).await?;
    let brief = |(point, course): (super::volume::Point, Course)| Brief {
        start: point.start,
        end: point.end,
        inbound: point.inbound,
        outbound: point.outbound,
        course,
    };
    Ok(points(&span.edges, volumes).into_iter().zip(courses).map(brief).collect())
}
