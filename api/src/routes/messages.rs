//! Messages to customers: sending them, and deciding about those that did not get through.

mod draft;
mod failed;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, ServiceConfig};
use commands::gateways::whatsapp::webhook::Party;
use commands::{Error, Work, effects, intake};
use domain::channel::{self, Channel};
use domain::conversation::{self, Conversation};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::State;
use crate::auth::Writer;
use crate::body::{Nothing, Request};
use crate::command::{Command, Noun};
use crate::idempotent::once;
use crate::problem::Problem;
use draft::New;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        web::resource("/v1/conversations/{id}/messages")
            .route(web::get().to(super::conversations_read::messages))
            .route(web::post().to(send)),
    )
    .service(web::resource("/v1/messages").route(web::post().to(start)))
    .service(web::resource("/v1/messages/failed").route(web::get().to(failed::list)))
    .service(web::resource("/v1/messages/{id}/retry").route(web::post().to(retry)))
    .service(web::resource("/v1/messages/{id}/discard").route(web::post().to(discard)));
}

type Answered = Result<HttpResponse, Problem>;

async fn send(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    once(&state, &writer, &request, "conversation.send", async |meta| {
        let new: New = request.parse()?;
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
#[derive(Deserialize)]
struct Start {
    channel_id: Uuid,
    to: To,
    message: New,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum To {
    Phone(String),
    ContactId(Uuid),
}

async fn start(writer: Writer, state: Data<State>, request: Request) -> Answered {
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
                queue(work, conversation, message, &draft).await?;
                let command = sending(conversation, None, message);
                let answer = command.answer::<Conversation>(work).await?;
                work.answer(answer.status, answer.to_bytes());
                Ok(answer)
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

fn sending(conversation: Uuid, expected: Option<i64>, message: Uuid) -> Command {
    let mut command = Command::on(conversation, expected);
    command.status = 202;
    command.extra.insert("message_id".to_owned(), json!(message));
    command
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

async fn retry(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    let command = |message| conversation::Command::Retry { message };
    decide(&writer, &state, *id, &request, "message.retry", command).await
}

async fn discard(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    let command = |message| conversation::Command::Discard { message };
    decide(&writer, &state, *id, &request, "message.discard", command).await
}

async fn decide(
    writer: &Writer,
    state: &State,
    message: Uuid,
    request: &Request,
    operation: &str,
    command: impl Fn(Uuid) -> conversation::Command,
) -> Answered {
    once(state, writer, request, operation, async |meta| {
        let Nothing {} = request.parse()?;
        let effect = effects::find(state.commands.store(), meta.tenant, message).await?;
        let effect = effect.ok_or_else(Problem::not_found)?;
        let mut on = Command::on(effect.aggregate, request.expected_version()?);
        on.extra.insert("message_id".to_owned(), json!(message));
        on.run::<Conversation>(state, &meta, async |work: &mut Work<'_>| {
            work.execute::<Conversation>(effect.aggregate, command(message)).await.map(|_| ())
        })
        .await
    })
    .await
}
