//! Placeholders in a template's texts: where they are, and what must hold of them.
//!
//! Sources: Meta's documentation of template components (parameter formats, examples) and of
//! common reasons for rejection.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::component::Named;
use super::rules::Faults;

/// How the placeholders of a template are named: one way for all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParameterFormat {
    /// `{{1}}`, `{{2}}` …
    #[default]
    #[serde(alias = "POSITIONAL")]
    Positional,
    /// `{{first_name}}`
    #[serde(alias = "NAMED")]
    Named,
}

impl ParameterFormat {
    pub fn as_str(self) -> &'static str {
        match self {
            ParameterFormat::Positional => "positional",
            ParameterFormat::Named => "named",
        }
    }
}

/// A text in pieces.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

/// Curly braces that don't match.
#[derive(Debug, PartialEq)]
struct Mismatched;

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Mismatched> {
    let (mut pieces, mut rest) = (vec![], text);
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, behind) = after.split_once("}}").ok_or(Mismatched)?;
        if before.contains("}}") || name.contains(['{', '}']) || behind.starts_with('}') {
            return Err(Mismatched);
        }
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(Piece::Placeholder(name));
        rest = behind;
    }
    if rest.contains("}}") {
        return Err(Mismatched);
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// The text without its placeholders.
pub(super) fn around(text: &str) -> String {
    let Ok(pieces) = pieces(text) else { return text.to_owned() };
    let text = |piece: &Piece| match piece {
        Piece::Text(text) => Some((*text).to_owned()),
        Piece::Placeholder(_) => None,
    };
    pieces.iter().filter_map(text).collect()
}

/// The names of the placeholders in a text, in their order.
pub(super) fn names(text: &str) -> Vec<&str> {
    let name = |piece| match piece {
        Piece::Placeholder(name) => Some(name),
        Piece::Text(_) => None,
    };
    pieces(text).unwrap_or_default().into_iter().filter_map(name).collect()
}

/// The sample values that stand beside a text, and under which keys they belong.
pub(super) struct Samples<'a> {
    pub(super) positional: &'a [String],
    pub(super) named: &'a [Named],
    /// `body_text` or `header_text`.
    pub(super) key: &'static str,
}

/// Checks a text's placeholders and their examples. `path` leads to the component.
pub(super) fn check(
    text: &str,
    samples: &Samples,
    format: ParameterFormat,
    path: &str,
    faults: &mut Faults,
) {
    let place = format!("{path}.text");
    let Ok(pieces) = pieces(text) else {
        let what = "close each {{ with }} and put nothing but a number or a name between them";
        return faults.add(&place, "placeholder.malformed", what);
    };
    apart(&pieces, &place, faults);
    let names = names(text);
    let known = match format {
        ParameterFormat::Positional => numbered(&names, &place, faults),
        ParameterFormat::Named => spoken(&names, &place, faults),
    };
    if known {
        match format {
            ParameterFormat::Positional => counted(&names, samples, path, faults),
            ParameterFormat::Named => matched(&names, samples, path, faults),
        }
    }
}

/// A text must not begin or end with a placeholder, as far as `check` was followed by this.
pub(super) fn dangling(text: &str, path: &str, faults: &mut Faults) {
    let pieces = pieces(text.trim()).unwrap_or_default();
    let ends = [pieces.first(), pieces.last()];
    if ends.iter().any(|end| matches!(end, Some(Piece::Placeholder(_)))) {
        let what = "put words or punctuation before the first and behind the last placeholder";
        faults.add(&format!("{path}.text"), "placeholder.edge", what);
    }
}

fn apart(pieces: &[Piece], place: &str, faults: &mut Faults) {
    let mut last = false;
    for piece in pieces {
        match piece {
            Piece::Placeholder(name) if last => {
                let what = format!("put words or punctuation before {{{{{name}}}}}");
                return faults.add(place, "placeholder.adjacent", what);
            }
            Piece::Placeholder(_) => last = true,
            Piece::Text(text) => last = last && text.trim().is_empty(),
        }
    }
}

