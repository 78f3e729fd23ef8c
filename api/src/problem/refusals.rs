//! The one table from refusals and failures to status and code.

mod access;
mod channels;
mod payouts;
mod people;
mod templates;
mod tickets;

use actix_web::http::StatusCode;
use commands::{Error, Refusal};
use domain::{contact, conversation};

use super::Problem;

/// Another request with the same idempotency key is being answered, or was faster.
const KEY_USED: &str = "idempotency.in_flight";

/// Status, code, and the field that all of it is about.
type Told = (StatusCode, &'static str, Option<&'static str>);

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let (status, code) = classify(&refusal);
        let problem = Problem::new(status, code, refusal.to_string());
        if let (.., Some(field)) = access::told(&refusal) {
            return problem.about(field);
        }
        if let Some((.., Some(field))) = people::told(&refusal) {
            return problem.about(field);
        }
        match refusal {
            Refusal::Channel(error) => match channels::told(&error) {
                (.., Some(field)) => problem.about(field),
                _ => problem,
            },
            Refusal::Contact(contact::Error::InvalidTag | contact::Error::TooManyTags) => {
                problem.about("tags")
            }
            Refusal::Contact(contact::Error::InvalidAttribute) => problem.about("attributes"),
            Refusal::Conversation(conversation::Error::InvalidNote) => problem.about("body"),
            Refusal::Payout(error) => match payouts::told(&error) {
                (.., Some(field)) => problem.about(field),
                _ => problem,
            },
            Refusal::Template(error) => templates::explained(problem, error),
            Refusal::Ticket(error) => match tickets::told(&error) {
                (.., Some(field)) => problem.about(field),
                _ => problem,
            },
            Refusal::Taken { owner, .. } => problem.with("owner", owner),
            Refusal::Version { actual, .. } => problem.with("version", actual),
            _ => problem,
        }
    }
}

fn classify(refusal: &Refusal) -> (StatusCode, String) {
    const MISSING: StatusCode = StatusCode::NOT_FOUND;
    const CONFLICT: StatusCode = StatusCode::CONFLICT;
    const INVALID: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    let (status, code) = match refusal {
        Refusal::ApiKey(_) | Refusal::Organization(_) | Refusal::Session(_) | Refusal::User(_) => {
            let (status, code, _) = access::told(refusal);
            (status, code)
        }
        Refusal::Channel(error) => {
            let (status, code, _) = channels::told(error);
            (status, code)
        }
        Refusal::Contact(error) => match error {
            contact::Error::AlreadyRegistered => (CONFLICT, "contact.already_registered"),
            contact::Error::NotRegistered => (MISSING, "contact.not_found"),
            contact::Error::Merged { .. } => (CONFLICT, "contact.merged"),
            contact::Error::Nameless => (INVALID, "contact.nameless"),
            contact::Error::InvalidTag => (INVALID, "contact.invalid_tag"),
            contact::Error::TooManyTags => (INVALID, "contact.too_many_tags"),
            contact::Error::InvalidAttribute => (INVALID, "contact.invalid_attribute"),
        },
        Refusal::Conversation(error) => match error {
            conversation::Error::AlreadyOpen => (CONFLICT, "conversation.already_open"),
            conversation::Error::NotFound => (MISSING, "conversation.not_found"),
            conversation::Error::NotOpen => (CONFLICT, "conversation.not_open"),
            conversation::Error::WindowClosed { .. } => (CONFLICT, "conversation.window_closed"),
            conversation::Error::WindowNeverOpen => (CONFLICT, "conversation.window_never_open"),
            conversation::Error::NoSuchMessage => (MISSING, "message.not_found"),
            conversation::Error::Uncertain => (CONFLICT, "message.uncertain"),
            conversation::Error::Merged { .. } => (CONFLICT, "conversation.merged"),
            conversation::Error::InvalidNote => (INVALID, "conversation.invalid_note"),
        },
        Refusal::Payout(error) => {
            let (status, code, _) = payouts::told(error);
            (status, code)
        }
        Refusal::Template(error) => {
            let (status, code, _) = templates::told(error);
            (status, code)
        }
        Refusal::Ticket(error) => {
            let (status, code, _) = tickets::told(error);
            (status, code)
        }
        Refusal::Invitation(_) | Refusal::Staff(_) | Refusal::Team(_) | Refusal::Visit(_) => {
            people::told(refusal).map_or((INVALID, ""), |(status, code, _)| (status, code))
        }
        Refusal::NotFound => (MISSING, "not_found"),
        Refusal::Taken { scope, .. } => return (CONFLICT, format!("{scope}_taken")),
        Refusal::Version { .. } => (StatusCode::PRECONDITION_FAILED, "precondition.version"),
    };
    (status, code.to_owned())
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        match error {
            Error::Refused(refusal) => refusal.into(),
            Error::KeyUsed => Problem::conflict(
                KEY_USED,
                "a request with this idempotency key is being answered; try again",
            )
            .retry_after(1),
            Error::DryRun => {
                // Whoever asked for it finds the plan and tells that.
                Problem::unavailable("unavailable", "a dry run was not told; try again")
            }
            Error::Contended => Problem::conflict(
                "contended",
                "too many others write to the same place at once; try again",
            )
            .retry_after(1),
            error @ (Error::Undecodable { .. }
            | Error::Hashing(_)
            | Error::ReadModel(_)
            | Error::Failed(_)) => unavailable(&error),
        }
    }
}

