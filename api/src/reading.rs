//! What all reads share: rows of the caller's organisation that are fresh enough, the search,
//! personal values opened for one answer, and parameters that say what is wrong with them.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Utc};
use domain::contact::Contact;
use event_store::codec::{self, Opened};
use projections::contacts::{self, Contacts};
use projections::finder::Finder;
use projections::{ReadModel, search};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::State;
use crate::auth::Member;
use crate::position::{FIRST_PAUSE, Live, Position, reached, ready, ready_beside};
use crate::problem::Problem;

/// What a parameter may measure.
const MOST_TEXT: usize = 200;

/// The organisation's rows of a read model, as soon as it has read up to `min`.
pub(crate) async fn finder<M: ReadModel>(
    state: &State,
    member: &Member,
    model: &'static M,
    min: Option<Position>,
) -> Result<(Live, Finder<M>), Problem> {
    let live = ready(state, model, min).await?;
    Ok(rows(state, member, model, live))
}

/// The rows of another read model, for the same answer: it is as fresh as the older of the two.
pub(crate) async fn beside<M: ReadModel>(
    state: &State,
    member: &Member,
    first: Live,
    model: &'static M,
    min: Option<Position>,
) -> Result<(Live, Finder<M>), Problem> {
    let live = ready_beside(state, &first, model, min).await?;
    let (live, finder) = rows(state, member, model, live);
    Ok((first.with(live), finder))
}

/// The organisation's part of a generation.
fn rows<M: ReadModel>(
    state: &State,
    member: &Member,
    model: &'static M,
    mut live: Live,
) -> (Live, Finder<M>) {
    live.stale.retain(|stale| stale.tenant == member.tenant());
    let finder = Finder::new(&state.database.app, model, live.generation, member.tenant());
    (live, finder)
}

/// The contacts whom a search finds, and how far it has read; `None` where nothing is searched.
pub(crate) async fn search(
    state: &State,
    member: &Member,
    text: Option<&str>,
    min: Option<Position>,
) -> Result<Option<(Live, Vec<Uuid>)>, Problem> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.chars().count() > MOST_TEXT {
        return Err(unreadable("q", format!("has at most {MOST_TEXT} characters")));
    }
    let progress = state.commands.store().progress();
    let live = reached(state, min, "the search", (progress, FIRST_PAUSE), async || {
        let position = search::position(&state.database.app).await?;
        Ok(Live::at(Position::here(state, position)))
    })
    .await?;
    let found = search::find(state.commands.store(), member.tenant(), text).await?;
    let (_, contacts) = finder(state, member, &Contacts, min).await?;
    let found = contacts::of_ids(&contacts, found).await?;
    Ok(Some((live, found.into_values().map(|contact| contact.contact_id).collect())))
}

/// The contact, and all who turned out to be the same person: what is theirs is this one's.
pub(crate) async fn same_person(
    state: &State,
    member: &Member,
    contact: Uuid,
) -> Result<Vec<Uuid>, Problem> {
    let mut people = vec![contact];
    let mut next = 0;
    while let Some(&person) = people.get(next) {
        next += 1;
        let (contact, _) = state.commands.load::<Contact>(member.tenant(), person).await?;
        people.extend(contact.absorbed);
    }
    Ok(people)
}

/// The personal values of one answer, opened together.
pub(crate) struct Values(HashMap<[u8; 16], Opened>);

impl Values {
    pub(crate) async fn open<'a>(
        state: &State,
        member: &Member,
        tokens: impl IntoIterator<Item = &'a String>,
    ) -> Result<Values, Problem> {
        let tokens: Vec<&str> = tokens.into_iter().map(String::as_str).collect();
        let store = state.commands.store();
        let opened = store.codec().open_tokens(member.tenant(), &tokens).await?;
        // One that could be opened is long enough to have a mark.
        let marks = tokens.into_iter().map(|token| codec::mark(token).unwrap_or_default());
        Ok(Values(marks.zip(opened).collect()))
    }

    /// The value behind a token; `None` without one, and where the person was erased.
    pub(crate) fn get<T: DeserializeOwned>(&self, token: Option<&String>) -> Option<T> {
        self.opened(token)?.read()
    }

    fn opened(&self, token: Option<&String>) -> Option<&Opened> {
        self.0.get(&codec::mark(token?)?)
    }

    pub(crate) fn text(&self, token: Option<&String>) -> Option<String> {
        self.get(token)
    }

    pub(crate) fn erased(&self, token: Option<&String>) -> bool {
        self.opened(token) == Some(&Opened::Erased)
    }
}

