//! What an event of a conversation reaches: its cycle and its messages, by which folds find the rows
//! that it touches.

use uuid::Uuid;

use super::Event;

impl Event {
    /// The cycle that the event belongs to. Receipts belong to their message, wherever that is.
    pub fn cycle(&self) -> Option<u32> {
        match self {
            Event::MessageReceived(message) | Event::MessageEchoed(message) => Some(message.cycle),
            Event::MessageQueued(message) => Some(message.cycle),
            Event::Opened { cycle, .. }
            | Event::Unknown { cycle, .. }
            | Event::MessageRetried { cycle, .. }
            | Event::MessageDiscarded { cycle, .. }
            | Event::NoteAdded { cycle, .. }
            | Event::Assigned { cycle, .. }
            | Event::Unassigned { cycle, .. }
            | Event::MarkedRead { cycle }
            | Event::Resolved { cycle, .. }
            | Event::Reopened { cycle, .. }
            | Event::ContactReplaced { cycle, .. } => Some(*cycle),
            Event::Merged { cycle, .. } => *cycle,
            Event::Dispatched(_)
            | Event::Delivered(_)
            | Event::Read(_)
            | Event::Played(_)
            | Event::Failed(_) => None,
        }
    }

    /// The messages and notes that the event is about.
    pub fn messages(&self) -> Vec<Uuid> {
        match self {
            Event::MessageReceived(message) | Event::MessageEchoed(message) => {
                vec![message.touched().unwrap_or(message.message)]
            }
            Event::Dispatched(receipt)
            | Event::Delivered(receipt)
            | Event::Read(receipt)
            | Event::Played(receipt)
            | Event::Failed(receipt) => vec![receipt.message],
            Event::MessageQueued(message) => vec![message.touched().unwrap_or(message.message)],
            Event::Unknown { message, .. }
            | Event::MessageRetried { message, .. }
            | Event::MessageDiscarded { message, .. } => vec![*message],
            Event::NoteAdded { note, .. } => vec![*note],
            Event::Merged { messages, .. } => messages.clone(),
            Event::Opened { .. }
            | Event::Assigned { .. }
            | Event::Unassigned { .. }
            | Event::MarkedRead { .. }
            | Event::Resolved { .. }
            | Event::Reopened { .. }
            | Event::ContactReplaced { .. } => vec![],
        }
    }
}
