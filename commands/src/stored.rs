//! Events as they come out of the log, in the form of their newest version.

use domain::event;
use event_store::log::Recorded;
use serde::de::DeserializeOwned;

use crate::Error;

/// The payload as it is stored, personal values unopened.
pub(crate) fn decode<E: DeserializeOwned>(stored: &Recorded) -> Result<E, Error> {
    let Recorded { aggregate_type, event_type, event_version, payload, .. } = stored;
    event::newest(aggregate_type, event_type, event_version, payload)
        .and_then(|payload| serde_json::from_str(&payload).map_err(|error| error.to_string()))
        .map_err(|reason| Error::Undecodable { position: stored.position, reason })
}
