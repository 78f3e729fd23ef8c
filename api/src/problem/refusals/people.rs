//! What is told when an invitation, a team, the platform's staff or a visit of theirs says no:
//! status, code, and the field that all of it is about.

use actix_web::http::StatusCode;
use commands::Refusal;
use domain::{invitation, staff, team, visit};

use super::Told;

const MISSING: StatusCode = StatusCode::NOT_FOUND;
const CONFLICT: StatusCode = StatusCode::CONFLICT;
const INVALID: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;

/// `None` where something else says no.
pub(super) fn told(refusal: &Refusal) -> Option<Told> {
    Some(match refusal {
        Refusal::Invitation(error) => of_invitation(error),
        Refusal::Staff(error) => of_staff(error),
        Refusal::Team(error) => of_team(error),
        Refusal::Visit(error) => of_visit(error),
        _ => return None,
    })
}

fn of_invitation(error: &invitation::Error) -> Told {
    use invitation::Error;
    match error {
        Error::AlreadyCreated => (CONFLICT, "invitation.already_created", None),
        Error::NotFound => (MISSING, "invitation.not_found", None),
        Error::Accepted => (CONFLICT, "invitation.accepted", None),
        Error::Revoked => (CONFLICT, "invitation.revoked", None),
        Error::Expired => (INVALID, "invitation.expired", Some("token")),
        Error::AboveOwnRole => (FORBIDDEN, "invitation.above_own_role", None),
        Error::IsMember => (CONFLICT, "invitation.is_member", Some("email")),
        Error::ToldTwice => (INVALID, "invitation.told_twice", Some("email")),
    }
}

fn of_team(error: &team::Error) -> Told {
    use team::Error;
    match error {
        Error::AlreadyCreated => (CONFLICT, "team.already_created", None),
        Error::NotFound => (MISSING, "team.not_found", None),
        Error::Deleted => (CONFLICT, "team.deleted", None),
        Error::InvalidName => (INVALID, "team.invalid_name", Some("name")),
        Error::Full => (FORBIDDEN, "team.full", None),
        Error::UnknownMember => (MISSING, "team.unknown_member", None),
    }
}

fn of_staff(error: &staff::Error) -> Told {
    use staff::Error;
    match error {
        Error::AlreadyAdded => (CONFLICT, "staff.already_added", None),
        Error::NotFound => (MISSING, "staff.not_found", None),
        Error::InvalidName => (INVALID, "staff.invalid_name", Some("name")),
    }
}

fn of_visit(error: &visit::Error) -> Told {
    use visit::Error;
    match error {
        Error::AlreadyBegun => (CONFLICT, "visit.already_begun", None),
        Error::NotFound => (MISSING, "visit.not_found", None),
        Error::Over => (StatusCode::UNAUTHORIZED, "visit.over", None),
        Error::InvalidReason => (INVALID, "visit.invalid_reason", Some("reason")),
    }
}
