//! Accounts: registering, and what people do about their own e-mail address and password.

use domain::Personal;
use domain::aggregate::Role;
use domain::organization::{self, Organization};
use domain::secret::SecretRef;
use domain::session::Method;
use domain::user::{self, Email, Purpose, User};
use event_store::Store;
use uuid::Uuid;

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
        set_email(work, user, &self.email).await?;
        let password = user::Command::SetPassword { password: password.clone() };
        work.execute::<User>(user, password).await.map(drop)
    }
}

/// Founds an organisation and signs its owner in, all in one append.
pub async fn register(
    commands: &Commands,
    origin: &Origin,
    organization: &str,
    owner_to_be: &Newcomer,
) -> Result<SignedIn, Error> {
    let (store, tenant, user) = (commands.store(), Uuid::now_v7(), Uuid::now_v7());
    let password = owner_to_be.keep_password(commands, tenant, user).await?;
    let owner = Owner { tenant, id: user };
    let verification = challenges::to_mail(store, owner, Purpose::EmailVerification).await?;
    let pair = Pair::mint(store, tenant, Uuid::now_v7()).await?;
    let registered = commands
        .transact(&origin.meta(tenant, user), async |work: &mut Work| {
            let found = organization::Command::Found { name: organization.to_owned() };
            work.execute::<Organization>(tenant, found).await?;
            owner_to_be.join(work, user, Role::Owner, &password).await?;
            challenges::issue(work, user, Purpose::EmailVerification, &verification).await?;
            pair.start(work, user, Method::Registration).await
        })
        .await;
    match registered {
        Ok(Outcome { position, .. }) => Ok(pair.told(tenant, user, position)),
        Err(error) => {
            store.forget_secrets(tenant, &[password.id, verification.id]).await?;
            Err(error)
        }
    }
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
pub async fn change_password(
    commands: &Commands,
    meta: &Meta,
    principal: &Principal,
    new: &Password,
) -> Result<i64, Error> {
    let session = match principal.via {
        Via::Session(session) => Some(session),
        Via::Key(_) | Via::Staff(_) | Via::Visit(_) => None,
    };
    set_password(commands, meta, principal.user, new, |password| user::Command::ChangePassword {
        password,
        session,
    })
    .await
}

/// Sets a new password for who shows the token that was mailed; `None` if it is none.
pub async fn reset_password(
    commands: &Commands,
    origin: &Origin,
    token: &str,
    new: &Password,
) -> Result<Option<i64>, Error> {
    let recognised = kept::recognise(commands.store(), token).await?;
    let Some((Kind::PasswordReset, owner, challenge)) = recognised else { return Ok(None) };
    let meta = origin.meta(owner.tenant, owner.id);
    let reset = |password| user::Command::ResetPassword { password, challenge };
    let position = set_password(commands, &meta, owner.id, new, reset).await?;
    commands.store().forget_secrets(owner.tenant, &[challenge]).await?;
    Ok(Some(position))
}

async fn set_password(
    commands: &Commands,
    meta: &Meta,
    user: Uuid,
    new: &Password,
    command: impl Fn(SecretRef) -> user::Command,
) -> Result<i64, Error> {
    let password = new.keep(commands, meta.tenant, user).await?;
    let _turn = commands.turn(user).await;
    let set = commands
        .transact(meta, async |work: &mut Work| {
            let before = work.get::<User>(user).await?.password.as_ref().map(|old| old.id);
            work.execute::<User>(user, command(password.clone())).await?;
            Ok(before)
        })
        .await;
    let useless = match &set {
        Ok(Outcome { value, .. }) => *value,
        Err(_) => Some(password.id),
    };
    let useless: Vec<Uuid> = useless.into_iter().collect();
    commands.store().forget_secrets(meta.tenant, &useless).await?;
    Ok(set?.position)
}

/// Mails what `purpose` needs to whoever has this address; does nothing where nobody has.
pub async fn challenge_by_mail(
    commands: &Commands,
    origin: &Origin,
    email: &Email,
    purpose: Purpose,
) -> Result<(), Error> {
    let Some(owner) = find_by_email(commands, email).await? else { return Ok(()) };
    let (user, _) = commands.load::<User>(owner.tenant, owner.id).await?;
    if user.active_role().is_none() {
        return Ok(());
    }
    let meta = origin.meta(owner.tenant, owner.id);
    mail(commands, &meta, owner.id, purpose).await.map(drop)
}

/// Mails the caller another token to verify their address with, unless it is verified.
pub async fn verify_again(commands: &Commands, meta: &Meta, user: Uuid) -> Result<i64, Error> {
    let (known, _) = commands.load::<User>(meta.tenant, user).await?;
    if known.email_verified || known.email.is_none() {
        return Ok(commands.store().head());
    }
    mail(commands, meta, user, Purpose::EmailVerification).await
}

async fn mail(
    commands: &Commands,
    meta: &Meta,
    user: Uuid,
    purpose: Purpose,
) -> Result<i64, Error> {
    let owner = Owner { tenant: meta.tenant, id: user };
    let secret = challenges::to_mail(commands.store(), owner, purpose).await?;
    let _turn = commands.turn(user).await;
    let issued = commands
        .transact(meta, async |work: &mut Work| {
            challenges::issue(work, user, purpose, &secret).await
        })
        .await;
    Ok(issued?.position)
}

/// Takes the token that was mailed to verify an address; `None` if it is none.
pub async fn verify_email(
    commands: &Commands,
    origin: &Origin,
    token: &str,
) -> Result<Option<i64>, Error> {
    let recognised = kept::recognise(commands.store(), token).await?;
    let Some((Kind::EmailVerification, owner, challenge)) = recognised else { return Ok(None) };
    let purpose = Purpose::EmailVerification;
    let met = || user::Command::MeetChallenge { purpose, challenge };
    let meta = origin.meta(owner.tenant, owner.id);
    let outcome = commands.execute::<User>(owner.id, met, &meta).await?;
    commands.store().forget_secrets(owner.tenant, &[challenge]).await?;
    Ok(Some(outcome.position))
}
