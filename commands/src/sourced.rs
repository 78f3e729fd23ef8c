//! The one file that knows cqrs-es: any aggregate of the domain as that framework wants it, so
//! that its tools work on our log. Snapshots stay off: the framework's apply events twice.

use cqrs_es::DomainEvent;
use cqrs_es::event_sink::EventSink;
use domain::{Aggregate, Context, event};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An aggregate in the framework's clothes.
#[derive(Clone, Debug, Default)]
pub struct Sourced<A>(pub A);

/// An event whose stored name is serde's name of its variant.
#[derive(Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Stored<A: Aggregate>(pub A::Event);

impl<A: Aggregate> Clone for Stored<A> {
    fn clone(&self) -> Self {
        Stored(self.0.clone())
    }
}

impl<A: Aggregate> std::fmt::Debug for Stored<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<A: Aggregate> PartialEq for Stored<A> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<A: Aggregate> cqrs_es::Aggregate for Sourced<A> {
    const TYPE: &'static str = A::TYPE;
    type Command = (A::Command, Context);
    type Event = Stored<A>;
    type Error = A::Error;
    type Services = ();

    async fn handle(
        &mut self,
        (command, context): Self::Command,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), A::Error> {
        for event in self.0.decide(command, &context)? {
            sink.write(Stored(event), self).await;
        }
        Ok(())
    }

    fn apply(&mut self, Stored(event): Self::Event) {
        self.0.evolve(&event);
    }
}

impl<A: Aggregate> DomainEvent for Stored<A> {
    fn event_type(&self) -> String {
        match serde_json::to_value(&self.0) {
            Ok(serde_json::Value::Object(object)) => {
                object.keys().next().cloned().unwrap_or_default()
            }
            Ok(serde_json::Value::String(name)) => name,
            _ => String::new(),
        }
    }

    fn event_version(&self) -> String {
        event::version(A::TYPE, &self.event_type()).to_owned()
    }
}

impl<A> Serialize for Sourced<A> {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("aggregates are not snapshotted"))
    }
}

impl<'de, A> Deserialize<'de> for Sourced<A> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("aggregates are not snapshotted"))
    }
}
