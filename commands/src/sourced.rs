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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stored<E>(pub E);

impl<A: Aggregate> cqrs_es::Aggregate for Sourced<A> {
    const TYPE: &'static str = A::TYPE;
    type Command = (A::Command, Context);
    type Event = Stored<A::Event>;
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

impl<E> DomainEvent for Stored<E>
where
    E: Clone + std::fmt::Debug + PartialEq + Serialize + serde::de::DeserializeOwned + Send + Sync,
{
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
        event::VERSION.to_owned()
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
