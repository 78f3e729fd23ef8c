//! The documented error codes as reasons: whom one is about, and what trying again would do.

use std::time::Duration;

use serde::Serialize;

/// Why Meta refused. Events keep the name of a reason as a word, so a name is for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    // The customer.
    Undeliverable,
    InExperiment,
    NotInAllowedList,
    WindowClosed,
    MarketingWithheld,
    MarketingStopped,
    BlockedByUs,
    UserIdNotAccepted,
    CountryRestricted,
    // The message.
    InvalidRequest,
    NotFound,
    SenderIsRecipient,
    UnsupportedType,
    MediaNotFetched,
    MediaRejected,
    MessageGone,
    FlowBlocked,
    FlowThrottled,
    // The template.
    TemplateParameterCount,
    TemplateMissing,
    TemplateTooLong,
    TemplatePolicy,
    TemplateParameterFormat,
    TemplatePaused,
    TemplateDisabled,
    TemplateSyncing,
    TemplateUnavailable,
    TemplateExists,
    TemplateBeingDeleted,
    TemplateInvalid,
    TemplateLimit,
    // The line.
    LineDeleted,
    NotRegistered,
    CertificateIncorrect,
    DisplayNameUnapproved,
    UnderMaintenance,
    SpamLimited,
    // The account, its token, its money.
    Unauthenticated,
    PermissionDenied,
    PolicyBlocked,
    AccountLocked,
    PaymentMissing,
    MarketingDisabled,
    TermsNotAccepted,
    TemplatesMisclassified,
    // Too much at once.
    LineThrottled,
    PairThrottled,
    AccountThrottled,
    // Meta itself.
    Unavailable,
    WentWrong,
    Unrecognised,
}

/// Whom a refusal is about, and so who else meets the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum About {
    Recipient,
    Message,
    Template,
    /// Everything that this phone number sends.
    Line,
    /// Everything that this account or token does; a person has to act.
    Account,
    Throughput,
    Provider,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// It would be refused again.
    Never,
    After(Duration),
    /// Nothing of this line should be tried for so long, then everything.
    LaterForLine(Duration),
    /// Nothing from this line to this recipient for a while. Meta documents a wait of 4^n seconds
    /// for the n-th time.
    LaterForPair,
}

impl Retry {
    pub(super) const SOON: Retry = Retry::After(Duration::from_secs(1));
    const LATER: Retry = Retry::After(Duration::from_secs(600));
    /// The limit is one of messages in a second.
    const NEXT_SECOND: Retry = Retry::LaterForLine(Duration::from_secs(1));
    const REST: Retry = Retry::LaterForLine(Duration::from_secs(10));
}

/// From Meta's documentation of the Cloud API, page "Error codes", and, for the seven-digit ones,
/// its section on creating templates. Those come as code or as subcode.
const CODES: [(i64, Reason); 67] = {
    use Reason as R;
    [
        (0, R::Unauthenticated),
        (1, R::WentWrong),
        // Like 1 it is of the Graph API in general: it doesn't know what went on behind it.
        (2, R::WentWrong),
        (3, R::PermissionDenied),
        (4, R::AccountThrottled),
        (10, R::PermissionDenied),
        (33, R::LineDeleted),
        (100, R::InvalidRequest),
        (190, R::Unauthenticated),
        (368, R::PolicyBlocked),
        (803, R::NotFound),
        (80_007, R::AccountThrottled),
        (80_008, R::AccountThrottled),
        (130_403, R::BlockedByUs),
        (130_429, R::LineThrottled),
        (130_472, R::InExperiment),
        (130_497, R::CountryRestricted),
        (131_000, R::WentWrong),
        (131_005, R::PermissionDenied),
        (131_008, R::InvalidRequest),
        (131_009, R::InvalidRequest),
        (131_016, R::Unavailable),
        (131_021, R::SenderIsRecipient),
        (131_026, R::Undeliverable),
        (131_030, R::NotInAllowedList),
        (131_031, R::AccountLocked),
        (131_037, R::DisplayNameUnapproved),
        (131_042, R::PaymentMissing),
        (131_045, R::CertificateIncorrect),
        (131_047, R::WindowClosed),
        (131_048, R::SpamLimited),
        (131_049, R::MarketingWithheld),
        (131_050, R::MarketingStopped),
        (131_051, R::UnsupportedType),
        (131_052, R::MediaNotFetched),
        (131_053, R::MediaRejected),
        (131_056, R::PairThrottled),
        (131_057, R::UnderMaintenance),
        (131_060, R::MessageGone),
        (131_062, R::UserIdNotAccepted),
        (131_063, R::MarketingDisabled),
        (131_064, R::TemplatesMisclassified),
        (132_000, R::TemplateParameterCount),
        (132_001, R::TemplateMissing),
        (132_005, R::TemplateTooLong),
        (132_007, R::TemplatePolicy),
        (132_012, R::TemplateParameterFormat),
        (132_015, R::TemplatePaused),
        (132_016, R::TemplateDisabled),
        (132_068, R::FlowBlocked),
        (132_069, R::FlowThrottled),
        (133_004, R::Unavailable),
        (133_006, R::NotRegistered),
        (133_010, R::NotRegistered),
        (134_011, R::TermsNotAccepted),
        (134_101, R::TemplateSyncing),
        (134_102, R::TemplateUnavailable),
        (135_000, R::InvalidRequest),
        (2_388_019, R::TemplateLimit),
        (2_388_023, R::TemplateBeingDeleted),
        (2_388_024, R::TemplateExists),
        (2_388_040, R::TemplateInvalid),
        (2_388_047, R::TemplateInvalid),
        (2_388_072, R::TemplateInvalid),
        (2_388_073, R::TemplateInvalid),
        (2_388_293, R::TemplateInvalid),
        (2_388_299, R::TemplateInvalid),
    ]
};