/// Puts opened personal values in the place of the objects that hold them.
pub(crate) fn unwrap(value: &mut Value) {
    match value {
        Value::Object(members) if members.len() == 1 && members.contains_key(MARKER) => {
            match members.remove(MARKER) {
                Some(Value::Object(mut body)) => *value = body.remove("v").unwrap_or_default(),
                Some(Value::Null) => *value = Value::Null,
                Some(token) => {
                    members.insert(MARKER.to_owned(), token);
                }
                None => {}
            }
        }
        Value::Object(members) => members.values_mut().for_each(unwrap),
        Value::Array(items) => items.iter_mut().for_each(unwrap),
        _ => {}
    }
}

const MARKER: &str = domain::personal::MARKER;

/// A parameter that must read like something.
pub(crate) fn parsed<T: FromStr>(
    name: &str,
    text: Option<&str>,
    expected: &str,
) -> Result<Option<T>, Problem> {
    let parse = |text: &str| text.parse().map_err(|_| unreadable(name, format!("is {expected}")));
    text.map(parse).transpose()
}

pub(crate) fn id(name: &str, text: Option<&str>) -> Result<Option<Uuid>, Problem> {
    parsed(name, text, "a UUID")
}

pub(crate) fn time(name: &str, text: Option<&str>) -> Result<Option<DateTime<Utc>>, Problem> {
    let expected = "a time with its offset from UTC, like 2026-01-31T09:00:00Z; \
                    a + in an address is written %2B";
    let time: Option<DateTime<Utc>> = parsed(name, text, expected)?;
    match time {
        // What calendars agree on, here and in the database.
        Some(time) if !(1..=9999).contains(&time.year()) => {
            Err(unreadable(name, "is between the years 1 and 9999"))
        }
        time => Ok(time),
    }
}

/// A parameter that may be any text that there can be in the database.
pub(crate) fn text(name: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    match &text {
        Some(told) if told.contains('\0') || told.chars().count() > MOST_TEXT => Err(unreadable(
            name,
            format!("has at most {MOST_TEXT} characters, none of them U+0000"),
        )),
        _ => Ok(text),
    }
}

pub(crate) fn unreadable(name: &str, expected: impl fmt::Display) -> Problem {
    Problem::field(name, "parameter.invalid", format!("{name} {expected}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_needs_its_offset_and_a_year_that_calendars_agree_on() {
        let read = time("from", Some("2026-01-31T09:00:00+01:00")).unwrap().unwrap();
        assert_eq!(read.to_rfc3339(), "2026-01-31T08:00:00+00:00");
        for wrong in
            ["", "2026-01-31", "2026-01-31T09:00:00", "yesterday", "+11000-01-01T00:00:00Z"]
        {
            let problem = time("from", Some(wrong)).unwrap_err();
            assert_eq!(problem.code(), "parameter.invalid", "{wrong}");
        }
    }

    #[test]
    fn a_text_that_the_database_can_not_hold_is_refused() {
        assert!(text("actor", Some("user:1\0".into())).is_err());
        assert!(text("actor", Some("x".repeat(201))).is_err());
        assert_eq!(text("actor", Some("system".into())).unwrap(), Some("system".into()));
    }

    #[test]
    fn opened_values_stand_where_they_were_and_erased_ones_are_null() {
        let mut payload = json!({"Renamed": {
            "name": {"$personal": {"subject": "5", "class": "identity", "v": "Ana"}},
            "others": [{"$personal": null}, {"$personal": "token"}],
        }});
        unwrap(&mut payload);
        assert_eq!(
            payload,
            json!({"Renamed": {"name": "Ana", "others": [null, {"$personal": "token"}]}})
        );
    }
}
