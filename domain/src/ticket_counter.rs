//! An organisation's ticket counter: numbers its tickets 1, 2, 3 … without gaps or doubles, since a
//! ticket is numbered and opened in one unit of work. Its stream bears the organisation's id.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::{Aggregate, Context};

#[derive(Debug)]
pub enum Command {
    Number { ticket: Uuid },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Numbered { ticket: Uuid, number: u64 },
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct TicketCounter {
    /// The newest ticket's number; 0 before the first.
    pub last: u64,
}

impl Aggregate for TicketCounter {
    const TYPE: &'static str = "ticket_counter";
    type Command = Command;
    type Event = Event;
    type Error = Infallible;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Infallible> {
        match command {
            Command::Number { ticket } => {
                Ok(vec![Event::Numbered { ticket, number: self.last + 1 }])
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Numbered { number, .. } => self.last = *number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::decide_after;

    #[test]
    fn numbers_begin_with_one_and_leave_none_out() {
        let mut history = vec![];
        for number in 1..=3 {
            let ticket = Uuid::from_u128(u128::from(number));
            let numbered = decide_after::<TicketCounter>(&history, Command::Number { ticket });
            assert_eq!(numbered, Ok(vec![Event::Numbered { ticket, number }]));
            history.push(Event::Numbered { ticket, number });
        }
    }
}
