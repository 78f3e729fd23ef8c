//! Reading tickets and what was said about them.

use std::collections::BTreeMap;

use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use domain::conversation::Author;
use domain::ticket::{Priority, State as Status};
use projections::contacts::{self, Contacts};
use projections::inbox::Assignee;
use projections::ticket_comments::{self, TicketComments};
use projections::tickets::{self, Cursor, Filter, Row, Tickets};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::Member;
use crate::envelope::{self, One};
use crate::openapi::Api;
use crate::page::Page;
use crate::position::{Live, Position, Since};
use crate::problem::Problem;
use crate::query::Query;
use crate::reading::{self, Values};

pub(super) fn routes(api: &mut Api) {
    api.get("/v1/tickets", list)
        .is("ticket.list", "Lists tickets, the last to have news first")
        .refuses(422, &["parameter.invalid"]);
    api.get("/v1/tickets/{id}", show).is("ticket.show", "Shows a ticket");
    api.get("/v1/tickets/{id}/comments", comments)
        .is("ticket.comments", "Lists a ticket's comments, the newest first");
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListAsked {
    /// States with commas between, or `all`.
    #[schemars(example = &"open,pending")]
    status: Option<String>,
    /// Priorities with commas between, or `all`.
    #[schemars(example = &"high,urgent")]
    priority: Option<String>,
    /// `me`, `unassigned`, or a user's id.
    #[schemars(example = &"me")]
    assignee: Option<String>,
    /// Only tickets of this contact, under whichever name it was known.
    #[schemars(with = "Option<Uuid>")]
    contact: Option<String>,
    /// Only tickets from this conversation.
    #[schemars(with = "Option<Uuid>")]
    conversation: Option<String>,
    /// Only the ticket with this number.
    #[schemars(with = "Option<u64>")]
    number: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
    min_position: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CommentsAsked {
    limit: Option<i64>,
    cursor: Option<String>,
    min_position: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Ticket")]
struct Item {
    id: Uuid,
    /// Counts from 1 without gaps in each organisation.
    number: u64,
    #[schemars(example = &"Broken pot")]
    subject: Option<String>,
    /// There, and true, where the person was erased.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
    status: Status,
    priority: Priority,
    assignee_id: Option<Uuid>,
    contact_id: Option<Uuid>,
    #[schemars(example = &"Ada Obi")]
    contact_name: Option<String>,
    conversation_id: Option<Uuid>,
    /// Which round from opening to closing this is.
    cycle: u32,
    reopened_count: u32,
    comment_count: u32,
    #[schemars(range(min = 1, max = 5))]
    rating: Option<u8>,
    #[schemars(example = &"Quick and kind")]
    rating_comment: Option<String>,
    merged_into: Option<Uuid>,
    opened_at: DateTime<Utc>,
    first_response_at: Option<DateTime<Utc>>,
    solved_at: Option<DateTime<Utc>>,
    closed_at: Option<DateTime<Utc>>,
    last_activity_at: DateTime<Utc>,
    version: i64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TicketComment")]
struct Comment {
    id: Uuid,
    public: bool,
    #[schemars(with = "Author")]
    author: String,
    #[schemars(example = &"user:019b2f6e-7c1a-7d35-9e0b-4f1d2a6c8b90")]
    actor: String,
    cycle: u32,
    #[schemars(example = &"A new one is on its way.")]
    body: Option<String>,
    /// There, and true, where the person was erased.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
    at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
}

async fn list(
    state: Data<State>,
    member: Member,
    asked: Query<ListAsked>,
) -> Result<envelope::Page<Item>, Problem> {
    let page = Page::<Cursor>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let contact = reading::id("contact", asked.contact.as_deref())?;
    let mut filter = Filter {
        states: some_of("status", asked.status.as_deref(), &Status::ALL, |one| one.as_str())?,
        priorities: some_of("priority", asked.priority.as_deref(), &Priority::ALL, |one| {
            one.as_str()
        })?,
        assignee: assignee(asked.assignee.as_deref(), member.principal.user)?,
        contacts: None,
        conversation: reading::id("conversation", asked.conversation.as_deref())?,
        number: reading::parsed("number", asked.number.as_deref(), "a ticket's number")?,
    };
    if let Some(contact) = contact {
        filter.contacts = Some(reading::same_person(&state, &member, contact).await?);
    }
    let (live, finder) = reading::finder(&state, &member, &Tickets, min).await?;
    let rows = tickets::page(&finder, filter, page.after, page.fetch()).await?;
    let cut = page.cut(rows, Row::cursor);
    let (live, items) = items(&state, &member, live, cut.rows, min).await?;
    Ok(envelope::page(&live, items, cut.next))
}

async fn show(
    state: Data<State>,
    member: Member,
    id: Path<Uuid>,
    asked: Query<Since>,
) -> Result<One<Item>, Problem> {
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let (live, finder) = reading::finder(&state, &member, &Tickets, min).await?;
    let row = tickets::find(&finder, *id).await?.ok_or_else(Problem::not_found)?;
    let version = row.version;
    let (live, items) = items(&state, &member, live, vec![row], min).await?;
    let item = items.into_iter().next().ok_or_else(Problem::not_found)?;
    Ok(envelope::composed(&live, version, item))
}

async fn comments(
    state: Data<State>,
    member: Member,
    id: Path<Uuid>,
    asked: Query<CommentsAsked>,
) -> Result<envelope::Page<Comment>, Problem> {
    let page = Page::<ticket_comments::Cursor>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let (live, finder) = reading::finder(&state, &member, &Tickets, min).await?;
    tickets::find(&finder, *id).await?.ok_or_else(Problem::not_found)?;
    let (live, finder) = reading::beside(&state, &member, live, &TicketComments, min).await?;
    let rows = ticket_comments::page(&finder, *id, page.after, page.fetch()).await?;
    let cut = page.cut(rows, ticket_comments::Row::cursor);
    let bodies = cut.rows.iter().filter_map(|row| row.body.as_ref());
    let values = Values::open(&state, &member, bodies).await?;
    let comments = cut.rows.into_iter().map(|row| comment(row, &values)).collect();
    Ok(envelope::page(&live, comments, cut.next))
}

/// Which are meant: all unless told, by name with commas between, or `all`.
fn some_of<T: Copy>(
    name: &str,
    text: Option<&str>,
    all: &[T],
    word: fn(&T) -> &'static str,
) -> Result<Vec<T>, Problem> {
    let Some(text) = text.filter(|text| *text != "all") else { return Ok(vec![]) };
    let known = |told: &str| all.iter().copied().find(|one| word(one) == told);
    text.split(',').map(known).collect::<Option<Vec<_>>>().ok_or_else(|| {
        let words = all.iter().map(word).collect::<Vec<_>>().join(", ");
        reading::unreadable(name, format!("is `all`, or some of {words}, with commas between"))
    })
}

fn assignee(text: Option<&str>, me: Uuid) -> Result<Assignee, Problem> {
    match text {
        None => Ok(Assignee::Anyone),
        Some("me") => Ok(Assignee::Agent(me)),
        Some("unassigned") => Ok(Assignee::Nobody),
        text => {
            let agent = reading::parsed("assignee", text, "`me`, `unassigned`, or a user's UUID")?;
            Ok(agent.map_or(Assignee::Anyone, Assignee::Agent))
        }
    }
}

/// The rows as they are shown, with their contacts; the answer is as fresh as the older model.
async fn items(
    state: &State,
    member: &Member,
    live: Live,
    rows: Vec<Row>,
    min: Option<Position>,
) -> Result<(Live, Vec<Item>), Problem> {
    let (live, finder) = reading::beside(state, member, live, &Contacts, min).await?;
    let ids = rows.iter().filter_map(|row| row.contact_id).collect();
    let contacts = contacts::of_ids(&finder, ids).await?;
    let said = rows.iter().flat_map(|row| [&row.subject, &row.rating_comment]);
    let names = contacts.values().map(|contact| &contact.name);
    let values = Values::open(state, member, said.chain(names).flatten()).await?;
    let items = rows.into_iter().map(|row| item(row, &contacts, &values)).collect();
    Ok((live, items))
}

fn item(row: Row, contacts: &BTreeMap<Uuid, contacts::Person>, values: &Values) -> Item {
    let contact = row.contact_id.and_then(|id| contacts.get(&id));
    Item {
        subject: values.text(row.subject.as_ref()),
        erased: values.erased(row.subject.as_ref()),
        contact_id: contact.map(|contact| contact.contact_id).or(row.contact_id),
        contact_name: contact.and_then(|contact| values.text(contact.name.as_ref())),
        rating_comment: values.text(row.rating_comment.as_ref()),
        id: row.ticket_id,
        number: row.number,
        status: row.state,
        priority: row.priority,
        assignee_id: row.assignee,
        conversation_id: row.conversation_id,
        cycle: row.cycle,
        reopened_count: row.reopened,
        comment_count: row.comments,
        rating: row.rating,
        merged_into: row.merged_into,
        opened_at: row.opened_at,
        first_response_at: row.first_response_at,
        solved_at: row.solved_at,
        closed_at: row.closed_at,
        last_activity_at: row.last_activity_at,
        version: row.version,
    }
}

fn comment(row: ticket_comments::Row, values: &Values) -> Comment {
    Comment {
        body: values.text(row.body.as_ref()),
        erased: values.erased(row.body.as_ref()),
        id: row.comment_id,
        public: row.public,
        author: row.author,
        actor: row.actor,
        cycle: row.cycle,
        at: row.at,
        recorded_at: row.recorded_at,
    }
}
