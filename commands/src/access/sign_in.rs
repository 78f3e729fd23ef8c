//! Signing in, step by step, and staying signed in. Whoever is refused is told no more than that.

use std::time::Duration;

use chrono::TimeDelta;
use domain::organization::Organization;
use domain::session::{self, Method, Session, Start};
use domain::user::{self, Email, Purpose, User};
use event_store::Store;
use uuid::Uuid;

use super::accounts::find_by_email;
use super::kept::{self, Owner};
use super::password::Password;
use super::second_factor::{self, Proof};
use super::token::Kind;
use super::{Origin, Principal, Via, challenges};
use crate::{Commands, Error, Meta, Outcome, Refusal, Work};

/// How long an access token opens.
pub const ACCESS: Duration = Duration::from_secs(15 * 60);
/// How long a session goes on without being refreshed.
const REFRESH: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long the second factor counts as just passed.
const STEPPED_UP: TimeDelta = TimeDelta::minutes(5);

/// How long the second step may take.
pub fn second_step_time() -> Duration {
    challenges::time(Purpose::SecondFactor)
}

/// Somebody who came in, and what they call with from now on.
#[derive(Clone)]
pub struct SignedIn {
    pub tenant: Uuid,
    pub user: Uuid,
    pub session: Uuid,
    pub access: String,
    pub refresh: String,
    pub position: i64,
}

/// What trying to sign in came to.
#[derive(Clone)]
pub enum SignIn {
    Done(SignedIn),
    /// They have a second factor, and show it next, with this token.
    SecondFactor {
        token: String,
    },
    /// Whose account it was, if it is one.
    Denied(Option<(Uuid, Uuid)>),
}

/// Tokens of a session, kept but not yet recorded.
pub(super) struct Pair {
    session: Uuid,
    access: String,
    refresh: String,
    tokens: session::Tokens,
}

impl Pair {
    pub(super) async fn mint(store: &Store, tenant: Uuid, session: Uuid) -> Result<Pair, Error> {
        let owner = Owner { tenant, id: session };
        let until = store.clock().now() + TimeDelta::from_std(REFRESH).unwrap_or_default();
        let (access_ref, access) = kept::mint(store, Kind::Access, owner, Some(ACCESS)).await?;
        let (refresh_ref, refresh) = kept::mint(store, Kind::Refresh, owner, Some(REFRESH)).await?;
        let tokens = session::Tokens { access: access_ref, refresh: refresh_ref, until };
        Ok(Pair { session, access, refresh, tokens })
    }

    pub(super) async fn start(
        &self,
        work: &mut Work<'_>,
        user: Uuid,
        method: Method,
    ) -> Result<(), Error> {
        let generation = work.get::<User>(user).await?.generation;
        let tokens = self.tokens.clone();
        let start = Start { user, generation, method, tokens };
        work.execute::<Session>(self.session, session::Command::Start(start)).await.map(drop)
    }

    /// What was minted in vain where nothing comes of it.
    pub(super) fn secrets(&self) -> [Uuid; 2] {
        [self.tokens.access.id, self.tokens.refresh.id]
    }

    pub(super) fn told(self, tenant: Uuid, user: Uuid, position: i64) -> SignedIn {
        let Pair { session, access, refresh, .. } = self;
        SignedIn { tenant, user, session, access, refresh, position }
    }
}

/// The same answer, and the same time, for an unknown address and a wrong password.
pub async fn with_password(
    commands: &Commands,
    origin: &Origin,
    email: &Email,
    password: &Password,
) -> Result<SignIn, Error> {
    let found = find_by_email(commands, email).await?;
    let Owner { tenant, id } = found.unwrap_or(Owner { tenant: Uuid::nil(), id: Uuid::nil() });
    let (user, _) = commands.load::<User>(tenant, id).await?;
    let kept = user.password.filter(|_| !user.deactivated).map(|password| password.id);
    if !password.is(commands, kept).await? {
        return Ok(denied(found));
    }
    first_step(commands, origin, Owner { tenant, id }, Method::Password, async |work| {
        // Changed meanwhile: what was right is not any more.
        let password = work.get::<User>(id).await?.password.as_ref().map(|password| password.id);
        if password == kept { Ok(()) } else { Err(user::Error::ChallengeFailed.into()) }
    })
    .await
}