/// What Meta calls a template that it hasn't got. Only deleting one meets it.
const NO_SUCH_TEMPLATE: i64 = 2_593_002;

impl Reason {
    /// The reason as a word: `template_exists`.
    pub fn word(self) -> String {
        let word = serde_json::to_value(self).ok();
        word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The reason behind a code, also one that a webhook brings.
    pub fn of(code: i64, subcode: Option<i64>) -> Reason {
        let known =
            |code| CODES.iter().find(|(known, _)| *known == code).map(|(_, reason)| *reason);
        match (code, subcode) {
            // No such object, or not for this token.
            (100, Some(33 | NO_SUCH_TEMPLATE)) => Reason::NotFound,
            (_, Some(subcode @ 2_388_000..2_389_000)) => {
                known(subcode).or_else(|| known(code)).unwrap_or(Reason::Unrecognised)
            }
            (200..300, _) => Reason::PermissionDenied,
            _ => known(code).unwrap_or(Reason::Unrecognised),
        }
    }

    /// Says that something failed, but not what.
    pub(super) fn is_vague(self) -> bool {
        matches!(self, Reason::WentWrong | Reason::Unrecognised)
    }

    pub fn about(self) -> About {
        use Reason as R;
        match self {
            R::Undeliverable
            | R::InExperiment
            | R::NotInAllowedList
            | R::WindowClosed
            | R::MarketingWithheld
            | R::MarketingStopped
            | R::BlockedByUs
            | R::UserIdNotAccepted
            | R::CountryRestricted => About::Recipient,
            R::InvalidRequest
            | R::NotFound
            | R::SenderIsRecipient
            | R::UnsupportedType
            | R::MediaNotFetched
            | R::MediaRejected
            | R::MessageGone
            | R::FlowBlocked
            | R::FlowThrottled => About::Message,
            R::TemplateParameterCount
            | R::TemplateMissing
            | R::TemplateTooLong
            | R::TemplatePolicy
            | R::TemplateParameterFormat
            | R::TemplatePaused
            | R::TemplateDisabled
            | R::TemplateSyncing
            | R::TemplateUnavailable
            | R::TemplateExists
            | R::TemplateBeingDeleted
            | R::TemplateInvalid
            | R::TemplateLimit => About::Template,
            R::LineDeleted
            | R::NotRegistered
            | R::CertificateIncorrect
            | R::DisplayNameUnapproved
            | R::UnderMaintenance
            | R::SpamLimited => About::Line,
            R::Unauthenticated
            | R::PermissionDenied
            | R::PolicyBlocked
            | R::AccountLocked
            | R::PaymentMissing
            | R::MarketingDisabled
            | R::TermsNotAccepted
            | R::TemplatesMisclassified => About::Account,
            R::LineThrottled | R::PairThrottled | R::AccountThrottled => About::Throughput,
            R::Unavailable | R::WentWrong | R::Unrecognised => About::Provider,
        }
    }

    pub fn retry(self) -> Retry {
        use Reason as R;
        match (self, self.about()) {
            (R::PairThrottled, _) => Retry::LaterForPair,
            (R::LineThrottled, _) => Retry::NEXT_SECOND,
            (R::Unavailable | R::WentWrong, _) => Retry::SOON,
            (R::TemplateSyncing | R::FlowThrottled, _) => Retry::LATER,
            // Only the messages of a kind are held back; the line goes on.
            (R::LineDeleted | R::MarketingDisabled | R::TermsNotAccepted, _) => Retry::Never,
            (_, About::Line | About::Account | About::Throughput) => Retry::REST,
            (_, About::Recipient | About::Message | About::Template | About::Provider) => {
                Retry::Never
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(code: i64) -> (About, Retry) {
        let reason = Reason::of(code, None);
        (reason.about(), reason.retry())
    }

    #[test]
    fn what_is_about_the_customer_is_not_tried_again() {
        for code in [131_026, 131_047, 131_049, 131_050, 130_472] {
            assert_eq!(fate(code), (About::Recipient, Retry::Never));
        }
    }

    #[test]
    fn too_much_at_once_waits_for_the_line_or_for_the_pair() {
        assert_eq!(fate(130_429), (About::Throughput, Retry::NEXT_SECOND));
        for code in [80_007, 4] {
            assert_eq!(fate(code), (About::Throughput, Retry::REST));
        }
        assert_eq!(fate(131_056), (About::Throughput, Retry::LaterForPair));
        assert_eq!(fate(131_048), (About::Line, Retry::REST));
    }

    #[test]
    fn without_token_permission_or_money_the_line_stops() {
        for code in [0, 3, 10, 190, 200, 299, 131_005, 368, 131_031, 131_042] {
            assert_eq!(fate(code), (About::Account, Retry::REST));
        }
    }

    #[test]
    fn a_template_refused_is_refused_again() {
        for code in [132_000, 132_001, 132_005, 132_007, 132_012, 132_015, 132_016] {
            assert_eq!(fate(code), (About::Template, Retry::Never));
        }
    }

    #[test]
    fn trouble_of_metas_own_passes() {
        for code in [1, 2, 131_000, 131_016, 133_004] {
            assert_eq!(fate(code), (About::Provider, Retry::SOON));
        }
        assert_eq!(fate(424_242), (About::Provider, Retry::Never));
    }

    #[test]
    fn a_reason_has_a_word_for_good() {
        assert_eq!(Reason::TemplateExists.word(), "template_exists");
        assert_eq!(Reason::of(100, Some(2_593_002)).word(), "not_found");
    }

    #[test]
    fn a_code_stands_in_the_table_once() {
        assert!(CODES.is_sorted_by(|(a, _), (b, _)| a < b));
    }
}
