//! The checker itself: it has to find what a log might do wrong.

use event_store::{Claim, IdempotencyRecord, StreamAppend};
use serde_json::json;

use super::*;
use crate::dice::Dice;
use crate::model::draw::{Draw, stranger};
use crate::model::race::{Move, explained};
use crate::model::work::THING;

const TENANT: Uuid = Uuid::from_u128(1);
const ANA: Uuid = Uuid::from_u128(9);

fn work(stream: &str, expected: i64, payload: Value) -> Work {
    let id = Uuid::now_v7();
    let event = NewEvent {
        event_id: id,
        event_type: "Happened".into(),
        event_version: "1".into(),
        payload,
    };
    let stream = StreamAppend {
        aggregate_type: THING.into(),
        aggregate_id: stream.into(),
        expected,
        events: vec![event],
    };
    let append = Append {
        tenant: TENANT,
        actor: "system".into(),
        command_id: None,
        correlation_id: id,
        causation_id: None,
        metadata: json!({}),
        streams: vec![stream],
        claims: vec![],
        idempotency: None,
    };
    Work { append, answer: None }
}

fn plain(stream: &str, expected: i64) -> Work {
    work(stream, expected, json!({"n": 1}))
}

fn claiming(stream: &str, expected: i64) -> Work {
    let mut work = plain(stream, expected);
    let (scope, owner) = ("name".to_owned(), stream.to_owned());
    work.append.claims = vec![Claim { tenant: TENANT, scope, value: vec![7], owner }];
    work
}

fn keyed(stream: &str, expected: i64) -> Work {
    let mut work = claiming(stream, expected);
    work.append.idempotency = Some(IdempotencyRecord {
        tenant: TENANT,
        key: vec![1],
        fingerprint: work.append.correlation_id.as_bytes().to_vec(),
        status: 201,
        response: None,
    });
    work
}

fn at(first: i64, last: i64) -> Appended {
    Appended { first, last, recorded_at: DateTime::UNIX_EPOCH }
}

fn written(position: i64) -> Came {
    Came::Written(at(position, position))
}

fn version(actual: i64) -> Came {
    Came::Refused(Refusal::Version { actual })
}

/// A stream `a` of two events, at positions 1 and 3.
fn mirror() -> (Mirror, Work) {
    let mut mirror = Mirror::of(TENANT);
    mirror.judge(&keyed("a", 0), &written(1)).unwrap();
    let second = plain("a", 1);
    mirror.judge(&second, &written(3)).unwrap();
    (mirror, second)
}

#[test]
fn a_lost_a_doubled_an_invented_and_a_changed_event_are_found() {
    let (mirror, _) = mirror();
    let expected = mirror.as_read();
    assert_eq!(expected.differences(&expected.clone()), [""; 0]);
    let wrong = |change: &dyn Fn(&mut Holds)| {
        let mut found = expected.clone();
        change(&mut found);
        expected.differences(&found)
    };
    let event = expected.events[&3].clone();
    let lost = wrong(&|found| drop(found.events.remove(&3)));
    assert!(lost.len() == 1 && lost[0].starts_with("event 3 is not there"), "{lost:?}");
    let doubled = wrong(&|found| drop(found.events.insert(4, event.clone())));
    assert!(doubled.len() == 1 && doubled[0].starts_with("nobody wrote event 4"), "{doubled:?}");
    let invented = Arc::new(Event { id: ANA, ..(*event).clone() });
    let invented = wrong(&|found| drop(found.events.insert(2, invented.clone())));
    assert!(invented.len() == 1 && invented[0].starts_with("nobody wrote event 2"), "{invented:?}");
    let changed = Arc::new(Event { payload: json!({"n": 2}), ..(*event).clone() });
    let changed = wrong(&|found| drop(found.events.insert(3, changed.clone())));
    assert!(changed.len() == 1 && changed[0].starts_with("event 3: expected"), "{changed:?}");
}

#[test]
fn a_record_a_claim_and_a_key_that_differ_are_found() {
    let (mut mirror, _) = mirror();
    let personal = json!({"by": personal::value(ANA, "content", json!("Ana"))});
    mirror.judge(&work("b", 0, personal), &written(4)).unwrap();
    let expected = mirror.as_read();
    let mut found = expected.clone();
    found.records.values_mut().for_each(|record| record.position += 1);
    found.claims.clear();
    found.keys.insert((ANA, 2), false);
    let wrong = expected.differences(&found);
    assert_eq!(wrong.len(), 3, "{wrong:?}");
}

