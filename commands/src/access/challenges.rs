//! Challenges: what is mailed to somebody or told to them, and taken back once within its time.

use std::time::Duration;

use chrono::TimeDelta;
use domain::secret::SecretRef;
use domain::user::{Command, Purpose, User};
use event_store::Store;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::kept::{self, Owner};
use super::token::{self, Kind};
use crate::{Commands, Error, Work};

const LOGIN_CODE: &str = "login_code";
/// How long a ticket's hash is, which is kept before its code.
const HASH: usize = 32;

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

/// What is mailed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Letter {
    EmailVerification,
    Invitation,
    /// For whoever has the ticket, and reads the mail.
    LoginCode(Ticket),
    PasswordReset,
}

impl Letter {
    pub(super) fn purpose(&self) -> Purpose {
        match self {
            Letter::EmailVerification => Purpose::EmailVerification,
            Letter::Invitation => Purpose::Invitation,
            Letter::LoginCode(_) => Purpose::LoginCode,
            Letter::PasswordReset => Purpose::PasswordReset,
        }
    }
}

/// What whoever asks for a code is told at once and shows with the code: anybody can ask for one,
/// and only who did can use up its tries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// Of the code's secret, too.
    pub(super) id: Uuid,
    hash: [u8; HASH],
}

impl Ticket {
    /// A new one, and its text. It takes no notice of whether there will be a code.
    pub fn mint() -> Result<(Ticket, String), Error> {
        let (id, text) = token::mint(Kind::CodeTicket)?;
        Ok((Ticket { id, hash: Sha256::digest(&text).into() }, text))
    }

    /// One that nobody was told where the text is none.
    fn shown(text: &str) -> Ticket {
        let id = token::parse(text).filter(|(kind, _)| *kind == Kind::CodeTicket);
        let id = id.map_or_else(Uuid::now_v7, |(_, id)| id);
        Ticket { id, hash: Sha256::digest(text).into() }
    }
}

/// Makes an answer that will be mailed.
pub(super) async fn to_mail(
    store: &Store,
    owner: Owner,
    letter: &Letter,
) -> Result<SecretRef, Error> {
    let time = time(letter.purpose());
    let kind = match letter {
        Letter::PasswordReset => Kind::PasswordReset,
        Letter::EmailVerification => Kind::EmailVerification,
        Letter::Invitation => Kind::Invitation,
        Letter::LoginCode(Ticket { id, hash }) => {
            let answer = [hash, six_digits()?.as_bytes()].concat();
            return kept::keep(store, owner, *id, LOGIN_CODE, &answer, Some(time)).await;
        }
    };
    kept::mint_to_mail(store, kind, owner, time).await
}

/// Short enough to be typed; tries are counted.
fn six_digits() -> Result<String, Error> {
    // Of 2^64 numbers, a million is a fair share for each code.
    let number = u64::from_be_bytes(super::random()?) % 1_000_000;
    Ok(format!("{number:06}"))
}

/// The answer in words, for the mail.
pub(crate) async fn answer(
    store: &Store,
    purpose: Purpose,
    secret: Uuid,
) -> Result<Option<String>, Error> {
    let Some((_, kept)) = kept::find(store, secret).await? else { return Ok(None) };
    let words = match purpose {
        Purpose::LoginCode => kept.get(HASH..).unwrap_or_default(),
        _ => &kept,
    };
    Ok(String::from_utf8(words.to_vec()).ok())
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

/// The open challenge that this mailed code answers, if it is the right one and its ticket is shown.
pub(super) async fn code_of(
    commands: &Commands,
    user: &User,
    ticket: &str,
    code: &str,
) -> Result<Option<Uuid>, Error> {
    // Where there is no code, one is looked for and a try is counted all the same: it takes as long.
    let (store, shown) = (commands.store(), Ticket::shown(ticket));
    let kept = kept::find(store, shown.id).await?.map(|(_, kept)| kept).unwrap_or_default();
    let may_try = super::limits::may_try(store, &shown.hash).await?;
    let answer = [&shown.hash[..], code.trim().as_bytes()].concat();
    let right = may_try && bool::from(kept.ct_eq(&answer));
    let open = user.challenges.is_open(Purpose::LoginCode, shown.id, store.clock().now());
    Ok((right && open).then_some(shown.id))
}
