//! Commands on conversations: reading, assigning, resolving, reopening, and noting.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, ServiceConfig};
use commands::{Error, Refusal, Work};
use domain::Personal;
use domain::aggregate::Role;
use domain::conversation::{self, Conversation};
use domain::user::User;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::State;
use crate::auth::Writer;
use crate::body::Request;
use crate::command::{Command, Noun, plain};
use crate::idempotent::once;
use crate::problem::Problem;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    let on = |action: &str| web::resource(format!("/v1/conversations/{{id}}/{action}"));
    cfg.service(on("read").route(web::post().to(read)))
        .service(on("assign").route(web::post().to(assign)))
        .service(on("unassign").route(web::post().to(unassign)))
        .service(on("resolve").route(web::post().to(resolve)))
        .service(on("reopen").route(web::post().to(reopen)))
        .service(on("notes").route(web::post().to(note)));
}

impl Noun for Conversation {
    fn absent() -> Refusal {
        conversation::Error::NotFound.into()
    }

    fn told(&self) -> Map<String, Value> {
        Map::from_iter([
            ("status".to_owned(), json!(self.state)),
            ("assignee_id".to_owned(), json!(self.assignee)),
            ("cycle".to_owned(), json!(self.cycle)),
            ("unread_count".to_owned(), json!(self.unread)),
        ])
    }
}

type Answered = Result<HttpResponse, Problem>;

async fn read(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    plain::<Conversation>(&writer, &state, *id, &request, "read", || {
        conversation::Command::MarkRead
    })
    .await
}

async fn unassign(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Answered {
    plain::<Conversation>(&writer, &state, *id, &request, "unassign", || {
        conversation::Command::Unassign
    })
    .await
}

async fn resolve(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    plain::<Conversation>(&writer, &state, *id, &request, "resolve", || {
        conversation::Command::Resolve
    })
    .await
}

async fn reopen(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    plain::<Conversation>(&writer, &state, *id, &request, "reopen", || {
        conversation::Command::Reopen
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Assign {
    agent_id: Uuid,
}

async fn assign(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    once(&state, &writer, &request, "conversation.assign", async |meta| {
        let Assign { agent_id: agent } = request.parse()?;
        let command = Command::on(*id, request.expected_version()?);
        if !works_here(&state, meta.tenant, agent).await? {
            let detail = "give the id of a user of this organisation who is no auditor";
            return Err(Problem::field("agent_id", "conversation.unknown_agent", detail));
        }
        command
            .run::<Conversation>(&state, &meta, async |work: &mut Work<'_>| {
                let assign = conversation::Command::Assign { agent };
                work.execute::<Conversation>(*id, assign).await.map(|_| ())
            })
            .await
    })
    .await
}

/// Whether the user can be given conversations.
async fn works_here(state: &State, tenant: Uuid, user: Uuid) -> Result<bool, Error> {
    match state.commands.load::<User>(tenant, user).await {
        Ok((user, _)) => Ok(user.role.is_some_and(|role| role != Role::Auditor)),
        Err(Error::Refused(Refusal::NotFound)) => Ok(false),
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    body: String,
}

async fn note(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    once(&state, &writer, &request, "conversation.note", async |meta| {
        let Note { body } = request.parse()?;
        let note = Uuid::now_v7();
        let mut command = Command::on(*id, request.expected_version()?);
        command.status = 201;
        command.extra.insert("note_id".to_owned(), json!(note));
        command
            .run::<Conversation>(&state, &meta, async |work: &mut Work<'_>| {
                let between = work.get::<Conversation>(*id).await?.between;
                let (_, contact) = between.ok_or_else(Conversation::absent)?;
                let body = Personal::content(contact, body.clone());
                let note = conversation::Command::Note { note, body };
                work.execute::<Conversation>(*id, note).await.map(|_| ())
            })
            .await
    })
    .await
}
