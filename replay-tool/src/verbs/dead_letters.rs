//! `dead-letters`: rows that stand still, why, and how they go on.

use std::time::Duration;

use domain::operation::Command;
use event_store::log;
use projections::Model;
use projections::letters::{self, Stopped};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::connect::Session;
use crate::failure::Failure;
use crate::{key, operations, shown};

/// How long a running server may take to try a key.
const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(100);

#[derive(clap::Subcommand)]
pub(crate) enum Act {
    /// Every key that stands still, since when, and why.
    List {
        /// Only those of this read model.
        #[arg(value_name = "NAME", value_parser = key::read_model)]
        model: Option<&'static dyn Model>,
    },
    /// The events that wait for a key, the first being the one that could not be taken in.
    Show(Key),
    /// Tries a key once more, from all of its events; without a key, every key of the read model.
    Retry {
        #[arg(value_name = "NAME", value_parser = key::read_model)]
        model: &'static dyn Model,
        /// As `list` shows it.
        key: Option<String>,
    },
    /// Lets a key go on without the event that it stopped at, now and in every rebuild. This is
    /// recorded in the log.
    Skip {
        #[command(flatten)]
        key: Key,
        /// Why it may be left out.
        #[arg(long, value_parser = key::reason)]
        reason: String,
    },
}

#[derive(clap::Args)]
pub(crate) struct Key {
    #[arg(value_name = "NAME", value_parser = key::read_model)]
    model: &'static dyn Model,
    /// As `list` shows it.
    key: String,
}

pub(crate) async fn run(act: &Act, session: &Session) -> Result<(), Failure> {
    match act {
        Act::List { model } => list(session, *model).await,
        Act::Show(key) => show(session, &find(session, key).await?).await,
        Act::Retry { model, key: Some(key) } => {
            let key = Key { model: *model, key: key.clone() };
            tell_tried(session, &find(session, &key).await?).await
        }
        Act::Retry { model, key: None } => {
            for stopped in letters::list(session.pool(), Some(*model)).await? {
                tell_tried(session, &stopped).await?;
            }
            Ok(())
        }
        Act::Skip { key, reason } => skip(session, key, reason).await,
    }
}

async fn find(session: &Session, key: &Key) -> Result<Stopped, Failure> {
    let stopped = letters::list(session.pool(), Some(key.model)).await?;
    stopped.into_iter().find(|stopped| stopped.key == key.key).ok_or_else(|| {
        Failure::Usage(format!(
            "no such key of {} stands still; `dead-letters list {0}` shows those that do",
            key.model.name()
        ))
    })
}

async fn list(session: &Session, model: Option<&'static dyn Model>) -> Result<(), Failure> {
    let stopped = letters::list(session.pool(), model).await?;
    if session.json {
        return shown::say_json(&stopped);
    }
    if stopped.is_empty() {
        return shown::say("nothing stands still");
    }
    let mut table = shown::table(&["read model", "since", "waiting", "key", "reason"]);
    for Stopped { model, key, position, reason, waiting, .. } in stopped {
        table.add_row([model, position.to_string(), waiting.to_string(), key, reason]);
    }
    shown::say(table.trim_fmt())
}

async fn show(session: &Session, stopped: &Stopped) -> Result<(), Failure> {
    if !session.json {
        let Stopped { model, key, position, reason, .. } = stopped;
        shown::say(format!("{model} {key} stands still since position {position}: {reason}"))?;
    }
    for position in letters::waiting(session.pool(), stopped).await? {
        let events = log::page(session.pool(), position - 1, position, 1).await?;
        shown::write_events(&mut std::io::stdout(), &events, session.json, false)?;
    }
    Ok(())
}

/// Tries a key, here or in the server that feeds.
async fn tried(session: &Session, stopped: &Stopped) -> Result<Option<Stopped>, Failure> {
    let since = std::time::Instant::now();
    if !letters::retry(&session.database, stopped).await? {
        while !letters::is_tried(session.pool(), stopped).await? {
            if since.elapsed() > PATIENCE {
                return Err(Failure::Found(
                    "asked for, but the server that feeds has not come to it yet; it will, see \
                     `dead-letters list` and `status --explain`"
                        .into(),
                ));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    let model = projections::model(&stopped.model);
    let left = letters::list(session.pool(), model).await?;
    Ok(left.into_iter().find(|left| left.key == stopped.key))
}

async fn tell_tried(session: &Session, stopped: &Stopped) -> Result<(), Failure> {
    let Stopped { model, key, .. } = stopped;
    match tried(session, stopped).await? {
        None if session.json => {
            shown::say_json(&json!({"model": model, "key": key, "goes_on": true}))
        }
        None => shown::say(format!("{model} {key} goes on")),
        Some(left) => Err(Failure::Found(format!(
            "{model} {key} still stands still at position {}: {}",
            left.position, left.reason
        ))),
    }
}

async fn skip(session: &Session, key: &Key, reason: &str) -> Result<(), Failure> {
    let stopped = find(session, key).await?;
    let tenant = tenant(session, &stopped).await?;
    let command = Command::Skip {
        model: stopped.model.clone(),
        key: stopped.key.clone(),
        position: stopped.position,
        reason: reason.to_owned(),
    };
    let recorded = operations::record(session, tenant, command).await?;
    if !session.json {
        shown::say(format!(
            "position {} is left out of {} {}, as position {recorded} records",
            stopped.position, stopped.model, stopped.key
        ))?;
    }
    tell_tried(session, &stopped).await
}

/// Whose audit tells of it: the row's organisation, or the stream's.
async fn tenant(session: &Session, stopped: &Stopped) -> Result<Uuid, Failure> {
    if let Ok(Value::Object(key)) = serde_json::from_str(&stopped.key)
        && let Some(tenant) = key.get("tenant_id").and_then(Value::as_str)
        && let Ok(tenant) = tenant.parse()
    {
        return Ok(tenant);
    }
    let events = log::page(session.pool(), stopped.position - 1, stopped.position, 1).await?;
    Ok(events.first().map(|event| event.tenant_id).unwrap_or_default())
}
