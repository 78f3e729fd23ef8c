//! How a user proves who they are, and what ends it.

use chrono::TimeDelta;

use super::second_factor::Command as Factor;
use super::*;
use crate::aggregate::decide_after;

fn secret(number: u128) -> SecretRef {
    SecretRef { id: Uuid::from_u128(number), fingerprint: "00".into() }
}

fn registered() -> Event {
    let name = Personal::identity(Uuid::from_u128(7), "Wanjiru Baraka".to_owned());
    Event::Registered { name, role: Role::Owner }
}

fn challenged(purpose: Purpose, number: u128, minutes: i64) -> Event {
    let expires_at = DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
    Event::ChallengeIssued { purpose, secret: secret(number), expires_at }
}

fn confirmed() -> Vec<Event> {
    vec![
        registered(),
        Event::SecondFactorEnrolled { seed: secret(1) },
        Event::SecondFactorConfirmed { step: 100, recovery_codes: vec![secret(2), secret(3)] },
    ]
}

fn after(events: &[Event]) -> User {
    let mut user = User::default();
    events.iter().for_each(|event| user.evolve(event));
    user
}

fn factor(history: &[Event], command: Factor) -> Result<Vec<Event>, Error> {
    decide_after::<User>(history, Command::SecondFactor(command))
}

#[test]
fn a_mailed_answer_opens_once_in_its_time_and_proves_the_address() {
    let history = [registered(), challenged(Purpose::LoginCode, 1, 10)];
    let answer = |number| Command::MeetChallenge {
        purpose: Purpose::LoginCode,
        challenge: Uuid::from_u128(number),
    };
    let met = decide_after::<User>(&history, answer(1)).unwrap();
    assert_eq!(met[1], Event::EmailVerified { by: Purpose::LoginCode });
    let again = [&history[..], &met].concat();
    assert_eq!(decide_after::<User>(&again, answer(1)), Err(Error::ChallengeFailed));
    assert_eq!(decide_after::<User>(&history, answer(2)), Err(Error::ChallengeFailed));
    let late = [registered(), challenged(Purpose::LoginCode, 1, 0)];
    assert_eq!(decide_after::<User>(&late, answer(1)), Err(Error::ChallengeFailed));
    // Whoever asks for another shuts nobody out, until there are too many.
    let newer = |codes: u128| {
        let newer = (2..=codes).map(|code| challenged(Purpose::LoginCode, code, 10));
        history.iter().cloned().chain(newer).collect::<Vec<Event>>()
    };
    assert!(decide_after::<User>(&newer(5), answer(1)).is_ok());
    assert_eq!(decide_after::<User>(&newer(6), answer(1)), Err(Error::ChallengeFailed));
}

#[test]
fn the_second_step_of_a_login_proves_no_address() {
    let history = [registered(), challenged(Purpose::SecondFactor, 1, 10)];
    let challenge = Uuid::from_u128(1);
    let command = Command::MeetChallenge { purpose: Purpose::SecondFactor, challenge };
    assert_eq!(decide_after::<User>(&history, command).unwrap().len(), 1);
}

#[test]
fn an_answer_is_good_for_its_purpose_only() {
    let history = [registered(), challenged(Purpose::EmailVerification, 1, 10)];
    let challenge = Uuid::from_u128(1);
    let reset = Command::ResetPassword { password: secret(9), challenge };
    assert_eq!(decide_after::<User>(&history, reset), Err(Error::ChallengeFailed));
}

#[test]
fn a_changed_password_ends_all_sessions_but_its_own_and_a_reset_all() {
    let set = |cause, session| Event::PasswordSet { password: secret(9), cause, session };
    let (own, other) = (Uuid::from_u128(21), Uuid::from_u128(22));
    let mut user = after(&[registered(), set(Cause::First, None)]);
    let began = user.generation;
    assert!(user.keeps(own, began) && user.keeps(other, began));
    user.evolve(&set(Cause::Change, Some(own)));
    assert!(user.keeps(own, began) && !user.keeps(other, began));
    assert!(user.keeps(other, user.generation));
    user.evolve(&set(Cause::Reset, None));
    assert!(!user.keeps(own, began));
}

