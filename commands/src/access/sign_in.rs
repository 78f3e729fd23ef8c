//! Signing in, step by step, and staying signed in. Whoever is refused is told no more than that.

use std::time::Duration;

use chrono::TimeDelta;
use domain::session::{self, Method, Session, Start};
use domain::user::{self, Email, Purpose, User};
use event_store::Store;
use uuid::Uuid;

use super::accounts::find_by_email;
use super::kept::{self, Owner};
use super::limits::network;
use super::password::Password;
use super::second_factor::{self, Proof};
use super::token::Kind;
use super::{Origin, Principal, Via, challenges};
use crate::{Commands, Error, Meta, Outcome, Refusal, Work};

/// How long an access token opens.
pub const ACCESS: Duration = Duration::from_secs(15 * 60);
/// How long a session goes on without being refreshed.
const REFRESH: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long a mailed code opens.
pub fn code_time() -> Duration {
    challenges::time(Purpose::LoginCode)
}

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
}

/// How far somebody came who was right.
#[derive(Clone)]
pub enum SignIn {
    Done(SignedIn),
    /// They have a second factor, and show it next, with this token.
    SecondFactor {
        token: String,
    },
}

/// Somebody was not let in.
#[derive(Clone, Debug)]
pub struct Denied {
    /// Organisation and user of whose account it was, if it is one.
    pub account: Option<(Uuid, Uuid)>,
    /// Why, where they may know.
    pub why: Option<Refusal>,
}

/// What `tell` made of it within the unit of work; it may keep it there for repeats.
pub type Tried<T> = Result<Result<Outcome<T>, Denied>, Error>;

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

    pub(super) fn told(&self, tenant: Uuid, user: Uuid) -> SignedIn {
        let (access, refresh) = (self.access.clone(), self.refresh.clone());
        SignedIn { tenant, user, session: self.session, access, refresh }
    }
}

