//! What a test makes go wrong at a provider: rules for the next calls, or chaos from a seed.

use std::collections::HashMap;
use std::time::Duration;

use crate::chance::Chance;

/// What a caller wants from a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Send,
    MarkRead,
    Media,
    Template,
    Pay,
    AskStatus,
    ResendCallback,
    FailEnqueued,
    /// Everything else that is asked of a provider: its numbers, its subscriptions.
    Look,
}

/// How a call ends for its caller. `C` is the provider's kind of error code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome<C> {
    #[default]
    Answered,
    /// Not done, and the provider says why.
    Refused(C),
    /// Not done, with this HTTP status.
    Failed(u16),
    /// Not done, and the connection is closed.
    HungUp,
    /// Done, with this HTTP status all the same.
    DoneButFailed(u16),
    /// Done, and the connection is closed: the answer is lost.
    DoneButHungUp,
}

/// In what a callback differs from the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Paid is called failed, failed is called paid.
    Verdict,
    /// Ten times the amount.
    Amount,
}

/// What becomes of the callbacks that follow a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Callbacks {
    /// How much later than usual they come.
    pub late: Duration,
    /// How many copies of each come besides, at the same time.
    pub copies: u32,
    /// They come in the opposite order.
    pub reversed: bool,
    /// They come in one request where the provider knows such requests (Graph).
    pub together: bool,
    /// None comes.
    pub withheld: bool,
    /// Payouts only: Graph's statuses are never untrue.
    pub lie: Option<Lie>,
}

/// Everything that goes wrong with one call and with what it sets off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble<C> {
    /// How long the provider takes before it does anything.
    pub delay: Duration,
    /// How long it takes to answer after it has done what was asked.
    pub answer_delay: Duration,
    pub outcome: Outcome<C>,
    /// Accepted, and fails later for this reason.
    pub fails: Option<C>,
    /// The state beyond which it doesn't go by itself, such as `sent` or `ENQUEUED`.
    pub stays: Option<&'static str>,
    pub callbacks: Callbacks,
}

impl<C> Default for Trouble<C> {
    fn default() -> Self {
        Trouble {
            delay: Duration::ZERO,
            answer_delay: Duration::ZERO,
            outcome: Outcome::Answered,
            fails: None,
            stays: None,
            callbacks: Callbacks::default(),
        }
    }
}

/// Trouble for the next calls that fit. Of several rules that fit, the one given first applies.
#[derive(Clone, Debug)]
pub struct Rule<C> {
    act: Act,
    kind: Option<String>,
    to: Option<String>,
    about: Option<String>,
    left: Option<u32>,
    trouble: Trouble<C>,
}

impl<C> Rule<C> {
    /// Fits every call of this kind, for ever.
    pub fn on(act: Act) -> Self {
        let trouble = Trouble::default();
        Rule { act, kind: None, to: None, about: None, left: None, trouble }
    }

    /// Only this type of message, this provider of a payout, or this verb about a template: `post`.
    #[must_use]
    pub fn kind(mut self, kind: &str) -> Self {
        self.kind = Some(kind.to_owned());
        self
    }

    /// Only to this number.
    #[must_use]
    pub fn to(mut self, to: &str) -> Self {
        self.to = Some(to.trim_start_matches('+').to_owned());
        self
    }

    /// Only this `biz_opaque_callback_data` or `payoutId`.
    #[must_use]
    pub fn about(mut self, id: &str) -> Self {
        self.about = Some(id.to_owned());
        self
    }

    /// Only the next calls that fit, so many of them.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }

    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.trouble.delay = delay;
        self
    }

    #[must_use]
    pub fn answer_delay(mut self, delay: Duration) -> Self {
        self.trouble.answer_delay = delay;
        self
    }

    #[must_use]
    pub fn ends(mut self, outcome: Outcome<C>) -> Self {
        self.trouble.outcome = outcome;
        self
    }

    #[must_use]
    pub fn refused(self, code: C) -> Self {
        self.ends(Outcome::Refused(code))
    }

    /// Accepted, and fails later for this reason.
    #[must_use]
    pub fn fails(mut self, code: C) -> Self {
        self.trouble.fails = Some(code);
        self
    }

    #[must_use]
    pub fn stays(mut self, state: &'static str) -> Self {
        self.trouble.stays = Some(state);
        self
    }

    #[must_use]
    pub fn callbacks(mut self, callbacks: Callbacks) -> Self {
        self.trouble.callbacks = callbacks;
        self
    }

    fn fits(&self, seen: &Seen) -> bool {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|it| it == is);
        self.act == seen.act
            && self.left != Some(0)
            && fits(&self.kind, &seen.kind)
            && fits(&self.to, &seen.to)
            && fits(&self.about, &seen.about)
    }
}

/// How often each thing goes wrong, from 0 (never) to 1 (always).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Probabilities {
    pub delayed: f64,
    pub answered_late: f64,
    /// With a code for a passing fault, where the provider has such codes.
    pub refused: f64,
    pub failed: f64,
    pub hung_up: f64,
    pub done_but_failed: f64,
    pub done_but_hung_up: f64,
    pub callbacks_late: f64,
    pub callbacks_repeated: f64,
    pub callbacks_reversed: f64,
    pub callbacks_withheld: f64,
    pub callbacks_lying: f64,
}

impl Probabilities {
    /// A bad day: about every third call goes wrong somehow, and callbacks are no better.
    pub const HOSTILE: Probabilities = Probabilities {
        delayed: 0.1,
        answered_late: 0.05,
        refused: 0.05,
        failed: 0.05,
        hung_up: 0.05,
        done_but_failed: 0.08,
        done_but_hung_up: 0.08,
        callbacks_late: 0.1,
        callbacks_repeated: 0.2,
        callbacks_reversed: 0.2,
        callbacks_withheld: 0.02,
        callbacks_lying: 0.05,
    };
}

