//! Why a command did not happen. A refusal is the business saying no; a failure is the machinery
//! breaking. They never mix.

use std::convert::Infallible;

use domain::{
    api_key, channel, contact, conversation, invitation, organization, payout, session, staff,
    team, template, ticket, user, visit,
};

/// The business says no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    ApiKey(#[from] api_key::Error),
    #[error(transparent)]
    Channel(#[from] channel::Error),
    #[error(transparent)]
    Contact(#[from] contact::Error),
    #[error(transparent)]
    Conversation(#[from] conversation::Error),
    #[error(transparent)]
    Invitation(#[from] invitation::Error),
    #[error(transparent)]
    Organization(#[from] organization::Error),
    #[error(transparent)]
    Payout(#[from] payout::Error),
    #[error(transparent)]
    Session(#[from] session::Error),
    #[error(transparent)]
    Staff(#[from] staff::Error),
    #[error(transparent)]
    Team(#[from] team::Error),
    #[error(transparent)]
    Template(#[from] template::Error),
    #[error(transparent)]
    Ticket(#[from] ticket::Error),
    #[error(transparent)]
    User(#[from] user::Error),
    #[error(transparent)]
    Visit(#[from] visit::Error),
    /// Also what belongs to another organisation.
    #[error("there is no such thing")]
    NotFound,
    #[error("{}", taken(scope))]
    Taken { scope: String, owner: String },
    #[error("it stands at version {actual}, not {expected}")]
    Version { expected: i64, actual: i64 },
}

fn taken(scope: &str) -> String {
    match scope {
        "invitation.email" => {
            "this address is invited already: send that invitation again, or revoke it".to_owned()
        }
        scope => format!("{scope} is taken already"),
    }
}

/// Of an aggregate that refuses nothing.
impl From<Infallible> for Refusal {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The idempotency key has an outcome: the caller must tell that one.
    #[error("the idempotency key was used already")]
    KeyUsed,
    /// Decided, and not recorded because nothing may be.
    #[error("it was a dry run")]
    DryRun,
    #[error("too many others write to the same place at once")]
    Contended,
    #[error("the event at position {position} can't be read: {reason}")]
    Undecodable { position: i64, reason: String },
    #[error("a secret could not be hashed: {0}")]
    Hashing(String),
    #[error("a read model can't be asked: {0}")]
    ReadModel(String),
    #[error(transparent)]
    Failed(event_store::Error),
}

impl From<event_store::Error> for Error {
    fn from(error: event_store::Error) -> Self {
        match error {
            event_store::Error::Refused(refusal) => refusal.into(),
            error => Error::Failed(error),
        }
    }
}

impl From<projections::Error> for Error {
    fn from(error: projections::Error) -> Self {
        Error::ReadModel(error.to_string())
    }
}

impl From<event_store::Refusal> for Error {
    fn from(refusal: event_store::Refusal) -> Self {
        match refusal {
            event_store::Refusal::Foreign => Refusal::NotFound.into(),
            event_store::Refusal::IdempotencyKeyUsed => Error::KeyUsed,
            event_store::Refusal::Claimed { scope, owner } => {
                Refusal::Taken { scope, owner }.into()
            }
            event_store::Refusal::Version { .. } => Error::Contended,
        }
    }
}

macro_rules! refusals {
    ($($noun:ident),*) => { $(
        impl From<$noun::Error> for Error {
            fn from(error: $noun::Error) -> Self {
                Error::Refused(error.into())
            }
        }
    )* };
}

refusals!(
    api_key,
    channel,
    contact,
    conversation,
    invitation,
    organization,
    payout,
    session,
    staff,
    team,
    template,
    ticket,
    user,
    visit
);
