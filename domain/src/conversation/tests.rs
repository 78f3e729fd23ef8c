//! What a conversation decides, given what happened before.

use super::*;
use crate::aggregate::decide_after;
use crate::message::{Content, Kind};

#[test]
fn a_closed_conversation_reopens_when_the_customer_writes() {
    let history = [opened(), resolved()];
    assert_eq!(
        decide_after::<Conversation>(&history, Command::Receive(message(0))),
        Ok(vec![
            Event::Reopened { cycle: 2, by_customer: true },
            Event::MessageReceived(message(2))
        ])
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
    let history = [opened(), assigned(), resolved(), reopened(2)];
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
    let merged = Event::Merged { into: other, messages: vec![] };
    assert_eq!(
        decide_after::<Conversation>(&[opened(), merged], Command::Resolve),
        Err(Error::Merged { into: other })
    );
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

fn reopened(cycle: u32) -> Event {
    Event::Reopened { cycle, by_customer: false }
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
