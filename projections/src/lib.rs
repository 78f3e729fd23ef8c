//! Read models: what people read, folded from the log. Everything here can be thrown away and
//! made again from the events; nothing here has an effect outside the database.

pub mod agent_activity;
pub mod api_keys;
pub mod as_of;
pub mod audit;
pub mod behind;
pub mod channels;
pub mod check;
pub mod contacts;
pub mod conversation_facts;
pub mod conversation_messages;
pub mod digest;
pub mod explain;
pub mod facts;
mod feed;
pub mod finder;
pub mod generation;
pub mod inbox;
pub mod invitations;
pub mod letters;
pub mod live;
pub mod measures;
pub mod members;
pub mod message_volume;
pub mod model;
pub mod payout_facts;
pub mod payouts;
pub mod presence;
pub mod rebuild;
pub mod recorded;
pub mod search;
pub mod standing;
pub mod statistics;
mod stops;
pub mod teams;
pub mod template_usage;
pub mod templates;
#[cfg(test)]
mod tests;
pub mod ticket_comments;
pub mod tickets;
#[doc(hidden)]
pub mod untrusted;
pub mod verify;
mod working_set;
pub mod workspace;

pub use model::{Model, ReadModel};
pub use recorded::Recorded;

/// Every read model, alphabetic.
pub const MODELS: &[&dyn Model] = &[
    &agent_activity::AgentActivity,
    &api_keys::ApiKeys,
    &audit::Audit,
    &channels::Channels,
    &contacts::Contacts,
    &conversation_facts::ConversationFacts,
    &conversation_messages::ConversationMessages,
    &inbox::Inbox,
    &invitations::Invitations,
    &members::Members,
    &message_volume::MessageVolume,
    &payout_facts::PayoutFacts,
    &payouts::Payouts,
    &presence::Presence,
    &teams::Teams,
    &template_usage::TemplateUsage,
    &templates::Templates,
    &ticket_comments::TicketComments,
    &tickets::Tickets,
    &workspace::Workspace,
];

/// The read model of that name.
pub fn model(name: &str) -> Option<&'static dyn Model> {
    MODELS.iter().copied().find(|model| model.name() == name)
}

/// Why the machinery of read models failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error("read model {model} has a row that its own code can't read: {reason}")]
    Row { model: &'static str, reason: String },
    #[error("a row of read model {model} does not fit into its table: {reason}")]
    Unfit { model: &'static str, reason: String },
    #[error("read model {0} is being built")]
    Building(&'static str),
    #[error("read model {0} is being rebuilt by another process")]
    Busy(&'static str),
    #[error("a worker broke off: {0}")]
    Panicked(String),
    #[error("{model} was built wrong: {difference}")]
    Wrong { model: &'static str, difference: String },
    #[error("read model {0} has no older generation of this release to go back to")]
    NothingBefore(&'static str),
    #[error("read model {0} moved on meanwhile")]
    LostLease(&'static str),
    #[error(transparent)]
    Store(#[from] event_store::Error),
    #[error(transparent)]
    Undecodable(#[from] domain::event::Undecodable),
}

impl Error {
    /// Why a row was refused for what is in it, by the database or on the way there. Anything else
    /// that goes wrong (no connection, no space, a lost race, a missing table) is no event's fault.
    pub(crate) fn refusal(&self) -> Option<String> {
        let error = match self {
            Error::Unfit { reason, .. } => return Some(reason.clone()),
            Error::Database(sqlx::Error::Database(error)) => error,
            _ => return None,
        };
        let code = error.code()?;
        let of_the_row = REFUSALS.iter().any(|class| code.starts_with(class));
        of_the_row.then(|| error.message().trim().to_owned())
    }
}

/// Classes of SQLSTATE: cardinality, data, integrity, check option, program limit, raised by hand.
const REFUSALS: &[&str] = &["21", "22", "23", "44", "54", "P0"];
