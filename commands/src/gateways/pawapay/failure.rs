//! Why PawaPay rejects a payout, or why one failed.

use std::fmt;

use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}{}", message.as_ref().map(|message| format!(": {message}")).unwrap_or_default())]
pub struct Failure {
    pub code: FailureCode,
    /// For developers, not for the recipient.
    pub message: Option<String>,
}

/// From PawaPay's documentation, page "Failure codes", as far as payouts can meet them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FailureCode {
    NoAuthentication,
    AuthenticationError,
    AuthorisationError,
    HttpSignatureError,
    InvalidInput,
    MissingParameter,
    UnsupportedParameter,
    InvalidParameter,
    DuplicateMetadataField,
    PayoutsNotAllowed,
    AmountOutOfBounds,
    InvalidAmount,
    InvalidPhoneNumber,
    InvalidCurrency,
    InvalidProvider,
    ProviderTemporarilyUnavailable,
    PawapayWalletOutOfFunds,
    NotFound,
    InvalidState,
    RecipientNotFound,
    RecipientLimitReached,
    WalletLimitReached,
    ManuallyCancelled,
    UnspecifiedFailure,
    /// PawaPay doesn't know itself: no evidence that nothing was paid.
    UnknownError,
    /// A code that we don't know.
    Other(String),
}

/// Each code's word, then the words of version 1 for the same.
const WORDS: [(&str, FailureCode); 32] = {
    use FailureCode as F;
    [
        ("NO_AUTHENTICATION", F::NoAuthentication),
        ("AUTHENTICATION_ERROR", F::AuthenticationError),
        ("AUTHORISATION_ERROR", F::AuthorisationError),
        ("HTTP_SIGNATURE_ERROR", F::HttpSignatureError),
        ("INVALID_INPUT", F::InvalidInput),
        ("MISSING_PARAMETER", F::MissingParameter),
        ("UNSUPPORTED_PARAMETER", F::UnsupportedParameter),
        ("INVALID_PARAMETER", F::InvalidParameter),
        ("DUPLICATE_METADATA_FIELD", F::DuplicateMetadataField),
        ("PAYOUTS_NOT_ALLOWED", F::PayoutsNotAllowed),
        ("AMOUNT_OUT_OF_BOUNDS", F::AmountOutOfBounds),
        ("INVALID_AMOUNT", F::InvalidAmount),
        ("INVALID_PHONE_NUMBER", F::InvalidPhoneNumber),
        ("INVALID_CURRENCY", F::InvalidCurrency),
        ("INVALID_PROVIDER", F::InvalidProvider),
        ("PROVIDER_TEMPORARILY_UNAVAILABLE", F::ProviderTemporarilyUnavailable),
        ("PAWAPAY_WALLET_OUT_OF_FUNDS", F::PawapayWalletOutOfFunds),
        ("NOT_FOUND", F::NotFound),
        ("INVALID_STATE", F::InvalidState),
        ("RECIPIENT_NOT_FOUND", F::RecipientNotFound),
        ("RECIPIENT_LIMIT_REACHED", F::RecipientLimitReached),
        ("WALLET_LIMIT_REACHED", F::WalletLimitReached),
        ("MANUALLY_CANCELLED", F::ManuallyCancelled),
        ("UNSPECIFIED_FAILURE", F::UnspecifiedFailure),
        ("UNKNOWN_ERROR", F::UnknownError),
        ("INVALID_CORRESPONDENT", F::InvalidProvider),
        ("CORRESPONDENT_TEMPORARILY_UNAVAILABLE", F::ProviderTemporarilyUnavailable),
        ("BALANCE_INSUFFICIENT", F::PawapayWalletOutOfFunds),
        ("INVALID_RECIPIENT_FORMAT", F::InvalidPhoneNumber),
        ("RECIPIENT_NOT_ALLOWED_TO_RECEIVE", F::WalletLimitReached),
        ("AMOUNT_TOO_SMALL", F::AmountOutOfBounds),
        ("AMOUNT_TOO_LARGE", F::AmountOutOfBounds),
    ]
};

impl FailureCode {
    pub fn parse(word: &str) -> FailureCode {
        let known = WORDS.iter().find(|(known, _)| *known == word);
        known.map_or_else(|| FailureCode::Other(word.to_owned()), |(_, code)| code.clone())
    }

    pub fn as_str(&self) -> &str {
        match self {
            FailureCode::Other(word) => word,
            known => WORDS.iter().find(|(_, code)| code == known).map_or("", |(word, _)| word),
        }
    }

    /// Whether the same payout can be accepted later, without a change to it: the operator comes
    /// back, our wallet is filled, our access is set right.
    pub fn passes(&self) -> bool {
        matches!(
            self,
            FailureCode::ProviderTemporarilyUnavailable
                | FailureCode::PawapayWalletOutOfFunds
                | FailureCode::NoAuthentication
                | FailureCode::AuthenticationError
                | FailureCode::AuthorisationError
                | FailureCode::HttpSignatureError
                | FailureCode::PayoutsNotAllowed
        )
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Failure {
    /// The failure that an answer or a status tells, if it tells one.
    pub(super) fn read(body: &Value) -> Option<Failure> {
        let told = |reason, code, message| {
            let reason = body.get(reason)?;
            let code = FailureCode::parse(reason.get(code)?.as_str()?);
            let message = reason.get(message).and_then(Value::as_str).map(str::to_owned);
            Some(Failure { code, message })
        };
        told("failureReason", "failureCode", "failureMessage")
            // Version 1.
            .or_else(|| told("rejectionReason", "rejectionCode", "rejectionMessage"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_written_as_it_is_read() {
        for (word, code) in &WORDS[..25] {
            assert_eq!(code.as_str(), *word);
            assert_eq!(&FailureCode::parse(word), code);
        }
        assert_eq!(FailureCode::parse("SOLAR_FLARE").as_str(), "SOLAR_FLARE");
    }

    #[test]
    fn an_older_word_means_the_same_code() {
        let code = FailureCode::parse("BALANCE_INSUFFICIENT");
        assert_eq!(code.as_str(), "PAWAPAY_WALLET_OUT_OF_FUNDS");
        assert!(code.passes());
    }
}