#[test]
fn reasons_are_told_in_their_order_and_no_other_is_right() {
    let (mirror, second) = mirror();
    let mut foreign = keyed("a", 9);
    foreign.append.tenant = stranger(TENANT);
    let taken = Refusal::Claimed { scope: "name".into(), owner: "a".into() };
    let cases = [
        (second.clone(), written(3)),
        (foreign, Came::Refused(Refusal::Foreign)),
        (keyed("a", 9), Came::Refused(Refusal::IdempotencyKeyUsed)),
        (claiming("a", 9), Came::Refused(taken)),
        (plain("a", 9), version(2)),
        (plain("a", 2), written(4)),
    ];
    for (number, (work, right)) in cases.iter().enumerate() {
        assert_eq!(mirror.clone().judge(work, right), Ok(()));
        for (_, other) in cases.iter().enumerate().filter(|(other, _)| *other != number) {
            assert!(mirror.clone().judge(work, &other.1).is_err(), "{number}: {other:?}");
        }
    }
    assert!(mirror.clone().judge(&plain("a", 9), &version(3)).is_err(), "another version");
    assert!(mirror.clone().judge(&plain("a", 2), &version(2)).is_err(), "refused for nothing");
}

#[test]
fn positions_that_are_too_few_too_many_or_taken_are_found() {
    let (mirror, second) = mirror();
    let next = plain("a", 2);
    for wrong in [at(4, 5), at(4, 3), at(3, 3), at(2, 2)] {
        assert!(mirror.clone().judge(&next, &Came::Written(wrong)).is_err(), "{wrong:?}");
    }
    assert!(mirror.clone().judge(&second, &written(4)).is_err(), "written a second time");
}

#[test]
fn what_got_no_answer_is_there_or_not_but_what_was_there_stays() {
    let (mirror, second) = mirror();
    let next = plain("a", 2);
    let mut one = mirror.clone();
    one.judge(&next, &Came::Found(at(4, 4))).unwrap();
    assert_eq!(one.version("a"), 3);
    let mut other = mirror.clone();
    other.judge(&next, &Came::Nothing).unwrap();
    assert_eq!(other.version("a"), 2);
    assert!(mirror.clone().judge(&second, &Came::Nothing).is_err());
    assert!(mirror.clone().judge(&plain("a", 9), &Came::Found(at(4, 4))).is_err());
    assert!(mirror.clone().judge(&next, &Came::Odd("half of it".into())).is_err());
}

#[test]
fn one_who_is_gone_is_not_written_again_and_not_seen() {
    let (mut mirror, _) = mirror();
    let named = || json!({"by": personal::value(ANA, "identity", json!("Ana"))});
    mirror.judge(&work("b", 0, named()), &written(4)).unwrap();
    mirror.erase(ANA);
    let again = work("b", 1, named());
    assert_eq!(mirror.clone().judge(&again, &Came::Erased(ANA)), Ok(()));
    assert!(mirror.clone().judge(&again, &written(5)).is_err());
    assert_eq!(mirror.as_read().events[&4].payload, json!({"by": {"$personal": null}}));
    assert!(mirror.holds.differences(&mirror.as_read())[0].starts_with("event 4"));
}

#[test]
fn what_happened_at_once_happened_in_some_order() {
    let (mirror, _) = mirror();
    let works = [plain("a", 2), plain("a", 2), plain("a", 3)];
    let race = |came: [Came; 3]| {
        let moves = works.iter().zip(&came).map(|(work, came)| Move::Append(work, came));
        explained(&mirror, &moves.collect::<Vec<_>>())
    };
    let all = race([version(3), written(4), written(5)]).unwrap();
    assert_eq!(all.version("a"), 4);
    assert!(race([written(4), version(3), version(2)]).is_some());
    assert!(race([written(4), written(5), version(2)]).is_none(), "two won");
    assert!(race([version(2), version(2), version(2)]).is_none(), "nobody won");
    assert!(race([version(3), written(5), written(4)]).is_none(), "in no order");
    let came = written(4);
    let twin = Move::Append(&works[0], &came);
    assert_eq!(explained(&mirror, &[twin, twin]).unwrap().version("a"), 3);
}

#[test]
fn a_seed_draws_the_same_again() {
    let (mirror, _) = mirror();
    let draw = |seed| {
        let mut dice = Dice::of(seed);
        let mut draw = Draw { dice: &mut dice, mirror: &mirror, world: 5 };
        (0..50).map(|_| format!("{:?}", draw.work())).collect::<Vec<_>>()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
}
