//! How large and how long everything is that is measured.

use std::time::Duration;

/// What the sizes are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Size {
    /// Seconds: whether everything still measures. Its numbers say nothing.
    Smoke,
    /// Minutes.
    Quick,
    /// What the targets are meant for.
    Usual,
    /// With ten million events as well.
    Full,
}

/// The sizes of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Each number is the median of so many. (Of appends it is three times as many, of a third.)
    pub(crate) rounds: usize,
    /// How long one contestant is under load in a round.
    pub(crate) window: Duration,
    /// Events that are rebuilt from.
    pub(crate) events: &'static [usize],
    /// Events that cqrs-es replays. Its rate is the same at every size, and low.
    pub(crate) replayed: i64,
    /// Rows of the inbox that is paged through.
    pub(crate) conversations: usize,
    /// People who write.
    pub(crate) customers: usize,
    /// Events of the long stream.
    pub(crate) stream: usize,
    /// Events of a small log and of a large one.
    pub(crate) growth: (usize, usize),
}

impl Size {
    pub(crate) fn scale(self) -> Scale {
        match self {
            Size::Smoke => Scale {
                rounds: 1,
                window: Duration::from_millis(150),
                events: &[3_000],
                replayed: 200,
                conversations: 400,
                customers: 70,
                stream: 500,
                growth: (1_000, 3_000),
            },
            Size::Quick => Scale {
                rounds: 3,
                window: Duration::from_secs(1),
                events: &[100_000],
                replayed: 1_500,
                conversations: 20_000,
                customers: 500,
                stream: 10_000,
                growth: (20_000, 100_000),
            },
            Size::Usual => Scale {
                rounds: 5,
                window: Duration::from_secs(3),
                events: &[1_000_000],
                replayed: 5_000,
                conversations: 1_000_000,
                customers: 2_000,
                stream: 10_000,
                growth: (100_000, 1_000_000),
            },
            Size::Full => Scale {
                rounds: 5,
                window: Duration::from_secs(5),
                events: &[1_000_000, 10_000_000],
                growth: (100_000, 10_000_000),
                ..Size::Usual.scale()
            },
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Size::Smoke => "smoke",
            Size::Quick => "quick",
            Size::Usual => "usual",
            Size::Full => "full",
        }
    }
}
