//! Stepping up: whoever signed in shows once more who they are, before what needs that just now.

use chrono::{DateTime, TimeDelta, Utc};
use domain::organization::Organization;
use domain::session::{self, Session};
use domain::user::{self, User};

use super::second_factor::{self, Proof};
use super::{Principal, Via};
use crate::{Commands, Error, Meta, Outcome, Refusal, Work};

/// How long it counts as just now.
const COUNTS: TimeDelta = TimeDelta::minutes(5);

/// What is left to do for who has not shown it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    SecondFactor,
    /// Of who has no second factor.
    Password,
    /// Of whoever calls by a key: that is nobody who could show anything.
    SignIn,
}

/// What the caller must do before what no key may: `None` if they have just stepped up, or have just
/// signed in and have no second factor.
pub async fn due(commands: &Commands, principal: &Principal) -> Result<Option<Due>, Error> {
    let Via::Session(id) = principal.via else { return Ok(Some(Due::SignIn)) };
    let has_factor = has_factor(commands, principal).await?;
    let now = commands.store().clock().now();
    let (session, _) = commands.load::<Session>(principal.tenant, id).await?;
    let standing = session.open(now);
    let stepped_up = standing.and_then(|standing| standing.stepped_up_until);
    let signed_in = standing.and_then(|standing| standing.started_at).filter(|_| !has_factor);
    let until = stepped_up.max(signed_in.map(|at| at + COUNTS));
    let due = if has_factor { Due::SecondFactor } else { Due::Password };
    Ok(Some(due).filter(|_| until.is_none_or(|until| until <= now)))
}

/// The same for what needs a second factor just shown where there is one, and nothing where there is
/// none.
pub async fn due_of_factor(
    commands: &Commands,
    principal: &Principal,
) -> Result<Option<Due>, Error> {
    match has_factor(commands, principal).await? {
        true => due(commands, principal).await,
        false => Ok(None),
    }
}

/// Whether they have one, or their organisation wants them to.
async fn has_factor(commands: &Commands, principal: &Principal) -> Result<bool, Error> {
    let tenant = principal.tenant;
    let (user, _) = commands.load::<User>(tenant, principal.user).await?;
    let (organization, _) = commands.load::<Organization>(tenant, tenant).await?;
    Ok(user.has_second_factor() || organization.requires_second_factor)
}

/// Shows the second factor once more.
pub async fn by_factor<T>(
    commands: &Commands,
    meta: &Meta,
    principal: &Principal,
    proof: &Proof,
    tell: impl Fn(&mut Work<'_>, DateTime<Utc>) -> T,
) -> Result<Outcome<T>, Error> {
    let pass = async |work: &mut Work| second_factor::pass(work, principal.user, proof).await;
    step_up(commands, meta, principal, pass, tell).await
}

/// For who has no second factor, and has shown their password.
pub async fn by_password<T>(
    commands: &Commands,
    meta: &Meta,
    principal: &Principal,
    tell: impl Fn(&mut Work<'_>, DateTime<Utc>) -> T,
) -> Result<Outcome<T>, Error> {
    let is_enough = async |work: &mut Work| {
        if work.get::<Organization>(meta.tenant).await?.requires_second_factor {
            return Err(user::Error::SecondFactorRequired.into());
        }
        match work.get::<User>(principal.user).await?.has_second_factor() {
            true => Err(user::Error::SecondFactorDue.into()),
            false => Ok(()),
        }
    };
    step_up(commands, meta, principal, is_enough, tell).await
}

async fn step_up<T>(
    commands: &Commands,
    meta: &Meta,
    principal: &Principal,
    pass: impl AsyncFn(&mut Work<'_>) -> Result<(), Error>,
    tell: impl Fn(&mut Work<'_>, DateTime<Utc>) -> T,
) -> Result<Outcome<T>, Error> {
    let Via::Session(session) = principal.via else {
        return Err(Refusal::from(session::Error::NotFound).into());
    };
    let until = commands.store().clock().now() + COUNTS;
    second_factor::change(commands, meta, principal.user, async |work| {
        pass(work).await?;
        work.execute::<Session>(session, session::Command::StepUp { until }).await?;
        Ok(tell(work, until))
    })
    .await
}
