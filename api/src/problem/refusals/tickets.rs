//! What is told when a ticket says no: status, code, and the field that all of it is about.

use actix_web::http::StatusCode;
use domain::ticket::Error;

use super::Told;

pub(super) fn told(error: &Error) -> Told {
    const CONFLICT: StatusCode = StatusCode::CONFLICT;
    const INVALID: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    match error {
        Error::NotFound => (StatusCode::NOT_FOUND, "ticket.not_found", None),
        Error::AlreadyOpened => (CONFLICT, "ticket.already_opened", None),
        Error::NotOpen { .. } => (CONFLICT, "ticket.not_open", None),
        Error::NotSolved => (CONFLICT, "ticket.not_solved", None),
        Error::Merged { .. } => (CONFLICT, "ticket.merged", None),
        Error::NoRecipient => (CONFLICT, "ticket.no_recipient", None),
        Error::IntoItself => (INVALID, "ticket.merged_into_itself", Some("into")),
        Error::UnknownTarget => (INVALID, "ticket.unknown_target", Some("into")),
        Error::InvalidSubject => (INVALID, "ticket.invalid_subject", Some("subject")),
        Error::InvalidComment => (INVALID, "ticket.invalid_comment", Some("body")),
        Error::InvalidRating => (INVALID, "ticket.invalid_rating", Some("rating")),
        Error::InvalidRatingComment => (INVALID, "ticket.invalid_rating_comment", Some("comment")),
        Error::UnknownContact => (INVALID, "ticket.unknown_contact", Some("contact_id")),
        Error::ContactMismatch => (INVALID, "ticket.contact_mismatch", Some("contact_id")),
        Error::UnknownConversation => {
            (INVALID, "ticket.unknown_conversation", Some("conversation_id"))
        }
        Error::UnknownAgent => (INVALID, "ticket.unknown_agent", Some("agent_id")),
    }
}
