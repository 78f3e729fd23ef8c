//! What a client is told where WhatsApp was asked and the answer is no, or none.

use actix_web::http::StatusCode;
use commands::gateways::whatsapp::graph::{About, Reason, Refusal, SendError};
use commands::templates::AskError;

use super::Problem;

impl From<SendError> for Problem {
    fn from(error: SendError) -> Problem {
        match error {
            SendError::Refused(refusal) => refused(&refusal),
            SendError::NotSent(cause) => {
                let detail = format!("WhatsApp can't be reached: {cause}");
                Problem::unavailable("whatsapp.unreachable", detail).retry_after(5)
            }
            SendError::Unclear(cause) => {
                let detail = format!("WhatsApp gave no answer that can be used: {cause}");
                Problem::new(StatusCode::BAD_GATEWAY, "whatsapp.unclear", detail).retry_after(5)
            }
        }
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Problem {
        match error {
            AskError::Meta(error) => error.into(),
            AskError::Rows(error) => error.into(),
        }
    }
}

/// Meta's own words are told: they say what to mend.
fn refused(refusal: &Refusal) -> Problem {
    let words = refusal.details.as_deref().unwrap_or(&refusal.message);
    let problem = match (refusal.reason, refusal.reason.about()) {
        (Reason::NotFound | Reason::LineDeleted, _) => {
            let detail = "WhatsApp has no such thing, or not for this channel's token";
            Problem::new(StatusCode::NOT_FOUND, "whatsapp.not_found", detail)
        }
        (_, About::Throughput) | (Reason::Unavailable | Reason::WentWrong, _) => {
            let detail = format!("WhatsApp can't take this now: {words}");
            Problem::unavailable("whatsapp.busy", detail).retry_after(10)
        }
        (_, About::Account | About::Line) => {
            let detail = format!("WhatsApp doesn't let this channel do that: {words}");
            Problem::conflict("whatsapp.not_permitted", detail)
        }
        _ => {
            let detail = format!("WhatsApp refuses it: {words}");
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "whatsapp.refused", detail)
        }
    };
    problem.with("reason", refusal.reason.word()).with("provider_code", refusal.code)
}
