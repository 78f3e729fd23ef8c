//! Where a conversation stands, and how its events move it on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Event;

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ConversationStatus")]
pub enum State {
    BotHandling,
    HumanHandling,
    #[default]
    Open,
    WaitingForCustomer,
    Closed,
}

impl State {
    pub const ALL: [State; 5] = [
        State::BotHandling,
        State::HumanHandling,
        State::Open,
        State::WaitingForCustomer,
        State::Closed,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            State::BotHandling => "bot_handling",
            State::HumanHandling => "human_handling",
            State::Open => "open",
            State::WaitingForCustomer => "waiting_for_customer",
            State::Closed => "closed",
        }
    }
}

impl State {
    /// Where a conversation stands after an event, given whether somebody has it then.
    pub fn after(self, event: &Event, assigned: bool) -> State {
        let handled = if assigned { State::HumanHandling } else { State::Open };
        match event {
            Event::Assigned { .. } => State::HumanHandling,
            Event::Unassigned { .. } => State::Open,
            Event::Resolved { .. } => State::Closed,
            Event::Reopened { .. } => handled,
            Event::MessageQueued(message) if message.is_news() => State::WaitingForCustomer,
            Event::MessageReceived(message)
                if self == State::WaitingForCustomer && message.is_news() =>
            {
                handled
            }
            _ => self,
        }
    }
}
