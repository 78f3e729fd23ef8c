//! What a key opens, and until when.

use super::*;
use crate::aggregate::decide_after;

const USER: Uuid = Uuid::from_u128(7);

fn secret(number: u128) -> SecretRef {
    SecretRef { id: Uuid::from_u128(number), fingerprint: "00".into() }
}

fn day(number: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(number)
}

fn issued(expires_at: Option<DateTime<Utc>>) -> Event {
    let (name, scopes) = ("till".into(), Scopes::default());
    Event::Issued { name, user: USER, role: Role::Agent, secret: secret(8), scopes, expires_at }
}

fn rotated() -> Event {
    let (secret, previous) = (secret(9), secret(8));
    Event::Rotated { user: USER, secret, previous, previous_until: day(1) }
}

fn grant(events: &[Event]) -> Grant {
    let mut key = ApiKey::default();
    events.iter().for_each(|event| key.evolve(event));
    key.grant.unwrap()
}

#[test]
fn a_key_is_revoked_once() {
    let (issued, revoked) = (issued(None), Event::Revoked { user: USER });
    assert_eq!(decide_after::<ApiKey>(&[], Command::Revoke), Err(Error::NotIssued));
    let once = decide_after::<ApiKey>(std::slice::from_ref(&issued), Command::Revoke);
    assert_eq!(once, Ok(vec![revoked.clone()]));
    let history = [issued, revoked];
    assert_eq!(decide_after::<ApiKey>(&history, Command::Revoke), Ok(vec![]));
    assert!(!grant(&history).accepts(secret(8).id, day(0)));
    let rotate = Command::Rotate { secret: secret(9), overlap: TimeDelta::zero() };
    assert_eq!(decide_after::<ApiKey>(&history, rotate), Err(Error::NotUsable));
}

#[test]
fn a_key_opens_until_it_expires() {
    let key = grant(&[issued(Some(day(30)))]);
    assert!(key.accepts(secret(8).id, day(29)) && !key.accepts(secret(8).id, day(30)));
    assert!(grant(&[issued(None)]).accepts(secret(8).id, day(9999)));
    for days in [0, 366, i64::MAX] {
        let expire = Command::SetExpiry { days: Some(days) };
        assert_eq!(decide_after::<ApiKey>(&[issued(None)], expire), Err(Error::InvalidExpiry));
    }
}

#[test]
fn both_secrets_open_while_a_key_is_rotated() {
    let overlap = TimeDelta::days(1);
    let rotate = Command::Rotate { secret: secret(9), overlap };
    assert_eq!(decide_after::<ApiKey>(&[issued(None)], rotate), Ok(vec![rotated()]));
    let key = grant(&[issued(None), rotated()]);
    assert!(key.accepts(secret(8).id, day(0)) && key.accepts(secret(9).id, day(0)));
    assert!(!key.accepts(secret(8).id, day(1)) && key.accepts(secret(9).id, day(1)));
    let long = Command::Rotate { secret: secret(9), overlap: TimeDelta::hours(169) };
    assert_eq!(decide_after::<ApiKey>(&[issued(None)], long), Err(Error::InvalidOverlap));
}

#[test]
fn no_more_than_two_secrets_open() {
    let again = Event::Rotated {
        user: USER,
        secret: secret(10),
        previous: secret(9),
        previous_until: day(1),
    };
    let key = grant(&[issued(None), rotated(), again]);
    assert!(!key.accepts(secret(8).id, day(0)));
}

#[test]
fn a_key_that_was_issued_before_there_were_scopes_may_read_and_write() {
    let stored = include_str!("../../stored/api_key/Issued-1.json");
    let event: Event = serde_json::from_str(stored).unwrap();
    assert!(grant(&[event]).scopes.is_default());
}

#[test]
fn a_token_opens_for_a_while_what_it_was_asked_for_and_the_key_still_may() {
    let read = Scopes::of(["read".parse().unwrap()]).unwrap();
    let ask = |scopes: &Scopes, by: u128| Command::IssueToken {
        secret: secret(20),
        by: Uuid::from_u128(by),
        scopes: scopes.clone(),
    };
    let token = decide_after::<ApiKey>(&[issued(None)], ask(&read, 8)).unwrap();
    let history = [vec![issued(None)], token.clone()].concat();
    let opens = |history: &[Event], now| grant(history).opens(secret(20).id, now);
    assert_eq!(opens(&history, day(0)), Some(read.clone()));
    assert_eq!(opens(&history, day(0) + TOKEN), None);
    assert_eq!(decide_after::<ApiKey>(&[issued(None)], ask(&read, 9)), Err(Error::NotUsable));
    let narrowed = Event::Rescoped { user: USER, scopes: read.clone() };
    let history = [vec![issued(None), narrowed], token.clone()].concat();
    let wide = decide_after::<ApiKey>(&history, ask(&Scopes::default(), 8));
    assert_eq!(wide, Err(Error::TooWide));
    // The secret that was shown for it opens no more.
    let (key, previous) = (secret(9), secret(8));
    let at_once =
        Event::Rotated { user: USER, secret: key, previous, previous_until: DateTime::UNIX_EPOCH };
    let history = [vec![issued(None)], token, vec![at_once]].concat();
    assert_eq!(opens(&history, day(0)), None);
}

#[test]
fn a_token_ends_with_its_key_or_with_the_secret_that_was_shown_for_it() {
    let soon = DateTime::UNIX_EPOCH + TimeDelta::minutes(5);
    let until = |history: &[Event], by: u128| {
        let (by, scopes) = (Uuid::from_u128(by), Scopes::default());
        let ask = Command::IssueToken { secret: secret(20), by, scopes };
        match &decide_after::<ApiKey>(history, ask).unwrap()[..] {
            [Event::TokenIssued { expires_at, .. }] => *expires_at,
            told => panic!("{told:?}"),
        }
    };
    assert_eq!(until(&[issued(None)], 8), DateTime::UNIX_EPOCH + TOKEN);
    let expires = Event::ExpirySet { user: USER, expires_at: Some(soon) };
    assert_eq!(until(&[issued(None), expires], 8), soon);
    let (key, previous) = (secret(9), secret(8));
    let replaced = Event::Rotated { user: USER, secret: key, previous, previous_until: soon };
    let history = [issued(None), replaced];
    assert_eq!(until(&history, 8), soon);
    assert_eq!(until(&history, 9), DateTime::UNIX_EPOCH + TOKEN);
}
