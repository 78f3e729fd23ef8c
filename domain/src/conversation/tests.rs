//! What a conversation decides, given what happened before.

use super::*;
use crate::aggregate::decide_after;
use crate::message::{Content, Kind};

#[test]
fn a_closed_conversation_reopens_when_the_customer_writes() {
    let history = [opened(), resolved()];
    assert_eq!(
        decide_after::<Conversation>(&history, Command::Receive(message(0))),
        Ok(vec![reopened(2, true), Event::MessageReceived(message(2))])
    );
}

#[test]
fn an_imported_history_reopens_nothing() {
    let old = Message { imported: true, ..message(0) };
    assert_eq!(
        decide_after::<Conversation>(&[opened(), resolved()], Command::Receive(old.clone())),
        Ok(vec![Event::MessageReceived(Message { cycle: 1, ..old })])
    );
}

#[test]
fn a_closed_conversation_cannot_be_assigned() {
    assert_eq!(
        decide_after::<Conversation>(&[opened(), resolved()], assign(AGENT)),
        Err(Error::NotOpen)
    );
}

#[test]
fn assigning_names_who_had_it_before() {
    let other = Uuid::from_u128(12);
    assert_eq!(
        decide_after::<Conversation>(&[opened(), assigned()], assign(other)),
        Ok(vec![Event::Assigned {
            agent: other,
            previous: Some(AGENT),
            cycle: 1,
            from: State::HumanHandling
        }])
    );
    assert_eq!(decide_after::<Conversation>(&[opened(), assigned()], assign(AGENT)), Ok(vec![]));
}

#[test]
fn a_reopened_conversation_is_with_the_agent_who_had_it() {
    let history = [opened(), assigned(), resolved(), reopened(2, false)];
    assert_eq!(
        decide_after::<Conversation>(&history, Command::Unassign),
        Ok(vec![Event::Unassigned { agent: AGENT, cycle: 2, from: State::HumanHandling }])
    );
}

#[test]
fn reading_what_is_read_is_no_news() {
    let unread = [opened(), Event::MessageReceived(message(1))];
    assert_eq!(decide_after::<Conversation>(&[opened()], Command::MarkRead), Ok(vec![]));
    assert_eq!(
        decide_after::<Conversation>(&unread, Command::MarkRead),
        Ok(vec![Event::MarkedRead { cycle: 1 }])
    );
}

#[test]
fn an_empty_note_is_refused() {
    let note = |text: &str| Command::Note {
        note: Uuid::from_u128(3),
        body: Personal::content(CONTACT, text.to_owned()),
    };
    assert_eq!(decide_after::<Conversation>(&[opened()], note("  ")), Err(Error::InvalidNote));
    assert_eq!(
        decide_after::<Conversation>(&[opened()], note(&"x".repeat(4097))),
        Err(Error::InvalidNote)
    );
}

#[test]
fn what_was_said_elsewhere_is_said_here_and_who_had_it_there_is_not() {
    let received = Event::MessageReceived(message(7));
    let said = vec![opened(), received, assigned(), resolved()];
    assert_eq!(
        decide_after::<Conversation>(&[opened()], Command::Adopt { said }),
        Ok(vec![Event::MessageReceived(Message { moved: true, ..message(1) })])
    );
}

#[test]
fn a_merged_conversation_leaves_everything_to_the_other() {
    let other = Uuid::from_u128(13);
    let merged = Event::Merged { into: other, messages: vec![], cycle: Some(1) };
    assert_eq!(
        decide_after::<Conversation>(&[opened(), merged], Command::Resolve),
        Err(Error::Merged { into: other })
    );
}

#[test]
fn a_merge_says_how_many_cycles_end_with_it() {
    let into = Uuid::from_u128(13);
    let history = [opened(), resolved(), reopened(2, false)];
    assert_eq!(
        decide_after::<Conversation>(&history, Command::Merge { into, messages: vec![] }),
        Ok(vec![Event::Merged { into, messages: vec![], cycle: Some(2) }])
    );
}

