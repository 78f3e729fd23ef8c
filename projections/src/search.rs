//! Finds contacts by the beginnings of their names and by their numbers, which the log keeps
//! encrypted. It is no fold, because it needs keys: a reader of the log of its own keeps keyed
//! hashes of what may be searched for, and only of what a contact is called now.

pub(crate) mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use domain::Personal;
use domain::contact::{Event, Identities};
use event_store::codec::Opened;
use event_store::subscription::Subscription;
use event_store::tenant::within;
use event_store::{Database, Store, log, transaction};
use sqlx::PgExecutor;
use tokio::sync::watch;
use uuid::Uuid;

use crate::Recorded;

/// The name of the subscription, and of the lease to feed.
const NAME: &str = "search";
/// Events in one transaction.
const PAGE: i64 = 500;
/// Tokens and checkpoint are one commit: losing it to a crash only means reading the page again.
const BEGIN: &str = "begin; set local synchronous_commit = off";
/// More contacts than this nobody looks through.
const MOST: i64 = 1000;

/// Why feeding the search was interrupted.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] event_store::Error),
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
}

/// What of a contact can be searched for. The numbers are stored: never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Name = 1,
    Phone = 2,
    UserId = 3,
    Username = 4,
}

/// One field of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    tenant: Uuid,
    contact: Uuid,
    field: Field,
}

/// Feeds until `stop` says so. Another process may be feeding: then this one stands by.
pub async fn run(database: Database, store: Store, stop: watch::Receiver<bool>) {
    store.leases().run(NAME, stop, |fence| feed(&database, &store, fence)).await;
}

/// Contacts for whom every word of `text` begins a word of a name, or begins or ends a number.
pub async fn find(store: &Store, tenant: Uuid, text: &str) -> sqlx::Result<Vec<Uuid>> {
    let wanted = tokens::wanted(text);
    if wanted.is_empty() {
        return Ok(vec![]);
    }
    let (mut hashes, mut words) = (vec![], vec![]);
    for (word, alternatives) in (0_i32..).zip(&wanted) {
        for alternative in alternatives {
            hashes.push(hash(store, tenant, alternative));
            words.push(word);
        }
    }
    sqlx::query_scalar(&within(
        "select s.subject from unnest($2::bytea[], $3::int[]) w(token, word)
           join search_tokens s on s.tenant_id = t.id and s.token = w.token
          group by s.subject having count(distinct w.word) = $4
          order by s.subject desc limit $5",
    ))
    .bind(tenant)
    .bind(hashes)
    .bind(words)
    .bind(i64::try_from(wanted.len()).unwrap_or(i64::MAX))
    .bind(MOST)
    .fetch_all(store.pool())
    .await
}

/// Up to where of the log the search has read.
pub async fn position(db: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    let position: Option<i64> =
        sqlx::query_scalar("select position from subscriptions where name = $1")
            .bind(NAME)
            .fetch_optional(db)
            .await?;
    Ok(position.unwrap_or_default())
}

async fn feed(database: &Database, store: &Store, fence: i64) -> Result<Infallible, Error> {
    let mut subscription = Subscription::take_over(store, NAME, 0, fence).await?;
    loop {
        let page = subscription.next(PAGE).await?;
        let (at, taken) = (subscription.position(), page.len());
        let last = page.last().map_or(at, |event| event.position);
        let values = open(store, told(page)).await?;
        if values.is_empty() {
            subscription.pass(last).await?;
        } else {
            let mut tx = transaction::begin_with(&database.projector, BEGIN).await?;
            // The checkpoint first: nobody else may be writing the same tokens.
            subscription.advance(&mut tx, last).await?;
            replace(&mut tx, store, &values).await?;
            tx.commit().await?;
            store.progress().tell();
        }
        store.progress().rest_after(taken, PAGE).await;
    }
}

/// What a page of the log says contacts are called now: for each field the newest token.
fn told(page: Vec<Arc<log::Recorded>>) -> BTreeMap<Place, Option<String>> {
    let mut told = BTreeMap::new();
    for stored in page.into_iter().filter(|event| event.aggregate_type == "contact") {
        let recorded = match Recorded::decode(Arc::unwrap_or_clone(stored)) {
            Ok(recorded) => recorded,
            Err(error) => {
                tracing::error!(%error, "The search leaves out an event");
                continue;
            }
        };
        let domain::Event::Contact(event) = &recorded.event else { continue };
        for (field, value) in fields(event) {
            let (tenant, contact) = (recorded.stored.tenant_id, recorded.stream());
            told.insert(Place { tenant, contact, field }, crate::contacts::token(value));
        }
    }
    told
}

fn known_by(identities: &Identities) -> impl Iterator<Item = (Field, &Personal<String>)> {
    let Identities { phone, user_id, username } = identities;
    let fields = [(Field::Phone, phone), (Field::UserId, user_id), (Field::Username, username)];
    fields.into_iter().filter_map(|(field, value)| Some((field, value.as_ref()?)))
}

