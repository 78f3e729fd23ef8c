//! The form in which the day's conversations are written down: a thread is a list of beats, a beat
//! is one thing that somebody sends.

use super::super::people::Person;

/// One conversation of the day.
pub(super) struct Thread {
    /// Hour and minute of its first beat.
    pub(super) at: (u32, u32),
    pub(super) who: &'static Person,
    pub(super) beats: &'static [Beat],
}

#[derive(Clone, Copy)]
pub(super) struct Beat {
    /// Seconds since the beat before.
    pub(super) after: i64,
    pub(super) by: By,
    pub(super) about: About,
    /// Seconds for which Meta sits on the webhook.
    pub(super) late: i64,
    /// Arrives in one body with the beat before; both are the customer's.
    pub(super) along: bool,
}

#[derive(Clone, Copy)]
pub(super) enum By {
    Customer(What),
    /// The shop's staff, in the WhatsApp Business app: we get an echo.
    Staff(What, Fate),
    /// The shop's order system, over the API: all that we see of it is statuses.
    System {
        name: &'static str,
        category: &'static str,
        fate: Fate,
    },
}

/// What a message says. Numbers of type `usize` are earlier beats of the same thread.
#[derive(Clone, Copy)]
pub(super) enum What {
    Text(&'static str),
    /// With its caption; none if empty. So are the next two.
    Photo(&'static str),
    Video(&'static str),
    Pdf(&'static str, &'static str),
    VoiceNote,
    Sticker,
    Place(f64, f64, &'static str, &'static str),
    /// Name and number of somebody else.
    Card(&'static str, &'static str, &'static str),
    /// A quick reply below a template.
    QuickReply(&'static str),
    /// Id and title of a button.
    ButtonReply(&'static str, &'static str),
    /// Id, title and description of a row in a list.
    ListReply(&'static str, &'static str, &'static str),
    /// The answers in a flow.
    Form(&'static [(&'static str, &'static str)]),
    /// An empty emoji takes the reaction back.
    Reaction(usize, &'static str),
    /// Currency; article, quantity, price of one; remark.
    Order(&'static str, &'static [(&'static str, u32, f64)], &'static str),
    Edit(usize, &'static str),
    Revoke(usize),
    NewNumber(&'static Person),
    /// Something that Meta can't pass on.
    Unsupported,
    StopMarketing,
}

/// What a message stands in relation to.
#[derive(Clone, Copy)]
pub(super) enum About {
    Nothing,
    /// An earlier beat of the thread, quoted.
    Beat(usize),
    Product(&'static str),
    Advertisement,
    Forwarded,
    Group,
}

/// What becomes of a message from the shop.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Fate {
    /// Sent, delivered and read, one by one.
    Read,
    /// Delivered and read at once, in one body.
    ReadAtOnce,
    /// Read on an open screen, for which no `delivered` comes.
    Seen,
    /// Arrives and is never opened.
    Delivered,
    /// The other phone is off.
    Sent,
    /// `read` comes in before `delivered`.
    ReadFirst,
    /// `sent` comes in before the message itself.
    BeforeEcho,
    /// A voice note that was listened to.
    Played,
    Failed(u32),
}

pub(super) const fn says(after: i64, what: What) -> Beat {
    Beat { after, by: By::Customer(what), about: About::Nothing, late: 0, along: false }
}

pub(super) const fn answers(after: i64, text: &'static str, fate: Fate) -> Beat {
    replies(after, What::Text(text), fate)
}

pub(super) const fn replies(after: i64, what: What, fate: Fate) -> Beat {
    Beat { after, by: By::Staff(what, fate), about: About::Nothing, late: 0, along: false }
}

pub(super) const fn system(
    after: i64,
    name: &'static str,
    category: &'static str,
    fate: Fate,
) -> Beat {
    let by = By::System { name, category, fate };
    Beat { after, by, about: About::Nothing, late: 0, along: false }
}

impl Beat {
    pub(super) const fn about(mut self, about: About) -> Self {
        self.about = about;
        self
    }

    pub(super) const fn to(self, beat: usize) -> Self {
        self.about(About::Beat(beat))
    }

    pub(super) const fn late(mut self, seconds: i64) -> Self {
        self.late = seconds;
        self
    }

    pub(super) const fn along(mut self) -> Self {
        self.along = true;
        self
    }
}
