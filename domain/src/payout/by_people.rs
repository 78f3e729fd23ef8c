//! What people decide about a payout besides yes and no: asking for it, changing it, and saying how
//! it ended where the provider doesn't.

use chrono::{DateTime, Utc};

use super::{Error, Event, REASONABLE, Request, Revision, Settlement, Standing, State};
use crate::Personal;

pub(super) fn request(asked: Request, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
    check_money(asked.amount, &asked.currency, &asked.provider)?;
    check_reason(&asked.reason)?;
    Ok(vec![Event::Requested {
        amount: asked.amount,
        currency: asked.currency,
        recipient: asked.recipient,
        provider: asked.provider,
        reason: asked.reason,
        requester: asked.requester,
        ticket: asked.ticket,
        contact: asked.contact,
        channel: asked.channel,
        at,
    }])
}

/// Only what is known to be the same is no change; a recipient or reason that is told is one.
pub(super) fn revise(told: Revision, was: Standing) -> Result<Vec<Event>, Error> {
    let state = was.state;
    if told.by != was.requester {
        return Err(Error::NotRequester);
    }
    if !matches!(state, State::Requested | State::Approved) || was.submitted_at.is_some() {
        return Err(Error::TooLate { state });
    }
    let amount = told.amount.filter(|amount| *amount != was.amount);
    let currency = told.currency.filter(|currency| *currency != was.currency);
    let provider = told.provider.filter(|provider| *provider != was.provider);
    let channel = told.channel.filter(|channel| Some(*channel) != was.channel);
    let (recipient, reason) = (told.recipient, told.reason);
    check_money(
        amount.unwrap_or(was.amount),
        currency.as_ref().unwrap_or(&was.currency),
        provider.as_ref().unwrap_or(&was.provider),
    )?;
    reason.as_ref().map_or(Ok(()), check_reason)?;
    let same = amount.is_none() && currency.is_none() && provider.is_none() && channel.is_none();
    if same && recipient.is_none() && reason.is_none() {
        return Ok(vec![]);
    }
    let by = told.by;
    Ok(vec![Event::Revised { by, amount, currency, recipient, provider, reason, channel, was }])
}

pub(super) fn settle(
    told: Settlement,
    was: Standing,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Error> {
    let Settlement { by, outcome, evidence, reason } = told;
    if by == was.requester {
        return Err(Error::OwnPayout);
    }
    if was.state != State::Unknown {
        return Err(Error::NotUnknown { state: was.state });
    }
    let until = was.submitted_at.map_or(now, |asked| asked + REASONABLE);
    if now < until {
        return Err(Error::TooEarly { until });
    }
    check_text(&evidence, 2000).ok_or(Error::InvalidEvidence)?;
    check_reason(&reason)?;
    Ok(vec![Event::Settled { by, outcome, evidence, reason, was }])
}

/// In minor units. What nobody pays out by a phone; sums of them stay numbers, too.
const MOST: i64 = 1_000_000_000_000;

fn check_money(amount: i64, currency: &str, provider: &str) -> Result<(), Error> {
    let word = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if !(1..=MOST).contains(&amount) {
        return Err(Error::InvalidAmount);
    }
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(Error::InvalidCurrency);
    }
    if !(3..=40).contains(&provider.len()) || !provider.bytes().all(word) {
        return Err(Error::InvalidProvider);
    }
    Ok(())
}

pub(super) fn check_reason(reason: &Personal<String>) -> Result<(), Error> {
    check_text(reason, 500).ok_or(Error::InvalidReason)
}

fn check_text(text: &Personal<String>, most: usize) -> Option<()> {
    let text = text.clear().map_or("", String::as_str);
    (!text.trim().is_empty() && text.chars().count() <= most).then_some(())
}