/// The fields that an event sets.
fn fields(event: &Event) -> Vec<(Field, &Personal<String>)> {
    match event {
        Event::Registered(contact) => {
            let name = contact.name.as_ref().map(|name| (Field::Name, name));
            name.into_iter().chain(known_by(&contact.identities)).collect()
        }
        Event::Renamed { name, .. } => vec![(Field::Name, name)],
        Event::Identified(identities) => known_by(identities).collect(),
        Event::NumberChanged { phone, .. } => vec![(Field::Phone, phone)],
        Event::UserIdChanged { user_id, .. } => vec![(Field::UserId, user_id)],
        Event::Absorbed(other) => {
            let name = other.name.as_ref().map(|name| (Field::Name, name));
            name.into_iter().chain(known_by(&other.identities)).collect()
        }
        // Who is looked for under what a merged contact was called is found by that contact.
        Event::Merged { .. }
        | Event::AttributesSet { .. }
        | Event::Tagged { .. }
        | Event::Untagged { .. }
        | Event::Blocked
        | Event::Unblocked => vec![],
    }
}

/// Opens the tokens, an organisation's at once. What was erased, or can't be read, is `None`.
async fn open(
    store: &Store,
    told: BTreeMap<Place, Option<String>>,
) -> Result<BTreeMap<Place, Option<String>>, Error> {
    let tenants: BTreeSet<Uuid> = told.keys().map(|place| place.tenant).collect();
    let mut values: BTreeMap<Place, Option<String>> =
        told.keys().map(|place| (*place, None)).collect();
    for tenant in tenants {
        let own = told.iter().filter(|(place, _)| place.tenant == tenant);
        let (places, tokens): (Vec<Place>, Vec<&str>) =
            own.filter_map(|(place, token)| Some((*place, token.as_deref()?))).unzip();
        let opened = match store.codec().open_tokens(tenant, &tokens).await {
            // One damaged token must not keep the others out.
            Err(event_store::Error::BadToken) => one_by_one(store, tenant, &tokens).await?,
            opened => opened?,
        };
        for (place, opened) in places.into_iter().zip(opened) {
            values.insert(place, opened.read());
        }
    }
    Ok(values)
}

async fn one_by_one(store: &Store, tenant: Uuid, tokens: &[&str]) -> Result<Vec<Opened>, Error> {
    let mut opened = Vec::with_capacity(tokens.len());
    for token in tokens {
        opened.extend(match store.codec().open_tokens(tenant, &[token]).await {
            Err(event_store::Error::BadToken) => {
                tracing::error!(%tenant, "The search leaves out a damaged token");
                vec![Opened::Erased]
            }
            opened => opened?,
        });
    }
    Ok(opened)
}

/// Puts the tokens of these values in the place of all that the fields had.
async fn replace(
    db: &mut sqlx::PgConnection,
    store: &Store,
    values: &BTreeMap<Place, Option<String>>,
) -> sqlx::Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    let column = |places: &[Place]| -> (Vec<Uuid>, Vec<Uuid>, Vec<i16>) {
        let tenants = places.iter().map(|place| place.tenant).collect();
        let contacts = places.iter().map(|place| place.contact).collect();
        (tenants, contacts, places.iter().map(|place| place.field as i16).collect())
    };
    let (tenants, contacts, kinds) = column(&values.keys().copied().collect::<Vec<_>>());
    sqlx::query(
        "delete from search_tokens s
          using unnest($1::uuid[], $2::uuid[], $3::smallint[]) u(tenant_id, subject, kind)
          where s.tenant_id = u.tenant_id and s.subject = u.subject and s.kind = u.kind",
    )
    .bind(tenants)
    .bind(contacts)
    .bind(kinds)
    .execute(&mut *db)
    .await?;
    let (mut places, mut hashes) = (vec![], vec![]);
    for (place, value) in values {
        let value = value.as_deref().unwrap_or_default();
        let tokens = match place.field {
            Field::Phone => tokens::of_number(value),
            Field::Name | Field::UserId | Field::Username => tokens::of_words(value),
        };
        for token in tokens {
            places.push(*place);
            hashes.push(hash(store, place.tenant, &token));
        }
    }
    let (tenants, contacts, kinds) = column(&places);
    sqlx::query(
        "insert into search_tokens (tenant_id, token, subject, kind)
         select * from unnest($1::uuid[], $2::bytea[], $3::uuid[], $4::smallint[])
         on conflict do nothing",
    )
    .bind(tenants)
    .bind(hashes)
    .bind(contacts)
    .bind(kinds)
    .execute(&mut *db)
    .await?;
    Ok(())
}

fn hash(store: &Store, tenant: Uuid, token: &str) -> Vec<u8> {
    store.lookup(tenant, &[b"search", token.as_bytes()])[..16].to_vec()
}