#[test]
fn a_new_password_closes_what_was_mailed_before() {
    let change = Event::PasswordSet { password: secret(9), cause: Cause::Change, session: None };
    let history = [registered(), challenged(Purpose::PasswordReset, 1, 10), change];
    let reset = Command::ResetPassword { password: secret(8), challenge: Uuid::from_u128(1) };
    assert_eq!(decide_after::<User>(&history, reset), Err(Error::ChallengeFailed));
}

#[test]
fn who_was_deactivated_is_not_there_any_more() {
    let history = [registered(), Event::Deactivated { role: Role::Owner }];
    let user = after(&history);
    assert_eq!(user.active_role(), None);
    assert!(!user.keeps(Uuid::from_u128(21), user.generation));
    let password = secret(9);
    let change = Command::ChangePassword { password, session: None };
    assert_eq!(decide_after::<User>(&history, change), Err(Error::Deactivated));
}

#[test]
fn who_accepts_an_invitation_has_the_address_that_it_was_mailed_to() {
    let verified = Event::EmailVerified { by: Purpose::Invitation };
    let verify = |history: &[Event]| decide_after::<User>(history, Command::VerifyEmail);
    assert_eq!(verify(&[registered()]), Ok(vec![verified.clone()]));
    assert_eq!(verify(&[registered(), verified]), Ok(vec![]));
}

#[test]
fn a_code_of_the_app_is_taken_once_and_never_an_older_one() {
    for step in [99, 100] {
        assert_eq!(factor(&confirmed(), Factor::Pass { step }), Err(Error::CodeUsed));
    }
    let passed = Event::SecondFactorPassed { step: 101 };
    assert_eq!(factor(&confirmed(), Factor::Pass { step: 101 }), Ok(vec![passed.clone()]));
    let history = [confirmed(), vec![passed]].concat();
    assert_eq!(factor(&history, Factor::Pass { step: 101 }), Err(Error::CodeUsed));
}

#[test]
fn a_recovery_code_is_good_once_and_not_after_it_was_revoked() {
    let code = Uuid::from_u128(2);
    let used = Event::RecoveryCodeUsed { code, left: 1 };
    let revoked = Event::RecoveryCodeRevoked { code, left: 1 };
    let use_it = || Factor::UseRecoveryCode { code };
    assert_eq!(factor(&confirmed(), use_it()), Ok(vec![used.clone()]));
    for gone in [used, revoked] {
        let history = [confirmed(), vec![gone]].concat();
        assert_eq!(factor(&history, use_it()), Err(Error::NoSuchRecoveryCode));
    }
}

#[test]
fn a_second_factor_counts_from_its_first_right_code() {
    let enrolled = [registered(), Event::SecondFactorEnrolled { seed: secret(1) }];
    assert!(!after(&enrolled).has_second_factor());
    assert_eq!(factor(&enrolled, Factor::Pass { step: 1 }), Err(Error::NoSecondFactor));
    assert!(factor(&enrolled, Factor::Enrol { seed: secret(4) }).is_ok());
    let again = Factor::Enrol { seed: secret(4) };
    assert_eq!(factor(&confirmed(), again), Err(Error::SecondFactorActive));
    assert!(after(&confirmed()).has_second_factor());
}

#[test]
fn what_the_organisation_requires_nobody_disables() {
    let disable = |required| factor(&confirmed(), Factor::Disable { required });
    assert_eq!(disable(true), Err(Error::SecondFactorRequired));
    assert_eq!(disable(false), Ok(vec![Event::SecondFactorDisabled {}]));
}

#[test]
fn a_user_has_a_name() {
    let long = "x".repeat(201);
    for name in ["", "  ", &long] {
        let name = Personal::identity(Uuid::from_u128(7), name.to_owned());
        let register = Command::Register { name, role: Role::Agent };
        assert_eq!(decide_after::<User>(&[], register), Err(Error::InvalidName));
    }
}
