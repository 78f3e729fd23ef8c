//! One key, one outcome: a request that is repeated under the same `Idempotency-Key` gets the
//! first one's answer, byte for byte.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderName, LOCATION};
use actix_web::{HttpResponse, HttpResponseBuilder};
use commands::{IdempotencyKey, Meta};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use crate::State;
use crate::auth::Writer;
use crate::body::Request;
use crate::command::{About, Told};
use crate::position::Position;
use crate::problem::{KEY_USED, Problem};

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const PATIENCE: Duration = Duration::from_secs(5);
const TURNS: usize = 1024;

/// Requests with the same key that run in this process at once: one runs, its twins wait for its
/// answer.
#[derive(Clone)]
pub(crate) struct InFlight(Arc<Vec<Mutex<()>>>);

impl Default for InFlight {
    fn default() -> Self {
        InFlight(Arc::new((0..TURNS).map(|_| Mutex::new(())).collect()))
    }
}

impl InFlight {
    async fn turn(&self, key: &[u8]) -> Result<MutexGuard<'_, ()>, Problem> {
        let low = key.iter().take(2).fold(0, |low, byte| low << 8 | usize::from(*byte));
        let turn = timeout(PATIENCE, self.0[low % TURNS].lock()).await;
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
        let body = json!({ "data": data }).to_string();
        Answer { status: 200, etag: None, location: None, body, told: PhantomData }
    }
}

impl<T> Answer<T> {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn respond(self, position: Position, replayed: bool) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = HttpResponseBuilder::new(status);
        response.content_type("application/json");
        if let Some(etag) = self.etag {
            response.insert_header((ETAG, etag));
        }
        response.insert_header((Position::HEADER, position.to_string()));
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
pub(crate) async fn once<B, T>(
    state: &State,
    writer: &Writer,
    request: &Request<B>,
    operation: &str,
    run: impl AsyncFnOnce(Meta) -> Result<(Answer<T>, i64), Problem>,
) -> Result<Told<T>, Problem> {
    let mut meta = writer.0.meta();
    let respond = |answer: Answer<T>, position: i64, replayed: bool| {
        Told::new(answer.respond(Position::here(state, position), replayed))
    };
    let Some(key) = request.key()? else {
        let (answer, position) = run(meta).await?;
        return Ok(respond(answer, position, false));
    };
    let key = hashed(state, writer, request, operation, key);
    let _turn = state.in_flight.turn(&key.key).await?;
    if let Some((answer, position)) = replay(state, writer, &key).await? {
        return Ok(respond(answer, position, true));
    }
    meta.idempotency = Some(key.clone());
    match run(meta).await {
        Ok((answer, position)) => Ok(respond(answer, position, false)),
        // A twin in another process was faster.
        Err(problem) if problem.code() == KEY_USED => {
            let (answer, position) = replay(state, writer, &key).await?.ok_or(problem)?;
            Ok(respond(answer, position, true))
        }
        Err(problem) => Err(problem),
    }
}

/// Keys and requests are kept as keyed hashes: either may hold a person's data.
fn hashed<B>(
    state: &State,
    writer: &Writer,
    request: &Request<B>,
    operation: &str,
    key: &[u8],
) -> IdempotencyKey {
    let (store, principal) = (state.commands.store(), &writer.0.principal);
    let (user, operation) = (principal.user.as_bytes(), operation.as_bytes());
    let (method, path) = (request.method.as_bytes(), request.path.as_bytes());
    let hash = |parts: &[&[u8]]| store.lookup(principal.tenant, parts).to_vec();
    IdempotencyKey {
        key: hash(&[b"idempotency", user, operation, key]),
        fingerprint: hash(&[b"fingerprint", method, path, &request.bytes]),
    }
}

async fn replay<T>(
    state: &State,
    writer: &Writer,
    key: &IdempotencyKey,
) -> Result<Option<(Answer<T>, i64)>, Problem> {
    let tenant = writer.0.tenant();
    let Some(kept) = state.commands.store().outcome(tenant, &key.key).await? else {
        return Ok(None);
    };
    if kept.fingerprint != key.fingerprint {
        let detail = "this idempotency key was used for another request; take a new one";
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Problem::new(status, "idempotency.key_reused", detail));
    }
    let answer = kept.response.and_then(|bytes| serde_json::from_slice::<Answer<T>>(&bytes).ok());
    let answer = answer.ok_or_else(|| {
        tracing::error!(position = kept.position, "The answer kept for a repeat can't be read");
        Problem::unavailable("unavailable", "this can't be answered right now; try again")
    })?;
    let status = u16::try_from(kept.status).unwrap_or(200);
    Ok(Some((Answer { status, ..answer }, kept.position)))
}
