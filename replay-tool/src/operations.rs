//! What an operator does to read models by hand is recorded: the only events that this tool writes
//! of its own accord.

use domain::operation::{Command, Event, Operation};
use domain::{Actor, Aggregate, Context};
use event_store::{Append, NewEvent, StreamAppend};
use projections::Model;
use projections::rebuild::rollback::RolledBack;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::connect::Session;
use crate::failure::Failure;

/// Under which the log keeps what belongs to no organisation.
const PLATFORM: Uuid = Uuid::nil();

pub(crate) async fn rolled_back(
    session: &Session,
    model: &dyn Model,
    back: &RolledBack,
    reason: &str,
) -> Result<(), Failure> {
    let RolledBack { from, to, .. } = *back;
    let (model, reason) = (model.name().to_owned(), reason.to_owned());
    record(session, PLATFORM, Command::RollBack { model, from, to, reason }).await?;
    Ok(())
}

/// Records a deed; returns its position.
pub(crate) async fn record(
    session: &Session,
    tenant: Uuid,
    command: Command,
) -> Result<i64, Failure> {
    let context = Context { tenant, actor: Actor::System, now: chrono::Utc::now() };
    let decided = Operation::default().decide(command, &context);
    let events = decided.map_err(|refusal| Failure::Usage(refusal.to_string()))?;
    let id = Uuid::now_v7();
    let stream = StreamAppend {
        aggregate_type: Operation::TYPE.to_owned(),
        aggregate_id: id.to_string(),
        expected: 0,
        events: events.iter().map(new).collect::<Result<_, _>>()?,
    };
    let append = Append {
        tenant,
        actor: context.actor.to_string(),
        command_id: Some(id),
        correlation_id: id,
        causation_id: None,
        metadata: Value::Object(Map::new()),
        streams: vec![stream],
        claims: vec![],
        idempotency: None,
    };
    Ok(session.store().await?.append(append).await?.last)
}

fn new(event: &Event) -> Result<NewEvent, Failure> {
    let event_type = match event {
        Event::RolledBack { .. } => "RolledBack",
        Event::LetterSkipped { .. } => "LetterSkipped",
    };
    Ok(NewEvent {
        event_id: Uuid::now_v7(),
        event_type: event_type.to_owned(),
        event_version: domain::event::version(Operation::TYPE, event_type).to_owned(),
        payload: serde_json::to_value(event)?,
    })
}
