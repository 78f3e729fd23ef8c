//! What all commands share: preconditions, the unit of work, and an answer told by the aggregate
//! itself, so that it is true before any read model has heard of it.

use actix_web::HttpResponse;
use commands::{Error, Meta, Refusal, Work};
use domain::Aggregate;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::State;
use crate::auth::Writer;
use crate::body::{Nothing, Request};
use crate::idempotent::{Answer, once};
use crate::problem::Problem;

/// An aggregate that clients command.
pub(crate) trait Noun: Aggregate {
    /// The answer to an id that is unknown, or another organisation's: the same for both, so that
    /// nobody can tell them apart.
    fn absent() -> Refusal;

    /// What a client is told of it, besides id and version.
    fn told(&self) -> Map<String, Value>;
}

/// A command on one aggregate, and how its success is told.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) id: Uuid,
    pub(crate) expected: Option<i64>,
    pub(crate) status: u16,
    /// Of what this makes; a command without one wants its aggregate to exist already.
    pub(crate) location: Option<String>,
    /// Told beside what the aggregate tells.
    pub(crate) extra: Map<String, Value>,
}

impl Command {
    pub(crate) fn on(id: Uuid, expected: Option<i64>) -> Command {
        Command { id, expected, status: 200, location: None, extra: Map::new() }
    }

    pub(crate) fn create(id: Uuid, location: String) -> Command {
        Command { status: 201, location: Some(location), ..Command::on(id, None) }
    }

    /// Decides and records; returns the answer and the position that it wrote.
    pub(crate) async fn run<A: Noun>(
        &self,
        state: &State,
        meta: &Meta,
        decide: impl AsyncFn(&mut Work<'_>) -> Result<(), Error>,
    ) -> Result<(Answer, i64), Problem> {
        let _turn = state.commands.turn(self.id).await;
        let outcome = state
            .commands
            .transact(meta, async |work: &mut Work| {
                if self.location.is_none() {
                    self.check::<A>(work).await?;
                }
                decide(work).await?;
                let answer = self.answer::<A>(work).await?;
                work.answer(answer.status, answer.to_bytes());
                Ok(answer)
            })
            .await?;
        Ok((outcome.value, outcome.position))
    }

    async fn check<A: Noun>(&self, work: &mut Work<'_>) -> Result<(), Error> {
        let found = work.get::<A>(self.id).await.map(|_| ());
        match found {
            Err(Error::Refused(Refusal::NotFound)) => return Err(A::absent().into()),
            found => found?,
        }
        if work.version::<A>(self.id) == 0 {
            return Err(A::absent().into());
        }
        match self.expected {
            Some(expected) => work.expect::<A>(self.id, expected).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn answer<A: Noun>(&self, work: &mut Work<'_>) -> Result<Answer, Error> {
        let told = work.get::<A>(self.id).await?.told();
        let version = work.version::<A>(self.id);
        let mut data = Map::from_iter([
            ("id".to_owned(), json!(self.id)),
            ("version".to_owned(), json!(version)),
        ]);
        data.extend(told);
        data.extend(self.extra.clone());
        Ok(Answer {
            status: self.status,
            etag: format!("\"{version}\""),
            location: self.location.clone(),
            body: json!({ "data": data }).to_string(),
        })
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
) -> Result<HttpResponse, Problem>
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
