//! The second factor: an app that shows a code of time (RFC 6238), and codes on paper.

use domain::organization::Organization;
use domain::secret::SecretRef;
use domain::user::second_factor::{Command, SecondFactor};
use domain::user::{self, User};
use event_store::Store;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use totp_rs::{Algorithm, TOTP, TotpUrlError};
use uuid::Uuid;

use super::kept::{self, Owner};
use crate::{Commands, Error, Meta, Outcome, Refusal, Work};

const SEED: &str = "totp_seed";
const RECOVERY_CODE: &str = "recovery_code";
const ISSUER: &str = "Verbatim";
/// How long a code is shown, in seconds.
const STEP: u64 = 30;
const RECOVERY_CODES: usize = 10;
/// None that is easily taken for another.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// By what somebody proves to have the second factor.
#[derive(Clone)]
pub enum Proof {
    Code(String),
    RecoveryCode(String),
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Proof::Code(_) => "Code(…)",
            Proof::RecoveryCode(_) => "RecoveryCode(…)",
        })
    }
}

/// What an authenticator app needs to know.
#[derive(Clone)]
pub struct Seed {
    pub base32: String,
    pub url: String,
}

/// Agrees on a seed with the user's app.
pub async fn enrol<T>(
    commands: &Commands,
    meta: &Meta,
    user: Uuid,
    email: &str,
    tell: impl Fn(&mut Work<'_>, &Seed) -> T,
) -> Result<Outcome<T>, Error> {
    let bytes: [u8; 20] = super::random()?;
    let totp = totp(bytes.to_vec(), email)?;
    let owner = Owner { tenant: meta.tenant, id: user };
    let store = commands.store();
    let seed = kept::keep(store, owner, Uuid::now_v7(), SEED, &bytes, None).await?;
    let told = Seed { base32: totp.get_secret_base32(), url: totp.get_url() };
    let enrolled = change(commands, meta, user, async |work| {
        execute(work, user, Command::Enrol { seed: seed.clone() }).await?;
        Ok(tell(work, &told))
    });
    unless_refused(commands, meta, enrolled.await, std::slice::from_ref(&seed)).await
}

/// The app shows the right code: from now on it is asked for. Tells the recovery codes, once.
pub async fn confirm<T>(
    commands: &Commands,
    meta: &Meta,
    user: Uuid,
    code: &str,
    tell: impl Fn(&mut Work<'_>, &[String]) -> T,
) -> Result<Outcome<T>, Error> {
    let (texts, kept) = recovery_codes(commands.store(), meta.tenant, user).await?;
    let confirmed = change(commands, meta, user, async |work| {
        let factor = factor(work, user).await?;
        let step = right_step(work.commands().store(), &factor, code).await?;
        execute(work, user, Command::Confirm { step, recovery_codes: kept.clone() }).await?;
        Ok(tell(work, &texts))
    });
    unless_refused(commands, meta, confirmed.await, &kept).await
}

/// New recovery codes; the old ones are good for nothing.
pub async fn replace_recovery_codes<T>(
    commands: &Commands,
    meta: &Meta,
    user: Uuid,
    tell: impl Fn(&mut Work<'_>, &[String]) -> T,
) -> Result<Outcome<T>, Error> {
    let (texts, kept) = recovery_codes(commands.store(), meta.tenant, user).await?;
    let replaced = change(commands, meta, user, async |work| {
        execute(work, user, Command::ReplaceRecoveryCodes { recovery_codes: kept.clone() }).await?;
        Ok(tell(work, &texts))
    });
    unless_refused(commands, meta, replaced.await, &kept).await
}

/// Takes one code away, without using it; tells how many are left.
pub async fn revoke_recovery_code<T>(
    commands: &Commands,
    meta: &Meta,
    user: Uuid,
    code: &str,
    tell: impl Fn(&mut Work<'_>, usize) -> T,
) -> Result<Outcome<T>, Error> {
    change(commands, meta, user, async |work| {
        let factor = factor(work, user).await?;
        let code = recovery_code(work.commands().store(), meta.tenant, user, &factor, code)?;
        execute(work, user, Command::RevokeRecoveryCode { code }).await?;
        let left = self::factor(work, user).await?.recovery_codes.len();
        Ok(tell(work, left))
    })
    .await
}

/// From now on the password is enough, unless the organisation requires more.
pub async fn disable<T>(
    commands: &Commands,
    meta: &Meta,
    user: Uuid,
    tell: impl Fn(&mut Work<'_>) -> T,
) -> Result<Outcome<T>, Error> {
    change(commands, meta, user, async |work| {
        let organization = work.get::<Organization>(meta.tenant).await?;
        let required = organization.requires_second_factor;
        execute(work, user, Command::Disable { required }).await?;
        Ok(tell(work))
    })
    .await
}

/// A unit of work on a user's second factor. The secrets that it makes useless are destroyed.
pub(super) async fn change<T>(
    commands: &Commands,
    meta: &Meta,
    user: Uuid,
    act: impl AsyncFn(&mut Work<'_>) -> Result<T, Error>,
) -> Result<Outcome<T>, Error> {
    let _turn = commands.turn(user).await;
    let outcome = commands
        .transact(meta, async |work: &mut Work| {
            let mut useless = secrets(work.get::<User>(user).await?);
            let value = act(work).await?;
            let left = secrets(work.get::<User>(user).await?);
            useless.retain(|id| !left.contains(id));
            Ok((value, useless))
        })
        .await?;
    let Outcome { value: (value, useless), position, events } = outcome;
    commands.store().forget_secrets(meta.tenant, &useless).await?;
    Ok(Outcome { value, position, events })
}

fn secrets(user: &User) -> Vec<Uuid> {
    let factor = user.second_factor.iter();
    factor.flat_map(|it| it.recovery_codes.iter().chain([&it.seed])).map(|kept| kept.id).collect()
}

async fn execute(work: &mut Work<'_>, user: Uuid, command: Command) -> Result<(), Error> {
    work.execute::<User>(user, user::Command::SecondFactor(command)).await.map(drop)
}

/// What was kept for it beforehand is of no use where it was refused.
async fn unless_refused<T>(
    commands: &Commands,
    meta: &Meta,
    outcome: Result<Outcome<T>, Error>,
    kept: &[SecretRef],
) -> Result<Outcome<T>, Error> {
    if outcome.is_err() {
        let ids: Vec<Uuid> = kept.iter().map(|secret| secret.id).collect();
        commands.store().forget_secrets(meta.tenant, &ids).await?;
    }
    outcome
}

/// Passes the second factor in a unit of work, or refuses.
pub(super) async fn pass(work: &mut Work<'_>, user: Uuid, proof: &Proof) -> Result<(), Error> {
    let factor = factor(work, user).await?;
    let (store, tenant) = (work.commands().store(), work.meta().tenant);
    let command = match proof {
        Proof::Code(code) => Command::Pass { step: right_step(store, &factor, code).await? },
        Proof::RecoveryCode(code) => {
            Command::UseRecoveryCode { code: recovery_code(store, tenant, user, &factor, code)? }
        }
    };
    execute(work, user, command).await
}

async fn factor(work: &mut Work<'_>, user: Uuid) -> Result<SecondFactor, Error> {
    let user = work.get::<User>(user).await?;
    user.second_factor.clone().ok_or(Refusal::from(user::Error::NoSecondFactor).into())
}

/// The time step at which the app shows this code, now or a step away: clocks differ.
async fn right_step(store: &Store, factor: &SecondFactor, code: &str) -> Result<u64, Error> {
    let wrong = || Error::from(user::Error::WrongCode);
    let (_, seed) = kept::find(store, factor.seed.id).await?.ok_or_else(wrong)?;
    let totp = totp(seed, "")?;
    let now = u64::try_from(store.clock().now().timestamp()).unwrap_or_default() / STEP;
    let typed = code.replace(' ', "");
    let shows =
        |step: &u64| bool::from(totp.generate(step * STEP).as_bytes().ct_eq(typed.as_bytes()));
    // The newest first: an older step would refuse the next code less.
    (now.saturating_sub(1)..=now + 1).rev().find(shows).ok_or_else(wrong)
}

fn totp(seed: Vec<u8>, account: &str) -> Result<TOTP, Error> {
    let account = account.replace(':', "");
    TOTP::new(Algorithm::SHA1, 6, 1, STEP, seed, Some(ISSUER.to_owned()), account)
        .map_err(|error: TotpUrlError| Error::Hashing(error.to_string()))
}

async fn recovery_codes(
    store: &Store,
    tenant: Uuid,
    user: Uuid,
) -> Result<(Vec<String>, Vec<SecretRef>), Error> {
    let (mut texts, mut kept) = (vec![], vec![]);
    for _ in 0..RECOVERY_CODES {
        let bytes: [u8; 16] = super::random()?;
        let letter = |byte: &u8| char::from(LETTERS[usize::from(byte % 32)]);
        let letters: Vec<char> = bytes.iter().map(letter).collect();
        let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
        let text = groups.join("-");
        let (owner, id) = (Owner { tenant, id: user }, Uuid::now_v7());
        kept.push(kept::keep(store, owner, id, RECOVERY_CODE, &hash(&text), None).await?);
        texts.push(text);
    }
    Ok((texts, kept))
}

/// However it was typed.
fn hash(text: &str) -> [u8; 32] {
    let letters = text.chars().filter(|letter| letter.is_ascii_alphanumeric());
    Sha256::digest(letters.collect::<String>().to_ascii_lowercase()).into()
}

/// Which of the codes that are left this is: its fingerprint is in the log.
fn recovery_code(
    store: &Store,
    tenant: Uuid,
    user: Uuid,
    factor: &SecondFactor,
    text: &str,
) -> Result<Uuid, Error> {
    let secret = [user.as_bytes().as_slice(), &hash(text)].concat();
    let fingerprint = store.fingerprint(tenant, RECOVERY_CODE, &secret);
    let known = factor.recovery_codes.iter().find(|code| code.fingerprint == fingerprint);
    Ok(known.ok_or(user::Error::NoSuchRecoveryCode)?.id)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        let totp = totp(b"12345678901234567890".to_vec(), "").unwrap();
        // The RFC shows eight digits; apps show the last six of them.
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")]
        {
            assert_eq!(totp.generate(time), code);
        }
    }

    #[test]
    fn a_recovery_code_is_the_same_however_it_is_typed() {
        assert_eq!(hash("abcd-efgh-jkmn-2345"), hash(" ABCD EFGH jkmn2345"));
        assert_ne!(hash("abcd-efgh-jkmn-2345"), hash("abcd-efgh-jkmn-2346"));
    }
}
