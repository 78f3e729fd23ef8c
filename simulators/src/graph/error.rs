//! The Graph API's errors: codes, HTTP statuses and words as Meta's list of error codes has them.

use serde_json::{Value, json};

use crate::server::Reply;

/// Code, HTTP status, title, and what usually stands in `details`.
const CODES: &[(u32, u16, &str, &str)] = &[
    (1, 500, "An unknown error occurred", "The request failed on our side."),
    (2, 503, "Service temporarily unavailable", "The service is down or overloaded."),
    (4, 400, "Application request limit reached", "The app made too many calls."),
    (10, 403, "Permission denied", "The app lacks the permission for this action."),
    (33, 400, "Parameter value is not valid", "The business phone number has been deleted."),
    (100, 400, "Invalid parameter", "A parameter is unsupported or misspelled."),
    (190, 401, "Invalid OAuth access token", "The access token is invalid or has expired."),
    (368, 403, "Temporarily blocked for policies violations", "The account is restricted."),
    (80_007, 400, "Rate limit issues", "The WhatsApp Business Account reached its limit."),
    (130_429, 400, "Rate limit hit", "The number's message throughput has been reached."),
    (130_472, 400, "User's number is part of an experiment", "The message was not sent."),
    (131_000, 500, "Something went wrong", "The message failed for an unknown reason."),
    (131_005, 403, "Access denied", "Permission is not granted or has been removed."),
    (131_008, 400, "Required parameter is missing", "The request lacks a parameter."),
    (131_009, 400, "Parameter value is not valid", "A parameter has a value that can't be."),
    (131_016, 500, "Service unavailable", "A service is temporarily unavailable."),
    (131_021, 400, "Recipient cannot be sender", "Sender and recipient are the same number."),
    (131_026, 400, "Message undeliverable", "Message Undeliverable."),
    (131_030, 400, "Recipient phone number not in allowed list", "Add it to the list."),
    (131_031, 403, "Business Account locked", "The account has been locked."),
    (131_042, 400, "Business eligibility payment issue", "There is an issue with payment."),
    (131_045, 500, "Incorrect certificate", "The number is not registered."),
    (131_047, 400, "Re-engagement message", "The customer last wrote more than 24 hours ago."),
    (131_048, 400, "Spam rate limit hit", "This number may not send so many messages."),
    (131_049, 400, "Not delivered to maintain healthy ecosystem", "Meta chose not to deliver."),
    (131_051, 400, "Unsupported message type", "This type of message is not supported."),
    (131_052, 400, "Media download error", "The media that the customer sent can't be had."),
    (131_053, 400, "Media upload error", "The media of the message can't be used."),
    (131_056, 400, "Pair rate limit hit", "Too many messages to the same phone number."),
    (131_057, 503, "Account in maintenance mode", "The business account is in maintenance."),
    (132_000, 400, "Number of parameters does not match", "The template has other parameters."),
    (132_001, 404, "Template name does not exist in the translation", "No such template."),
    (132_007, 400, "Template format character policy violated", "The content is refused."),
    (132_012, 400, "Parameter format does not match", "The template has another format."),
    (132_015, 400, "Template is paused", "The template is paused due to low quality."),
    (132_016, 400, "Template is disabled", "The template was paused too often."),
];

/// What code `500` and such look like when a test asks for the bare HTTP status.
const PASSING: (u32, u32) = (1, 2);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Error {
    status: u16,
    kind: &'static str,
    code: u32,
    subcode: Option<u32>,
    message: String,
    details: Option<String>,
}

impl Error {
    pub(super) fn of(code: u32) -> Error {
        let (status, title, details) = known(code);
        Error {
            status,
            kind: "OAuthException",
            code,
            subcode: None,
            message: if code == 190 { title.to_owned() } else { format!("(#{code}) {title}") },
            details: (code != 190).then(|| details.to_owned()),
        }
    }

    pub(super) fn because(code: u32, details: impl Into<String>) -> Error {
        Error { details: Some(details.into()), ..Error::of(code) }
    }

    /// The request isn't what the endpoint takes.
    pub(super) fn parameter(message: impl AsRef<str>) -> Error {
        let message = format!("(#100) {}", message.as_ref());
        Error { message, details: None, ..Error::of(100) }
    }

    pub(super) fn required(name: &str) -> Error {
        Error::parameter(format!("The parameter {name} is required."))
    }

    /// There is nothing by this id, or nothing that the token may see.
    pub(super) fn no_object(verb: &str, id: &str) -> Error {
        let message = format!(
            "Unsupported {verb} request. Object with ID '{id}' does not exist, cannot be loaded \
             due to missing permissions, or does not support this operation."
        );
        let kind = "GraphMethodException";
        Error { kind, subcode: Some(33), message, details: None, ..Error::of(100) }
    }

    pub(super) fn subcode(mut self, subcode: u32) -> Error {
        self.subcode = Some(subcode);
        self
    }

    /// What stands behind a bare HTTP status.
    pub(super) fn status(status: u16) -> Error {
        let code = if status == 503 { PASSING.1 } else { PASSING.0 };
        Error { status, details: None, ..Error::of(code) }
    }

    pub(super) fn reply(&self, trace: &str) -> Reply {
        let mut error = json!({
            "message": self.message,
            "type": self.kind,
            "code": self.code,
            "fbtrace_id": trace,
        });
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = json!(subcode);
        }
        if let Some(details) = &self.details {
            error["error_data"] = json!({"messaging_product": "whatsapp", "details": details});
        }
        if self.code == PASSING.1 {
            error["is_transient"] = json!(true);
        }
        Reply::json(self.status, &json!({"error": error}))
    }
}

/// The error as it stands in a status webhook.
pub(super) fn in_webhook(code: u32) -> Value {
    let (_, title, details) = known(code);
    json!({
        "code": code,
        "title": title,
        "message": title,
        "error_data": {"details": details},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    })
}

fn known(code: u32) -> (u16, &'static str, &'static str) {
    let found = CODES.iter().find(|(it, ..)| *it == code);
    found.map_or((400, "Invalid request", "The request failed."), |(_, status, title, details)| {
        (*status, *title, *details)
    })
}
