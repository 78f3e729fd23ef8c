//! What a world reads through the stores: its streams, its keys and claims, and its part of the log.

use std::fmt::Debug;

use event_store::store::Outcome as Kept;
use event_store::{Error, Store, log};
use uuid::Uuid;

use super::draw::stranger;
use super::found::opened;
use super::ground::insist;
use super::mirror::{Claims, Event, differences, veiled};
use super::stores::Process;
use super::work::{THING, is_lost};
use super::world::World;
use crate::Outcome;
use crate::dice::Dice;

const PAGE: i64 = 20;

/// What is asked for.
#[derive(Debug)]
enum Question {
    /// Events of a stream after one of them.
    Stream(String, i64),
    Version(String),
    Kept(Vec<u8>),
    /// Whose values in that scope begin so.
    Claims(Uuid, String, Vec<u8>),
    /// The world's part of the log after a position.
    Page(i64),
    /// The same for the organisation beside it, which has nothing.
    Stranger(String),
}

impl World<'_> {
    pub(super) async fn read(&self, dice: &mut Dice) -> Outcome<Result<(), String>> {
        self.ground.counts("read");
        let question = self.question(dice);
        let wrong = insist(async || {
            let process = self.ground.stores.any(&mut dice.clone());
            match self.ask(&question, &process).await {
                Ok(wrong) => Ok(wrong),
                Err(error) if is_lost(&error) => Err(error),
                Err(error) => Ok(vec![error.to_string()]),
            }
        })
        .await?;
        if wrong.is_empty() {
            return Ok(Ok(()));
        }
        Ok(Err(format!("{question:?}: {}", wrong.join("; "))))
    }

    fn question(&self, dice: &mut Dice) -> Question {
        let mut draw = self.draw(dice);
        match draw.dice.below(12) {
            0..4 => {
                let stream = draw.stream();
                let version = self.mirror.version(&stream).unsigned_abs();
                Question::Stream(stream, draw.dice.below(version + 1).cast_signed())
            }
            4..6 => Question::Version(draw.stream()),
            6..8 => Question::Kept(draw.key()),
            8..10 => {
                let (tenant, scope, mut value) = draw.claim();
                if draw.dice.happens(50) {
                    value.pop();
                }
                Question::Claims(tenant, scope, value)
            }
            10 => {
                let positions: Vec<i64> = self.mirror.holds.events.keys().copied().collect();
                Question::Page(draw.dice.pick(&positions).copied().unwrap_or_default() - 1)
            }
            _ => Question::Stranger(draw.stream()),
        }
    }

    /// What is wrong with the answer.
    async fn ask(&self, question: &Question, process: &Process) -> Result<Vec<String>, Error> {
        let (store, tenant) = (&process.store, self.mirror.tenant);
        Ok(match question {
            Question::Stream(stream, after) => self.stream(stream, *after, process).await?,
            Question::Version(stream) => {
                let found = log::version_of(store.pool(), tenant, THING, stream).await?;
                let expected = self.mirror.version(stream);
                unlike(&expected, &found)
            }
            Question::Kept(key) => {
                let found = store.outcome(tenant, key).await?;
                let expected = self.mirror.holds.records.get(key).map(|record| Kept {
                    fingerprint: record.fingerprint.clone(),
                    position: record.position,
                    status: record.status,
                    response: record.answer.clone(),
                });
                unlike(&expected, &found)
            }
            Question::Claims(tenant, scope, value) => {
                let found = store.claims(*tenant, &[(scope.as_str(), value.clone())]).await?;
                let found = found
                    .into_iter()
                    .map(|claim| ((claim.tenant, claim.scope, claim.value), claim.owner));
                let asked = |(whose, of, what): &(Uuid, String, Vec<u8>)| {
                    whose == tenant && of == scope && what.starts_with(value)
                };
                let all = self.mirror.holds.claims.iter();
                let expected = all.filter(|(name, _)| asked(name));
                let expected: Claims = expected.map(|(k, v)| (k.clone(), v.clone())).collect();
                differences("claim", &expected, &found.collect())
            }
            Question::Page(after) => self.page(*after, store).await?,
            Question::Stranger(stream) => {
                let stranger = stranger(tenant);
                let rows = log::stream_of(store.pool(), stranger, THING, stream, 0).await?;
                unlike(&vec![], &rows)
            }
        })
    }

    async fn stream(
        &self,
        stream: &str,
        after: i64,
        process: &Process,
    ) -> Result<Vec<String>, Error> {
        let (store, tenant) = (&process.store, self.mirror.tenant);
        let rows = log::stream_of(store.pool(), tenant, THING, stream, after).await?;
        let mut found = opened(store, rows).await?;
        if !self.is_aware(process) {
            found = veiled(&found, &self.mirror.gone);
        }
        let skipped = usize::try_from(after).unwrap_or_default();
        let positions = self.mirror.streams.get(stream).into_iter().flatten().skip(skipped);
        let events = &self.mirror.holds.events;
        let expected = positions.map(|position| (*position, events[position].clone())).collect();
        Ok(differences("event", &veiled(&expected, &self.mirror.gone), &found))
    }

    /// The log tells a listener of each event where it stands and whose it is.
    async fn page(&self, after: i64, store: &Store) -> Result<Vec<String>, Error> {
        let found = store.notices(self.mirror.tenant, after, i64::MAX, PAGE).await?;
        let found = found.into_iter().map(|notice| {
            let whose = (notice.aggregate_id, notice.sequence, notice.event_type);
            (notice.position, (whose, notice.actor, notice.correlation_id, notice.recorded_at))
        });
        let told = |event: &Event| {
            let whose = (event.stream.clone(), event.sequence, event.name.clone());
            (whose, event.actor.clone(), event.correlation, event.at)
        };
        let events = self.mirror.holds.events.range(after + 1..);
        let page = events.take(usize::try_from(PAGE).unwrap_or_default());
        let expected = page.map(|(position, event)| (*position, told(event))).collect();
        Ok(differences("notice", &expected, &found.collect()))
    }
}

fn unlike<T: Debug + PartialEq>(expected: &T, found: &T) -> Vec<String> {
    if found == expected {
        return vec![];
    }
    vec![format!("expected {expected:?}, found {found:?}")]
}
