//! Commands on tickets, from opening to rating and merging.

use actix_web::web::{Data, Path};
use commands::{Error, Refusal, Work};
use domain::Personal;
use domain::aggregate::Role;
use domain::conversation::Author;
use domain::ticket::{self, Comment, Priority, State as Status, Ticket};
use domain::user::User;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::{Colleague, Writer};
use crate::body::{Request, present};
use crate::command::{Added, Answered, Changed, Command, Noun, plain};
use crate::idempotent::once;
use crate::openapi::Api;
use crate::routes::messages::queue_text;

pub(super) fn routes(api: &mut Api) {
    api.patch("/v1/tickets/{id}", change)
        .is("ticket.change", "Changes subject or priority")
        .refuses(409, &["ticket.not_open", "ticket.merged"])
        .refuses(422, &["ticket.invalid_subject"]);
    api.post("/v1/tickets/{id}/comments", comment)
        .is("ticket.comment", "Adds a comment, among colleagues or for the customer")
        .says("A public comment goes out on the ticket's conversation.")
        .refuses(409, &["ticket.not_open", "ticket.merged", "ticket.no_recipient"])
        .refuses(409, &["channel.disconnected", "conversation.window_closed"])
        .refuses(409, &["conversation.window_never_open", "conversation.merged"])
        .refuses(422, &["ticket.invalid_comment"]);
    api.post("/v1/tickets/{id}/assign", assign)
        .is("ticket.assign", "Gives a ticket to somebody")
        .refuses(409, &["ticket.not_open", "ticket.merged"])
        .refuses(422, &["ticket.unknown_agent"]);
    api.post("/v1/tickets/{id}/prioritise", prioritise)
        .is("ticket.prioritise", "Says how urgent a ticket is")
        .refuses(409, &["ticket.not_open", "ticket.merged"]);
    api.post("/v1/tickets/{id}/unassign", unassign)
        .is("ticket.unassign", "Takes a ticket from whoever has it")
        .refuses(409, &["ticket.not_open", "ticket.merged"]);
    api.post("/v1/tickets/{id}/pend", pend)
        .is("ticket.pend", "Says that a ticket waits for somebody else")
        .refuses(409, &["ticket.not_open", "ticket.merged"]);
    api.post("/v1/tickets/{id}/solve", solve)
        .is("ticket.solve", "Says that a ticket is solved")
        .refuses(409, &["ticket.not_open", "ticket.merged"]);
    api.post("/v1/tickets/{id}/close", close)
        .is("ticket.close", "Closes a ticket")
        .refuses(409, &["ticket.merged"]);
    api.post("/v1/tickets/{id}/reopen", reopen)
        .is("ticket.reopen", "Opens a solved or closed ticket again")
        .refuses(409, &["ticket.merged"]);
    api.post("/v1/tickets/{id}/rate", rate)
        .is("ticket.rate", "Rates how a ticket was handled")
        .says("Once it is solved or closed.")
        .refuses(409, &["ticket.not_solved", "ticket.merged"])
        .refuses(422, &["ticket.invalid_rating", "ticket.invalid_rating_comment"]);
    api.post("/v1/tickets/{id}/merge", merge)
        .is("ticket.merge", "Merges a ticket into another one")
        .refuses(409, &["ticket.merged"])
        .refuses(422, &["ticket.merged_into_itself", "ticket.unknown_target"]);
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TicketTold")]
pub(crate) struct Told {
    /// Counts from 1 without gaps in each organisation.
    number: u64,
    status: Status,
    priority: Priority,
    /// The user who has it.
    assignee_id: Option<Uuid>,
    contact_id: Option<Uuid>,
    conversation_id: Option<Uuid>,
    /// Which round from opening to closing this is.
    cycle: u32,
    reopened_count: u32,
    #[schemars(range(min = 1, max = 5))]
    rating: Option<u8>,
    merged_into: Option<Uuid>,
}

impl Noun for Ticket {
    type Told = Told;

    fn absent() -> Refusal {
        ticket::Error::NotFound.into()
    }

    fn told(&self) -> Result<Told, Refusal> {
        let standing = self.standing.as_ref().ok_or_else(Ticket::absent)?;
        Ok(Told {
            number: standing.number,
            status: standing.state,
            priority: standing.priority,
            assignee_id: standing.assignee,
            contact_id: standing.contact,
            conversation_id: standing.conversation,
            cycle: standing.cycle,
            reopened_count: standing.cycle.saturating_sub(1),
            rating: self.rating.map(|(rating, _)| rating),
            merged_into: self.merged_into,
        })
    }
}

type Settled = Answered<Changed, Ticket>;

async fn unassign(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Settled {
    plain::<Ticket>(&writer, &state, *id, &request, "unassign", || ticket::Command::Unassign).await
}

async fn pend(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Settled {
    plain::<Ticket>(&writer, &state, *id, &request, "pend", || ticket::Command::Pend).await
}

async fn solve(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Settled {
    plain::<Ticket>(&writer, &state, *id, &request, "solve", || ticket::Command::Solve).await
}

async fn close(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Settled {
    plain::<Ticket>(&writer, &state, *id, &request, "close", || ticket::Command::Close).await
}

async fn reopen(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Settled {
    plain::<Ticket>(&writer, &state, *id, &request, "reopen", || ticket::Command::Reopen).await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeTicket")]
struct Change {
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", example = &"Broken pot")]
    subject: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Priority")]
    priority: Option<Priority>,
}

async fn change(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Change>,
) -> Settled {
    once(&state, &writer, &request, "ticket.change", async |meta| {
        let told = request.parse()?;
        Command::on(*id, request.expected_version()?)
            .run::<Ticket>(&state, &meta, async |work: &mut Work<'_>| {
                if let Some(subject) = &told.subject {
                    let subject = Personal::content(subject_of(work, *id).await?, subject.clone());
                    work.execute::<Ticket>(*id, ticket::Command::Retitle { subject }).await?;
                }
                if let Some(priority) = told.priority {
                    let prioritise = ticket::Command::Prioritise { priority };
                    work.execute::<Ticket>(*id, prioritise).await?;
                }
                Ok(())
            })
            .await
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PrioritiseTicket")]
struct Prioritise {
    priority: Priority,
}

async fn prioritise(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Prioritise>,
) -> Settled {
    once(&state, &writer, &request, "ticket.prioritise", async |meta| {
        let Prioritise { priority } = request.parse()?;
        Command::on(*id, request.expected_version()?)
            .run::<Ticket>(&state, &meta, async |work: &mut Work<'_>| {
                let prioritise = ticket::Command::Prioritise { priority };
                work.execute::<Ticket>(*id, prioritise).await.map(|_| ())
            })
            .await
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AssignTicket")]
struct Assign {
    /// A user of the organisation who is no auditor.
    agent_id: Uuid,
}

async fn assign(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Assign>,
) -> Settled {
    once(&state, &writer, &request, "ticket.assign", async |meta| {
        let Assign { agent_id: agent } = request.parse()?;
        Command::on(*id, request.expected_version()?)
            .run::<Ticket>(&state, &meta, async |work: &mut Work<'_>| {
                if !works_here(work, agent).await? {
                    return Err(ticket::Error::UnknownAgent.into());
                }
                work.execute::<Ticket>(*id, ticket::Command::Assign { agent }).await.map(|_| ())
            })
            .await
    })
    .await
}

/// Whether the user can be given tickets.
async fn works_here(work: &mut Work<'_>, user: Uuid) -> Result<bool, Error> {
    if !known::<User>(work, user).await? {
        return Ok(false);
    }
    let role = work.get::<User>(user).await?.active_role();
    Ok(role.is_some_and(|role| role != Role::Auditor))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CommentTicket")]
struct Said {
    #[schemars(example = &"A new one is on its way.")]
    body: String,
    /// For the customer to read; otherwise it stays among colleagues.
    #[serde(default)]
    public: bool,
    #[serde(default)]
    author: By,
}

/// Who said it. What a customer said elsewhere, on the phone or by mail, is public whatever else
/// is told.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "NewCommentAuthor")]
enum By {
    #[default]
    Human,
    Customer,
    Bot,
    Automation,
}

impl From<By> for Author {
    fn from(by: By) -> Author {
        match by {
            By::Human => Author::Human,
            By::Customer => Author::Customer,
            By::Bot => Author::Bot,
            By::Automation => Author::Automation,
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct WithComment {
    comment_id: Uuid,
}

async fn comment(
    Colleague(writer): Colleague,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Said>,
) -> Answered<Added, Ticket, WithComment> {
    once(&state, &writer, &request, "ticket.comment", async |meta| {
        let Said { body, public, author } = request.parse()?;
        let author = Author::from(author);
        let comment = Uuid::now_v7();
        Command::on(*id, request.expected_version()?)
            .telling(WithComment { comment_id: comment })
            .run::<Ticket>(&state, &meta, async |work: &mut Work<'_>| {
                let said = Personal::content(subject_of(work, *id).await?, body.clone());
                let comment = Comment { comment, public, author, body: said };
                let comment = ticket::Command::Comment(comment);
                work.execute::<Ticket>(*id, comment).await?;
                let standing = work.get::<Ticket>(*id).await?.standing.as_ref();
                match standing.and_then(|standing| standing.conversation) {
                    Some(conversation) if public && author != Author::Customer => {
                        queue_text(work, conversation, author, body.clone()).await
                    }
                    _ => Ok(()),
                }
            })
            .await
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RateTicket")]
struct Rate {
    #[schemars(range(min = 1, max = 5))]
    rating: u8,
    #[schemars(example = &"Quick and kind")]
    comment: Option<String>,
}

async fn rate(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Rate>,
) -> Settled {
    once(&state, &writer, &request, "ticket.rate", async |meta| {
        let Rate { rating, comment } = request.parse()?;
        let said = comment.filter(|comment| !comment.trim().is_empty());
        Command::on(*id, request.expected_version()?)
            .run::<Ticket>(&state, &meta, async |work: &mut Work<'_>| {
                let subject = subject_of(work, *id).await?;
                let comment = said.clone().map(|said| Personal::content(subject, said));
                let rate = ticket::Command::Rate { rating, comment };
                work.execute::<Ticket>(*id, rate).await.map(|_| ())
            })
            .await
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MergeTicket")]
struct Merge {
    /// The ticket that goes on.
    into: Uuid,
}

async fn merge(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Merge>,
) -> Settled {
    once(&state, &writer, &request, "ticket.merge", async |meta| {
        let Merge { into } = request.parse()?;
        Command::on(*id, request.expected_version()?)
            .run::<Ticket>(&state, &meta, async |work: &mut Work<'_>| {
                if into == *id {
                    return Err(ticket::Error::IntoItself.into());
                }
                if !known::<Ticket>(work, into).await? {
                    return Err(ticket::Error::UnknownTarget.into());
                }
                let number = number_of(work, *id).await?;
                let into_number = number_of(work, into).await?;
                let merge = ticket::Command::Merge { into, into_number };
                work.execute::<Ticket>(*id, merge).await?;
                let absorb = ticket::Command::Absorb { ticket: *id, number };
                work.execute::<Ticket>(into, absorb).await.map(|_| ())
            })
            .await
    })
    .await
}

async fn number_of(work: &mut Work<'_>, id: Uuid) -> Result<u64, Error> {
    let standing = &work.get::<Ticket>(id).await?.standing;
    Ok(standing.as_ref().ok_or_else(Ticket::absent)?.number)
}

/// Whose personal data a ticket holds: the customer's, or without one its own.
async fn subject_of(work: &mut Work<'_>, id: Uuid) -> Result<Uuid, Error> {
    let standing = &work.get::<Ticket>(id).await?.standing;
    Ok(standing.as_ref().and_then(|standing| standing.contact).unwrap_or(id))
}

/// Whether the organisation has it: another's is as unknown as one that was made up.
pub(super) async fn known<A: domain::Aggregate>(
    work: &mut Work<'_>,
    id: Uuid,
) -> Result<bool, Error> {
    work.get::<A>(id).await?;
    Ok(work.version::<A>(id) > 0)
}
