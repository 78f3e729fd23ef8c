//! Messages to customers: sending them, and deciding about those that did not get through.

pub(crate) mod draft;
mod failed;

use actix_web::web::{Data, Path};
use commands::gateways::whatsapp::webhook::Party;
use commands::{Error, Work, effects, intake};
use domain::Event;
use domain::channel::{self, Channel};
use domain::conversation::{self, Author, Conversation};
use domain::message::Kind;
use event_store::log;
use projections::Recorded;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::{Colleague, Writer};
use crate::body::{Nothing, Request};
use crate::command::{Accepted, Answered, Changed, Command, Noun, is_seen};
use crate::idempotent::once;
use crate::openapi::Api;
use crate::problem::Problem;
use draft::New;

/// What is wrong with a message in itself.
const UNFIT: &[&str] = &[
    "message.incomplete",
    "message.length",
    "message.file",
    "message.link",
    "message.caption",
    "message.location",
    "message.contacts",
    "message.interactive",
    "message.reaction",
];

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/conversations/{id}/messages", send)
        .is("conversation.send", "Sends a message to the customer")
        .says(
            "It is recorded and leaves afterwards: follow it in the conversation's messages. \
             Within 24 hours after the customer last wrote anything may be sent, later only \
             templates.",
        )
        .refuses(409, &["conversation.merged"])
        .refuses(409, &["channel.disconnected", "conversation.window_closed"])
        .refuses(409, &["conversation.window_never_open"])
        .refuses(422, UNFIT);
    api.post("/v1/messages", start)
        .is("message.start", "Sends a message to a number or a contact")
        .says("The conversation is opened where there is none.")
        .refuses(404, &["conversation.not_found"])
        .refuses(409, &["channel.disconnected", "conversation.window_closed"])
        .refuses(409, &["conversation.window_never_open"])
        .refuses(422, &["channel.not_found", "contact.invalid_phone"])
        .refuses(422, &["contact.not_found", "contact.unreachable"])
        .refuses(422, UNFIT);
    api.get("/v1/messages/failed", failed::list)
        .is("message.failed", "Lists messages that wait for somebody's decision")
        .says("What failed can be sent again; what has no known fate can only be given up.");
    api.post("/v1/messages/{id}/retry", retry)
        .is("message.retry", "Sends a message again that failed")
        .refuses(404, &["message.not_found"])
        .refuses(409, &["message.uncertain", "conversation.merged"])
        .refuses(409, &["conversation.window_closed", "conversation.window_never_open"]);
    api.post("/v1/messages/{id}/discard", discard)
        .is("message.discard", "Gives a message up")
        .refuses(404, &["message.not_found"])
        .refuses(409, &["conversation.merged"]);
}

#[derive(Serialize, JsonSchema)]
struct WithMessage {
    message_id: Uuid,
}

async fn send(
    Colleague(writer): Colleague,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<New>,
) -> Answered<Accepted, Conversation, WithMessage> {
    once(&state, &writer, &request, "conversation.send", async |meta| {
        let new = request.parse()?;
        let draft = new.check()?;
        let message = Uuid::now_v7();
        sending(*id, request.expected_version()?, message)
            .run::<Conversation>(&state, &meta, async |work: &mut Work<'_>| {
                queue(work, *id, message, &draft).await
            })
            .await
    })
    .await
}

/// A message to a phone number or a contact: the conversation is opened where there is none.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "StartConversation")]
struct Start {
    channel_id: Uuid,
    to: To,
    message: New,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(example = serde_json::json!({"phone": "+254 712 345 678"}))]
enum To {
    /// With its country code, however it is written.
    Phone(String),
    ContactId(Uuid),
}

async fn start(
    Colleague(writer): Colleague,
    state: Data<State>,
    request: Request<Start>,
) -> Answered<Accepted, Conversation, WithMessage> {
    once(&state, &writer, &request, "message.start", async |meta| {
        let Start { channel_id, to, message: new } = request.parse()?;
        let draft = new.check()?;
        let route = state.routes.find(channel_id).await?;
        let route = route.filter(|route| route.tenant == meta.tenant).ok_or_else(|| {
            let detail = "give the id of a channel of yours that is a line and connected";
            Problem::field("channel_id", "channel.not_found", detail)
        })?;
        let party = party(&state, meta.tenant, to).await?;
        let message = Uuid::now_v7();
        // The conversation is known once the unit of work has found or opened it; both take their
        // turn by the message, which nobody else knows.
        let opened = state
            .commands
            .transact(&meta, async |work: &mut Work<'_>| {
                let found = intake::conversation_with(work, &route, &party).await?;
                let (_, conversation) = found.ok_or_else(Conversation::absent)?;
                if !is_seen::<Conversation>(work, conversation).await? {
                    return Err(Conversation::absent().into());
                }
                queue(work, conversation, message, &draft).await?;
                let command = sending(conversation, None, message);
                command.answer::<Conversation>(work).await
            })
            .await?;
        Ok((opened.value, opened.position))
    })
    .await
}

