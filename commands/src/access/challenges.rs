//! Challenges: what is mailed to somebody or told to them, and taken back once within its time.

use std::time::Duration;

use chrono::TimeDelta;
use domain::secret::SecretRef;
use domain::user::{Command, Purpose, User};
use event_store::Store;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::kept::{self, Owner};
use super::token::Kind;
use crate::{Commands, Error, Work};

const LOGIN_CODE: &str = "login_code";

/// For how long an answer is taken.
pub(crate) fn time(purpose: Purpose) -> Duration {
    const MINUTE: u64 = 60;
    Duration::from_secs(match purpose {
        Purpose::SecondFactor => 5 * MINUTE,
        Purpose::LoginCode => 10 * MINUTE,
        Purpose::PasswordReset => 60 * MINUTE,
        Purpose::EmailVerification | Purpose::Invitation => 7 * 24 * 60 * MINUTE,
    })
}

/// Makes an answer that will be mailed.
pub(super) async fn to_mail(
    store: &Store,
    owner: Owner,
    purpose: Purpose,
) -> Result<SecretRef, Error> {
    let kind = match purpose {
        Purpose::PasswordReset => Kind::PasswordReset,
        Purpose::EmailVerification => Kind::EmailVerification,
        Purpose::Invitation => Kind::Invitation,
        Purpose::LoginCode | Purpose::SecondFactor => {
            let (id, code) = (Uuid::now_v7(), six_digits()?);
            let time = Some(time(purpose));
            return kept::keep(store, owner, id, LOGIN_CODE, code.as_bytes(), time).await;
        }
    };
    kept::mint_to_mail(store, kind, owner, time(purpose)).await
}

/// Short enough to be typed; tries are counted.
fn six_digits() -> Result<String, Error> {
    // Of 2^64 numbers, a million is a fair share for each code.
    let number = u64::from_be_bytes(super::random()?) % 1_000_000;
    Ok(format!("{number:06}"))
}

/// The answer in words, for the mail.
pub(crate) async fn answer(store: &Store, secret: Uuid) -> Result<Option<String>, Error> {
    let kept = kept::find(store, secret).await?;
    Ok(kept.and_then(|(_, answer)| String::from_utf8(answer).ok()))
}

/// The challenge stands as soon as the work is done.
pub(super) async fn issue(
    work: &mut Work<'_>,
    user: Uuid,
    purpose: Purpose,
    secret: &SecretRef,
) -> Result<(), Error> {
    let now = work.commands().store().clock().now();
    let time = TimeDelta::from_std(time(purpose)).unwrap_or_default();
    let command =
        Command::IssueChallenge { purpose, secret: secret.clone(), expires_at: now + time };
    work.execute::<User>(user, command).await.map(drop)
}

/// The open challenge that this mailed code answers, if it is the right one.
pub(super) async fn code_of(
    commands: &Commands,
    user: &User,
    code: &str,
) -> Result<Option<Uuid>, Error> {
    let Some(challenge) = user.challenges.get(&Purpose::LoginCode) else { return Ok(None) };
    if !super::limits::may_try(commands.store(), challenge.id).await? {
        return Ok(None);
    }
    let kept = answer(commands.store(), challenge.id).await?.unwrap_or_default();
    let right = bool::from(kept.as_bytes().ct_eq(code.trim().as_bytes()));
    Ok((right && !kept.is_empty()).then_some(challenge.id))
}
