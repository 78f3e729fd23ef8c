//! Commands on conversations: reading, assigning, resolving, reopening, and noting.

use actix_web::web::{Data, Path};
use commands::{Error, Refusal, Work};
use domain::Personal;
use domain::aggregate::Role;
use domain::conversation::{self, Conversation, State as Status};
use domain::user::User;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::Writer;
use crate::body::Request;
use crate::command::{Added, Answered, Changed, Command, Noun, plain};
use crate::idempotent::once;
use crate::openapi::Api;
use crate::problem::Problem;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/conversations/{id}/read", read)
        .is("conversation.read", "Marks all messages as read")
        .refuses(409, &["conversation.merged"]);
    api.post("/v1/conversations/{id}/assign", assign)
        .is("conversation.assign", "Gives a conversation to somebody")
        .refuses(409, &["conversation.not_open", "conversation.merged"])
        .refuses(422, &["conversation.unknown_agent"]);
    api.post("/v1/conversations/{id}/unassign", unassign)
        .is("conversation.unassign", "Takes a conversation from whoever has it")
        .refuses(409, &["conversation.not_open", "conversation.merged"]);
    api.post("/v1/conversations/{id}/resolve", resolve)
        .is("conversation.resolve", "Closes a conversation")
        .says("The customer's next message opens it again, in another cycle.")
        .refuses(409, &["conversation.merged"]);
    api.post("/v1/conversations/{id}/reopen", reopen)
        .is("conversation.reopen", "Opens a closed conversation again")
        .refuses(409, &["conversation.merged"]);
    api.post("/v1/conversations/{id}/notes", note)
        .is("conversation.note", "Adds a note among colleagues")
        .says("The customer never sees it.")
        .refuses(409, &["conversation.merged"])
        .refuses(422, &["conversation.invalid_note"]);
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConversationTold")]
pub(crate) struct Told {
    status: Status,
    /// The user who has it.
    assignee_id: Option<Uuid>,
    /// Which round from opening to closing this is.
    cycle: u32,
    unread_count: u32,
}

impl Noun for Conversation {
    type Told = Told;

    fn absent() -> Refusal {
        conversation::Error::NotFound.into()
    }

    fn told(&self) -> Result<Told, Refusal> {
        Ok(Told {
            status: self.state,
            assignee_id: self.assignee,
            cycle: self.cycle,
            unread_count: self.unread,
        })
    }

    fn is_seen_by(&self, user: Uuid) -> bool {
        self.assignee.is_none_or(|assignee| assignee == user)
    }
}

type Settled = Answered<Changed, Conversation>;

async fn read(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Settled {
    plain::<Conversation>(&writer, &state, *id, &request, "read", || {
        conversation::Command::MarkRead
    })
    .await
}

async fn unassign(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Settled {
    plain::<Conversation>(&writer, &state, *id, &request, "unassign", || {
        conversation::Command::Unassign
    })
    .await
}

async fn resolve(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Settled {
    plain::<Conversation>(&writer, &state, *id, &request, "resolve", || {
        conversation::Command::Resolve
    })
    .await
}

async fn reopen(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Settled {
    plain::<Conversation>(&writer, &state, *id, &request, "reopen", || {
        conversation::Command::Reopen
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AssignConversation")]
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
    let (user, _) = state.commands.load::<User>(tenant, user).await?;
    Ok(user.active_role().is_some_and(|role| role != Role::Auditor))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Note {
    #[schemars(example = &"She wants it before Friday.")]
    body: String,
}

#[derive(Serialize, JsonSchema)]
struct WithNote {
    note_id: Uuid,
}

async fn note(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Note>,
) -> Answered<Added, Conversation, WithNote> {
    once(&state, &writer, &request, "conversation.note", async |meta| {
        let Note { body } = request.parse()?;
        let note = Uuid::now_v7();
        Command::on(*id, request.expected_version()?)
            .telling(WithNote { note_id: note })
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
