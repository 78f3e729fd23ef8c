//! What a ticket decides, and what it refuses.

use std::fs;
use std::path::Path;

use chrono::TimeDelta;

use super::*;
use crate::aggregate::{Actor, decide_after};

const AGENT: Uuid = Uuid::from_u128(7);

/// What happened to a ticket, told by the commands that led there, a minute apart.
#[derive(Default)]
struct Story {
    ticket: Ticket,
    minutes: i64,
}

impl Story {
    fn opened() -> Story {
        let mut story = Story::default();
        story.tell(Command::Open(opening("The tap drips", Some(Uuid::from_u128(5)))));
        story
    }

    fn after(commands: impl IntoIterator<Item = Command>) -> Story {
        let mut story = Story::opened();
        commands.into_iter().for_each(|command| {
            story.tell(command);
        });
        story
    }

    fn ask(&self, command: Command) -> Result<Vec<Event>, Error> {
        let now = at(self.minutes);
        self.ticket.decide(command, &Context { tenant: Uuid::nil(), actor: Actor::System, now })
    }

    fn tell(&mut self, command: Command) -> Vec<Event> {
        let events = self.ask(command).unwrap();
        events.iter().for_each(|event| self.ticket.evolve(event));
        self.minutes += 1;
        events
    }

    fn standing(&self) -> Standing {
        self.ticket.standing.clone().unwrap()
    }
}

#[test]
fn a_ticket_goes_from_open_over_pending_to_solved_and_closed() {
    let mut story = Story::opened();
    let steps = [
        (Command::Pend, State::Pending),
        (Command::Reopen, State::Open),
        (Command::Solve, State::Solved),
        (Command::Close, State::Closed),
    ];
    for (command, state) in steps {
        assert_eq!(story.tell(command).len(), 1);
        assert_eq!(story.standing().state, state);
    }
    assert_eq!(story.standing().cycle, 1, "going on after pending is no reopening");
}

#[test]
fn what_is_so_already_is_no_news() {
    let story = Story::after([Command::Assign { agent: AGENT }]);
    assert_eq!(story.ask(Command::Assign { agent: AGENT }), Ok(vec![]));
    assert_eq!(story.ask(Command::Prioritise { priority: Priority::Normal }), Ok(vec![]));
    assert_eq!(story.ask(Command::Reopen), Ok(vec![]));
    assert_eq!(Story::opened().ask(Command::Unassign), Ok(vec![]));
    assert_eq!(Story::after([Command::Pend]).ask(Command::Pend), Ok(vec![]));
    assert_eq!(Story::after([Command::Solve]).ask(Command::Solve), Ok(vec![]));
    assert_eq!(Story::after([Command::Close]).ask(Command::Close), Ok(vec![]));
}

#[test]
fn a_reopened_ticket_begins_another_cycle_with_its_own_clock() {
    let mut story = Story::after([answer(), Command::Solve]);
    let was = story.standing();
    assert_eq!((was.cycle_began_at, was.first_response_at), (at(0), Some(at(1))));
    let reopened = story.tell(Command::Reopen);
    assert_eq!(reopened, [Event::Reopened { cycle: 2, at: at(3), was }]);
    let standing = story.standing();
    assert_eq!((standing.state, standing.cycle), (State::Open, 2));
    assert_eq!((standing.cycle_began_at, standing.first_response_at), (at(3), None));
}

#[test]
fn the_first_response_is_the_first_public_word_of_a_person() {
    let by = |author, public| Command::Comment(Comment { public, author, ..said("Hello") });
    let mut story = Story::opened();
    for (author, public) in [(Author::Human, false), (Author::Bot, true), (Author::Customer, true)]
    {
        story.tell(by(author, public));
        assert_eq!(story.standing().first_response_at, None);
    }
    story.tell(answer());
    story.tell(answer());
    assert_eq!(story.standing().first_response_at, Some(at(4)));
}

#[test]
fn an_event_says_how_the_ticket_stood_before() {
    let mut story = Story::after([Command::Assign { agent: AGENT }]);
    let was = story.standing();
    assert_eq!(was.assignee, Some(AGENT));
    let other = Uuid::from_u128(8);
    let events = story.tell(Command::Assign { agent: other });
    assert_eq!(events, [Event::Assigned { agent: other, was }]);
}

#[test]
fn a_closed_ticket_takes_only_internal_comments_ratings_and_reopening() {
    let story = Story::after([Command::Close]);
    let closed = Err(Error::NotOpen { state: State::Closed });
    let refused = [
        Command::Assign { agent: AGENT },
        Command::Unassign,
        Command::Prioritise { priority: Priority::Urgent },
        Command::Retitle { subject: personal("Two taps drip") },
        Command::Pend,
        Command::Solve,
        answer(),
    ];
    for command in refused {
        assert_eq!(story.ask(command), closed);
    }
    let taken = [Command::Comment(said("For the files")), rating(5), Command::Reopen];
    for command in taken {
        assert_eq!(story.ask(command).unwrap().len(), 1);
    }
    let solved = Story::after([Command::Solve]);
    assert_eq!(solved.ask(Command::Pend), Err(Error::NotOpen { state: State::Solved }));
}

