//! A ticket: what the organisation owes somebody, from opening to closing. One that is opened
//! again stays the same ticket, in its next cycle.

#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Personal;
use crate::aggregate::{Aggregate, Context};
use crate::conversation::Author;

#[derive(Debug)]
pub enum Command {
    Open(Opening),
    /// Subjects are never opened to decide, so that the same one told twice is told twice.
    Retitle {
        subject: Personal<String>,
    },
    Prioritise {
        priority: Priority,
    },
    Assign {
        agent: Uuid,
    },
    Unassign,
    Comment(Comment),
    /// The next step is the customer's.
    Pend,
    Solve,
    Close,
    /// Take a ticket up again: one that was solved or closed begins its next cycle, one that was
    /// pending goes on with this one.
    Reopen,
    Rate {
        rating: u8,
        comment: Option<Personal<String>>,
    },
    /// The same matter as another ticket, which from now on stands for both.
    Merge {
        into: Uuid,
        into_number: u64,
    },
    /// Stand for a ticket that is merged into this one.
    Absorb {
        ticket: Uuid,
        number: u64,
    },
}

#[derive(Clone, Debug)]
pub struct Opening {
    pub number: u64,
    pub subject: Personal<String>,
    pub priority: Priority,
    pub contact: Option<Uuid>,
    pub conversation: Option<Uuid>,
}

#[derive(Clone, Debug)]
pub struct Comment {
    pub comment: Uuid,
    /// For the customer to read, and not only for colleagues.
    pub public: bool,
    pub author: Author,
    pub body: Personal<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TicketStatus")]
pub enum State {
    Open,
    Pending,
    Solved,
    Closed,
}

impl State {
    pub const ALL: [State; 4] = [State::Open, State::Pending, State::Solved, State::Closed];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Pending => "pending",
            State::Solved => "solved",
            State::Closed => "closed",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TicketPriority")]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
    Urgent,
}

impl Priority {
    pub const ALL: [Priority; 4] =
        [Priority::Low, Priority::Normal, Priority::High, Priority::Urgent];

    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Low => "low",
            Priority::Normal => "normal",
            Priority::High => "high",
            Priority::Urgent => "urgent",
        }
    }
}

/// How a ticket stands. Every event after the first says how it stood until then: that leads to
/// the rows it touches, and measures times, without a look at earlier events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub number: u64,
    pub state: State,
    /// The round from opening to closing, from 1; each reopening begins another.
    pub cycle: u32,
    pub cycle_began_at: DateTime<Utc>,
    /// When a person of the organisation first answered in public in this cycle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_response_at: Option<DateTime<Utc>>,
    pub priority: Priority,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<Uuid>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Opened {
        number: u64,
        subject: Personal<String>,
        priority: Priority,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contact: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation: Option<Uuid>,
        cycle: u32,
        at: DateTime<Utc>,
    },
    Retitled {
        subject: Personal<String>,
        was: Standing,
    },
    Prioritised {
        priority: Priority,
        was: Standing,
    },
    Assigned {
        agent: Uuid,
        was: Standing,
    },
    Unassigned {
        was: Standing,
    },
    Commented {
        comment: Uuid,
        public: bool,
        author: Author,
        body: Personal<String>,
        at: DateTime<Utc>,
        was: Standing,
    },
    Pended {
        was: Standing,
    },
    /// Open again after pending.
    Resumed {
        was: Standing,
    },
    Solved {
        was: Standing,
    },
    Closed {
        was: Standing,
    },
    Reopened {
        cycle: u32,
        at: DateTime<Utc>,
        was: Standing,
    },
    Rated {
        rating: u8,
        /// The rating of the same cycle that this one replaces.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        previous: Option<u8>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<Personal<String>>,
        was: Standing,
    },
    /// Also closes the ticket.
    Merged {
        into: Uuid,
        into_number: u64,
        was: Standing,
    },
    Absorbed {
        ticket: Uuid,
        number: u64,
        was: Standing,
    },
}

