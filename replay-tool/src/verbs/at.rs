//! `at`: an aggregate, or a row of a read model, as it was at a position or time.

use std::fmt::Debug;

use domain::api_key::ApiKey;
use domain::attempts::Attempts;
use domain::channel::Channel;
use domain::contact::Contact;
use domain::conversation::Conversation;
use domain::invitation::Invitation;
use domain::organization::Organization;
use domain::payout::Payout;
use domain::staff::Staff;
use domain::team::Team;
use domain::template::Template;
use domain::ticket::Ticket;
use domain::ticket_counter::TicketCounter;
use domain::user::User;
use domain::visit::Visit;
use domain::{Aggregate, Event};
use event_store::log;
use projections::{Model, Recorded, as_of};
use serde::Serialize;
use serde_json::{Value, json};

use crate::connect::Session;
use crate::failure::Failure;
use crate::key;
use crate::moment::{AsOf, rfc3339};
use crate::opener::Open;
use crate::shown;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// An aggregate type (`conversation`) or a read model (`inbox`).
    #[arg(value_name = "NAME", value_parser = subject)]
    subject: Subject,
    /// An aggregate's id; a row's key as name=value…, as a JSON object, or by its id alone.
    #[arg(required = true)]
    key: Vec<String>,
    #[command(flatten)]
    as_of: AsOf,
    #[command(flatten)]
    open: Open,
}

#[derive(Clone)]
enum Subject {
    Aggregate(&'static Foldable),
    Model(&'static dyn Model),
}

/// An aggregate type and its fold.
struct Foldable {
    kind: &'static str,
    fold: fn(&[Event]) -> serde_json::Result<State>,
}

/// What the events made of the aggregate, for programs and for people.
struct State {
    json: Value,
    text: String,
}

impl State {
    fn of(aggregate: &(impl Serialize + Debug)) -> serde_json::Result<State> {
        Ok(State { json: serde_json::to_value(aggregate)?, text: format!("{aggregate:#?}") })
    }
}

macro_rules! foldable {
    ($name:ident) => {
        Foldable {
            kind: $name::TYPE,
            fold: |events| {
                let mut state = $name::default();
                for event in events {
                    if let Event::$name(event) = event {
                        state.evolve(event);
                    }
                }
                State::of(&state)
            },
        }
    };
}

const AGGREGATES: &[Foldable] = &[
    foldable!(ApiKey),
    foldable!(Attempts),
    foldable!(Channel),
    foldable!(Contact),
    foldable!(Conversation),
    foldable!(Invitation),
    foldable!(Organization),
    foldable!(Payout),
    foldable!(Staff),
    foldable!(Team),
    foldable!(Template),
    foldable!(Ticket),
    foldable!(TicketCounter),
    foldable!(User),
    foldable!(Visit),
];

fn subject(name: &str) -> Result<Subject, String> {
    if let Some(aggregate) = AGGREGATES.iter().find(|aggregate| aggregate.kind == name) {
        return Ok(Subject::Aggregate(aggregate));
    }
    key::read_model(name).map(Subject::Model).map_err(|models| {
        let kinds: Vec<&str> = AGGREGATES.iter().map(|aggregate| aggregate.kind).collect();
        format!("the aggregates are {}; {models}", kinds.join(", "))
    })
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<(), Failure> {
    let until = args.as_of.resolve(session.pool()).await?;
    match (&args.subject, args.key.as_slice()) {
        (Subject::Model(model), _) => row(args, session, *model, until).await,
        (Subject::Aggregate(foldable), [id]) => aggregate(args, session, foldable, id, until).await,
        (Subject::Aggregate(_), _) => Err(Failure::Usage("an aggregate is named by one id".into())),
    }
}

async fn aggregate(
    args: &Args,
    session: &Session,
    foldable: &Foldable,
    id: &str,
    until: i64,
) -> Result<(), Failure> {
    let kind = foldable.kind;
    let stored = log::stream(session.pool(), kind, id, 0, until).await?;
    let Some(last) = stored.last().cloned() else {
        return Err(Failure::Found(format!("{kind} {id} has no events up to position {until}")));
    };
    let opener = args.open.opener(session).await?;
    let mut events = vec![];
    for event in opener.events(stored).await? {
        events.push(Recorded::decode(event).map_err(projections::Error::from)?.event);
    }
    let state = (foldable.fold)(&events)?;
    if session.json {
        return shown::say_json(&json!({
            "aggregate_type": kind,
            "aggregate_id": id,
            "tenant_id": last.tenant_id,
            "as_of": until,
            "version": last.sequence,
            "position": last.position,
            "recorded_at": last.recorded_at,
            "state": state.json,
        }));
    }
    shown::say(format!(
        "{kind} {id} as of position {until}: version {}, last event at position {}, {}\n{}",
        last.sequence,
        last.position,
        rfc3339(last.recorded_at),
        state.text
    ))
}

async fn row(
    args: &Args,
    session: &Session,
    model: &'static dyn Model,
    until: i64,
) -> Result<(), Failure> {
    let key = key::key(session.pool(), model, &args.key).await?;
    let opener = args.open.opener(session).await?;
    let past = as_of::row(session.pool(), model, &key, until).await?;
    let as_of::AsOf { row, events, last } = past;
    let Some(last) = last else {
        let what = format!("{} has no row {key} as of position {until}", model.name());
        return Err(Failure::Found(what));
    };
    let mut row = row.map_or(Ok(Value::Null), |row| serde_json::from_str(&row))?;
    opener.row(last.tenant_id, &mut row).await?;
    if session.json {
        return shown::say_json(&json!({
            "model": model.name(),
            "key": key,
            "as_of": until,
            "position": last.position,
            "recorded_at": last.recorded_at,
            "events": events,
            "row": row,
        }));
    }
    shown::say(format!(
        "{} as of position {until}: made by {events} events, the last at position {}, {}",
        model.name(),
        last.position,
        rfc3339(last.recorded_at)
    ))?;
    if row.is_null() {
        return shown::say("the row was deleted");
    }
    let mut table = shown::table(&["column", "value"]);
    for column in model.columns() {
        table.add_row([column.name.to_owned(), shown::cell(row.get(column.name))]);
    }
    shown::say(table.trim_fmt())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_aggregate_can_be_told_as_json() {
        for foldable in AGGREGATES {
            let state = (foldable.fold)(&[]).unwrap();
            assert!(state.json.is_object(), "{}: {}", foldable.kind, state.json);
        }
    }

    #[test]
    fn an_organisation_is_what_its_events_made_of_it() {
        let name = "Baraka".to_owned();
        let founded = Event::Organization(domain::organization::Event::Founded { name });
        let Ok(Subject::Aggregate(organization)) = subject("organization") else {
            panic!("organisations can be folded")
        };
        let state = (organization.fold)(&[founded]).unwrap();
        assert_eq!(state.json["name"], "Baraka");
        assert!(state.text.contains("Baraka"), "{}", state.text);
    }
}
