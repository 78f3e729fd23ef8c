//! What the provider tells of a payout, or is known of a call to it; and what of that is news.

use chrono::{DateTime, Utc};

use super::{Command, Error, Event, Payout, Standing, State, Verdict};

impl Payout {
    /// What the provider tells, or what is known of a call to it.
    pub(super) fn told(
        &self,
        told: Command,
        was: Standing,
        now: DateTime<Utc>,
    ) -> Result<Vec<Event>, Error> {
        let state = was.state;
        let verdict = match &told {
            Command::Complete { .. } => Some(Verdict::Completed),
            Command::Fail { .. } => Some(Verdict::Failed),
            _ => None,
        };
        match state {
            State::Approved | State::Submitted | State::Unknown => {}
            State::Requested => return Err(Error::NotApproved { state }),
            _ if matches!(told, Command::Submit { .. }) => {
                return Err(Error::NotApproved { state });
            }
            settled => return Ok(self.contradicted(settled, verdict, was)),
        }
        Ok(match told {
            Command::Submit { revision, .. } if revision != was.revision => {
                return Err(Error::Revised);
            }
            Command::Submit { token, .. } => {
                vec![Event::SubmissionStarted { at: now, token: Some(token), was }]
            }
            Command::Postpone { reason } if state == State::Submitted && !was.accepted => {
                vec![Event::Postponed { reason, was }]
            }
            Command::Accept if !was.accepted || state != State::Submitted => {
                vec![Event::Accepted { was }]
            }
            Command::Complete { provider_transaction_id } => {
                vec![Event::Completed { provider_transaction_id, was }]
            }
            Command::Fail { code, message } => vec![Event::Failed { code, message, was }],
            Command::LoseSight { reason } if state != State::Unknown => {
                vec![Event::Unknown { reason, was }]
            }
            _ => vec![],
        })
    }

    /// News about a payout that is settled: the same is no news, and the opposite is kept for a
    /// person to see, once.
    fn contradicted(&self, settled: State, verdict: Option<Verdict>, was: Standing) -> Vec<Event> {
        let Some(told) = verdict else { return vec![] };
        let paid = settled == State::Completed;
        let agrees = paid == (told == Verdict::Completed);
        if agrees || self.contradiction == Some(told) {
            return vec![];
        }
        vec![Event::ContradictionNoticed { told, was }]
    }
}
