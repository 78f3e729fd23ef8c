//! Accounts: registering, and what people do about their own e-mail address and password.

use domain::aggregate::Role;
use domain::organization::{self, Organization};
use domain::secret::SecretRef;
use domain::session::Method;
use domain::user::{self, Email, Purpose, User};
use domain::{Aggregate, Personal};
use event_store::{Store, log};
use uuid::Uuid;

use super::challenges::Letter;
use super::kept::{self, Owner};
use super::password::Password;
use super::sign_in::{Pair, SignedIn};
use super::token::Kind;
use super::{Origin, Principal, Via, challenges};
use crate::{Commands, Error, Meta, Outcome, Work, members};

/// Who signs in names no organisation: an address belongs to one user among all of them.
const EMAIL: &str = "user.email";

fn hash(store: &Store, email: &Email) -> Vec<u8> {
    store.lookup(Uuid::nil(), &[EMAIL.as_bytes(), email.as_str().as_bytes()]).to_vec()
}

/// Claims an address for a user of this work's organisation, and sets it.
pub async fn set_email(work: &mut Work<'_>, user: Uuid, email: &Email) -> Result<(), Error> {
    let owner = format!("{}/{user}", work.meta().tenant);
    match find_by_email(work.commands(), email).await? {
        Some(found) if owner == format!("{}/{}", found.tenant, found.id) => {}
        Some(_) => return Err(user::Error::EmailTaken.into()),
        None => {
            let hash = hash(work.commands().store(), email);
            work.claim_of_all(EMAIL, hash, owner);
        }
    }
    let email = Personal::identity(user, email.clone());
    work.execute::<User>(user, user::Command::SetEmail { email }).await.map(drop)
}

pub(super) async fn find_by_email(
    commands: &Commands,
    email: &Email,
) -> Result<Option<Owner>, Error> {
    let store = commands.store();
    let claims = store.claims(Uuid::nil(), &[(EMAIL, hash(store, email))]).await?;
    let owner = claims.first().and_then(|claim| {
        let (tenant, id) = claim.owner.split_once('/')?;
        Some(Owner { tenant: tenant.parse().ok()?, id: id.parse().ok()? })
    });
    Ok(owner)
}

/// Somebody who is to have an account.
#[derive(Clone, Debug)]
pub struct Newcomer {
    pub name: String,
    pub email: Email,
    pub password: Password,
}

impl Newcomer {
    /// Keeps the password, before the work in which they join.
    pub async fn keep_password(
        &self,
        commands: &Commands,
        tenant: Uuid,
        user: Uuid,
    ) -> Result<SecretRef, Error> {
        self.password.keep(commands, tenant, user).await
    }

    /// Joins the organisation of this work.
    pub async fn join(
        &self,
        work: &mut Work<'_>,
        user: Uuid,
        role: Role,
        password: &SecretRef,
    ) -> Result<(), Error> {
        members::enlist(work, user, &self.name, role).await?;
        set_credentials(work, user, &self.email, password).await
    }
}

async fn set_credentials(
    work: &mut Work<'_>,
    user: Uuid,
    email: &Email,
    password: &SecretRef,
) -> Result<(), Error> {
    set_email(work, user, email).await?;
    let password = user::Command::SetPassword { password: password.clone() };
    work.execute::<User>(user, password).await.map(drop)
}

/// Lets a member sign in who could only call by key: with an address that is theirs, and a password.
pub async fn let_sign_in(
    commands: &Commands,
    meta: &Meta,
    user: Uuid,
    email: &Email,
    password: &Password,
) -> Result<(), Error> {
    let password = password.keep(commands, meta.tenant, user).await?;
    let set = commands
        .transact(meta, async |work: &mut Work| set_credentials(work, user, email, &password).await)
        .await;
    if set.is_err() {
        commands.store().forget_secrets(meta.tenant, &[password.id]).await?;
    }
    set.map(drop)
}

