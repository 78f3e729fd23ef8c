//! What is kept of a name or a number so that parts of it can be searched for, and what is looked
//! for when somebody types.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// How much of a word is told apart.
const WORD: usize = 12;
/// The longest number there is.
const NUMBER: usize = 15;
/// People remember a number by its beginning, or by its last few digits.
const NUMBER_BEGINS: usize = 3;
const NUMBER_ENDS: std::ops::RangeInclusive<usize> = 4..=9;
/// Digits that stand apart among words are one number from this length on.
const GROUPED: usize = 7;

/// The beginnings of all words, from two characters on; a word of one is kept as it is.
pub(crate) fn of_words(text: &str) -> BTreeSet<String> {
    let beginnings = |word: String| {
        let length = word.chars().count();
        (length.min(2)..=length.min(WORD)).map(move |end| word.chars().take(end).collect())
    };
    words(text).into_iter().flat_map(beginnings).collect()
}

/// The beginnings and the ends of a phone number.
pub(crate) fn of_number(text: &str) -> BTreeSet<String> {
    let digits: String = text.nfkd().filter(char::is_ascii_digit).collect();
    let begins = (NUMBER_BEGINS..=digits.len().min(NUMBER)).map(|end| &digits[..end]);
    let ends = NUMBER_ENDS.filter_map(|length| digits.get(digits.len().checked_sub(length)?..));
    begins.chain(ends).map(str::to_owned).collect()
}

/// What all must be found: for each word that was typed, the tokens of which one suffices.
pub(crate) fn wanted(text: &str) -> Vec<BTreeSet<String>> {
    let words = words(text);
    let is_number = |word: &String| word.chars().all(|c| c.is_ascii_digit());
    let only_numbers = words.iter().all(is_number);
    let mut wanted = vec![];
    for group in words.chunk_by(|a, b| is_number(a) && is_number(b)) {
        let joined = group.concat();
        if group.len() > 1 && (only_numbers || joined.len() >= GROUPED) {
            wanted.push(number(&joined));
        } else {
            let alternatives = |word| if is_number(word) { number(word) } else { beginning(word) };
            wanted.extend(group.iter().map(alternatives));
        }
    }
    wanted
}

fn beginning(word: &str) -> BTreeSet<String> {
    BTreeSet::from([word.chars().take(WORD).collect()])
}

/// A number may be typed with its country's code, with `00` before that, or as one dials it inside
/// the country, with a `0` that the international form has not.
fn number(digits: &str) -> BTreeSet<String> {
    if digits.len() > NUMBER {
        return beginning(digits);
    }
    let mut alternatives = BTreeSet::from([digits.to_owned()]);
    let short = digits.trim_start_matches('0');
    if digits.starts_with("00") {
        alternatives.insert(short.to_owned());
    } else if digits.starts_with('0') {
        let end = short.len().saturating_sub(*NUMBER_ENDS.end());
        alternatives.insert(short[end..].to_owned());
    }
    alternatives.retain(|alternative| !alternative.is_empty());
    alternatives
}

/// The words of a text, without case, accents and signs.
fn words(text: &str) -> Vec<String> {
    let plain: String =
        text.nfkd().flat_map(char::to_lowercase).filter(|c| !is_combining_mark(*c)).collect();
    let words = plain.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a search for `typed` finds what is kept.
    fn finds(typed: &str, kept: &BTreeSet<String>) -> bool {
        let wanted = wanted(typed);
        !wanted.is_empty() && wanted.iter().all(|any| any.iter().any(|one| kept.contains(one)))
    }

    #[test]
    fn a_name_is_found_by_the_beginnings_of_its_words_in_any_order_and_spelling() {
        let kept = of_words("José-María  ÅNGSTRÖM");
        for typed in ["jo", "JOSE", "maría", "angs jose", "José", "jose-maria angstrom"] {
            assert!(finds(typed, &kept), "{typed}");
        }
        for typed in ["ose", "joses", "jose karl", "", " - "] {
            assert!(!finds(typed, &kept), "{typed}");
        }
    }

    #[test]
    fn the_same_name_in_another_encoding_of_its_letters_is_the_same_name() {
        assert_eq!(of_words("Zoe\u{308}"), of_words("ZOË"));
        assert_eq!(of_words("ﬁona"), of_words("Fiona"));
        assert!(finds("anna", &of_words("Ａｎｎａ")));
    }

    #[test]
    fn a_name_of_one_character_is_found_by_it() {
        assert!(finds("李", &of_words("李 Wei")));
        assert!(!finds("w", &of_words("李 Wei")));
    }

    #[test]
    fn of_long_words_the_first_twelve_characters_decide() {
        let kept = of_words("Featherstonehaugh");
        assert!(finds("featherstonehaugh", &kept));
        assert_eq!(kept.iter().map(|token| token.chars().count()).max(), Some(12));
    }

    #[test]
    fn a_number_is_found_however_it_is_written() {
        let kept = of_number("447700900123");
        for typed in [
            "447",
            "+44 7700 900123",
            "44 77",
            "0044 7700 900123",
            "07700 900 123",
            "0123",
            "900123",
            "(0) 7700-900123",
        ] {
            assert!(finds(typed, &kept), "{typed}");
        }
        for typed in ["44", "7700", "123", "+44 7700 900124", "07700 900 124"] {
            assert!(!finds(typed, &kept), "{typed}");
        }
    }

    #[test]
    fn a_name_and_a_number_together_must_both_fit() {
        let mut kept = of_words("Amara Obi");
        kept.extend(of_number("2348030001111"));
        assert!(finds("amara +234 803 000 1111", &kept));
        assert!(finds("obi 1111", &kept));
        assert!(!finds("obi 2222", &kept));
    }

    #[test]
    fn a_business_scoped_id_is_found_by_its_beginning() {
        let kept = of_words("US.13491208655302741918");
        assert!(finds("us.13491208655302741918", &kept));
        assert!(finds("13491208655302741918", &kept));
    }
}
