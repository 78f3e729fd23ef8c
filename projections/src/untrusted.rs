//! What strangers' bytes are read with, for whoever throws bytes at it: what people are called, and
//! what is typed to find them.

use domain::untrusted::Parser;

use crate::search::tokens::{of_number, of_words, wanted};

pub const PARSERS: &[Parser] = &[("search_texts", search_texts)];

/// A text as a name, a number and a search. Who is looked for by their whole name is found.
pub fn search_texts(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let kept = of_words(text);
    for token in &kept {
        assert!((1..=12).contains(&token.chars().count()), "{token:?}");
        assert!(of_words(token).contains(token), "{token:?} is read as something else");
    }
    for token in of_number(text) {
        assert!((3..=15).contains(&token.len()) && token.bytes().all(|it| it.is_ascii_digit()));
    }
    let wanted = wanted(text);
    assert!(wanted.iter().all(|any| any.iter().all(|one| !one.is_empty())), "{wanted:?}");
    // Digits are looked for as the number that they may be a part of.
    if !text.contains(|it: char| it.is_numeric()) {
        let found = wanted.iter().all(|any| any.iter().any(|one| kept.contains(one)));
        assert!(found, "{wanted:?} in {kept:?}");
    }
}
