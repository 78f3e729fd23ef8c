//! One key, one outcome: a request that is repeated under the same `Idempotency-Key` gets the
//! first one's answer, byte for byte. What was refused may be asked again.

use std::marker::PhantomData;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderName, LOCATION};
use actix_web::{HttpResponse, HttpResponseBuilder};
use commands::turns::{Turn, Turns};
use commands::{DryRun, IdempotencyKey, Work};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::State;
use crate::asker::{Asker, Whose};
use crate::body::Request;
use crate::command::{About, Bare, Discreet, Told, Word};
use crate::dry_run;
use crate::position::Position;
use crate::problem::Problem;

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const PATIENCE: Duration = Duration::from_secs(5);

/// Requests with the same key that run in this process at once: one runs, its twins wait for its
/// answer.
#[derive(Clone, Default)]
pub(crate) struct InFlight(Turns<Vec<u8>>);

impl InFlight {
    async fn turn(&self, key: &[u8]) -> Result<Turn<Vec<u8>>, Problem> {
        let turn = timeout(PATIENCE, self.0.turn(key.to_vec())).await;
        turn.map_err(|_| commands::Error::KeyUsed.into())
    }
}

/// An answer in the form in which it is kept for repeats. Where it was written to the log is not
/// in it: the record knows. `T` is the handler's word for it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Answer<T> {
    #[serde(skip)]
    pub(crate) status: u16,
    /// Of what has a version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<String>,
    pub(crate) body: String,
    #[serde(skip)]
    pub(crate) told: PhantomData<fn() -> T>,
}

impl<T: Serialize> Answer<About<T>> {
    pub(crate) fn about(data: &T) -> Self {
        Answer::of(&json!({ "data": data }))
    }
}

impl<T: Serialize> Answer<Discreet<T>> {
    pub(crate) fn discreet(data: &T) -> Self {
        Answer::of(&json!({ "data": data }))
    }
}

impl<T: Serialize> Answer<Bare<T>> {
    pub(crate) fn bare(data: &T) -> Self {
        Answer::of(&json!(data))
    }
}

impl<T> Answer<T> {
    fn of(body: &Value) -> Self {
        let (status, body) = (200, body.to_string());
        Answer { status, etag: None, location: None, body, told: PhantomData }
    }

    /// The same, kept with the work for repeats.
    pub(crate) fn kept_in(self, work: &mut Work<'_>) -> Self {
        let (status, answer) = self.to_keep();
        work.answer(status, answer);
        self
    }

    /// Its status, and the form in which it is kept.
    pub(crate) fn to_keep(&self) -> (u16, Vec<u8>) {
        (self.status, serde_json::to_vec(self).unwrap_or_default())
    }

    fn respond(self, position: Option<Position>, replayed: bool) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = HttpResponseBuilder::new(status);
        response.content_type("application/json");
        if let Some(etag) = self.etag {
            response.insert_header((ETAG, etag));
        }
        if let Some(position) = position {
            response.insert_header((Position::HEADER, position.to_string()));
        }
        if let Some(location) = self.location {
            response.insert_header((LOCATION, location));
        }
        if replayed {
            response.insert_header((REPLAYED, "true"));
        }
        response.body(self.body)
    }
}

