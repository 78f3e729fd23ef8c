//! `check`: whether this release can read all that the log holds, before it is put in the place of
//! another.

use std::io::IsTerminal;

use indicatif::ProgressBar;
use projections::check::{Checked, check};
use projections::{MODELS, generation};
use serde_json::json;

use crate::connect::Session;
use crate::failure::Failure;
use crate::shown;

/// Pages that are read and decoded at the same time.
const WORKERS: usize = 4;

pub(crate) async fn run(session: &Session) -> Result<(), Failure> {
    let bar = match std::io::stderr().is_terminal() {
        true => ProgressBar::new(0),
        false => ProgressBar::hidden(),
    };
    let told = |done: i64, head: i64| {
        bar.set_length(head.unsigned_abs());
        bar.set_position(done.unsigned_abs());
    };
    let checked = check(&session.database, WORKERS, &told).await?;
    bar.finish_and_clear();
    let missing = missing(session).await?;
    match session.json {
        true => shown::say_json(&json!({"events": checked, "to_build": missing}))?,
        false => tell(&checked, &missing)?,
    }
    let bad = checked.iter().filter(|checked| checked.undecodable > 0);
    let bad: Vec<String> = bad.map(in_words).collect();
    match bad.is_empty() {
        true => Ok(()),
        false => Err(Failure::Found(format!("this release can't read {}", bad.join("; ")))),
    }
}

/// Read models that this release has no generation of.
async fn missing(session: &Session) -> Result<Vec<&'static str>, Failure> {
    let mut missing = vec![];
    for model in MODELS.iter().copied() {
        if generation::live(session.pool(), model).await?.is_none() {
            missing.push(model.name());
        }
    }
    Ok(missing)
}

fn tell(checked: &[Checked], missing: &[&str]) -> Result<(), Failure> {
    let mut table = shown::table(&["event", "version", "written now", "events", "undecodable"]);
    for checked in checked {
        table.add_row([
            format!("{}.{}", checked.aggregate_type, checked.event_type),
            checked.event_version.clone(),
            shown::known(checked.newest),
            checked.events.to_string(),
            checked.undecodable.to_string(),
        ]);
    }
    shown::say(table.trim_fmt())?;
    match missing.is_empty() {
        true => shown::say("this release has a generation of every read model"),
        false => shown::say(format!(
            "this release has no generation of {}: `rebuild --missing` builds them beside the old",
            missing.join(", ")
        )),
    }
}

fn in_words(checked: &Checked) -> String {
    let Checked { aggregate_type, event_type, event_version, undecodable, first, .. } = checked;
    let (position, reason) = first.clone().unwrap_or_default();
    format!(
        "{undecodable} events {aggregate_type}.{event_type} version {event_version}, the first at \
         position {position}: {reason}"
    )
}
