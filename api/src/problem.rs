//! Problem documents (RFC 9457): what every refusal and failure looks like to a client.

mod refusals;
mod whatsapp;

pub(crate) use refusals::building;

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use commands::Refusal;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

/// Rounded up, so that who waits them has waited enough.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

pub(crate) const CONTENT: &str = "application/problem+json";

/// The code in an answer, for whoever counts them.
pub(crate) struct Code(pub(crate) String);

/// Why a request got no answer of its own.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: String,
    detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<u32>,
    /// Whether they tried to show who they are as HTTP Basic has it, and are to try so again.
    basic: bool,
    /// Whose account it was that did not open: for the audit, and no client is told.
    account: Option<Box<(Uuid, Uuid)>>,
    /// Whether they tried what opens nothing, which the status alone does not say.
    attempt: bool,
    /// Members of the document beside the standard ones.
    extra: Map<String, Value>,
}

/// What is wrong with one field of the request.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct FieldError {
    /// Its path in the body, or a parameter's name.
    #[schemars(example = &"recipient.phone")]
    pub(crate) field: String,
    #[schemars(example = &"invalid")]
    pub(crate) code: String,
    #[schemars(example = &"what is wrong with it")]
    pub(crate) detail: String,
}

impl FieldError {
    pub(crate) fn new(
        field: impl Into<String>,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> FieldError {
        FieldError { field: field.into(), code: code.into(), detail: detail.into() }
    }
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> Problem {
        Problem {
            status,
            code: code.into(),
            detail: detail.into(),
            errors: vec![],
            retry_after: None,
            basic: false,
            account: None,
            attempt: false,
            extra: Map::new(),
        }
    }

    pub(crate) fn bad_request(code: &str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn conflict(code: &str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::CONFLICT, code, detail)
    }

    pub(crate) fn not_found() -> Problem {
        Refusal::NotFound.into()
    }

    /// A field that can be read, but not be right.
    pub(crate) fn field(field: &str, code: &str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail).about(field)
    }

    /// A body that measures more than `most` bytes.
    pub(crate) fn too_large(detail: String, most: usize) -> Problem {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Problem::new(status, "request.too_large", detail).with("most_bytes", most)
    }

    /// Names the one field that all of it is about.
    pub(crate) fn about(mut self, field: &str) -> Problem {
        self.errors = vec![FieldError::new(field, self.code.clone(), self.detail.clone())];
        self
    }

    /// Something that isn't there now and will be again.
    pub(crate) fn unavailable(code: &str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(1)
    }

    /// Whoever it is may come back later.
    pub(crate) fn too_many(who: &str, wait: Duration) -> Problem {
        let seconds = whole_seconds(wait).max(1);
        let detail = format!("{who} too often; try again in {seconds} s");
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit.exceeded", detail)
            .retry_after(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    pub(crate) fn retry_after(self, seconds: u32) -> Problem {
        Problem { retry_after: Some(seconds), ..self }
    }

    pub(crate) fn upon(self, account: Option<(Uuid, Uuid)>) -> Problem {
        Problem { account: account.map(Box::new), ..self }
    }

    /// The audit hears of it as of who is not let in.
    pub(crate) fn attempted(self) -> Problem {
        Problem { attempt: true, ..self }
    }

    pub(crate) fn is_attempt(&self) -> bool {
        self.attempt
    }

    pub(crate) fn shown_by_basic(self, basic: bool) -> Problem {
        Problem { basic, ..self }
    }

    pub(crate) fn with_errors(self, errors: Vec<FieldError>) -> Problem {
        Problem { errors, ..self }
    }

    pub(crate) fn with(mut self, member: &str, value: impl Into<Value>) -> Problem {
        self.extra.insert(member.to_owned(), value.into());
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Organisation and user.
    pub(crate) fn account(&self) -> Option<(Uuid, Uuid)> {
        self.account.as_deref().copied()
    }

    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    pub(crate) fn document(&self) -> Document<'_> {
        Document {
            r#type: format!("urn:verbatim:problem:{}", self.code),
            title: title(&self.code),
            status: self.status.as_u16(),
            code: &self.code,
            detail: &self.detail,
            errors: &self.errors,
            extra: &self.extra,
        }
    }
}

/// `conversation.not_open` → `Conversation not open`.
fn title(code: &str) -> String {
    let words = code.replace(['.', '_'], " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A problem document. Some problems have members beside these: what helps to go on.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem", example = example())]
pub(crate) struct Document<'a> {
    /// `urn:verbatim:problem:` and the code.
    r#type: String,
    /// The code in words.
    title: String,
    status: u16,
    /// What a program decides on; it never changes.
    code: &'a str,
    /// What is wrong with this request, and what to do about it.
    detail: &'a str,
    /// One for each field that is wrong.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

fn example() -> Value {
    let problem = Problem::from(Refusal::Version { expected: 1, actual: 2 });
    serde_json::to_value(problem.document()).unwrap_or_default()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.status);
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = if self.basic { "Basic" } else { "Bearer" };
            response.insert_header((WWW_AUTHENTICATE, format!("{scheme} realm=\"verbatim\"")));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        let body = serde_json::to_vec(&self.document()).unwrap_or_default();
        let mut response = response.content_type(CONTENT).body(body);
        response.extensions_mut().insert(Code(self.code.clone()));
        response
    }
}

/// Handlers that only ever refuse answer with the problem itself.
impl actix_web::Responder for Problem {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &actix_web::HttpRequest) -> HttpResponse {
        self.error_response()
    }
}
