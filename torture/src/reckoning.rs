//! What must hold in the end, whatever happened: what was acknowledged is there once, what was not
//! is there once at most, and the log says the same as the answers did.

use std::collections::{BTreeMap, BTreeSet};

use crate::ask::Kind;
use crate::ledger::Entry;

/// What is found in the lists that clients read: ids by the unique name of each thing.
pub(crate) type There = BTreeMap<String, Vec<String>>;

/// One event, as far as it matters here.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) position: i64,
    pub(crate) kind: String,
    pub(crate) stream: String,
    pub(crate) sequence: i64,
}

/// What is wrong with what is there, given what was asked and acknowledged.
pub(crate) fn writes(entries: &BTreeMap<u64, Entry>, there: &There) -> Vec<String> {
    let mut wrong = vec![];
    for Entry { ask, told } in entries.values() {
        let found = there.get(&ask.name()).map_or(&[][..], Vec::as_slice);
        match (told, found) {
            (Some(_), []) => wrong.push(format!("{ask} was acknowledged and is not there")),
            (_, [_, _, ..]) => wrong.push(format!("{ask} is there {} times", found.len())),
            (Some(told), [id]) if told.id.as_ref().is_some_and(|told| told != id) => {
                wrong.push(format!("{ask} was acknowledged as {:?} and is {id}", told.id));
            }
            _ => {}
        }
    }
    let asked: BTreeSet<String> = entries.values().map(|entry| entry.ask.name()).collect();
    let foreign = there.keys().filter(|name| !asked.contains(*name));
    wrong.extend(foreign.map(|name| format!("nobody asked for {name}")));
    wrong
}

/// What is wrong with the log: gaps, and answers that named a place where something else is.
pub(crate) fn log(entries: &BTreeMap<u64, Entry>, log: &[Recorded]) -> Vec<String> {
    let mut wrong = vec![];
    let mut versions = BTreeMap::<_, i64>::new();
    for (event, expected) in log.iter().zip(1..) {
        if event.position != expected {
            wrong.push(format!("position {expected} holds {}", event.position));
            break;
        }
        let version = versions.entry((&event.kind, &event.stream)).or_default();
        *version += 1;
        if event.sequence != *version {
            wrong.push(format!("{} has version {} as {version}", event.stream, event.sequence));
        }
    }
    for Entry { ask, told } in entries.values() {
        let Some((told, position)) = told.as_ref().and_then(|told| Some((told, told.position?)))
        else {
            continue;
        };
        let at = usize::try_from(position - 1).ok().and_then(|index| log.get(index));
        let right = match ask.kind {
            Kind::Note | Kind::Message => at.is_some_and(|event| event.stream == ask.about),
            // The customer's conversation is known to us, and not to who tells of it.
            Kind::Webhook => at.is_some_and(|event| event.kind == "conversation"),
            _ => at.is_some_and(|event| told.id.as_ref() == Some(&event.stream)),
        };
        if !right {
            wrong.push(format!("{ask} was acknowledged at {position}, where {at:?} is"));
        }
    }
    wrong
}

/// What is wrong with what left the building: by the provider's own ledger, which names our ids.
pub(crate) fn effects<'a>(
    what: &str,
    made: &BTreeSet<String>,
    left: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let mut times = BTreeMap::<&str, usize>::new();
    left.for_each(|id| *times.entry(id).or_default() += 1);
    let twice = times.iter().filter(|(_, times)| **times > 1);
    let mut wrong: Vec<String> =
        twice.map(|(id, times)| format!("{what} {id} left {times} times")).collect();
    let unasked = times.keys().filter(|id| !made.contains(**id));
    wrong.extend(unasked.map(|id| format!("{what} {id} left, and nobody asked for it")));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Ask;
    use crate::ledger::Told;

    fn entry(number: u64, acknowledged: bool) -> (u64, Entry) {
        let ask = Ask { kind: Kind::Note, number, about: "c".to_owned() };
        let told = acknowledged.then(|| Told {
            status: 201,
            id: Some(format!("id {number}")),
            position: Some(i64::try_from(number).unwrap()),
            body: String::new(),
            replayed: false,
        });
        (number, Entry { ask, told })
    }

    fn there(names: &[(u64, usize)]) -> There {
        let of = |(number, times): &(u64, usize)| {
            (format!("note {number}"), vec![format!("id {number}"); *times])
        };
        names.iter().map(of).collect()
    }

    fn event(position: i64, stream: &str, sequence: i64) -> Recorded {
        let kind = "conversation".to_owned();
        Recorded { position, kind, stream: stream.to_owned(), sequence }
    }

    #[test]
    fn what_was_acknowledged_is_there_once_and_what_was_not_at_most_once() {
        let entries = [entry(1, true), entry(2, false), entry(3, false)].into();
        assert_eq!(writes(&entries, &there(&[(1, 1), (2, 1)])), [""; 0]);
    }

    #[test]
    fn a_lost_a_doubled_and_an_invented_write_are_found() {
        let entries = [entry(1, true), entry(2, true), entry(3, false)].into();
        let wrong = writes(&entries, &there(&[(2, 2), (3, 3), (4, 1)]));
        assert_eq!(
            wrong,
            [
                "note 1 was acknowledged and is not there",
                "note 2 is there 2 times",
                "note 3 is there 3 times",
                "nobody asked for note 4"
            ]
        );
    }

    #[test]
    fn a_write_that_came_back_as_another_is_found() {
        let entries = [entry(1, true)].into();
        let other = [("note 1".to_owned(), vec!["id 7".to_owned()])].into();
        assert_eq!(writes(&entries, &other).len(), 1);
    }

    #[test]
    fn gaps_in_positions_and_versions_and_wrong_places_are_found() {
        let good = [event(1, "c", 1), event(2, "d", 1), event(3, "c", 2)];
        let entries: BTreeMap<_, _> = [entry(1, true), entry(3, true)].into();
        assert_eq!(log(&entries, &good), [""; 0]);
        assert_eq!(log(&[entry(2, true)].into(), &good).len(), 1, "another stream is there");
        assert_eq!(log(&[entry(4, true)].into(), &good).len(), 1, "nothing is there");
        let gap = [event(1, "c", 1), event(3, "c", 2)];
        assert_eq!(log(&BTreeMap::new(), &gap), ["position 2 holds 3"]);
        let hole = [event(1, "c", 1), event(2, "c", 3)];
        assert_eq!(log(&BTreeMap::new(), &hole), ["c has version 3 as 2"]);
    }

    #[test]
    fn what_left_twice_or_unasked_is_found() {
        let made = ["a".to_owned(), "b".to_owned()].into();
        assert_eq!(effects("message", &made, ["a"].into_iter()), [""; 0]);
        let wrong = effects("message", &made, ["b", "b", "x"].into_iter());
        assert_eq!(wrong, ["message b left 2 times", "message x left, and nobody asked for it"]);
    }
}
