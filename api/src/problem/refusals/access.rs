//! What is told when who calls, or what they call with, is the reason to say no: status, code, and
//! the field that all of it is about.

use actix_web::http::StatusCode;
use commands::Refusal;
use domain::{api_key, organization, session, user};

pub(super) type Told = (StatusCode, &'static str, Option<&'static str>);

const MISSING: StatusCode = StatusCode::NOT_FOUND;
const CONFLICT: StatusCode = StatusCode::CONFLICT;
const INVALID: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;

pub(super) fn told(refusal: &Refusal) -> Told {
    match refusal {
        Refusal::ApiKey(error) => of_key(error),
        Refusal::Organization(error) => of_organization(error),
        Refusal::Session(error) => of_session(error),
        Refusal::User(error) => of_user(error),
        _ => (INVALID, "", None),
    }
}

fn of_key(error: &api_key::Error) -> Told {
    use api_key::Error;
    match error {
        Error::AlreadyIssued => (CONFLICT, "api_key.already_issued", None),
        Error::NotIssued => (MISSING, "api_key.not_found", None),
        Error::NotUsable => (CONFLICT, "api_key.not_usable", None),
        Error::InvalidName => (INVALID, "api_key.invalid_name", Some("name")),
        Error::InvalidScope(_) => (INVALID, "api_key.invalid_scope", Some("scopes")),
        Error::NoScope => (INVALID, "api_key.no_scope", Some("scopes")),
        Error::InvalidExpiry => (INVALID, "api_key.invalid_expiry", Some("expires_in_days")),
        Error::InvalidOverlap => (INVALID, "api_key.invalid_overlap", Some("overlap_hours")),
        Error::TooWide => (FORBIDDEN, "api_key.too_wide", None),
        Error::Anothers => (FORBIDDEN, "api_key.anothers", None),
    }
}

fn of_organization(error: &organization::Error) -> Told {
    use organization::Error;
    match error {
        Error::AlreadyFounded => (CONFLICT, "organization.already_founded", None),
        Error::NotFound => (MISSING, "organization.not_found", None),
        Error::InvalidName => (INVALID, "organization.invalid_name", Some("organization")),
        Error::OwnersOnly => (FORBIDDEN, "organization.owners_only", None),
        Error::LastOwner => (CONFLICT, "organization.last_owner", None),
        Error::InvalidLogo => (INVALID, "organization.invalid_logo", Some("logo")),
        Error::InvalidReason => (INVALID, "organization.invalid_reason", Some("reason")),
        Error::NoSeatLeft(_) => (FORBIDDEN, "organization.no_seat_left", None),
        Error::OwnSecondFactorFirst => (CONFLICT, "organization.own_second_factor_first", None),
    }
}

fn of_session(error: &session::Error) -> Told {
    use session::Error;
    match error {
        Error::AlreadyStarted => (CONFLICT, "session.already_started", None),
        Error::NotFound => (MISSING, "session.not_found", None),
        Error::Over => (StatusCode::UNAUTHORIZED, "session.over", None),
        Error::TokenReplaced => (StatusCode::UNAUTHORIZED, "session.token_replaced", None),
    }
}

fn of_user(error: &user::Error) -> Told {
    use user::Error;
    match error {
        Error::AlreadyRegistered => (CONFLICT, "user.already_registered", None),
        Error::NotFound => (MISSING, "user.not_found", None),
        Error::Deactivated => (CONFLICT, "user.deactivated", None),
        Error::AboveOwnRole => (FORBIDDEN, "user.above_own_role", None),
        Error::OwnDeactivation => (CONFLICT, "user.own_deactivation", None),
        Error::InvalidName => (INVALID, "user.invalid_name", Some("name")),
        Error::InvalidEmail => (INVALID, "user.invalid_email", Some("email")),
        Error::EmailTaken => (CONFLICT, "user.email_taken", Some("email")),
        Error::InvalidPassword => (INVALID, "user.invalid_password", Some("password")),
        Error::WrongPassword => (INVALID, "user.wrong_password", Some("password")),
        Error::ChallengeFailed => (INVALID, "user.challenge_failed", None),
        Error::WrongCode => (INVALID, "user.wrong_code", Some("code")),
        Error::SecondFactorActive => (CONFLICT, "user.second_factor_active", None),
        Error::NoSecondFactor => (CONFLICT, "user.no_second_factor", None),
        Error::SecondFactorRequired => (CONFLICT, "user.second_factor_required", None),
        Error::SecondFactorDue => (CONFLICT, "user.second_factor_due", None),
        Error::CodeUsed => (INVALID, "user.code_used", Some("code")),
        Error::NoSuchRecoveryCode => (INVALID, "user.no_such_recovery_code", Some("recovery_code")),
    }
}
