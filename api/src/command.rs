//! What all commands share: preconditions, the unit of work, and an answer told by the aggregate
//! itself, so that it is true before any read model has heard of it.

mod told;

use std::marker::PhantomData;

use commands::{Error, Meta, Refusal, Work};
use domain::Aggregate;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::State;
use crate::auth::Writer;
use crate::body::{Nothing, Request};
use crate::idempotent::{Answer, once};
use crate::problem::Problem;

pub(crate) use told::{
    About, Accepted, Added, Alone, Bare, Changed, Discreet, Kind, Made, Of, Told, Word,
};

/// An aggregate that clients command.
pub(crate) trait Noun: Aggregate {
    /// What a client is told of it, besides id and version.
    type Told: Serialize + JsonSchema + 'static;

    /// The answer to an id that is unknown, or another organisation's: the same for both, so that
    /// nobody can tell them apart.
    fn absent() -> Refusal;

    fn told(&self) -> Result<Self::Told, Refusal>;

    /// Whether it exists for somebody who sees only their own.
    fn is_seen_by(&self, _user: Uuid) -> bool {
        true
    }
}

/// What a handler of commands answers: what became of the noun, and `E`, which is told beside what
/// the noun tells.
pub(crate) type Answered<K, A, E = Alone> = Result<Told<Of<K, A, E>>, Problem>;

/// A command on one aggregate, and how its success is told.
#[derive(Debug)]
pub(crate) struct Command<K = Changed, E = Alone> {
    id: Uuid,
    expected: Option<i64>,
    /// Of what this makes; a command without one wants its aggregate to exist already.
    location: Option<String>,
    beside: E,
    kind: PhantomData<K>,
}

impl Command {
    pub(crate) fn on(id: Uuid, expected: Option<i64>) -> Command {
        Command { id, expected, location: None, beside: Alone {}, kind: PhantomData }
    }

    pub(crate) fn create(id: Uuid, location: String) -> Command<Made> {
        let location = Some(location);
        Command { id, expected: None, location, beside: Alone {}, kind: PhantomData }
    }
}

impl<K> Command<K> {
    /// Tells as well what the command brought forth.
    pub(crate) fn telling<L, E>(self, beside: E) -> Command<L, E> {
        let Command { id, expected, location, .. } = self;
        Command { id, expected, location, beside, kind: PhantomData }
    }
}

impl<K: Kind, E: Serialize> Command<K, E> {
    /// Decides and records; returns the answer and the position that it wrote.
    pub(crate) async fn run<A: Noun>(
        &self,
        state: &State,
        meta: &Meta,
        decide: impl AsyncFn(&mut Work<'_>) -> Result<(), Error>,
    ) -> Result<(Answer<Of<K, A, E>>, i64), Problem> {
        let _turn = state.commands.turn(self.id).await;
        let outcome = state
            .commands
            .transact(meta, async |work: &mut Work| {
                match self.location {
                    Some(_) => work.fresh::<A>(self.id),
                    None => self.check::<A>(work).await?,
                }
                decide(work).await?;
                self.answer::<A>(work).await
            })
            .await?;
        Ok((outcome.value, outcome.position))
    }

    async fn check<A: Noun>(&self, work: &mut Work<'_>) -> Result<(), Error> {
        work.get::<A>(self.id).await?;
        if work.version::<A>(self.id) == 0 || !is_seen::<A>(work, self.id).await? {
            return Err(A::absent().into());
        }
        match self.expected {
            Some(expected) => work.expect::<A>(self.id, expected).await,
            None => Ok(()),
        }
    }

    /// The answer as the unit of work leaves the aggregate; kept there for repeats.
    pub(crate) async fn answer<A: Noun>(
        &self,
        work: &mut Work<'_>,
    ) -> Result<Answer<Of<K, A, E>>, Error> {
        let told = work.get::<A>(self.id).await?.told()?;
        let version = work.version::<A>(self.id);
        let data = told::Data { id: self.id, version, told, beside: &self.beside };
        Ok(Answer {
            status: K::STATUS,
            etag: Some(format!("\"{version}\"")),
            location: self.location.clone(),
            body: json!({ "data": data }).to_string(),
            told: PhantomData,
        }
        .kept_in(work))
    }
}

/// Whether it exists for whoever the work is done for.
pub(crate) async fn is_seen<A: Noun>(work: &mut Work<'_>, id: Uuid) -> Result<bool, Error> {
    match work.meta().sees_own_only {
        Some(user) => Ok(work.get::<A>(id).await?.is_seen_by(user)),
        None => Ok(true),
    }
}

/// A command that says everything by its name: it has no body, and names its operation by noun and
/// action.
pub(crate) async fn plain<A: Noun>(
    writer: &Writer,
    state: &State,
    id: Uuid,
    request: &Request,
    action: &str,
    command: impl Fn() -> A::Command,
) -> Answered<Changed, A>
where
    Refusal: From<A::Error>,
{
    once(state, writer, request, &format!("{}.{action}", A::TYPE), async |meta| {
        let Nothing {} = request.parse()?;
        Command::on(id, request.expected_version()?)
            .run::<A>(state, &meta, async |work: &mut Work<'_>| {
                work.execute::<A>(id, command()).await.map(|_| ())
            })
            .await
    })
    .await
}
