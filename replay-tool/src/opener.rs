//! Opens personal values for who asked for it and has the master key; others see tokens.

use event_store::codec::Opened;
use event_store::{Error, Recorded, Store};
use serde_json::Value;
use uuid::Uuid;

use crate::connect::Session;
use crate::failure::Failure;

#[derive(clap::Args)]
pub(crate) struct Open {
    /// Decrypts personal values; needs the master key.
    #[arg(long)]
    open: bool,
}

impl Open {
    pub(crate) async fn opener(&self, session: &Session) -> Result<Opener, Failure> {
        Ok(Opener(if self.open { Some(session.store().await?) } else { None }))
    }
}

/// Holds the keys, or nothing.
pub(crate) struct Opener(Option<Store>);

impl Opener {
    #[cfg(test)]
    pub(crate) fn of(store: Store) -> Self {
        Opener(Some(store))
    }

    pub(crate) fn opens(&self) -> bool {
        self.0.is_some()
    }

    /// The event with its personal values in the clear, if they were asked for.
    pub(crate) async fn event(&self, mut event: Recorded) -> Result<Recorded, Failure> {
        let Some(store) = &self.0 else { return Ok(event) };
        let opened = async |id: Uuid, text: &str| -> Result<String, Failure> {
            let mut value: Value = serde_json::from_str(text)?;
            store.codec().open(event.tenant_id, id, &mut value).await?;
            Ok(value.to_string())
        };
        let payload = opened(event.event_id, &event.payload).await?;
        let metadata = opened(event.command_id.unwrap_or_default(), &event.metadata).await?;
        (event.payload, event.metadata) = (payload, metadata);
        Ok(event)
    }

    pub(crate) async fn events(&self, events: Vec<Recorded>) -> Result<Vec<Recorded>, Failure> {
        let mut opened = Vec::with_capacity(events.len());
        for event in events {
            opened.push(self.event(event).await?);
        }
        Ok(opened)
    }

    /// The same for a row, where tokens stand by themselves.
    pub(crate) async fn row(&self, tenant: Uuid, row: &mut Value) -> Result<(), Failure> {
        let Some(store) = &self.0 else { return Ok(()) };
        match row {
            Value::String(text) => match store.codec().open_tokens(tenant, &[text]).await {
                Ok(opened) => {
                    *row = opened.first().and_then(Opened::read).unwrap_or_default();
                }
                // Most strings of a row are no tokens.
                Err(Error::BadToken) => {}
                Err(error) => return Err(error.into()),
            },
            Value::Array(items) => {
                for item in items {
                    Box::pin(self.row(tenant, item)).await?;
                }
            }
            Value::Object(members) => {
                for member in members.values_mut() {
                    Box::pin(self.row(tenant, member)).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
