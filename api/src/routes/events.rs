//! What happens, as it happens: server-sent events (the HTML standard's `text/event-stream`) that
//! resume exactly where they broke off.

mod places;
mod stream;
mod topics;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, ContentEncoding};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder, body::BoxBody};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::State;
use crate::auth::Member;
use crate::openapi::{Api, Described, Operation, Schemas};
use crate::position::{self, Position};
use crate::problem::Problem;
use crate::query::Query;
use places::Place;
use stream::Listener;
use topics::Filter;

/// The header by which a client says what it had last.
const LAST: &str = "last-event-id";
const TYPE: &str = "text/event-stream";

pub(super) fn routes(api: &mut Api) {
    api.get("/v1/events/stream", listen)
        .is("event.stream", "Tells what happens, as it happens")
        .says(
            "Server-sent events. `event` is like `conversation.Assigned`, `id` its position, `data` \
             what it was about; read with `min_position` what it says. A client that comes back \
             with `Last-Event-ID` misses nothing and gets nothing twice. Every 15 seconds at least \
             there is a sign of life. Who reads too slowly is cut off, and comes back. Whoever sees \
             only their own conversations hears of those.",
        )
        .refuses(400, &["min_position.invalid"])
        .refuses(409, &["log.epoch"])
        .refuses(422, &["parameter.invalid"])
        .refuses(503, &["event.too_many_streams", "unavailable"])
        .optional_header("Last-Event-ID", "The `id` of the last event that the client has.");
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Nouns with commas between, all that everybody may read unless told; with `inbox` an event of
    /// a conversation brings how that now stands in the inbox. Who may read the audit may also name
    /// others, like `api_key`.
    #[schemars(example = &"inbox,conversation,ticket")]
    topics: Option<String>,
    /// Only what happens in this conversation.
    #[schemars(with = "Option<Uuid>")]
    conversation: Option<String>,
    /// Where to begin, unless `Last-Event-ID` says it: a value of `Log-Position`; now, unless told.
    #[schemars(example = &"1.42")]
    after: Option<String>,
}

async fn listen(
    request: HttpRequest,
    state: Data<State>,
    member: Member,
    asked: Query<Asked>,
) -> Result<Stream, Problem> {
    let Asked { topics, conversation, after } = asked.into_inner();
    let filter = Filter::asked(&member, topics.as_deref(), conversation.as_deref())?;
    let last = request.headers().get(LAST).and_then(|last| last.to_str().ok());
    let after = Position::asked(&state, last.filter(|last| !last.is_empty()).or(after.as_deref()))?;
    if after.is_some() {
        position::logged(&state, after).await?;
    }
    let after = after.map(|after| after.position);
    let place = Place::of(member.tenant()).await.ok_or_else(|| {
        let detail = "this server keeps no more streams open for you; end one, or come back";
        Problem::unavailable("event.too_many_streams", detail).retry_after(5)
    })?;
    Ok(Stream(Listener::new(state, request, member, filter, after, place)))
}

/// An answer that does not end by itself.
struct Stream(Listener);

impl Responder for Stream {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok()
            .content_type(TYPE)
            .insert_header((CACHE_CONTROL, "no-store"))
            // What is compressed waits until there is enough of it.
            .insert_header((CONTENT_ENCODING, ContentEncoding::Identity))
            .insert_header(("X-Accel-Buffering", "no"))
            .streaming(self.0.into_stream())
    }
}

impl Described for Stream {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        operation.answers(200, TYPE, json!({ "type": "string" }));
    }
}