/// Trouble by chance. The same seed gives the nth call about the same thing the same trouble,
/// whatever else goes on meanwhile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chaos {
    pub seed: u64,
    pub probabilities: Probabilities,
    /// The longest that a call, an answer or a callback is late.
    pub longest: Duration,
}

impl Chaos {
    fn trouble<C: Copy>(&self, about: &str, passing: &[C]) -> Trouble<C> {
        let mut chance = Chance::of(about, self.seed.cast_signed());
        let odds = &self.probabilities;
        let longest = i64::try_from(self.longest.as_millis()).unwrap_or(i64::MAX);
        // Everything is drawn every time, so that one probability doesn't shift the others.
        let mut late = |probability| {
            let by = chance.between(0, longest).unsigned_abs();
            Duration::from_millis(if chance.happens(probability) { by } else { 0 })
        };
        let (delay, answer_delay) = (late(odds.delayed), late(odds.answered_late));
        let callbacks_late = late(odds.callbacks_late);
        let status = if chance.happens(0.5) { 500 } else { 503 };
        let most = i64::try_from(passing.len()).unwrap_or_default() - 1;
        let pick = usize::try_from(chance.between(0, most.max(0))).unwrap_or_default();
        let outcomes = [
            (odds.refused, passing.get(pick).map(|code| Outcome::Refused(*code))),
            (odds.failed, Some(Outcome::Failed(status))),
            (odds.hung_up, Some(Outcome::HungUp)),
            (odds.done_but_failed, Some(Outcome::DoneButFailed(status))),
            (odds.done_but_hung_up, Some(Outcome::DoneButHungUp)),
        ];
        let outcome = outcomes.map(|(odds, outcome)| outcome.filter(|_| chance.happens(odds)));
        Trouble {
            delay,
            answer_delay,
            outcome: outcome.into_iter().flatten().next().unwrap_or_default(),
            fails: None,
            stays: None,
            callbacks: Callbacks {
                late: callbacks_late,
                copies: u32::from(chance.happens(odds.callbacks_repeated)),
                reversed: chance.happens(odds.callbacks_reversed),
                together: false,
                withheld: chance.happens(odds.callbacks_withheld),
                lie: chance.happens(odds.callbacks_lying).then_some(Lie::Verdict),
            },
        }
    }
}

/// A call as far as rules look at it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) act: Act,
    pub(crate) kind: String,
    pub(crate) to: String,
    pub(crate) about: String,
}

/// The rules and the chaos in force.
pub(crate) struct Script<C: 'static> {
    rules: Vec<Rule<C>>,
    chaos: Option<Chaos>,
    /// How often chaos was asked about the same thing.
    turns: HashMap<String, u32>,
    /// Codes for faults that pass.
    passing: &'static [C],
}

impl<C: Copy> Script<C> {
    pub(crate) fn new(passing: &'static [C]) -> Self {
        Script { rules: Vec::new(), chaos: None, turns: HashMap::new(), passing }
    }

    pub(crate) fn add(&mut self, rule: Rule<C>) {
        self.rules.push(rule);
    }

    pub(crate) fn chaos(&mut self, chaos: Option<Chaos>) {
        self.chaos = chaos;
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
        self.chaos = None;
    }

    pub(crate) fn next(&mut self, seen: &Seen) -> Trouble<C> {
        if let Some(rule) = self.rules.iter_mut().find(|rule| rule.fits(seen)) {
            rule.left = rule.left.map(|left| left - 1);
            return rule.trouble.clone();
        }
        let Some(chaos) = self.chaos else { return Trouble::default() };
        let about = format!("{:?} {} {}", seen.act, seen.to, seen.about);
        let turn = self.turns.entry(about.clone()).or_default();
        *turn += 1;
        chaos.trouble(&format!("{about} {turn}"), self.passing)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn seen(to: &str) -> Seen {
        Seen { act: Act::Send, kind: "text".into(), to: to.into(), about: String::new() }
    }

    #[test]
    fn a_rule_serves_as_many_calls_as_it_says_and_only_those_that_fit() {
        let mut script = Script::new(&[]);
        script.add(Rule::on(Act::Send).to("254190000142").times(2).refused(131_016));
        assert_eq!(script.next(&seen("254190000157")).outcome, Outcome::Answered);
        assert_eq!(script.next(&seen("254190000142")).outcome, Outcome::Refused(131_016));
        assert_eq!(script.next(&seen("254190000142")).outcome, Outcome::Refused(131_016));
        assert_eq!(script.next(&seen("254190000142")).outcome, Outcome::Answered);
    }

    #[test]
    fn the_same_seed_gives_a_call_the_same_trouble_in_whatever_order_calls_come() {
        let chaos = Chaos {
            seed: 7,
            probabilities: Probabilities::HOSTILE,
            longest: Duration::from_millis(50),
        };
        let numbers: Vec<String> = (0..200).map(|n| format!("2541900{n:05}")).collect();
        let run = |order: &mut dyn Iterator<Item = &String>| {
            let mut script: Script<u32> = Script::new(&[131_000, 131_016]);
            script.chaos(Some(chaos));
            let told = order.map(|to| (to.clone(), script.next(&seen(to))));
            told.collect::<HashMap<String, Trouble<u32>>>()
        };
        let there = run(&mut numbers.iter());
        assert_eq!(there, run(&mut numbers.iter().rev()));
        let troubled = there.values().filter(|it| it.outcome != Outcome::Answered).count();
        assert!((30..90).contains(&troubled), "{troubled} of 200 calls went wrong");
    }
}