/// The same answer, and the same time, for an unknown address and a wrong password.
pub async fn with_password<T>(
    commands: &Commands,
    origin: &Origin,
    email: &Email,
    password: &Password,
    tell: impl Fn(&mut Work<'_>, &SignIn) -> T,
) -> Tried<T> {
    let (found, owner, user) = of_address(commands, email).await?;
    let kept = user.password.filter(|_| !user.deactivated).map(|password| password.id);
    if !password.is(commands, kept).await? {
        return Ok(Err(denied(found)));
    }
    let proven = async |work: &mut Work| {
        // Changed meanwhile: what was right is not any more.
        let user = work.get::<User>(owner.id).await?;
        match user.password.as_ref().map(|password| password.id) == kept {
            true => Ok(()),
            false => Err(user::Error::ChallengeFailed.into()),
        }
    };
    first_step(commands, origin, owner, Method::Password, proven, tell).await
}

/// By the code that was mailed, with its ticket. An unknown address is looked into like any other.
pub async fn with_code<T>(
    commands: &Commands,
    origin: &Origin,
    email: &Email,
    (ticket, code): (&str, &str),
    tell: impl Fn(&mut Work<'_>, &SignIn) -> T,
) -> Tried<T> {
    let (found, owner, user) = of_address(commands, email).await?;
    let Some(challenge) = challenges::code_of(commands, &user, ticket, code).await? else {
        return Ok(Err(denied(found)));
    };
    let proven = async |work: &mut Work| {
        let purpose = Purpose::LoginCode;
        let met = user::Command::MeetChallenge { purpose, challenge };
        work.execute::<User>(owner.id, met).await.map(drop)
    };
    first_step(commands, origin, owner, Method::EmailCode, proven, tell).await
}

/// Who has an address; nobody where nobody has it.
async fn of_address(
    commands: &Commands,
    email: &Email,
) -> Result<(Option<Owner>, Owner, User), Error> {
    let found = find_by_email(commands, email).await?;
    let owner = found.unwrap_or(Owner { tenant: Uuid::nil(), id: Uuid::nil() });
    let (user, _) = commands.load::<User>(owner.tenant, owner.id).await?;
    Ok((found, owner, user))
}

fn denied(account: Option<Owner>) -> Denied {
    Denied { account: account.map(|owner| (owner.tenant, owner.id)), why: None }
}

/// A session for who has no second factor, and a challenge for who has.
async fn first_step<T>(
    commands: &Commands,
    origin: &Origin,
    owner: Owner,
    method: Method,
    proven: impl AsyncFn(&mut Work<'_>) -> Result<(), Error>,
    tell: impl Fn(&mut Work<'_>, &SignIn) -> T,
) -> Tried<T> {
    let (store, meta) = (commands.store(), origin.meta(owner.tenant, owner.id));
    let pair = Pair::mint(store, owner.tenant, Uuid::now_v7()).await?;
    let done = SignIn::Done(pair.told(owner.tenant, owner.id));
    let time = Some(challenges::time(Purpose::SecondFactor));
    let (challenge, token) = kept::mint(store, Kind::SecondFactor, owner, time).await?;
    let asked = SignIn::SecondFactor { token };
    let _turn = commands.turn(owner.id).await;
    let outcome = commands
        .transact(&meta, async |work: &mut Work| {
            proven(work).await?;
            if work.get::<User>(owner.id).await?.has_second_factor() {
                challenges::issue(work, owner.id, Purpose::SecondFactor, &challenge).await?;
                return Ok((tell(work, &asked), pair.secrets().to_vec()));
            }
            pair.start(work, owner.id, method).await?;
            Ok((tell(work, &done), vec![challenge.id]))
        })
        .await;
    let in_vain = match &outcome {
        Ok(Outcome { value: (_, in_vain), .. }) => in_vain.clone(),
        Err(_) => [&pair.secrets()[..], &[challenge.id]].concat(),
    };
    store.forget_secrets(owner.tenant, &in_vain).await?;
    match outcome {
        Ok(Outcome { value: (value, _), position, events }) => {
            Ok(Ok(Outcome { value, position, events }))
        }
        Err(Error::Refused(Refusal::User(_))) => Ok(Err(denied(Some(owner)))),
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
pub async fn with_second_factor<T>(
    commands: &Commands,
    origin: &Origin,
    token: &str,
    proof: &Proof,
    tell: impl Fn(&mut Work<'_>, &SignIn) -> T,
) -> Tried<T> {
    let recognised = kept::recognise(commands.store(), token).await?;
    let Some((Kind::SecondFactor, owner, challenge)) = recognised else {
        return Ok(Err(denied(None)));
    };
    let (store, meta) = (commands.store(), origin.meta(owner.tenant, owner.id));
    let pair = Pair::mint(store, owner.tenant, Uuid::now_v7()).await?;
    let done = SignIn::Done(pair.told(owner.tenant, owner.id));
    let passed = second_factor::change(commands, &meta, owner.id, async |work| {
        let met = user::Command::MeetChallenge { purpose: Purpose::SecondFactor, challenge };
        work.execute::<User>(owner.id, met).await?;
        second_factor::pass(work, owner.id, proof).await?;
        pair.start(work, owner.id, Method::SecondFactor).await?;
        Ok(tell(work, &done))
    });
    match passed.await {
        Ok(outcome) => {
            store.forget_secrets(owner.tenant, &[challenge]).await?;
            Ok(Ok(outcome))
        }
        Err(error) => {
            store.forget_secrets(owner.tenant, &pair.secrets()).await?;
            match error {
                Error::Refused(Refusal::User(_)) => Ok(Err(denied(Some(owner)))),
                error => Err(error),
            }
        }
    }
}

/// New tokens for a refresh token, which is good once: that it comes again ends the session, unless
/// the same client replaced it a moment ago.
pub async fn refresh<T>(
    commands: &Commands,
    origin: &Origin,
    text: &str,
    tell: impl Fn(&mut Work<'_>, &SignIn) -> T,
) -> Tried<T> {
    let recognised = kept::recognise(commands.store(), text).await?;
    let Some((Kind::Refresh, owner, presented)) = recognised else {
        return Ok(Err(denied(None)));
    };
    let (tenant, session) = (owner.tenant, owner.id);
    let (known, _) = commands.load::<Session>(tenant, session).await?;
    let Some(user) = known.standing.map(|standing| standing.user) else {
        return Ok(Err(denied(None)));
    };
    let pair = Pair::mint(commands.store(), tenant, session).await?;
    let done = SignIn::Done(pair.told(tenant, user));
    let client = client(commands.store(), owner, origin);
    let _turn = commands.turn(session).await;
    let outcome = commands
        .transact(&origin.meta(tenant, user), async |work: &mut Work| {
            let generation = work.get::<Session>(session).await?.standing.as_ref();
            let generation = generation.map_or(0, |standing| standing.generation);
            if !work.get::<User>(user).await?.keeps(session, generation) {
                return Err(session::Error::Over.into());
            }
            let (tokens, client) = (pair.tokens.clone(), client.clone());
            let refresh = session::Command::Refresh { presented, tokens, client };
            work.execute::<Session>(session, refresh).await?;
            let standing = work.get::<Session>(session).await?.standing.as_ref();
            let goes_on = standing.is_some_and(|standing| !standing.ended);
            Ok(goes_on.then(|| tell(work, &done)))
        })
        .await;
    if !matches!(outcome, Ok(Outcome { value: Some(_), .. })) {
        commands.store().forget_secrets(tenant, &pair.secrets()).await?;
    }
    let why = match outcome {
        Ok(Outcome { value: Some(value), position, events }) => {
            return Ok(Ok(Outcome { value, position, events }));
        }
        Ok(_) | Err(Error::Refused(Refusal::Session(session::Error::Over))) => None,
        Err(Error::Refused(why @ Refusal::Session(_))) => Some(why),
        Err(error) => return Err(error),
    };
    Ok(Err(Denied { account: Some((tenant, user)), why }))
}

/// What stands for a client within one session: by it nobody finds them in another.
fn client(store: &Store, session: Owner, origin: &Origin) -> String {
    let network = origin.address.map(network).unwrap_or_default();
    let program = origin.user_agent.as_deref().unwrap_or_default();
    let parts = [b"client", session.id.as_bytes().as_slice(), &network, program.as_bytes()];
    hex::encode(&store.lookup(session.tenant, &parts)[..8])
}

/// Ends the session. A key has none to end.
pub async fn sign_out<T>(
    commands: &Commands,
    meta: &Meta,
    principal: &Principal,
    tell: impl Fn(&mut Work<'_>) -> T,
) -> Result<Outcome<T>, Error> {
    let Via::Session(session) = principal.via else {
        return Err(Refusal::from(session::Error::NotFound).into());
    };
    let _turn = commands.turn(session).await;
    commands
        .transact(meta, async |work: &mut Work| {
            work.execute::<Session>(session, session::Command::End).await?;
            Ok(tell(work))
        })
        .await
}
