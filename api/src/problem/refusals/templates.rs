//! What is told when a template says no: status, code, and the field that all of it is about.

use actix_web::http::StatusCode;
use domain::template::{Error, Fault};

use super::Told;
use crate::problem::{FieldError, Problem};

pub(super) fn told(error: &Error) -> Told {
    const CONFLICT: StatusCode = StatusCode::CONFLICT;
    const INVALID: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    match error {
        Error::NotFound => (StatusCode::NOT_FOUND, "template.not_found", None),
        Error::AlreadyDrafted => (CONFLICT, "template.already_drafted", None),
        Error::Invalid(_) => (INVALID, "template.invalid", None),
        Error::TooLarge => (INVALID, "template.too_large", Some("components")),
        Error::UnderReview => (CONFLICT, "template.under_review", None),
        Error::Disabled => (CONFLICT, "template.disabled", None),
        Error::Removed => (CONFLICT, "template.removed", None),
        Error::Unchanged => (CONFLICT, "template.unchanged", None),
        Error::CategoryFixed => (CONFLICT, "template.category_fixed", Some("category")),
        Error::NeedsOverride(_) => (CONFLICT, "template.needs_override", Some("category")),
        Error::NothingToOverride => (CONFLICT, "template.nothing_to_override", None),
        Error::InvalidReason => (INVALID, "template.invalid_reason", Some("reason")),
        Error::UnknownChannel => (INVALID, "template.unknown_channel", Some("channel_id")),
        Error::NotRequested => (CONFLICT, "template.not_requested", None),
    }
}

/// The problem with all that is wrong, place by place.
pub(super) fn explained(problem: Problem, error: Error) -> Problem {
    match error {
        Error::Invalid(faults) => {
            let told = |fault: Fault| FieldError::new(fault.path, fault.code, fault.message);
            problem.with_errors(faults.into_iter().map(told).collect())
        }
        error => match told(&error) {
            (.., Some(field)) => problem.about(field),
            _ => problem,
        },
    }
}
