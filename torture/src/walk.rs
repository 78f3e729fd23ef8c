//! The walk: for the nth thing that a command says to the database, n = 1, 2, 3 … until the command
//! comes through untouched, that fails, and the wire is cut before it and after it. Each time the
//! command either happened or did not, and a repeat under its key finds out which.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Connection;

use crate::Outcome;
use crate::ask::{Ask, Kind};
use crate::clients::{Client, Tally};
use crate::dice::Dice;
use crate::proxy::{Fault, Proxy};
use crate::stage::Stage;

pub(crate) const ALL: [Kind; 6] =
    [Kind::Note, Kind::Message, Kind::Ticket, Kind::Payout, Kind::Approval, Kind::Webhook];
/// One of each sort: a stream of its own, one that others write to, no key.
pub(crate) const FEW: [Kind; 3] = [Kind::Note, Kind::Approval, Kind::Webhook];
const FAULTS: [Fault; 3] = [Fault::Failed, Fault::CutBefore, Fault::CutAfter];
/// No command says so much, even if others' words are counted in.
const LONGEST: u64 = 100;

/// What was cut, and what it came to.
#[derive(Default)]
pub(crate) struct Walked {
    pub(crate) statements: BTreeSet<String>,
    /// How often the server came through by itself, and how often a repeat found it done or not.
    pub(crate) ends: BTreeMap<&'static str, usize>,
}

pub(crate) async fn walk(
    stage: &Stage,
    proxy: &Proxy,
    kinds: &[Kind],
    dice: Dice,
    tally: &Tally,
) -> Outcome<Walked> {
    let mut walked = Walked::default();
    let mut client = Client::new(stage, tally, "walker", dice)?;
    for kind in kinds.iter().copied() {
        for fault in FAULTS {
            for nth in 1..=LONGEST {
                let ask = next(stage, &mut client, tally, kind).await?;
                proxy.aim(nth, fault);
                let step = step(stage, proxy, &mut client, tally, &ask).await?;
                let Some((statement, end, happened)) = step else { break };
                if happened != 1 {
                    tally.finds(format!("{ask} happened {happened} times: {statement} {fault:?}"));
                }
                if nth == LONGEST {
                    tally.finds(format!("{kind} never came through untouched"));
                }
                walked.statements.insert(statement);
                *walked.ends.entry(end).or_default() += 1;
            }
        }
    }
    Ok(walked)
}

/// Something new of that kind to ask for.
async fn next(stage: &Stage, client: &mut Client<'_>, tally: &Tally, kind: Kind) -> Outcome<Ask> {
    let about = match kind {
        Kind::Webhook => "0".to_owned(),
        Kind::Approval => {
            let payout = Ask { kind: Kind::Payout, number: tally.number(), about: String::new() };
            let told = client.asks(&payout).await?.ok_or("a payout was not acknowledged")?;
            told.id.unwrap_or_default()
        }
        _ => stage.conversations.first().cloned().unwrap_or_default(),
    };
    Ok(Ask { kind, number: tally.number(), about })
}

/// Asks while the wire is aimed at. Returns what was hit, how it ended, and how often it happened;
/// nothing where the command came through untouched.
async fn step(
    stage: &Stage,
    proxy: &Proxy,
    client: &mut Client<'_>,
    tally: &Tally,
    ask: &Ask,
) -> Outcome<Option<(String, &'static str, i64)>> {
    let before = count(stage, ask.kind).await?;
    let told = client.asks(ask).await?;
    let Some(statement) = proxy.calm() else {
        return match told {
            Some(_) => Ok(None),
            None => Err(format!("{ask} failed, and nothing was cut").into()),
        };
    };
    let end = match told {
        Some(_) => "answered all the same",
        None => {
            let was_there = count(stage, ask.kind).await? > before;
            let told = client.insists(ask).await?.ok_or("no answer to a repeat")?;
            if ask.has_key() && told.replayed != was_there {
                tally.finds(format!("{ask}: there {was_there}, repeated {}", told.replayed));
            }
            if was_there { "refused, found done" } else { "refused, found not done" }
        }
    };
    Ok(Some((statement, end, count(stage, ask.kind).await? - before)))
}

/// How often something of the kind has happened, by the log.
async fn count(stage: &Stage, kind: Kind) -> Outcome<i64> {
    let (stream, event) = match kind {
        Kind::Note => ("conversation", "NoteAdded"),
        Kind::Message => ("conversation", "MessageQueued"),
        Kind::Ticket => ("ticket", "Opened"),
        Kind::Payout => ("payout", "Requested"),
        Kind::Approval => ("payout", "Approved"),
        Kind::Webhook => ("conversation", "MessageReceived"),
    };
    let mut database = stage.cluster.connect().await?;
    let count = sqlx::query_scalar(
        "select count(*) from events where aggregate_type = $1 and event_type = $2",
    );
    let count = count.bind(stream).bind(event).fetch_one(&mut database).await?;
    database.close().await?;
    Ok(count)
}