impl From<event_store::Error> for Problem {
    fn from(error: event_store::Error) -> Problem {
        Error::from(error).into()
    }
}

/// Of an answer that can't be written.
impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Problem {
        unavailable(&error)
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Problem {
        unavailable(&error)
    }
}

impl From<projections::Error> for Problem {
    fn from(error: projections::Error) -> Problem {
        Problem::from(&error)
    }
}

impl From<&projections::Error> for Problem {
    fn from(error: &projections::Error) -> Problem {
        match error {
            projections::Error::Building(model) => building(model, 5),
            error => unavailable(error),
        }
    }
}

/// `wait` is in seconds.
pub(crate) fn building(model: &str, wait: u32) -> Problem {
    Problem::unavailable("read_model.building", format!("read model {model} is being built"))
        .retry_after(wait)
        .with("model", model)
}

/// The cause is for us, not for the client.
fn unavailable(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "A request could not be answered");
    Problem::unavailable("unavailable", "this can't be answered right now; try again")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use domain::{
        api_key, channel, invitation, organization, payout, session, staff, team, template, ticket,
        user, visit,
    };
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_refusal_has_a_code_of_its_own() {
        let refusals = every_refusal();
        let codes: HashSet<String> = refusals.iter().map(|r| classify(r).1).collect();
        assert_eq!(codes.len(), refusals.len());
        assert!(codes.contains("contact.phone_taken"));
    }

    #[test]
    fn a_refusal_is_the_clients_affair_and_a_failure_is_ours() {
        for refusal in every_refusal() {
            assert!(classify(&refusal).0.is_client_error());
        }
        let failure = Problem::from(Error::Failed(event_store::Error::Closed));
        assert_eq!(failure.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(failure.retry_after.is_some());
        assert!(!failure.detail.contains("store"));
    }

    #[test]
    fn who_meets_a_taken_number_is_told_whose_it_is() {
        let problem = Problem::from(taken());
        assert_eq!(problem.extra["owner"], "5");
    }

    fn taken() -> Refusal {
        Refusal::Taken { scope: "contact.phone".into(), owner: "5".into() }
    }

    fn every_refusal() -> Vec<Refusal> {
        [of_access(), of_members(), of_people_and_what_they_say(), of_work_and_money()].concat()
    }

    fn of_access() -> Vec<Refusal> {
        vec![
            api_key::Error::AlreadyIssued.into(),
            api_key::Error::NotIssued.into(),
            api_key::Error::NotUsable.into(),
            api_key::Error::InvalidName.into(),
            api_key::Error::InvalidScope(api_key::NotAScope).into(),
            api_key::Error::NoScope.into(),
            api_key::Error::InvalidExpiry.into(),
            api_key::Error::InvalidOverlap.into(),
            api_key::Error::TooWide.into(),
            organization::Error::AlreadyFounded.into(),
            organization::Error::NotFound.into(),
            organization::Error::InvalidName.into(),
            organization::Error::OwnSecondFactorFirst.into(),
            organization::Error::OwnersOnly.into(),
            organization::Error::LastOwner.into(),
            organization::Error::InvalidLogo.into(),
            organization::Error::InvalidReason.into(),
            organization::Error::NoSeatLeft(3).into(),
            session::Error::AlreadyStarted.into(),
            session::Error::NotFound.into(),
            session::Error::Over.into(),
            user::Error::AlreadyRegistered.into(),
            user::Error::NotFound.into(),
            user::Error::Deactivated.into(),
            user::Error::AboveOwnRole.into(),
            user::Error::OwnDeactivation.into(),
            user::Error::InvalidName.into(),
            user::Error::InvalidEmail.into(),
            user::Error::EmailTaken.into(),
            user::Error::InvalidPassword.into(),
            user::Error::WrongPassword.into(),
            user::Error::ChallengeFailed.into(),
            user::Error::WrongCode.into(),
            user::Error::SecondFactorActive.into(),
            user::Error::NoSecondFactor.into(),
            user::Error::SecondFactorRequired.into(),
            user::Error::SecondFactorDue.into(),
            user::Error::CodeUsed.into(),
            user::Error::NoSuchRecoveryCode.into(),
        ]
    }

    fn of_members() -> Vec<Refusal> {
        vec![
            invitation::Error::AlreadyCreated.into(),
            invitation::Error::NotFound.into(),
            invitation::Error::Accepted.into(),
            invitation::Error::Revoked.into(),
            invitation::Error::Expired.into(),
            invitation::Error::AboveOwnRole.into(),
            invitation::Error::IsMember.into(),
            invitation::Error::ToldTwice.into(),
            staff::Error::AlreadyAdded.into(),
            staff::Error::NotFound.into(),
            staff::Error::InvalidName.into(),
            team::Error::AlreadyCreated.into(),
            team::Error::NotFound.into(),
            team::Error::Deleted.into(),
            team::Error::InvalidName.into(),
            team::Error::Full.into(),
            team::Error::UnknownMember.into(),
            visit::Error::AlreadyBegun.into(),
            visit::Error::NotFound.into(),
            visit::Error::Over.into(),
            visit::Error::InvalidReason.into(),
        ]
    }

    fn of_people_and_what_they_say() -> Vec<Refusal> {
        vec![
            channel::Error::AlreadyConnected.into(),
            channel::Error::NotConnected.into(),
            channel::Error::Disconnected.into(),
            channel::Error::OtherProvider { provider: channel::Provider::Pawapay }.into(),
            channel::Error::InvalidName.into(),
            channel::Error::InvalidAccount.into(),
            channel::Error::InvalidLine.into(),
            channel::Error::InvalidDisplayNumber.into(),
            channel::Error::InvalidCallbackKey.into(),
            contact::Error::AlreadyRegistered.into(),
            contact::Error::NotRegistered.into(),
            contact::Error::Merged { into: Uuid::nil() }.into(),
            contact::Error::Nameless.into(),
            contact::Error::InvalidTag.into(),
            contact::Error::TooManyTags.into(),
            contact::Error::InvalidAttribute.into(),
            conversation::Error::AlreadyOpen.into(),
            conversation::Error::NotFound.into(),
            conversation::Error::NotOpen.into(),
            conversation::Error::InvalidNote.into(),
            conversation::Error::Merged { into: Uuid::nil() }.into(),
            conversation::Error::WindowClosed { closed_at: chrono::DateTime::UNIX_EPOCH }.into(),
            conversation::Error::WindowNeverOpen.into(),
            conversation::Error::NoSuchMessage.into(),
            conversation::Error::Uncertain.into(),
        ]
    }

    fn of_work_and_money() -> Vec<Refusal> {
        vec![
            payout::Error::AlreadyRequested.into(),
            payout::Error::NotFound.into(),
            payout::Error::SamePerson.into(),
            payout::Error::OwnPayout.into(),
            payout::Error::NotRequester.into(),
            payout::Error::Revised.into(),
            payout::Error::NotUnknown { state: payout::State::Completed }.into(),
            payout::Error::TooEarly { until: chrono::DateTime::UNIX_EPOCH }.into(),
            payout::Error::NotSubmitted { state: payout::State::Approved }.into(),
            payout::Error::NotRequested { state: payout::State::Approved }.into(),
            payout::Error::TooLate { state: payout::State::Submitted }.into(),
            payout::Error::NotApproved { state: payout::State::Cancelled }.into(),
            payout::Error::InvalidAmount.into(),
            payout::Error::InvalidCurrency.into(),
            payout::Error::InvalidProvider.into(),
            payout::Error::InvalidReason.into(),
            payout::Error::InvalidEvidence.into(),
            payout::Error::UnknownTicket.into(),
            payout::Error::UnknownContact.into(),
            payout::Error::UnknownChannel.into(),
            payout::Error::NoChannel.into(),
            payout::Error::ChannelNeeded.into(),
            template::Error::AlreadyDrafted.into(),
            template::Error::NotFound.into(),
            template::Error::Invalid(vec![]).into(),
            template::Error::TooLarge.into(),
            template::Error::UnderReview.into(),
            template::Error::Disabled.into(),
            template::Error::Removed.into(),
            template::Error::Unchanged.into(),
            template::Error::CategoryFixed.into(),
            template::Error::NeedsOverride("marketing").into(),
            template::Error::NothingToOverride.into(),
            template::Error::InvalidReason.into(),
            template::Error::UnknownChannel.into(),
            template::Error::NotRequested.into(),
            ticket::Error::AlreadyOpened.into(),
            ticket::Error::NotFound.into(),
            ticket::Error::NotOpen { state: ticket::State::Closed }.into(),
            ticket::Error::NotSolved.into(),
            ticket::Error::Merged { into: Uuid::nil() }.into(),
            ticket::Error::IntoItself.into(),
            ticket::Error::NoRecipient.into(),
            ticket::Error::InvalidSubject.into(),
            ticket::Error::InvalidComment.into(),
            ticket::Error::InvalidRating.into(),
            ticket::Error::InvalidRatingComment.into(),
            ticket::Error::UnknownContact.into(),
            ticket::Error::UnknownConversation.into(),
            ticket::Error::ContactMismatch.into(),
            ticket::Error::UnknownAgent.into(),
            ticket::Error::UnknownTarget.into(),
            Refusal::NotFound,
            taken(),
            Refusal::Version { expected: 1, actual: 2 },
        ]
    }
}