async fn party(state: &State, tenant: Uuid, to: To) -> Result<Party, Problem> {
    match to {
        To::Phone(text) => {
            let digits = crate::phone::digits(&text)?;
            Ok(Party { wa_id: Some(digits), ..Party::default() })
        }
        To::ContactId(id) => {
            let contact = state.commands.load::<domain::contact::Contact>(tenant, id).await;
            let (contact, version) = contact?;
            if version == 0 {
                let detail = "give the id of a contact of yours";
                return Err(Problem::field("to.contact_id", "contact.not_found", detail));
            }
            if contact.phone.is_none() && contact.user_id.is_none() {
                let detail = "the contact has neither a phone number nor a user id";
                return Err(Problem::field("to.contact_id", "contact.unreachable", detail));
            }
            let (wa_id, user_id) = (contact.phone, contact.user_id);
            Ok(Party { wa_id, user_id, ..Party::default() })
        }
    }
}

fn sending(
    conversation: Uuid,
    expected: Option<i64>,
    message: Uuid,
) -> Command<Accepted, WithMessage> {
    Command::on(conversation, expected).telling(WithMessage { message_id: message })
}

/// A text that goes out to the customer beside something else that is recorded.
pub(super) async fn queue_text(
    work: &mut Work<'_>,
    conversation: Uuid,
    author: Author,
    body: String,
) -> Result<(), Error> {
    queue(work, conversation, Uuid::now_v7(), &draft::Checked::text(author, body)).await
}

async fn queue(
    work: &mut Work<'_>,
    conversation: Uuid,
    message: Uuid,
    draft: &draft::Checked,
) -> Result<(), Error> {
    let between = work.get::<Conversation>(conversation).await?.between;
    let (channel, contact) = between.ok_or_else(Conversation::absent)?;
    if work.get::<Channel>(channel).await?.disconnected {
        return Err(channel::Error::Disconnected.into());
    }
    let send = conversation::Command::Send(draft.to(message, contact));
    work.execute::<Conversation>(conversation, send).await.map(|_| ())
}

type Decided = Answered<Changed, Conversation, WithMessage>;

async fn retry(
    Colleague(writer): Colleague,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Decided {
    let command = |message, kind| conversation::Command::Retry { message, kind };
    decide(&writer, &state, *id, &request, "message.retry", command).await
}

async fn discard(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Decided {
    let command = |message, _| conversation::Command::Discard { message };
    decide(&writer, &state, *id, &request, "message.discard", command).await
}

async fn decide(
    writer: &Writer,
    state: &State,
    message: Uuid,
    request: &Request,
    operation: &str,
    command: impl Fn(Uuid, Kind) -> conversation::Command,
) -> Decided {
    once(state, writer, request, operation, async |meta| {
        let Nothing {} = request.parse()?;
        let effect = effects::find(state.commands.store(), meta.tenant, message).await?;
        let effect = effect.ok_or_else(Problem::not_found)?;
        let kind = queued_kind(state, &effect).await?;
        Command::on(effect.aggregate, request.expected_version()?)
            .telling(WithMessage { message_id: message })
            .run::<Conversation>(state, &meta, async |work: &mut Work<'_>| {
                work.execute::<Conversation>(effect.aggregate, command(message, kind))
                    .await
                    .map(|_| ())
            })
            .await
    })
    .await
}

/// What kind of message it was that an effect sends.
async fn queued_kind(state: &State, effect: &effects::Effect) -> Result<Kind, Problem> {
    let pool = state.commands.store().pool();
    let asked = log::event_of(pool, effect.tenant_id, effect.position).await;
    let asked = asked.map_err(event_store::Error::from)?.ok_or_else(Problem::not_found)?;
    match Recorded::decode(asked).map(|asked| asked.event) {
        Ok(Event::Conversation(conversation::Event::MessageQueued(message))) => Ok(message.kind),
        _ => Err(Problem::not_found()),
    }
}