fn numbered(names: &[&str], place: &str, faults: &mut Faults) -> bool {
    let number = |name: &&str| name.parse::<u32>().ok().filter(|n| n.to_string() == **name);
    if let Some(wrong) = names.iter().find(|name| number(name).is_none_or(|n| n == 0)) {
        let what = format!(
            "write {{{{{wrong}}}}} as a number like {{{{1}}}}, or make the template's \
             parameter_format named"
        );
        faults.add(place, "placeholder.format", what);
        return false;
    }
    let told: BTreeSet<u32> = names.iter().filter_map(number).collect();
    match (1..).zip(&told).find(|(expected, told)| expected != *told) {
        Some((expected, told)) => {
            let what = format!(
                "number placeholders from 1 without a gap: {{{{{told}}}}} is there and \
                 {{{{{expected}}}}} is not"
            );
            faults.add(place, "placeholder.gap", what);
            false
        }
        None => true,
    }
}

fn spoken(names: &[&str], place: &str, faults: &mut Faults) -> bool {
    let fine = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if let Some(wrong) = names.iter().find(|name| !fine(name)) {
        let what = format!(
            "name {{{{{wrong}}}}} with lower case letters and underscores, like \
             {{{{first_name}}}}, or make the template's parameter_format positional"
        );
        faults.add(place, "placeholder.format", what);
        return false;
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(**name)) {
        let what = format!("use {{{{{twice}}}}} only once in a text, or give it two names");
        faults.add(place, "placeholder.duplicate", what);
        return false;
    }
    true
}

fn counted(names: &[&str], samples: &Samples, path: &str, faults: &mut Faults) {
    let wanted = names.iter().collect::<BTreeSet<_>>().len();
    let place = format!("{path}.example.{}", samples.key);
    let told = samples.positional;
    if told.is_empty() && wanted > 0 {
        let what = format!("give an example for each of the {wanted} placeholders");
        faults.add(&place, "example.missing", what);
    } else if told.len() != wanted {
        let what = format!("there are {wanted} placeholders and {} examples", told.len());
        faults.add(&place, "example.count", what);
    } else if told.iter().any(|told| told.trim().is_empty()) {
        faults.add(&place, "example.empty", "an example is never empty");
    }
}

fn matched(names: &[&str], samples: &Samples, path: &str, faults: &mut Faults) {
    let place = format!("{path}.example.{}_named_params", samples.key);
    for name in names {
        let told = samples.named.iter().find(|told| told.param_name == *name);
        match told {
            None => {
                let what = format!("give an example for {{{{{name}}}}}");
                faults.add(&place, "example.missing", what);
            }
            Some(told) if told.example.trim().is_empty() => {
                faults.add(&place, "example.empty", format!("the example for {name} is empty"));
            }
            Some(_) => {}
        }
    }
    let unknown = samples.named.iter().find(|told| !names.contains(&told.param_name.as_str()));
    if let Some(unknown) = unknown {
        let what = format!("the text has no placeholder {{{{{}}}}}", unknown.param_name);
        faults.add(&place, "example.count", what);
    } else if samples.named.len() > names.len() && !names.is_empty() {
        faults.add(&place, "example.count", "give one example for a placeholder");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_apart_at_its_placeholders() {
        let text = "Hi {{1}}, {{2}}";
        assert_eq!(names(text), ["1", "2"]);
        assert_eq!(around(text), "Hi , ");
        for wrong in ["{{1}", "{{1}}}", "{{{1}}}", "1}}", "{{ {1} }}", "a }} b {{1}}"] {
            assert_eq!(pieces(wrong), Err(Mismatched), "{wrong}");
        }
        assert_eq!(pieces("a { b } c"), Ok(vec![Piece::Text("a { b } c")]));
    }
}