/// A ticket knows no other aggregates: that one isn't there is told by whoever looked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the ticket exists already")]
    AlreadyOpened,
    #[error("there is no such ticket")]
    NotFound,
    #[error("the ticket is {}; reopen it first", .state.as_str())]
    NotOpen { state: State },
    #[error("a ticket is rated once it is solved or closed")]
    NotSolved,
    #[error("the ticket was merged into {into}; use that one")]
    Merged { into: Uuid },
    #[error("a ticket can't be merged into itself")]
    IntoItself,
    #[error("the ticket has no conversation with a customer: a comment on it can only be internal")]
    NoRecipient,
    #[error("a subject has 1 to 200 characters")]
    InvalidSubject,
    #[error("a comment has 1 to 4096 characters")]
    InvalidComment,
    #[error("a rating is between 1 and 5")]
    InvalidRating,
    #[error("a comment on a rating has at most 1000 characters")]
    InvalidRatingComment,
    #[error("there is no such contact in this organisation")]
    UnknownContact,
    #[error("there is no such conversation in this organisation")]
    UnknownConversation,
    #[error("the conversation is with another contact")]
    ContactMismatch,
    #[error("give the id of a user of this organisation who is no auditor")]
    UnknownAgent,
    #[error("there is no such ticket in this organisation to merge into")]
    UnknownTarget,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Ticket {
    /// `None` before it is opened.
    pub standing: Option<Standing>,
    /// The newest rating, and the cycle that it is about.
    pub rating: Option<(u8, u32)>,
    pub merged_into: Option<Uuid>,
}

impl Aggregate for Ticket {
    const TYPE: &'static str = "ticket";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, context: &Context) -> Result<Vec<Event>, Error> {
        let Some(was) = self.standing.clone() else {
            return match command {
                Command::Open(opening) => open(opening, context.now),
                _ => Err(Error::NotFound),
            };
        };
        if let Some(into) = self.merged_into {
            return Err(Error::Merged { into });
        }
        let state = was.state;
        match command {
            Command::Open(_) => Err(Error::AlreadyOpened),
            Command::Comment(told) => comment(told, context.now, was),
            Command::Rate { rating, comment } => self.rate(rating, comment, was),
            Command::Close => Ok(unless(state == State::Closed, Event::Closed { was })),
            Command::Reopen => Ok(reopen(context.now, was)),
            Command::Merge { into, into_number } => {
                Ok(vec![Event::Merged { into, into_number, was }])
            }
            Command::Absorb { ticket, number } => Ok(vec![Event::Absorbed { ticket, number, was }]),
            _ if state == State::Closed => Err(Error::NotOpen { state }),
            Command::Pend if state == State::Solved => Err(Error::NotOpen { state }),
            Command::Pend => Ok(unless(state == State::Pending, Event::Pended { was })),
            Command::Solve => Ok(unless(state == State::Solved, Event::Solved { was })),
            Command::Retitle { subject } => {
                check_length(&subject, 200, Error::InvalidSubject)?;
                Ok(vec![Event::Retitled { subject, was }])
            }
            Command::Prioritise { priority } => {
                Ok(unless(priority == was.priority, Event::Prioritised { priority, was }))
            }
            Command::Assign { agent } => {
                Ok(unless(was.assignee == Some(agent), Event::Assigned { agent, was }))
            }
            Command::Unassign => Ok(unless(was.assignee.is_none(), Event::Unassigned { was })),
        }
    }

    fn evolve(&mut self, event: &Event) {
        if let Event::Opened { number, priority, contact, conversation, cycle, at, .. } = event {
            self.standing = Some(Standing {
                number: *number,
                state: State::Open,
                cycle: *cycle,
                cycle_began_at: *at,
                first_response_at: None,
                priority: *priority,
                assignee: None,
                contact: *contact,
                conversation: *conversation,
            });
        }
        let Some(standing) = &mut self.standing else { return };
        match event {
            Event::Opened { .. } | Event::Retitled { .. } | Event::Absorbed { .. } => {}
            Event::Prioritised { priority, .. } => standing.priority = *priority,
            Event::Assigned { agent, .. } => standing.assignee = Some(*agent),
            Event::Unassigned { .. } => standing.assignee = None,
            Event::Commented { at, .. } => {
                if event.responds() {
                    standing.first_response_at.get_or_insert(*at);
                }
            }
            Event::Pended { .. } => standing.state = State::Pending,
            Event::Resumed { .. } => standing.state = State::Open,
            Event::Solved { .. } => standing.state = State::Solved,
            Event::Closed { .. } => standing.state = State::Closed,
            Event::Reopened { cycle, at, .. } => {
                standing.state = State::Open;
                standing.cycle = *cycle;
                standing.cycle_began_at = *at;
                standing.first_response_at = None;
            }
            Event::Rated { rating, .. } => self.rating = Some((*rating, standing.cycle)),
            Event::Merged { into, .. } => {
                standing.state = State::Closed;
                self.merged_into = Some(*into);
            }
        }
    }
}