#[test]
fn a_rating_is_of_one_to_five_and_of_a_ticket_that_is_done() {
    for story in [Story::opened(), Story::after([Command::Pend])] {
        assert_eq!(story.ask(rating(5)), Err(Error::NotSolved));
    }
    let mut story = Story::after([Command::Solve]);
    for wrong in [0, 6] {
        assert_eq!(story.ask(rating(wrong)), Err(Error::InvalidRating));
    }
    let long = |length| Command::Rate { rating: 1, comment: Some(personal(&"é".repeat(length))) };
    assert_eq!(story.ask(long(1001)), Err(Error::InvalidRatingComment));
    story.tell(long(1000));
    let previous = |events: &[Event]| match events {
        [Event::Rated { previous, .. }] => *previous,
        _ => None,
    };
    assert_eq!(previous(&story.tell(rating(4))), Some(1));
    story.tell(Command::Reopen);
    story.tell(Command::Solve);
    assert_eq!(previous(&story.tell(rating(5))), None, "another cycle, another rating");
}

#[test]
fn subjects_and_comments_say_something_and_not_too_much() {
    let open = |subject: &str| decide_after::<Ticket>(&[], Command::Open(opening(subject, None)));
    let story = Story::opened();
    let comment = |body: &str| story.ask(Command::Comment(said(body)));
    for wrong in ["", " \n", &"x".repeat(201)] {
        assert_eq!(open(wrong), Err(Error::InvalidSubject));
        let retitle = Command::Retitle { subject: personal(wrong) };
        assert_eq!(story.ask(retitle), Err(Error::InvalidSubject));
    }
    for wrong in ["", " \n", &"x".repeat(4097)] {
        assert_eq!(comment(wrong), Err(Error::InvalidComment));
    }
    assert!(open(&"é".repeat(200)).is_ok() && comment(&"é".repeat(4096)).is_ok());
}

#[test]
fn without_a_customer_there_is_nobody_to_tell() {
    let mut story = Story::default();
    assert_eq!(story.ask(Command::Close), Err(Error::NotFound));
    story.tell(Command::Open(opening("Buy paper", None)));
    assert_eq!(story.ask(answer()), Err(Error::NoRecipient));
    story.tell(Command::Comment(said("Two boxes")));
    assert_eq!(story.ask(Command::Open(opening("Buy paper", None))), Err(Error::AlreadyOpened));
}

#[test]
fn what_a_customer_said_is_public() {
    let by_customer = || Command::Comment(Comment { author: Author::Customer, ..said("It drips") });
    let events = Story::opened().tell(by_customer());
    let [Event::Commented { public, author, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((*public, *author), (true, Author::Customer));
    let mut nobodys = Story::default();
    nobodys.tell(Command::Open(opening("Buy paper", None)));
    assert_eq!(nobodys.ask(by_customer()), Err(Error::NoRecipient));
}

#[test]
fn a_merged_ticket_leaves_everything_to_the_other() {
    let into = Uuid::from_u128(9);
    let story = Story::after([Command::Merge { into, into_number: 3 }]);
    assert_eq!(story.standing().state, State::Closed);
    for command in [Command::Reopen, Command::Close, rating(5), Command::Comment(said("Hello"))] {
        assert_eq!(story.ask(command), Err(Error::Merged { into }));
    }
    assert_eq!(story.ask(Command::Absorb { ticket: into, number: 3 }), Err(Error::Merged { into }));
}

#[test]
fn what_is_written_is_what_was_read() {
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("stored/ticket");
    for file in fs::read_dir(stored).unwrap() {
        let path = file.unwrap().path();
        let payload = fs::read_to_string(&path).unwrap();
        let event: Event = serde_json::from_str(&payload).unwrap();
        let read: serde_json::Value = serde_json::from_str(&payload).unwrap();
        assert_eq!(serde_json::to_value(event).unwrap(), read, "{}", path.display());
    }
}

fn opening(subject: &str, contact: Option<Uuid>) -> Opening {
    let (subject, priority) = (personal(subject), Priority::default());
    let conversation = contact.map(|_| Uuid::from_u128(7));
    Opening { number: 1, subject, priority, contact, conversation }
}

fn said(body: &str) -> Comment {
    let (comment, body) = (Uuid::from_u128(50), personal(body));
    Comment { comment, public: false, author: Author::Human, body }
}

/// A person of the organisation writes to the customer.
fn answer() -> Command {
    Command::Comment(Comment { public: true, ..said("We are on our way") })
}

fn rating(rating: u8) -> Command {
    Command::Rate { rating, comment: None }
}

fn personal(text: &str) -> Personal<String> {
    Personal::content(Uuid::from_u128(5), text.to_owned())
}

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
}
