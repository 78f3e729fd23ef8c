//! What is told when a channel says no: status, code, and the field that all of it is about.

use actix_web::http::StatusCode;
use domain::channel::Error;

use super::Told;

pub(super) fn told(error: &Error) -> Told {
    const CONFLICT: StatusCode = StatusCode::CONFLICT;
    const INVALID: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    match error {
        Error::NotConnected => (StatusCode::NOT_FOUND, "channel.not_found", None),
        Error::AlreadyConnected => (CONFLICT, "channel.already_connected", None),
        Error::Disconnected => (CONFLICT, "channel.disconnected", None),
        Error::OtherProvider { .. } => (INVALID, "channel.other_provider", None),
        Error::InvalidName => (INVALID, "channel.invalid_name", Some("name")),
        Error::InvalidAccount => (INVALID, "channel.invalid_account", Some("account_id")),
        Error::InvalidLine => (INVALID, "channel.invalid_line", Some("phone_number_id")),
        Error::InvalidDisplayNumber => {
            (INVALID, "channel.invalid_display_number", Some("display_phone_number"))
        }
        Error::InvalidCallbackKey => {
            (INVALID, "channel.invalid_callback_key", Some("callback_public_key"))
        }
    }
}
