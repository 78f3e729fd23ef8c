//! Opening a ticket: from a conversation, for a contact, or alone.

use actix_web::web::Data;
use commands::{Error, Work};
use domain::Personal;
use domain::contact::Contact;
use domain::conversation::Conversation;
use domain::ticket::{self, Opening, Priority, Ticket};
use domain::ticket_counter::{self, TicketCounter};
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use crate::State;
use crate::auth::Writer;
use crate::body::Request;
use crate::command::{Answered, Command, Made, is_seen};
use crate::idempotent::once;
use crate::openapi::Api;
use crate::routes::tickets::known;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/tickets", open)
        .is("ticket.open", "Opens a ticket")
        .says("From a conversation, for a contact, or alone.")
        .refuses(422, &["ticket.invalid_subject", "ticket.unknown_contact"])
        .refuses(422, &["ticket.unknown_conversation", "ticket.contact_mismatch"]);
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OpenTicket")]
struct Open {
    #[schemars(example = &"Broken pot")]
    subject: String,
    #[serde(default)]
    priority: Priority,
    contact_id: Option<Uuid>,
    conversation_id: Option<Uuid>,
}

async fn open(
    writer: Writer,
    state: Data<State>,
    request: Request<Open>,
) -> Answered<Made, Ticket> {
    once(&state, &writer, &request, "ticket.open", async |meta| {
        let told = request.parse()?;
        let id = Uuid::now_v7();
        // Nobody else writes to a ticket that is new: those who open take turns at the counter.
        let _turn = state.commands.turn(meta.tenant).await;
        let outcome = state
            .commands
            .transact(&meta, async |work: &mut Work| {
                record(work, id, &told).await?;
                Command::create(id, format!("/v1/tickets/{id}")).answer::<Ticket>(work).await
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
    if !is_seen::<Conversation>(work, id).await? {
        return Err(ticket::Error::UnknownConversation.into());
    }
    Ok(id)
}
