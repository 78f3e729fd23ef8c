//! What became of a call that wasn't done: refused, certainly not sent, or unclear.

use serde_json::Value;

use super::reason::{Reason, Retry};
use crate::gateways::http::Cause;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// It may have been done; only evidence decides.
    #[error("it is not known what became of it: {0}")]
    Unclear(Cause),
    /// It was certainly not done; trying again is safe.
    #[error("not sent: {0}")]
    NotSent(Cause),
}

/// Meta said no. Its texts can hold what we sent; decide on `reason`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused with code {code}: {message}")]
pub struct Refusal {
    pub reason: Reason,
    pub retry: Retry,
    /// 0 where none was told.
    pub code: i64,
    pub subcode: Option<i64>,
    pub message: String,
    pub details: Option<String>,
    /// What Meta's support asks for.
    pub trace: Option<String>,
}

/// Reads an answer that isn't a success.
pub(super) fn refused(status: u16, body: &Value) -> SendError {
    let server_failed = status >= 500 || status == 408;
    let error = &body["error"];
    let Some(code) = error["code"].as_i64() else {
        if server_failed {
            return SendError::Unclear(Cause::Server { status, code: None });
        }
        return Refusal::without_words(status).into();
    };
    let subcode = error["error_subcode"].as_i64();
    let reason = Reason::of(code, subcode);
    // An error page of the machinery between, or "something went wrong": neither says that the
    // message didn't leave before. A code that names what was wrong does.
    if server_failed && reason.is_vague() {
        return SendError::Unclear(Cause::Server { status, code: Some(code) });
    }
    let retry = match reason.retry() {
        Retry::Never if reason.is_vague() && error["is_transient"] == true => Retry::SOON,
        retry => retry,
    };
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Refusal {
        reason,
        retry,
        code,
        subcode,
        message: text(&error["message"]).unwrap_or_default(),
        details: text(&error["error_data"]["details"])
            .or_else(|| text(&error["error_user_msg"]))
            .or_else(|| text(&error["error_data"])),
        trace: text(&error["fbtrace_id"]),
    }
    .into()
}

impl Refusal {
    /// Code and reason, without Meta's texts.
    pub fn word(&self) -> String {
        format!("{} {}", self.code, self.reason.word())
    }

    /// Of an answer without the Graph API's error object: a proxy's, or a media server's.
    fn without_words(status: u16) -> Refusal {
        let reason = match status {
            401 | 403 => Reason::PermissionDenied,
            404 => Reason::NotFound,
            429 => Reason::AccountThrottled,
            _ => Reason::Unrecognised,
        };
        Refusal {
            reason,
            retry: reason.retry(),
            code: 0,
            subcode: None,
            message: format!("HTTP status {status}"),
            details: None,
            trace: None,
        }
    }
}

impl From<Refusal> for SendError {
    fn from(refusal: Refusal) -> SendError {
        SendError::Refused(Box::new(refusal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn refusal(status: u16, body: &Value) -> Option<Refusal> {
        match refused(status, body) {
            SendError::Refused(refusal) => Some(*refusal),
            _ => None,
        }
    }

    #[test]
    fn a_refusal_keeps_what_meta_said() {
        let body = json!({"error": {
            "message": "(#131047) Re-engagement message",
            "type": "OAuthException",
            "code": 131047,
            "error_subcode": 7,
            "error_data": {"messaging_product": "whatsapp", "details": "more than a day"},
            "fbtrace_id": "Atrace",
        }});
        let expected = Refusal {
            reason: Reason::WindowClosed,
            retry: Retry::Never,
            code: 131047,
            subcode: Some(7),
            message: "(#131047) Re-engagement message".into(),
            details: Some("more than a day".into()),
            trace: Some("Atrace".into()),
        };
        assert_eq!(refusal(400, &body), Some(expected));
    }

    #[test]
    fn a_template_that_exists_is_told_by_its_subcode() {
        let body = json!({"error": {
            "message": "Invalid parameter",
            "code": 100,
            "error_subcode": 2_388_024,
            "error_user_msg": "There is already English content",
        }});
        let told = refusal(400, &body).unwrap_or_else(|| Refusal::without_words(0));
        assert_eq!(told.reason, Reason::TemplateExists);
        assert_eq!(told.details.as_deref(), Some("There is already English content"));
    }

    #[test]
    fn a_server_that_failed_without_saying_why_may_have_sent_the_message() {
        let coded = |code: i64| json!({"error": {"message": "oh", "code": code}});
        for (status, body, code) in [
            (500, coded(131_000), Some(131_000)),
            (503, coded(2), Some(2)),
            (500, coded(424_242), Some(424_242)),
            (502, json!("<html>"), None),
            (408, Value::Null, None),
        ] {
            let unclear = SendError::Unclear(Cause::Server { status, code });
            assert_eq!(refused(status, &body), unclear);
        }
    }

    #[test]
    fn a_failure_that_names_its_reason_is_a_refusal_whatever_its_status() {
        let coded = |code: i64| json!({"error": {"message": "oh", "code": code}});
        let retry = |status, code| refusal(status, &coded(code)).map(|refusal| refusal.retry);
        assert_eq!(retry(503, 131_016), Some(Retry::SOON));
        assert!(matches!(retry(500, 131_042), Some(Retry::LaterForLine(_))));
        assert_eq!(retry(400, 131_000), Some(Retry::SOON));
    }

    #[test]
    fn an_unknown_code_is_tried_again_only_if_meta_calls_it_transient() {
        let coded = |transient| json!({"error": {"code": 424_242, "is_transient": transient}});
        let retry = |transient| refusal(400, &coded(transient)).map(|refusal| refusal.retry);
        assert_eq!(retry(true), Some(Retry::SOON));
        assert_eq!(retry(false), Some(Retry::Never));
    }

    #[test]
    fn an_answer_of_somebody_between_is_understood_by_its_status() {
        let reason = |status| refusal(status, &Value::Null).map(|refusal| refusal.reason);
        assert_eq!(reason(429), Some(Reason::AccountThrottled));
        assert_eq!(reason(403), Some(Reason::PermissionDenied));
        assert_eq!(reason(307), Some(Reason::Unrecognised));
    }

    proptest! {
        #[test]
        fn no_answer_brings_it_down(
            status in 0u16..999,
            body in any::<Vec<u8>>(),
            code in any::<i64>(),
        ) {
            let body = serde_json::from_slice(&body).unwrap_or(json!({"error": {"code": code}}));
            let _ = refused(status, &body);
        }
    }
}
