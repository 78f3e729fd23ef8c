//! Whether this program can read every event that the log holds: what to ask before it is put in the
//! place of another.

use std::collections::BTreeMap;

use domain::Event;
use event_store::{Database, log};
use futures_util::StreamExt;
use serde::Serialize;

use crate::Error;
use crate::feed::{Decoded, stored};
use crate::rebuild::{Brake, pages};

/// One version of one event, as often as it was ever stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    pub aggregate_type: String,
    pub event_type: String,
    pub event_version: String,
    /// What this program writes now; none for another program's events, which are left alone.
    pub newest: Option<&'static str>,
    pub events: i64,
    pub undecodable: i64,
    /// Where the first of those is, and why it can't be read.
    pub first: Option<(i64, String)>,
}

/// Decodes the whole log. `told` hears how far it is, and how far it goes.
pub async fn check(
    database: &Database,
    workers: usize,
    told: &(dyn Fn(i64, i64) + Sync),
) -> Result<Vec<Checked>, Error> {
    let head = log::head(&database.projector).await?;
    let brake = Brake::new(&database.owner, None);
    let pages = pages::read(&database.projector, None, (0, head), workers, &brake);
    let mut pages = std::pin::pin!(pages);
    let mut found = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page?;
        for event in &page.events {
            count(&mut found, event);
        }
        told(page.until, head);
    }
    Ok(found.into_values().collect())
}

fn count(found: &mut BTreeMap<(String, String, String), Checked>, event: &Decoded) {
    let log::Recorded { aggregate_type, event_type, event_version, position, .. } = stored(event);
    let kind = (aggregate_type.clone(), event_type.clone(), event_version.clone());
    let checked = found.entry(kind).or_insert_with(|| {
        let foreign = matches!(event, Ok(recorded) if recorded.event == Event::Foreign);
        Checked {
            aggregate_type: aggregate_type.clone(),
            event_type: event_type.clone(),
            event_version: event_version.clone(),
            newest: (!foreign).then(|| domain::event::version(aggregate_type, event_type)),
            events: 0,
            undecodable: 0,
            first: None,
        }
    });
    checked.events += 1;
    if let Err(undecodable) = event {
        checked.undecodable += 1;
        checked.first.get_or_insert_with(|| (*position, undecodable.1.clone()));
    }
}