/// By the code that was mailed.
pub async fn with_code(
    commands: &Commands,
    origin: &Origin,
    email: &Email,
    code: &str,
) -> Result<SignIn, Error> {
    let Some(owner) = find_by_email(commands, email).await? else {
        return Ok(SignIn::Denied(None));
    };
    let (user, _) = commands.load::<User>(owner.tenant, owner.id).await?;
    let Some(challenge) = challenges::code_of(commands, &user, code).await? else {
        return Ok(denied(Some(owner)));
    };
    first_step(commands, origin, owner, Method::EmailCode, async |work| {
        let purpose = Purpose::LoginCode;
        let met = user::Command::MeetChallenge { purpose, challenge };
        work.execute::<User>(owner.id, met).await.map(drop)
    })
    .await
}

fn denied(account: Option<Owner>) -> SignIn {
    SignIn::Denied(account.map(|owner| (owner.tenant, owner.id)))
}

/// A session for who has no second factor, and a challenge for who has.
async fn first_step(
    commands: &Commands,
    origin: &Origin,
    owner: Owner,
    method: Method,
    proven: impl AsyncFn(&mut Work<'_>) -> Result<(), Error>,
) -> Result<SignIn, Error> {
    let (store, meta) = (commands.store(), origin.meta(owner.tenant, owner.id));
    let pair = Pair::mint(store, owner.tenant, Uuid::now_v7()).await?;
    let time = Some(challenges::time(Purpose::SecondFactor));
    let (challenge, token) = kept::mint(store, Kind::SecondFactor, owner, time).await?;
    let _turn = commands.turn(owner.id).await;
    let outcome = commands
        .transact(&meta, async |work: &mut Work| {
            proven(work).await?;
            if work.get::<User>(owner.id).await?.has_second_factor() {
                challenges::issue(work, owner.id, Purpose::SecondFactor, &challenge).await?;
                return Ok(false);
            }
            pair.start(work, owner.id, method).await?;
            Ok(true)
        })
        .await;
    let in_vain = match &outcome {
        Ok(Outcome { value: true, .. }) => vec![challenge.id],
        Ok(_) => vec![pair.tokens.access.id, pair.tokens.refresh.id],
        Err(_) => vec![challenge.id, pair.tokens.access.id, pair.tokens.refresh.id],
    };
    store.forget_secrets(owner.tenant, &in_vain).await?;
    match outcome {
        Ok(Outcome { value: true, position, .. }) => {
            Ok(SignIn::Done(pair.told(owner.tenant, owner.id, position)))
        }
        Ok(_) => Ok(SignIn::SecondFactor { token }),
        Err(Error::Refused(Refusal::User(_))) => Ok(denied(Some(owner))),
        Err(error) => Err(error),
    }
}

/// Who a token of the first step belongs to; `None` if it is none.
pub async fn who_shows(commands: &Commands, token: &str) -> Result<Option<(Uuid, Uuid)>, Error> {
    let recognised = kept::recognise(commands.store(), token).await?;
    let found = recognised.filter(|(kind, ..)| *kind == Kind::SecondFactor);
    Ok(found.map(|(_, owner, _)| (owner.tenant, owner.id)))
}

/// By the token of the first step, and the second factor.
pub async fn with_second_factor(
    commands: &Commands,
    origin: &Origin,
    token: &str,
    proof: &Proof,
) -> Result<SignIn, Error> {
    let recognised = kept::recognise(commands.store(), token).await?;
    let Some((Kind::SecondFactor, owner, challenge)) = recognised else {
        return Ok(SignIn::Denied(None));
    };
    let (store, meta) = (commands.store(), origin.meta(owner.tenant, owner.id));
    let pair = Pair::mint(store, owner.tenant, Uuid::now_v7()).await?;
    let passed = second_factor::change(commands, &meta, owner.id, async |work| {
        let met = user::Command::MeetChallenge { purpose: Purpose::SecondFactor, challenge };
        work.execute::<User>(owner.id, met).await?;
        second_factor::pass(work, owner.id, proof).await?;
        pair.start(work, owner.id, Method::SecondFactor).await
    });
    match passed.await {
        Ok(Outcome { position, .. }) => {
            store.forget_secrets(owner.tenant, &[challenge]).await?;
            Ok(SignIn::Done(pair.told(owner.tenant, owner.id, position)))
        }
        Err(error) => {
            let minted = [pair.tokens.access.id, pair.tokens.refresh.id];
            store.forget_secrets(owner.tenant, &minted).await?;
            match error {
                Error::Refused(Refusal::User(_)) => Ok(denied(Some(owner))),
                error => Err(error),
            }
        }
    }
}

/// New tokens for a refresh token, which is good once: that it comes again ends the session.
pub async fn refresh(commands: &Commands, origin: &Origin, text: &str) -> Result<SignIn, Error> {
    let recognised = kept::recognise(commands.store(), text).await?;
    let Some((Kind::Refresh, owner, presented)) = recognised else {
        return Ok(SignIn::Denied(None));
    };
    let (tenant, session) = (owner.tenant, owner.id);
    let (known, _) = commands.load::<Session>(tenant, session).await?;
    let Some(user) = known.standing.map(|standing| standing.user) else {
        return Ok(SignIn::Denied(None));
    };
    let pair = Pair::mint(commands.store(), tenant, session).await?;
    let _turn = commands.turn(session).await;
    let outcome = commands
        .transact(&origin.meta(tenant, user), async |work: &mut Work| {
            let generation = work.get::<Session>(session).await?.standing.as_ref();
            let generation = generation.map_or(0, |standing| standing.generation);
            if !work.get::<User>(user).await?.keeps(session, generation) {
                return Err(session::Error::Over.into());
            }
            let refresh = session::Command::Refresh { presented, tokens: pair.tokens.clone() };
            work.execute::<Session>(session, refresh).await?;
            let standing = work.get::<Session>(session).await?.standing.as_ref();
            Ok(standing.is_some_and(|standing| !standing.ended))
        })
        .await;
    match outcome {
        Ok(Outcome { value: true, position, .. }) => {
            Ok(SignIn::Done(pair.told(tenant, user, position)))
        }
        Ok(_) | Err(Error::Refused(Refusal::Session(_))) => {
            let minted = [pair.tokens.access.id, pair.tokens.refresh.id];
            commands.store().forget_secrets(tenant, &minted).await?;
            Ok(SignIn::Denied(Some((tenant, user))))
        }
        Err(error) => Err(error),
    }
}

/// Ends the session; tells where that was recorded. A key has none to end.
pub async fn sign_out(
    commands: &Commands,
    meta: &Meta,
    principal: &Principal,
) -> Result<i64, Error> {
    let Via::Session(session) = principal.via else {
        return Err(Refusal::from(session::Error::NotFound).into());
    };
    let end = || session::Command::End;
    Ok(commands.execute::<Session>(session, end, meta).await?.position)
}

/// Whether the caller must show the second factor once more, for what needs it just passed: who has
/// one, and whoever's organisation requires one.
pub async fn must_step_up(commands: &Commands, principal: &Principal) -> Result<bool, Error> {
    let tenant = principal.tenant;
    let (user, _) = commands.load::<User>(tenant, principal.user).await?;
    let (organization, _) = commands.load::<Organization>(tenant, tenant).await?;
    if !user.has_second_factor() && !organization.requires_second_factor {
        return Ok(false);
    }
    let Via::Session(id) = principal.via else { return Ok(true) };
    let now = commands.store().clock().now();
    let (session, _) = commands.load::<Session>(tenant, id).await?;
    let until = session.open(now).and_then(|standing| standing.stepped_up_until);
    Ok(until.is_none_or(|until| until <= now))
}

/// Shows the second factor once more, for what needs it just passed.
pub async fn step_up(
    commands: &Commands,
    meta: &Meta,
    principal: &Principal,
    proof: &Proof,
) -> Result<Outcome<chrono::DateTime<chrono::Utc>>, Error> {
    let Via::Session(session) = principal.via else {
        return Err(Refusal::from(session::Error::NotFound).into());
    };
    let until = commands.store().clock().now() + STEPPED_UP;
    second_factor::change(commands, meta, principal.user, async |work| {
        second_factor::pass(work, principal.user, proof).await?;
        work.execute::<Session>(session, session::Command::StepUp { until }).await?;
        Ok(until)
    })
    .await
}