#[test]
fn a_message_says_outside_its_body_which_template_it_fills_in() {
    let content = Content::Template {
        name: Some("order_ready".into()),
        language: Some("en".into()),
        body: None,
    };
    let body = Body { content, referral: None, context: None };
    let draft = Draft {
        message: Uuid::from_u128(1),
        kind: Kind::Template,
        order: "aa".into(),
        body: Personal::content(CONTACT, body),
        reply_to: None,
        target: None,
        author: Author::Human,
    };
    let events = decide_after::<Conversation>(&[opened()], Command::Send(draft)).unwrap();
    let [Event::MessageQueued(queued)] = &events[..] else { panic!("{events:?}") };
    let template = TemplateName { name: "order_ready".into(), language: "en".into() };
    assert_eq!(queued.template, Some(template));
}

#[test]
fn nothing_happens_in_a_conversation_that_is_not() {
    assert_eq!(decide_after::<Conversation>(&[], Command::Resolve), Err(Error::NotFound));
}

const AGENT: Uuid = Uuid::from_u128(11);
const CONTACT: Uuid = Uuid::from_u128(5);

fn opened() -> Event {
    let channel = Uuid::from_u128(4);
    Event::Opened { channel, contact: CONTACT, group: None, cycle: 1 }
}

fn assigned() -> Event {
    Event::Assigned { agent: AGENT, previous: None, cycle: 1, from: State::Open }
}

fn resolved() -> Event {
    Event::Resolved { agent: None, contact: CONTACT, cycle: 1, from: State::Open }
}

fn reopened(cycle: u32, by_customer: bool) -> Event {
    let channel = Some(Uuid::from_u128(4));
    Event::Reopened { cycle, by_customer, channel, contact: Some(CONTACT), agent: None }
}

fn assign(agent: Uuid) -> Command {
    Command::Assign { agent }
}

fn message(cycle: u32) -> Message {
    let content = Content::Text { body: "Hello".into(), preview_url: None };
    Message {
        message: Uuid::from_u128(6),
        channel: Uuid::from_u128(4),
        contact: CONTACT,
        cycle,
        kind: Kind::Text,
        at: DateTime::UNIX_EPOCH,
        order: "00".into(),
        body: Personal::content(CONTACT, Body { content, referral: None, context: None }),
        provider_id: Personal::provider(CONTACT, "wamid.A".into()),
        reply_to: None,
        target: None,
        conflict: false,
        moved: false,
        imported: false,
        line: None,
        author: Author::Customer,
    }
}

#[test]
fn an_answer_within_a_day_is_sent_and_waits_for_the_customer() {
    let history = [opened(), Event::MessageReceived(written_at(HOUR))];
    let sent = at_hour(24, &history, Command::Send(draft(Kind::Text))).unwrap();
    let [Event::MessageQueued(queued)] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!((queued.cycle, queued.from), (1, State::Open));
    let mut state = after(&history);
    sent.iter().for_each(|event| state.evolve(event));
    assert_eq!(state.state, State::WaitingForCustomer);
    state.evolve(&Event::MessageReceived(written_at(HOUR * 2)));
    assert_eq!(state.state, State::Open);
}

#[test]
fn a_day_after_the_customers_last_message_only_a_template_may_be_sent() {
    let history = [opened(), Event::MessageReceived(written_at(HOUR))];
    let closed_at = DateTime::UNIX_EPOCH + HOUR * 25;
    assert_eq!(
        at_hour(25, &history, Command::Send(draft(Kind::Text))),
        Err(Error::WindowClosed { closed_at })
    );
    assert!(at_hour(25, &history, Command::Send(draft(Kind::Template))).is_ok());
    assert_eq!(
        at_hour(1, &history[..1], Command::Send(draft(Kind::Text))),
        Err(Error::WindowNeverOpen)
    );
}

