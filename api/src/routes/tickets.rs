//! Commands on tickets, from opening to rating and merging.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, ServiceConfig};
use commands::{Error, Refusal, Work};
use domain::Personal;
use domain::aggregate::Role;
use domain::conversation::Author;
use domain::ticket::{self, Comment, Priority, Ticket};
use domain::user::User;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::State;
use crate::auth::Writer;
use crate::body::{Request, present};
use crate::command::{Command, Noun, plain};
use crate::idempotent::once;
use crate::problem::Problem;
use crate::routes::{tickets_open, tickets_read};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    let on = |action: &str| web::resource(format!("/v1/tickets/{{id}}/{action}"));
    let all = web::resource("/v1/tickets")
        .route(web::get().to(tickets_read::list))
        .route(web::post().to(tickets_open::open));
    let one = web::resource("/v1/tickets/{id}")
        .route(web::get().to(tickets_read::show))
        .route(web::patch().to(change));
    let comments =
        on("comments").route(web::get().to(tickets_read::comments)).route(web::post().to(comment));
    cfg.service(all)
        .service(one)
        .service(comments)
        .service(on("assign").route(web::post().to(assign)))
        .service(on("unassign").route(web::post().to(unassign)))
        .service(on("prioritise").route(web::post().to(prioritise)))
        .service(on("pend").route(web::post().to(pend)))
        .service(on("solve").route(web::post().to(solve)))
        .service(on("close").route(web::post().to(close)))
        .service(on("reopen").route(web::post().to(reopen)))
        .service(on("rate").route(web::post().to(rate)))
        .service(on("merge").route(web::post().to(merge)));
}

impl Noun for Ticket {
    fn absent() -> Refusal {
        ticket::Error::NotFound.into()
    }

    fn told(&self) -> Map<String, Value> {
        let Some(standing) = &self.standing else { return Map::new() };
        Map::from_iter([
            ("number".to_owned(), json!(standing.number)),
            ("status".to_owned(), json!(standing.state)),
            ("priority".to_owned(), json!(standing.priority)),
            ("assignee_id".to_owned(), json!(standing.assignee)),
            ("contact_id".to_owned(), json!(standing.contact)),
            ("conversation_id".to_owned(), json!(standing.conversation)),
            ("cycle".to_owned(), json!(standing.cycle)),
            ("reopened_count".to_owned(), json!(standing.cycle.saturating_sub(1))),
            ("rating".to_owned(), json!(self.rating.map(|(rating, _)| rating))),
            ("merged_into".to_owned(), json!(self.merged_into)),
        ])
    }
}

type Answered = Result<HttpResponse, Problem>;

async fn unassign(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Answered {
    plain::<Ticket>(&writer, &state, *id, &request, "unassign", || ticket::Command::Unassign).await
}

async fn pend(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    plain::<Ticket>(&writer, &state, *id, &request, "pend", || ticket::Command::Pend).await
}

async fn solve(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    plain::<Ticket>(&writer, &state, *id, &request, "solve", || ticket::Command::Solve).await
}

async fn close(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    plain::<Ticket>(&writer, &state, *id, &request, "close", || ticket::Command::Close).await
}

async fn reopen(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    plain::<Ticket>(&writer, &state, *id, &request, "reopen", || ticket::Command::Reopen).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default, deserialize_with = "present")]
    subject: Option<String>,
    #[serde(default, deserialize_with = "present")]
    priority: Option<Priority>,
}

async fn change(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    once(&state, &writer, &request, "ticket.change", async |meta| {
        let told: Change = request.parse()?;
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prioritise {
    priority: Priority,
}

async fn prioritise(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Answered {
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Assign {
    agent_id: Uuid,
}

async fn assign(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
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
    let role = work.get::<User>(user).await?.role;
    Ok(role.is_some_and(|role| role != Role::Auditor))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    body: String,
    /// For the customer to read; otherwise it stays among colleagues.
    #[serde(default)]
    public: bool,
}

async fn comment(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    once(&state, &writer, &request, "ticket.comment", async |meta| {
        let Said { body, public } = request.parse()?;
        let comment = Uuid::now_v7();
        let mut command = Command::on(*id, request.expected_version()?);
        command.status = 201;
        command.extra.insert("comment_id".to_owned(), json!(comment));
        command
            .run::<Ticket>(&state, &meta, async |work: &mut Work<'_>| {
                let body = Personal::content(subject_of(work, *id).await?, body.clone());
                let comment = Comment { comment, public, author: Author::Human, body };
                let comment = ticket::Command::Comment(comment);
                work.execute::<Ticket>(*id, comment).await.map(|_| ())
            })
            .await
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    rating: u8,
    comment: Option<String>,
}

async fn rate(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    into: Uuid,
}

async fn merge(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
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
    match work.get::<A>(id).await.map(|_| ()) {
        Ok(()) => Ok(work.version::<A>(id) > 0),
        Err(Error::Refused(Refusal::NotFound)) => Ok(false),
        Err(error) => Err(error),
    }
}