/// The path of every command: replays the answer if there is one, else runs. `run` hands back its
/// answer and the position that it wrote; it has put the same answer into its unit of work.
pub(crate) async fn once<A: Asker, B, T: Word>(
    state: &State,
    asker: &A,
    request: &Request<B>,
    operation: &str,
    run: impl AsyncFnOnce(A::Under) -> Result<(Answer<T>, i64), Problem>,
) -> Result<Told<T>, Problem> {
    if request.is_dry_run()? {
        return rehearse(state, asker, run).await;
    }
    let respond = |answer, position, replayed| Told::new(placed(state, answer, position, replayed));
    let Some(key) = request.key()? else {
        let (answer, position) = run(asker.under(None, None)).await?;
        return Ok(respond(answer, position, false));
    };
    let key = hashed(state, asker, request, operation, key);
    let _turn = state.in_flight.turn(&key.key).await?;
    match kept(state, &key).await? {
        Kept::Same(answer, position) => return Ok(respond(answer, position, true)),
        Kept::Another if asker.is_anybody() => {
            // Which addresses were used under a key is nobody's affair who could not do this anyhow.
            rehearse(state, asker, run).await?;
            return Err(reused());
        }
        Kept::Another => return Err(reused()),
        Kept::Nothing => {}
    }
    match run(asker.under(Some(key.clone()), None)).await {
        Ok((answer, position)) => Ok(respond(answer, position, false)),
        // A twin in another process may have been faster: then this one was refused for it.
        Err(problem) if problem.status().is_client_error() => match kept(state, &key).await? {
            Kept::Same(answer, position) => Ok(respond(answer, position, true)),
            Kept::Another if !asker.is_anybody() => Err(reused()),
            Kept::Another | Kept::Nothing => Err(problem),
        },
        Err(problem) => Err(problem),
    }
}

fn reused() -> Problem {
    let detail = "this idempotency key was used for another request; take a new one";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency.key_reused", detail)
}

fn placed<T: Word>(
    state: &State,
    answer: Answer<T>,
    position: i64,
    replayed: bool,
) -> HttpResponse {
    answer.respond(T::IS_PLACED.then(|| Position::here(state, position)), replayed)
}

/// Runs without recording, keys and what was kept under them left aside.
async fn rehearse<A: Asker, T: Word>(
    state: &State,
    asker: &A,
    run: impl AsyncFnOnce(A::Under) -> Result<(Answer<T>, i64), Problem>,
) -> Result<Told<T>, Problem> {
    let dry_run = DryRun::default();
    let ran = run(asker.under(None, Some(dry_run.clone()))).await;
    match (dry_run.plan(), ran) {
        (Some(plan), _) => {
            let position = Position::here(state, plan.position);
            Ok(Told::new(dry_run::answer(plan, position, T::IS_VERSIONED)))
        }
        (None, Err(problem)) => Err(problem),
        (None, Ok((answer, position))) => {
            // Nothing had to be decided.
            Ok(Told::new(placed(state, answer, position, false)))
        }
    }
}

/// Keys and requests are kept as keyed hashes: either may hold a person's data.
fn hashed<B>(
    state: &State,
    asker: &impl Asker,
    request: &Request<B>,
    operation: &str,
    key: &[u8],
) -> IdempotencyKey {
    let Whose { tenant, who } = asker.whose();
    let (method, path) = (request.method.as_bytes(), request.path.as_bytes());
    let hash = |parts: &[&[u8]]| state.commands.store().lookup(tenant, parts).to_vec();
    let mut print = vec![b"fingerprint", method, path, &request.bytes];
    if !request.query.is_empty() {
        print.push(request.query.as_bytes());
    }
    if tenant.is_nil() {
        // The body may hold a password: nobody tries any on this hash who has not the client's key.
        print.push(key);
    }
    IdempotencyKey {
        tenant,
        key: hash(&[b"idempotency", who, operation.as_bytes(), key]),
        fingerprint: hash(&print),
    }
}

/// What was answered under a key.
enum Kept<T> {
    Nothing,
    /// And where that was written.
    Same(Answer<T>, i64),
    /// To another request.
    Another,
}

async fn kept<T>(state: &State, key: &IdempotencyKey) -> Result<Kept<T>, Problem> {
    let Some(kept) = state.commands.store().outcome(key.tenant, &key.key).await? else {
        return Ok(Kept::Nothing);
    };
    if kept.fingerprint != key.fingerprint {
        return Ok(Kept::Another);
    }
    let answer = kept.response.and_then(|bytes| serde_json::from_slice::<Answer<T>>(&bytes).ok());
    let answer = answer.ok_or_else(|| {
        tracing::error!(position = kept.position, "The answer kept for a repeat can't be read");
        Problem::unavailable("unavailable", "this can't be answered right now; try again")
    })?;
    let status = u16::try_from(kept.status).unwrap_or(200);
    Ok(Kept::Same(Answer { status, ..answer }, kept.position))
}