impl Event {
    /// Whether a person of the organisation answers the customer with it.
    pub fn responds(&self) -> bool {
        matches!(self, Event::Commented { public: true, author: Author::Human, .. })
    }
}

fn unless(already: bool, event: Event) -> Vec<Event> {
    if already { vec![] } else { vec![event] }
}

fn open(opening: Opening, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
    let Opening { number, subject, priority, contact, conversation } = opening;
    check_length(&subject, 200, Error::InvalidSubject)?;
    Ok(vec![Event::Opened { number, subject, priority, contact, conversation, cycle: 1, at }])
}

fn comment(told: Comment, at: DateTime<Utc>, was: Standing) -> Result<Vec<Event>, Error> {
    let Comment { comment, public, author, body } = told;
    // Customers know what they said.
    let public = public || author == Author::Customer;
    check_length(&body, 4096, Error::InvalidComment)?;
    if public && was.state == State::Closed {
        return Err(Error::NotOpen { state: was.state });
    }
    // What we say goes out on the conversation; what a customer said came from somewhere.
    let way = if author == Author::Customer { was.contact } else { was.conversation };
    if public && way.is_none() {
        return Err(Error::NoRecipient);
    }
    Ok(vec![Event::Commented { comment, public, author, body, at, was }])
}

fn reopen(at: DateTime<Utc>, was: Standing) -> Vec<Event> {
    match was.state {
        State::Open => vec![],
        State::Pending => vec![Event::Resumed { was }],
        State::Solved | State::Closed => {
            vec![Event::Reopened { cycle: was.cycle + 1, at, was }]
        }
    }
}

fn check_length(text: &Personal<String>, most: usize, refusal: Error) -> Result<(), Error> {
    let text = text.clear().map_or("", String::as_str);
    if text.trim().is_empty() || text.chars().count() > most {
        return Err(refusal);
    }
    Ok(())
}

impl Ticket {
    fn rate(
        &self,
        rating: u8,
        comment: Option<Personal<String>>,
        was: Standing,
    ) -> Result<Vec<Event>, Error> {
        if !matches!(was.state, State::Solved | State::Closed) {
            return Err(Error::NotSolved);
        }
        if !(1..=5).contains(&rating) {
            return Err(Error::InvalidRating);
        }
        let text = comment.as_ref().and_then(Personal::clear);
        if text.is_some_and(|text| text.chars().count() > 1000) {
            return Err(Error::InvalidRatingComment);
        }
        let same_cycle = self.rating.filter(|(_, cycle)| *cycle == was.cycle);
        let previous = same_cycle.map(|(rating, _)| rating);
        Ok(vec![Event::Rated { rating, previous, comment, was }])
    }
}
