//! Who may decide on a payout, and what news about it changes.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::aggregate::decide_after;

const ASKER: Uuid = Uuid::from_u128(11);
const BOSS: Uuid = Uuid::from_u128(12);

fn asked() -> Request {
    let id = Uuid::from_u128(1);
    Request {
        amount: 250_000,
        currency: "RWF".into(),
        recipient: Personal::identity(id, "250788000131".into()),
        provider: "MTN_MOMO_RWA".into(),
        reason: Personal::content(id, "Refund".into()),
        requester: ASKER,
        ticket: None,
        contact: None,
        channel: None,
    }
}

/// Lets the commands happen one after the other; the last one's outcome counts.
fn after(commands: Vec<Command>, last: Command) -> Result<Vec<Event>, Error> {
    let mut history = vec![];
    for command in commands {
        let events = decide_after::<Payout>(&history, command).unwrap();
        history.extend(events);
    }
    decide_after::<Payout>(&history, last)
}

fn approved() -> Vec<Command> {
    vec![Command::Request(asked()), Command::Approve { by: BOSS }]
}

fn submit() -> Command {
    Command::Submit { revision: 0, token: "8899aabbccddeeff".into() }
}

fn submitted() -> Vec<Command> {
    let mut commands = approved();
    commands.push(submit());
    commands
}

fn with(mut commands: Vec<Command>, more: Vec<Command>) -> Vec<Command> {
    commands.extend(more);
    commands
}

fn complete() -> Command {
    Command::Complete { provider_transaction_id: Some("T1".into()) }
}

fn fail() -> Command {
    Command::Fail { code: "RECIPIENT_NOT_FOUND".into(), message: None }
}

fn lose_sight() -> Command {
    Command::LoseSight { reason: "no answer in time".into() }
}

fn postpone() -> Command {
    Command::Postpone { reason: "PAWAPAY_WALLET_OUT_OF_FUNDS".into() }
}

#[test]
fn who_asks_never_approves_and_another_may() {
    let asked_for = || vec![Command::Request(asked())];
    assert_eq!(after(asked_for(), Command::Approve { by: ASKER }), Err(Error::SamePerson));
    let events = after(asked_for(), Command::Approve { by: BOSS }).unwrap();
    assert!(matches!(&events[..], [Event::Approved { by: BOSS, .. }]));
    let twice = after(approved(), Command::Approve { by: BOSS });
    assert_eq!(twice, Err(Error::NotRequested { state: State::Approved }));
}

#[test]
fn it_is_cancelled_only_before_the_provider_may_have_been_asked() {
    let cancel = || Command::Cancel { by: ASKER };
    assert!(after(approved(), cancel()).is_ok());
    let late = after(submitted(), cancel());
    assert_eq!(late, Err(Error::TooLate { state: State::Submitted }));
    let unknown = after(with(submitted(), vec![lose_sight()]), cancel());
    assert_eq!(unknown, Err(Error::TooLate { state: State::Unknown }));
    assert!(after(with(submitted(), vec![postpone()]), cancel()).is_ok());
}

#[test]
fn a_cancelled_payout_is_not_submitted() {
    let cancelled = with(approved(), vec![Command::Cancel { by: BOSS }]);
    let refused = after(cancelled, submit());
    assert_eq!(refused, Err(Error::NotApproved { state: State::Cancelled }));
}

#[test]
fn asking_again_does_not_make_an_unknown_payout_known() {
    let again = || with(submitted(), vec![lose_sight(), submit()]);
    assert_eq!(after(again(), postpone()), Ok(vec![]));
    let [Event::Accepted { was }] = &after(again(), Command::Accept).unwrap()[..] else { panic!() };
    assert_eq!(was.state, State::Unknown);
}

#[test]
fn what_is_settled_stays_and_the_opposite_is_noticed_once() {
    let settled = || with(submitted(), vec![Command::Accept, complete()]);
    assert_eq!(after(settled(), complete()), Ok(vec![]));
    assert_eq!(after(settled(), Command::Accept), Ok(vec![]));
    assert_eq!(after(settled(), lose_sight()), Ok(vec![]));
    let [Event::ContradictionNoticed { told, was }] = &after(settled(), fail()).unwrap()[..] else {
        panic!()
    };
    assert_eq!((*told, was.state), (Verdict::Failed, State::Completed));
    assert_eq!(after(with(settled(), vec![fail()]), fail()), Ok(vec![]));
    let failed = with(submitted(), vec![fail()]);
    let noticed = after(failed, complete()).unwrap();
    assert!(matches!(&noticed[..], [Event::ContradictionNoticed { .. }]));
}

fn revision() -> Revision {
    let by = ASKER;
    Revision {
        by,
        amount: None,
        currency: None,
        recipient: None,
        provider: None,
        reason: None,
        channel: None,
    }
}

fn more() -> Command {
    Command::Revise(Revision { amount: Some(300_000), ..revision() })
}