#[test]
fn a_message_into_a_closed_conversation_reopens_it() {
    let history = [opened(), Event::MessageReceived(written_at(HOUR)), resolved()];
    let sent = at_hour(2, &history, Command::Send(draft(Kind::Text))).unwrap();
    assert_eq!(sent[0], reopened(2, false));
    assert!(matches!(&sent[1], Event::MessageQueued(queued) if queued.cycle == 2));
}

#[test]
fn a_failed_message_may_be_tried_again_and_one_of_unknown_fate_may_not() {
    let queued = queued();
    let heard = Event::MessageReceived(written_at(HOUR));
    let failed = [opened(), heard, queued.clone(), Event::Failed(receipt())];
    let again = |kind| Command::Retry { message: MESSAGE, kind };
    let retried = Event::MessageRetried { message: MESSAGE, cycle: 1 };
    assert_eq!(at_hour(2, &failed, again(Kind::Text)), Ok(vec![retried]));
    // By then the window may have closed.
    assert!(matches!(at_hour(26, &failed, again(Kind::Text)), Err(Error::WindowClosed { .. })));
    assert!(at_hour(26, &failed, again(Kind::Template)).is_ok());
    let retry = || again(Kind::Template);
    let unknown = Event::Unknown { message: MESSAGE, cycle: 1, reason: "lost".into() };
    let lost = [opened(), queued.clone(), unknown];
    assert_eq!(decide_after::<Conversation>(&lost, retry()), Err(Error::Uncertain));
    let taken = [opened(), queued, Event::Dispatched(receipt())];
    assert_eq!(decide_after::<Conversation>(&taken, retry()), Err(Error::NoSuchMessage));
}

#[test]
fn a_message_that_was_taken_after_all_is_not_lost_sight_of() {
    let lose = || Command::LoseSight { message: MESSAGE, reason: "lost".into() };
    let taken = [opened(), queued(), Event::Delivered(receipt())];
    assert_eq!(decide_after::<Conversation>(&taken, lose()), Ok(vec![]));
    assert_eq!(
        decide_after::<Conversation>(&taken[..2], lose()),
        Ok(vec![Event::Unknown { message: MESSAGE, cycle: 1, reason: "lost".into() }])
    );
}

const MESSAGE: Uuid = Uuid::from_u128(20);
const HOUR: TimeDelta = TimeDelta::hours(1);

fn after(history: &[Event]) -> Conversation {
    let mut state = Conversation::default();
    history.iter().for_each(|event| state.evolve(event));
    state
}

fn at_hour(hour: i32, history: &[Event], command: Command) -> Result<Vec<Event>, Error> {
    let now = DateTime::UNIX_EPOCH + HOUR * hour;
    let context = Context { tenant: Uuid::nil(), actor: crate::Actor::System, now };
    after(history).decide(command, &context)
}

fn written_at(at: TimeDelta) -> Message {
    Message { at: DateTime::UNIX_EPOCH + at, ..message(1) }
}

fn draft(kind: Kind) -> Draft {
    let Message { order, body, .. } = message(1);
    let (reply_to, target, author) = (None, None, Author::Human);
    Draft { message: MESSAGE, kind, order, body, reply_to, target, author }
}

fn queued() -> Event {
    let (channel, now) = (Uuid::from_u128(4), DateTime::UNIX_EPOCH);
    Event::MessageQueued(Outgoing::new(draft(Kind::Text), channel, CONTACT, 1, now, State::Open))
}

fn receipt() -> Receipt {
    Receipt {
        message: MESSAGE,
        channel: Uuid::from_u128(4),
        contact: CONTACT,
        at: DateTime::UNIX_EPOCH,
        provider_id: None,
        errors: vec![],
        pricing: None,
        line: None,
        moved: false,
        raw: Personal::provider(CONTACT, "{}".into()),
    }
}
