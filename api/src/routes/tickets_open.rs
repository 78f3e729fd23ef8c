//! Opening a ticket: from a conversation, for a contact, or alone; `tickets` registers it.

use actix_web::HttpResponse;
use actix_web::web::Data;
use commands::{Error, Work};
use domain::Personal;
use domain::contact::Contact;
use domain::conversation::Conversation;
use domain::ticket::{self, Opening, Priority, Ticket};
use domain::ticket_counter::{self, TicketCounter};
use serde::Deserialize;
use serde_json::{Map, json};
use uuid::Uuid;

use crate::State;
use crate::auth::Writer;
use crate::body::Request;
use crate::command::Noun;
use crate::idempotent::{Answer, once};
use crate::problem::Problem;
use crate::routes::tickets::known;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    subject: String,
    #[serde(default)]
    priority: Priority,
    contact_id: Option<Uuid>,
    conversation_id: Option<Uuid>,
}

pub(super) async fn open(
    writer: Writer,
    state: Data<State>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    once(&state, &writer, &request, "ticket.open", async |meta| {
        let told: Open = request.parse()?;
        let id = Uuid::now_v7();
        // Nobody else writes to a ticket that is new: those who open take turns at the counter.
        let _turn = state.commands.turn(meta.tenant).await;
        let outcome = state
            .commands
            .transact(&meta, async |work: &mut Work| {
                record(work, id, &told).await?;
                let answer = answer(work, id).await?;
                work.answer(answer.status, answer.to_bytes());
                Ok(answer)
            })
            .await?;
        Ok((outcome.value, outcome.position))
    })
    .await
}

/// Numbers the ticket and opens it, both or neither.
async fn record(work: &mut Work<'_>, id: Uuid, told: &Open) -> Result<(), Error> {
    let counter = work.meta().tenant;
    let conversation = match told.conversation_id {
        Some(conversation) => Some(standing_conversation(work, conversation).await?),
        None => None,
    };
    let contact = contact(work, told.contact_id, conversation).await?;
    let number = ticket_counter::Command::Number { ticket: id };
    work.execute::<TicketCounter>(counter, number).await?;
    let opening = Opening {
        number: work.get::<TicketCounter>(counter).await?.last,
        subject: Personal::content(contact.unwrap_or(id), told.subject.clone()),
        priority: told.priority,
        contact,
        conversation,
    };
    work.execute::<Ticket>(id, ticket::Command::Open(opening)).await.map(|_| ())
}

/// Whose ticket it is: the contact that was named, or the one of the conversation.
async fn contact(
    work: &mut Work<'_>,
    named: Option<Uuid>,
    conversation: Option<Uuid>,
) -> Result<Option<Uuid>, Error> {
    let named = match named {
        Some(contact) if !known::<Contact>(work, contact).await? => {
            return Err(ticket::Error::UnknownContact.into());
        }
        Some(contact) => Some(standing_contact(work, contact).await?),
        None => None,
    };
    let Some(conversation) = conversation else { return Ok(named) };
    let Some((_, contact)) = work.get::<Conversation>(conversation).await?.between else {
        return Ok(named);
    };
    let contact = standing_contact(work, contact).await?;
    if named.is_some_and(|named| named != contact) {
        return Err(ticket::Error::ContactMismatch.into());
    }
    Ok(Some(contact))
}

/// For a contact that was merged, the one that stands for it.
async fn standing_contact(work: &mut Work<'_>, mut contact: Uuid) -> Result<Uuid, Error> {
    while let Some(into) = work.get::<Contact>(contact).await?.merged_into {
        contact = into;
    }
    Ok(contact)
}

/// For a conversation that was merged, the one where it goes on.
async fn standing_conversation(work: &mut Work<'_>, mut id: Uuid) -> Result<Uuid, Error> {
    if !known::<Conversation>(work, id).await? {
        return Err(ticket::Error::UnknownConversation.into());
    }
    while let Some(into) = work.get::<Conversation>(id).await?.merged_into {
        id = into;
    }
    Ok(id)
}

async fn answer(work: &mut Work<'_>, id: Uuid) -> Result<Answer, Error> {
    let told = work.get::<Ticket>(id).await?.told();
    let version = work.version::<Ticket>(id);
    let mut data =
        Map::from_iter([("id".to_owned(), json!(id)), ("version".to_owned(), json!(version))]);
    data.extend(told);
    Ok(Answer {
        status: 201,
        etag: format!("\"{version}\""),
        location: Some(format!("/v1/tickets/{id}")),
        body: json!({ "data": data }).to_string(),
    })
}