/// Founds an organisation and signs its owner in, all in one append.
pub async fn register<T>(
    commands: &Commands,
    origin: &Origin,
    organization: &str,
    owner_to_be: &Newcomer,
    tell: impl Fn(&mut Work<'_>, &SignedIn) -> T,
) -> Result<Outcome<T>, Error> {
    let (store, tenant, user) = (commands.store(), Uuid::now_v7(), Uuid::now_v7());
    let password = owner_to_be.keep_password(commands, tenant, user).await?;
    let owner = Owner { tenant, id: user };
    let verification = challenges::to_mail(store, owner, &Letter::EmailVerification).await?;
    let pair = Pair::mint(store, tenant, Uuid::now_v7()).await?;
    let registered = commands
        .transact(&origin.meta(tenant, user), async |work: &mut Work| {
            let found = organization::Command::Found { name: organization.to_owned() };
            work.execute::<Organization>(tenant, found).await?;
            owner_to_be.join(work, user, Role::Owner, &password).await?;
            challenges::issue(work, user, Purpose::EmailVerification, &verification).await?;
            pair.start(work, user, Method::Registration).await?;
            Ok(tell(work, &pair.told(tenant, user)))
        })
        .await;
    if registered.is_err() {
        let in_vain = [&[password.id, verification.id][..], &pair.secrets()].concat();
        store.forget_secrets(tenant, &in_vain).await?;
    }
    registered
}

/// Whether it is this user's password.
pub async fn is_password_of(
    commands: &Commands,
    tenant: Uuid,
    user: Uuid,
    password: &Password,
) -> Result<bool, Error> {
    let (user, _) = commands.load::<User>(tenant, user).await?;
    password.is(commands, user.password.map(|password| password.id)).await
}

/// Changes the caller's password, which ends all their other sessions.
pub async fn change_password<T>(
    commands: &Commands,
    meta: &Meta,
    principal: &Principal,
    new: &Password,
    tell: impl Fn(&mut Work<'_>) -> T,
) -> Result<Outcome<T>, Error> {
    let session = match principal.via {
        Via::Session(session) => Some(session),
        Via::Key(_) | Via::Staff(_) | Via::Visit(_) => None,
    };
    let change = |password| user::Command::ChangePassword { password, session };
    set_password(commands, meta, principal.user, new, change, tell).await
}

/// Sets a new password for who shows the token that was mailed; `None` if it is none.
pub async fn reset_password<T>(
    commands: &Commands,
    origin: &Origin,
    token: &str,
    new: &Password,
    tell: impl Fn(&mut Work<'_>) -> T,
) -> Result<Option<Outcome<T>>, Error> {
    let recognised = kept::recognise(commands.store(), token).await?;
    let Some((Kind::PasswordReset, owner, challenge)) = recognised else { return Ok(None) };
    let meta = origin.meta(owner.tenant, owner.id);
    let reset = |password| user::Command::ResetPassword { password, challenge };
    let outcome = set_password(commands, &meta, owner.id, new, reset, tell).await?;
    commands.store().forget_secrets(owner.tenant, &[challenge]).await?;
    Ok(Some(outcome))
}

async fn set_password<T>(
    commands: &Commands,
    meta: &Meta,
    user: Uuid,
    new: &Password,
    command: impl Fn(SecretRef) -> user::Command,
    tell: impl Fn(&mut Work<'_>) -> T,
) -> Result<Outcome<T>, Error> {
    let password = new.keep(commands, meta.tenant, user).await?;
    let _turn = commands.turn(user).await;
    let set = commands
        .transact(meta, async |work: &mut Work| {
            let before = work.get::<User>(user).await?.password.as_ref().map(|old| old.id);
            work.execute::<User>(user, command(password.clone())).await?;
            Ok((tell(work), before))
        })
        .await;
    let useless = match &set {
        Ok(Outcome { value: (_, before), .. }) => *before,
        Err(_) => Some(password.id),
    };
    let useless: Vec<Uuid> = useless.into_iter().collect();
    commands.store().forget_secrets(meta.tenant, &useless).await?;
    let Outcome { value: (value, _), position, events } = set?;
    Ok(Outcome { value, position, events })
}

/// Mails a letter to whoever has this address, once for each that was asked for, by its id; does
/// nothing where nobody has.
pub(super) async fn challenge_by_mail(
    commands: &Commands,
    origin: &Origin,
    id: Uuid,
    email: &Email,
    letter: &Letter,
) -> Result<(), Error> {
    let Some(owner) = find_by_email(commands, email).await? else { return Ok(()) };
    let (user, _) = commands.load::<User>(owner.tenant, owner.id).await?;
    if user.active_role().is_none() {
        return Ok(());
    }
    let meta = Meta { command_id: id, ..origin.meta(owner.tenant, owner.id) };
    // Who wrote it before may be gone before anybody heard of it.
    let is_due = async || {
        let (pool, user) = (commands.store().pool(), owner.id.to_string());
        let written = log::is_written_by(pool, owner.tenant, User::TYPE, &user, id).await;
        Ok(!written.map_err(event_store::Error::from)?)
    };
    if !is_due().await? {
        return Ok(());
    }
    if let Letter::LoginCode(ticket) = letter {
        // A try that was interrupted has kept a code under the same id.
        commands.store().forget_secrets(owner.tenant, &[ticket.id]).await?;
    }
    let still = async |_: &mut Work| is_due().await;
    mail(commands, &meta, owner.id, letter, still, |_| ()).await.map(drop)
}

/// Mails the caller another token to verify their address with, unless it is verified.
pub async fn verify_again<T>(
    commands: &Commands,
    meta: &Meta,
    user: Uuid,
    tell: impl Fn(&mut Work<'_>) -> T,
) -> Result<Outcome<T>, Error> {
    let is_due = async |work: &mut Work| {
        let known = work.get::<User>(user).await?;
        Ok(!known.email_verified && known.email.is_some())
    };
    mail(commands, meta, user, &Letter::EmailVerification, is_due, tell).await
}

async fn mail<T>(
    commands: &Commands,
    meta: &Meta,
    user: Uuid,
    letter: &Letter,
    is_due: impl AsyncFn(&mut Work<'_>) -> Result<bool, Error>,
    tell: impl Fn(&mut Work<'_>) -> T,
) -> Result<Outcome<T>, Error> {
    let owner = Owner { tenant: meta.tenant, id: user };
    let secret = challenges::to_mail(commands.store(), owner, letter).await?;
    let _turn = commands.turn(user).await;
    let issued = commands
        .transact(meta, async |work: &mut Work| {
            if is_due(work).await? {
                challenges::issue(work, user, letter.purpose(), &secret).await?;
            }
            Ok(tell(work))
        })
        .await;
    let in_vain = match &issued {
        Ok(issued) => issued.events == 0,
        // It may have been issued all the same. If not, its secret expires.
        Err(Error::Failed(_)) => false,
        Err(_) => true,
    };
    if in_vain {
        commands.store().forget_secrets(meta.tenant, &[secret.id]).await?;
    }
    issued
}

/// Takes the token that was mailed to verify an address; `None` if it is none.
pub async fn verify_email<T>(
    commands: &Commands,
    origin: &Origin,
    token: &str,
    tell: impl Fn(&mut Work<'_>) -> T,
) -> Result<Option<Outcome<T>>, Error> {
    let recognised = kept::recognise(commands.store(), token).await?;
    let Some((Kind::EmailVerification, owner, challenge)) = recognised else { return Ok(None) };
    let _turn = commands.turn(owner.id).await;
    let outcome = commands
        .transact(&origin.meta(owner.tenant, owner.id), async |work: &mut Work| {
            let purpose = Purpose::EmailVerification;
            let met = user::Command::MeetChallenge { purpose, challenge };
            work.execute::<User>(owner.id, met).await?;
            Ok(tell(work))
        })
        .await?;
    commands.store().forget_secrets(owner.tenant, &[challenge]).await?;
    Ok(Some(outcome))
}