#[test]
fn any_change_makes_an_approval_void() {
    let [Event::Revised { amount, currency, was, .. }] = &after(approved(), more()).unwrap()[..]
    else {
        panic!()
    };
    assert_eq!((*amount, currency, was.state), (Some(300_000), &None, State::Approved));
    let revised = || with(approved(), vec![more()]);
    let refused = after(revised(), submit());
    assert_eq!(refused, Err(Error::NotApproved { state: State::Requested }));
    let again = || with(revised(), vec![Command::Approve { by: BOSS }]);
    assert_eq!(after(again(), submit()), Err(Error::Revised), "what is sent is what was approved");
    let as_it_is = Command::Submit { revision: 1, token: "8899".into() };
    let [Event::SubmissionStarted { was, .. }] = &after(again(), as_it_is).unwrap()[..] else {
        panic!()
    };
    assert_eq!((was.amount, was.revision), (300_000, 1));
    let words = || {
        Command::Revise(Revision {
            reason: Some(Personal::content(ASKER, "Refund".into())),
            ..revision()
        })
    };
    assert_eq!(after(approved(), words()).unwrap().len(), 1, "what can't be compared is a change");
    let same = Command::Revise(Revision { amount: Some(250_000), ..revision() });
    assert_eq!(after(approved(), same), Ok(vec![]));
}

#[test]
fn who_asked_changes_it_and_only_before_the_provider_was_asked() {
    let theirs = Command::Revise(Revision { by: BOSS, amount: Some(1), ..revision() });
    assert_eq!(after(approved(), theirs), Err(Error::NotRequester));
    for commands in [submitted(), with(submitted(), vec![postpone()])] {
        assert!(matches!(after(commands, more()), Err(Error::TooLate { .. })));
    }
    let nothing = Command::Revise(Revision { amount: Some(0), ..revision() });
    assert_eq!(after(approved(), nothing), Err(Error::InvalidAmount));
}

fn settled_by(by: Uuid, outcome: Verdict) -> Command {
    let evidence = Personal::content(BOSS, "PawaPay's statement of 1 March, line 7".into());
    let reason = Personal::content(BOSS, "Their support confirms it".into());
    Command::Settle(Settlement { by, outcome, evidence, reason })
}

fn at(hours: i64) -> Context {
    Context {
        tenant: Uuid::from_u128(1),
        actor: crate::Actor::System,
        now: DateTime::UNIX_EPOCH + TimeDelta::hours(hours),
    }
}

/// Lets the commands happen at the beginning, and the last ones later.
fn payout(first: Vec<Command>, later: Vec<Command>) -> Payout {
    let mut payout = Payout::default();
    let steps = first.into_iter().map(|command| (0, command));
    for (hours, command) in steps.chain(later.into_iter().map(|command| (1, command))) {
        let events = payout.decide(command, &at(hours)).unwrap();
        events.iter().for_each(|event| payout.evolve(event));
    }
    payout
}

/// What would be decided after an hour.
fn later(commands: Vec<Command>, last: Command) -> Result<Vec<Event>, Error> {
    payout(commands, vec![]).decide(last, &at(1))
}

#[test]
fn a_person_says_how_an_unknown_payout_ended_once_the_provider_had_its_time() {
    let unknown = || with(submitted(), vec![lose_sight()]);
    let completed = || settled_by(BOSS, Verdict::Completed);
    let until = DateTime::UNIX_EPOCH + REASONABLE;
    assert_eq!(after(unknown(), completed()), Err(Error::TooEarly { until }));
    let [Event::Settled { by: BOSS, outcome, was, .. }] =
        &later(unknown(), completed()).unwrap()[..]
    else {
        panic!()
    };
    assert_eq!((*outcome, was.state), (Verdict::Completed, State::Unknown));
    assert_eq!(later(unknown(), settled_by(ASKER, Verdict::Failed)), Err(Error::OwnPayout));
    let known = later(submitted(), completed());
    assert_eq!(known, Err(Error::NotUnknown { state: State::Submitted }));
    let blank = Personal::content(BOSS, " ".into());
    let Command::Settle(told) = completed() else { panic!() };
    let baseless = Command::Settle(Settlement { evidence: blank, ..told });
    assert_eq!(later(unknown(), baseless), Err(Error::InvalidEvidence));
}

#[test]
fn what_the_provider_says_against_a_persons_word_is_noticed() {
    let unknown = with(submitted(), vec![lose_sight()]);
    let payout = payout(unknown, vec![settled_by(BOSS, Verdict::Failed)]);
    assert_eq!(payout.decide(fail(), &at(2)), Ok(vec![]));
    let noticed = payout.decide(complete(), &at(2)).unwrap();
    let [Event::ContradictionNoticed { told: Verdict::Completed, was }] = &noticed[..] else {
        panic!()
    };
    assert_eq!(was.state, State::Failed);
}

#[test]
fn a_payout_that_makes_no_sense_is_not_asked_for() {
    let refused = |change: fn(&mut Request)| {
        let mut asked = asked();
        change(&mut asked);
        after(vec![], Command::Request(asked)).unwrap_err()
    };
    assert_eq!(refused(|asked| asked.amount = 0), Error::InvalidAmount);
    assert_eq!(refused(|asked| asked.currency = "rwf".into()), Error::InvalidCurrency);
    assert_eq!(refused(|asked| asked.provider = "MTN MOMO".into()), Error::InvalidProvider);
    let blank = |asked: &mut Request| asked.reason = Personal::content(BOSS, " ".into());
    assert_eq!(refused(blank), Error::InvalidReason);
}

#[test]
fn nobody_asks_for_more_than_can_be_summed_up() {
    for amount in [0, -1, 1_000_000_000_001, i64::MAX] {
        let asked = Request { amount, ..asked() };
        assert_eq!(after(vec![], Command::Request(asked)), Err(Error::InvalidAmount));
    }
}
