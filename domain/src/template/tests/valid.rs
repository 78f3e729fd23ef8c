//! Drafts by a generator: what keeps the rules is accepted, and one broken rule is enough.

use proptest::prelude::*;

use super::super::component::{
    Body, Button, Buttons, Call, Code, Example, Footer, Format, Header, Label, Link, Named,
};
use super::*;

fn words() -> impl Strategy<Value = String> {
    "[A-Za-zéñ]{1,8}( [A-Za-zéñ]{1,8}){0,3}"
}

/// A text with so many placeholders between words, and its examples.
fn body(format: ParameterFormat) -> impl Strategy<Value = Body> {
    prop::collection::vec((words(), "[A-Za-z0-9]{1,9}"), 0..6).prop_map(move |parts| {
        let name = |number: usize| match format {
            ParameterFormat::Positional => (number + 1).to_string(),
            ParameterFormat::Named => format!("name_{}", "x".repeat(number + 1)),
        };
        let mut text = String::from("Hello");
        let mut example = Example::default();
        let samples: Vec<String> = parts.iter().map(|(_, sample)| sample.clone()).collect();
        for (number, (words, sample)) in parts.into_iter().enumerate() {
            text.push_str(&format!(" {words} {{{{{}}}}},", name(number)));
            if format == ParameterFormat::Named {
                let named = Named { param_name: name(number), example: sample };
                example.body_text_named_params.push(named);
            }
        }
        if format == ParameterFormat::Positional && !samples.is_empty() {
            example.body_text = vec![samples];
        }
        Body { text: Some(text + " bye."), example, add_security_recommendation: None }
    })
}

fn header() -> impl Strategy<Value = Option<Header>> {
    let media = prop::sample::select(vec![Format::Image, Format::Video, Format::Document]);
    let media = media.prop_map(|format| Header {
        format,
        text: None,
        example: Example { header_handle: vec!["4::aW".into()], ..Example::default() },
    });
    let text = words().prop_map(|text| Header {
        format: Format::Text,
        text: Some(text),
        example: Example::default(),
    });
    let place = Just(Header { format: Format::Location, text: None, example: Example::default() });
    prop::option::of(prop_oneof![media, text, place])
}

fn buttons() -> impl Strategy<Value = Vec<Button>> {
    let quick = prop::collection::btree_set("[A-Z][a-z]{1,20}", 0..7);
    let other = (0..3usize, any::<bool>(), any::<bool>(), any::<bool>());
    (quick, other, any::<bool>()).prop_map(|(quick, (links, call, code, dynamic), first)| {
        let quick = quick.into_iter().map(|text| Button::QuickReply(Label { text }));
        let link = |number: usize| {
            let end = if dynamic { "{{1}}" } else { "" };
            Button::Url(Link {
                text: format!("Link {number}"),
                url: format!("https://example.com/{number}/{end}"),
                example: if dynamic { vec!["https://example.com/a".into()] } else { vec![] },
            })
        };
        let mut others: Vec<Button> = (0..links).map(link).collect();
        if call {
            let phone_number = "+254700000001".into();
            others.push(Button::PhoneNumber(Call { text: "Call".into(), phone_number }));
        }
        if code {
            others.push(Button::CopyCode(Code { example: "250FF".into() }));
        }
        if first {
            quick.chain(others).collect()
        } else {
            others.into_iter().chain(quick).collect()
        }
    })
}

fn valid() -> impl Strategy<Value = Draft> {
    let format = prop::sample::select(vec![ParameterFormat::Positional, ParameterFormat::Named]);
    let rest = ("[a-z0-9_]{1,40}", header(), prop::option::of(words()), buttons());
    (format.prop_flat_map(|format| (Just(format), body(format))), rest).prop_map(
        |((parameter_format, body), (name, header, footer, buttons))| {
            let footer =
                footer.map(|text| Footer { text: Some(text), code_expiration_minutes: None });
            let buttons = (!buttons.is_empty()).then_some(Buttons { buttons });
            let parts = [
                header.map(Component::Header),
                Some(Component::Body(body)),
                footer.map(Component::Footer),
                buttons.map(Component::Buttons),
            ];
            let components = parts.into_iter().flatten().collect();
            Draft { name, parameter_format, components, ..draft() }
        },
    )
}

/// Each breaks one rule, if it finds where.
fn broken(draft: &Draft, how: usize) -> Option<Draft> {
    let mut draft = draft.clone();
    let at = draft.components.iter().position(|part| matches!(part, Component::Body(_)))?;
    let Component::Body(body) = &mut draft.components[at] else { return None };
    let text = body.text.clone().unwrap_or_default();
    match how {
        0 => body.text = Some(format!("{text}{}", "x".repeat(1024))),
        1 => body.text = Some(format!("{text} {{{{9}}}} bye")),
        2 => body.text = Some(format!("{text} {{{{unknown}}}} bye")),
        3 => body.text = Some(format!("{text} {{{{")),
        4 if text.contains("{{") => body.example = Example::default(),
        5 if text.contains("{{") => {
            body.text = Some(text.split_once("}}").map(|(front, _)| format!("{front}}}}}"))?);
        }
        6 => draft.name.push('-'),
        7 => draft.language = "tlh".into(),
        8 => drop(draft.components.remove(at)),
        9 => draft.components.push(draft.components[at].clone()),
        10 => draft.category = Category::Authentication,
        11 => {
            let label = |n: usize| Button::QuickReply(Label { text: format!("No. {n}") });
            let buttons = (0..11).map(label).collect();
            draft.components.retain(|part| !matches!(part, Component::Buttons(_)));
            draft.components.push(Component::Buttons(Buttons { buttons }));
        }
        _ => return None,
    }
    Some(draft)
}

proptest! {
    #[test]
    fn what_keeps_the_rules_is_accepted_and_stored_whole(draft in valid()) {
        prop_assert_eq!(validate(&draft), []);
        let json = serde_json::to_string(&draft.content()).unwrap();
        prop_assert_eq!(serde_json::from_str::<Content>(&json).unwrap(), draft.content());
    }

    #[test]
    fn one_broken_rule_is_found(draft in valid(), how in 0..12usize) {
        if let Some(broken) = broken(&draft, how) {
            prop_assert_ne!(validate(&broken), []);
        }
    }

    #[test]
    fn no_text_whatsoever_breaks_the_rules_themselves(text in "(\\{|\\}|[a-z0-9_é]| ){0,30}") {
        let mut draft = draft();
        draft.components = components(json!([
            {"type": "body", "text": text, "example": {"body_text": [["a"]]}},
            {"type": "buttons", "buttons": [{"type": "url", "text": text, "url": text}]},
        ]));
        validate(&draft);
    }
}
