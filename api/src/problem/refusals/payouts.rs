//! What is told when a payout says no: status, code, and the field that all of it is about.

use actix_web::http::StatusCode;
use domain::payout::Error;

use super::Told;

pub(super) fn told(error: &Error) -> Told {
    const CONFLICT: StatusCode = StatusCode::CONFLICT;
    const INVALID: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    match error {
        Error::NotFound => (StatusCode::NOT_FOUND, "payout.not_found", None),
        Error::SamePerson => (StatusCode::FORBIDDEN, "payout.same_person", None),
        Error::OwnPayout => (StatusCode::FORBIDDEN, "payout.own_payout", None),
        Error::NotRequester => (StatusCode::FORBIDDEN, "payout.not_requester", None),
        Error::Revised => (StatusCode::PRECONDITION_REQUIRED, "payout.revised", None),
        Error::NotUnknown { .. } => (CONFLICT, "payout.not_unknown", None),
        Error::TooEarly { .. } => (CONFLICT, "payout.too_early", None),
        Error::NotSubmitted { .. } => (CONFLICT, "payout.not_submitted", None),
        Error::AlreadyRequested => (CONFLICT, "payout.already_requested", None),
        Error::NotRequested { .. } => (CONFLICT, "payout.not_requested", None),
        Error::TooLate { .. } => (CONFLICT, "payout.too_late", None),
        Error::NotApproved { .. } => (CONFLICT, "payout.not_approved", None),
        Error::InvalidAmount => (INVALID, "payout.invalid_amount", Some("amount")),
        Error::InvalidCurrency => (INVALID, "payout.invalid_currency", Some("currency")),
        Error::InvalidProvider => (INVALID, "payout.invalid_provider", Some("provider")),
        Error::InvalidReason => (INVALID, "payout.invalid_reason", Some("reason")),
        Error::InvalidEvidence => (INVALID, "payout.invalid_evidence", Some("evidence")),
        Error::UnknownTicket => (INVALID, "payout.unknown_ticket", Some("ticket_id")),
        Error::UnknownContact => (INVALID, "payout.unknown_contact", Some("contact_id")),
        Error::NoChannel => (CONFLICT, "payout.no_channel", None),
        Error::ChannelNeeded => (INVALID, "payout.channel_needed", Some("channel_id")),
        Error::UnknownChannel => (INVALID, "payout.unknown_channel", Some("channel_id")),
    }
}
