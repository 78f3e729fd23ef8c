//! What a key may be used for: everything that reads, everything that writes, or either of one
//! noun. What it may in the end is that and what its user's role may.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The first words of the API's addresses, alphabetic.
pub const NOUNS: &[&str] = &[
    "analytics",
    "api_keys",
    "audit",
    "channels",
    "contacts",
    "conversations",
    "events",
    "inbox",
    "invitations",
    "media",
    "members",
    "messages",
    "organization",
    "payouts",
    "projections",
    "teams",
    "templates",
    "tickets",
    "workspace",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    Read,
    Write,
}

impl Act {
    pub fn as_str(self) -> &'static str {
        match self {
            Act::Read => "read",
            Act::Write => "write",
        }
    }
}

/// `read`, `write`, or `<noun>:read`, `<noun>:write`. What the log holds was parsed once and is
/// taken as it is.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(inline, example = &"contacts:read")]
pub struct Scope(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope is read, write, <noun>:read or <noun>:write, with a noun out of {}", NOUNS.join(", "))]
pub struct NotAScope;

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        let (noun, act) = match text.split_once(':') {
            Some((noun, act)) => (Some(noun), act),
            None => (None, text),
        };
        let known = noun.is_none_or(|noun| NOUNS.contains(&noun));
        let is_act = act == Act::Read.as_str() || act == Act::Write.as_str();
        if known && is_act { Ok(Scope(text.to_owned())) } else { Err(NotAScope) }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As OAuth writes them: with spaces between.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.0.iter().map(|scope| scope.0.as_str()).collect();
        f.write_str(&words.join(" "))
    }
}

/// All that a key may be used for; reading and writing unless told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Scopes(BTreeSet<Scope>);

impl Default for Scopes {
    fn default() -> Self {
        Scopes([Act::Read, Act::Write].map(|act| Scope(act.as_str().to_owned())).into())
    }
}

impl Scopes {
    /// `None` of none: a key for nothing is no key.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Option<Scopes> {
        let scopes: BTreeSet<Scope> = scopes.into_iter().collect();
        (!scopes.is_empty()).then_some(Scopes(scopes))
    }

    pub fn allow(&self, noun: &str, act: Act) -> bool {
        let act = act.as_str();
        self.has(act) || self.has(&format!("{noun}:{act}"))
    }

    /// Whether `other` allows everything that these do.
    pub fn within(&self, other: &Scopes) -> bool {
        self.0.iter().all(|scope| other.covers(scope))
    }

    /// What both allow, which may be nothing.
    pub fn common(&self, other: &Scopes) -> Scopes {
        let within = |one: &Scopes, two: &Scopes| {
            let covered = one.0.iter().filter(|scope| two.covers(scope));
            covered.cloned().collect::<Vec<_>>()
        };
        Scopes(within(self, other).into_iter().chain(within(other, self)).collect())
    }

    fn covers(&self, scope: &Scope) -> bool {
        let general = scope.0.split_once(':').map(|(_, act)| act);
        self.0.contains(scope) || general.is_some_and(|act| self.has(act))
    }

    pub fn is_default(&self) -> bool {
        *self == Scopes::default()
    }

    fn has(&self, text: &str) -> bool {
        self.0.iter().any(|scope| scope.0 == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(texts: &[&str]) -> Scopes {
        Scopes::of(texts.iter().map(|text| text.parse().unwrap())).unwrap()
    }

    #[test]
    fn a_scope_allows_what_it_says_and_no_more() {
        let some = scopes(&["read", "contacts:write"]);
        assert!(some.allow("payouts", Act::Read) && some.allow("contacts", Act::Write));
        assert!(!some.allow("payouts", Act::Write));
        assert!(Scopes::default().allow("payouts", Act::Write));
    }

    #[test]
    fn a_narrower_scope_lies_within_a_wider_one() {
        let wide = scopes(&["read", "contacts:write"]);
        assert!(scopes(&["contacts:read", "contacts:write"]).within(&wide));
        assert!(!scopes(&["write"]).within(&wide));
        assert!(!scopes(&["payouts:write"]).within(&wide));
        assert!(wide.within(&Scopes::default()));
    }

    #[test]
    fn what_two_allow_is_the_narrower_of_each() {
        let common = |one: &[&str], two: &[&str]| scopes(one).common(&scopes(two)).to_string();
        assert_eq!(common(&["read", "contacts:write"], &["write"]), "contacts:write");
        assert_eq!(common(&["read"], &["contacts:read", "read"]), "contacts:read read");
        assert_eq!(common(&["read"], &["write"]), "");
    }

    #[test]
    fn a_word_that_opens_nothing_is_no_scope() {
        for text in ["", "delete", "contact:read", "contacts:", ":read", "contacts:read:all"] {
            assert_eq!(text.parse::<Scope>(), Err(NotAScope), "{text}");
        }
        assert_eq!(Scopes::of([]), None);
        let sorted = NOUNS.is_sorted();
        assert!(sorted);
    }
}
