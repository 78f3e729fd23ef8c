//! Invitations: who is asked to join, and coming in by the token that was mailed.

use domain::Personal;
use domain::aggregate::Role;
use domain::invitation::{self, Asked, Command, Create, Invitation};
use domain::organization::Organization;
use domain::secret::SecretRef;
use domain::session::Method;
use domain::user::{self, Email, User};
use event_store::Store;
use uuid::Uuid;

use super::Origin;
use super::accounts::{find_by_email, set_email};
use super::challenges::{self, Letter};
use super::kept::{self, Owner};
use super::password::Password;
use super::sign_in::{Pair, SignedIn};
use super::token::Kind;
use crate::{Commands, Error, Meta, Outcome, Work, members, names};

/// The scope of claims on addresses that are invited.
const EMAIL: &str = "invitation.email";

/// Somebody who is to be asked.
#[derive(Clone, Debug)]
pub struct Guest {
    pub email: Email,
    pub role: Role,
}

/// Keeps what the mail will carry. What is recorded in vain must be forgotten again.
pub async fn mint(store: &Store, tenant: Uuid, invitation: Uuid) -> Result<SecretRef, Error> {
    challenges::to_mail(store, Owner { tenant, id: invitation }, &Letter::Invitation).await
}

/// Asks somebody to join, in the name of somebody with the role `by`.
pub async fn invite(
    work: &mut Work<'_>,
    id: Uuid,
    guest: &Guest,
    by: Role,
    token: &SecretRef,
) -> Result<(), Error> {
    let tenant = work.meta().tenant;
    let known = find_by_email(work.commands(), &guest.email).await?;
    // That it is a member's elsewhere is nobody's affair here: who accepts is told.
    if known.is_some_and(|known| known.tenant == tenant) {
        return Err(invitation::Error::IsMember.into());
    }
    members::seat(work).await?;
    let store = work.commands().store().clone();
    let value = names::value(&store, tenant, EMAIL, &[guest.email.as_str().as_bytes()]);
    names::claim(work, EMAIL, value, id, async |work, last| {
        let asked = work.get::<Invitation>(last).await?.asked.as_ref();
        Ok(asked.is_none_or(|asked| !asked.is_pending(store.clock().now())))
    })
    .await?;
    let user = Uuid::now_v7();
    let email = Personal::identity(user, guest.email.clone());
    let create = Create { user, email, role: guest.role, token: token.clone(), by };
    work.execute::<Invitation>(id, Command::Create(create)).await.map(drop)
}

/// Mails another token.
pub async fn resend(
    work: &mut Work<'_>,
    id: Uuid,
    by: Role,
    token: &SecretRef,
) -> Result<(), Error> {
    let token = token.clone();
    work.execute::<Invitation>(id, Command::Resend { token, by }).await.map(drop)
}

/// An invitation as its token shows it.
pub struct Shown {
    pub tenant: Uuid,
    pub id: Uuid,
    pub asked: Asked,
    pub organization: Organization,
    secret: Uuid,
}

/// What this token invites to; `None` if it is none, or good no longer.
pub async fn shown(commands: &Commands, text: &str) -> Result<Option<Shown>, Error> {
    let store = commands.store();
    let recognised = kept::recognise(store, text).await?;
    let Some((Kind::Invitation, Owner { tenant, id }, secret)) = recognised else {
        return Ok(None);
    };
    let (invitation, _) = commands.load::<Invitation>(tenant, id).await?;
    let now = store.clock().now();
    let good = |asked: &Asked| asked.token == secret && asked.is_pending(now);
    let Some(asked) = invitation.asked.filter(good) else { return Ok(None) };
    let (organization, _) = commands.load::<Organization>(tenant, tenant).await?;
    Ok(Some(Shown { tenant, id, asked, organization, secret }))
}

/// Makes who shows the token a member, with a password, and signs them in, all in one append.
pub async fn accept<T>(
    commands: &Commands,
    origin: &Origin,
    shown: Shown,
    name: &str,
    password: &Password,
    tell: impl Fn(&mut Work<'_>, &SignedIn) -> T,
) -> Result<Outcome<T>, Error> {
    let Shown { tenant, id, asked, secret, .. } = shown;
    let (store, user) = (commands.store(), asked.user);
    let email = asked.email.clear().ok_or(invitation::Error::NotFound)?;
    let password = password.keep(commands, tenant, user).await?;
    let pair = Pair::mint(store, tenant, Uuid::now_v7()).await?;
    let _turn = commands.turn(tenant).await;
    let accepted = commands
        .transact(&origin.meta(tenant, user), async |work: &mut Work| {
            work.execute::<Invitation>(id, Command::Accept { token: secret }).await?;
            members::enlist(work, user, name, asked.role).await?;
            set_email(work, user, email).await?;
            work.execute::<User>(user, user::Command::VerifyEmail).await?;
            let password = user::Command::SetPassword { password: password.clone() };
            work.execute::<User>(user, password).await?;
            pair.start(work, user, Method::Invitation).await?;
            Ok(tell(work, &pair.told(tenant, user)))
        })
        .await;
    let useless = match &accepted {
        Ok(_) => vec![secret],
        Err(_) => [&[password.id][..], &pair.secrets()].concat(),
    };
    store.forget_secrets(tenant, &useless).await?;
    accepted
}

/// Forgets tokens that open nothing any more.
pub async fn forget(commands: &Commands, meta: &Meta, tokens: &[Uuid]) -> Result<(), Error> {
    Ok(commands.store().forget_secrets(meta.tenant, tokens).await?)
}
