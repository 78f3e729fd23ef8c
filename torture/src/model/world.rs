//! One world: an organisation with streams of its own that does one thing after another, knows what
//! has to come of each, and is compared with the tables when it ends.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use event_store::Refusal;
use sqlx::Executor;
use tokio::time::timeout;
use uuid::Uuid;

use super::draw::Draw;
use super::found;
use super::ground::{Ground, insist};
use super::mirror::{Holds, Mirror, veiled};
use super::stores::Process;
use super::work::{Came, Work, is_lost};
use crate::Outcome;
use crate::dice::Dice;

/// How many of the last things that were written may be sent once more.
const REMEMBERED: usize = 12;
/// The longest that somebody waits who then goes away.
const IMPATIENCE: Duration = Duration::from_millis(6);

pub(crate) struct World<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) number: u64,
    pub(super) mirror: Mirror,
    dice: Dice,
    pub(super) past: VecDeque<Work>,
    /// Processes that may not have noticed the last erasure yet: by their place, which one there.
    pub(super) unaware: BTreeMap<usize, usize>,
}

impl<'a> World<'a> {
    pub(crate) fn new(ground: &'a Ground<'a>, number: u64, mut dice: Dice) -> World<'a> {
        let mirror = Mirror::of(dice.id());
        let (past, unaware) = Default::default();
        World { ground, number, mirror, dice, past, unaware }
    }

    /// So many operations, each by dice of its own; then all of it is compared.
    pub(crate) async fn live(&mut self, operations: u64) -> Outcome<()> {
        let mut done = 0;
        while done < operations && !self.ground.is_over() {
            let mut dice = self.dice.own(done + 1);
            let (did, wrong) = match self.step(&mut dice).await? {
                Ok(did) => (did, None),
                Err(wrong) => (1, Some(wrong)),
            };
            let told = |wrong| {
                let (seed, world) = (self.ground.seed, self.number);
                format!("seed {seed}, world {world}, operation {}: {wrong}", done + 1)
            };
            self.ground.is_wrong(wrong.map(told));
            self.ground.does(did);
            done += did;
        }
        if self.ground.is_over() { Ok(()) } else { self.ends().await }
    }

    /// One of everything there is to do; how many operations that was, or what was wrong.
    async fn step(&mut self, dice: &mut Dice) -> Outcome<Result<u64, String>> {
        let wrong = match dice.below(1000) {
            0..480 => {
                let work = self.draw(dice).work();
                self.append(work, dice).await?
            }
            480..560 => self.repeat(dice).await?,
            560..570 => {
                let whom = self.draw(dice).person();
                self.erase(whom).await?;
                Ok(())
            }
            570..640 => return self.race(dice).await,
            640..680 => self.abandon(dice).await?,
            _ => self.read(dice).await?,
        };
        Ok(wrong.map(|()| 1))
    }

    pub(super) fn draw<'b>(&'b self, dice: &'b mut Dice) -> Draw<'b> {
        Draw { dice, mirror: &self.mirror, world: self.number }
    }

    async fn append(&mut self, work: Work, dice: &mut Dice) -> Outcome<Result<(), String>> {
        let process = self.ground.stores.any(dice);
        let came = self.send(&work, &process).await?;
        self.hears(&came, &process);
        Ok(self.takes(work, &came))
    }

    /// What was sent before, the very same.
    async fn repeat(&mut self, dice: &mut Dice) -> Outcome<Result<(), String>> {
        let past: Vec<&Work> = self.past.iter().collect();
        let Some(work) = dice.pick(&past).map(|work| (*work).clone()) else { return Ok(Ok(())) };
        self.ground.counts("repeated");
        self.append(work, dice).await
    }

    /// Through one process; where the answer is lost, what became of it is looked up.
    pub(super) async fn send(&self, work: &Work, process: &Process) -> Outcome<Came> {
        let append = work.sealed(&process.store)?;
        let told = Came::told(process.store.append(append).await);
        self.settle(work, told).await
    }

    /// What became of it, when this is what was told of it.
    async fn settle(&self, work: &Work, told: Option<Came>) -> Outcome<Came> {
        match told {
            None => {
                let came = found::look_up(self.ground, work).await?;
                self.ground.counts(if came == Came::Nothing { "lost" } else { "found" });
                Ok(came)
            }
            // The store sends again what got no answer. Without events it does not recognise it: by
            // the record, which is that of this append, its caller does.
            Some(Came::Refused(Refusal::IdempotencyKeyUsed)) if work.events() == 0 => {
                let came = found::look_up(self.ground, work).await?;
                let refused = Came::Refused(Refusal::IdempotencyKeyUsed);
                Ok(if came == Came::Nothing { refused } else { came })
            }
            Some(came) => Ok(came),
        }
    }

    fn takes(&mut self, work: Work, came: &Came) -> Result<(), String> {
        self.mirror.judge(&work, came)?;
        self.remembers(work, came);
        Ok(())
    }

    pub(super) fn remembers(&mut self, work: Work, came: &Came) {
        self.ground.counts(match came {
            Came::Written(_) | Came::Found(_) => "appended",
            Came::Refused(_) | Came::Erased(_) => "refused",
            Came::Nothing | Came::Odd(_) => "not done",
        });
        let is_new = self.past.iter().all(|past| !past.is(&work));
        if is_new && matches!(came, Came::Written(_) | Came::Found(_)) {
            self.past.push_front(work);
            self.past.truncate(REMEMBERED);
        }
    }

    /// Who has had an answer of the database to an append knows all erasures before it.
    fn hears(&mut self, came: &Came, process: &Process) {
        if came.is_answer() && !self.is_aware(process) {
            self.unaware.remove(&process.name.0);
        }
    }

    pub(super) fn is_aware(&self, process: &Process) -> bool {
        let (place, which) = process.name;
        self.unaware.get(&place) != Some(&which)
    }

    /// Destroys the keys of a person, also those that nobody has made yet: under the log's lock, or
    /// an append could make one at the same time.
    async fn erase(&mut self, whom: Uuid) -> Outcome<()> {
        self.ground.counts("erased");
        self.destroy(whom).await?;
        self.mirror.erase(whom);
        self.unaware = self.ground.stores.names().into_iter().collect();
        Ok(())
    }

    pub(super) async fn destroy(&self, whom: Uuid) -> Outcome<()> {
        // In one round trip, which is one transaction: nobody is kept from the log for longer.
        let erasure = format!(
            "select pg_advisory_xact_lock(7201);
             insert into personal_keys (tenant_id, subject, class)
               select '{tenant}', '{whom}', class from generate_series(1, 4) class
                   on conflict (tenant_id, subject, class) do update set wrapped = null;
             insert into erasures
               select coalesce(max(no), 0) + 1, '{tenant}', '{whom}' from erasures",
            tenant = self.mirror.tenant
        );
        let own = &self.ground.own;
        insist(async || own.execute(sqlx::raw_sql(&erasure)).await).await?;
        Ok(())
    }

    /// Goes away before there is an answer. When one that came later has got its own, what became of
    /// it is settled, and looked up.
    async fn abandon(&mut self, dice: &mut Dice) -> Outcome<Result<(), String>> {
        let work = self.draw(dice).work();
        let process = self.ground.stores.any(dice);
        let append = work.sealed(&process.store)?;
        let answer = timeout(dice.up_to(IMPATIENCE), process.store.append(append)).await;
        let later = self.draw(dice).record_alone();
        let came_later = self.send(&later, &process).await?;
        let told = answer.ok().and_then(Came::told);
        if told.is_none() {
            self.ground.counts("abandoned");
        }
        let came = self.settle(&work, told).await?;
        let right = self.takes(work, &came).and_then(|()| self.takes(later, &came_later));
        self.hears(&came_later, &process);
        Ok(right)
    }

    /// Compares everything.
    async fn ends(&mut self) -> Outcome<()> {
        let (process, found) = insist(async || {
            let process = self.ground.stores.any(&mut self.dice.own(u64::MAX));
            let found = self.all_found(&process).await;
            match found {
                Err(error) if is_lost(&error) => Err(error),
                found => Ok((process, found)),
            }
        })
        .await?;
        let wrong = match found {
            Ok(mut found) => {
                if !self.is_aware(&process) {
                    found.events = veiled(&found.events, &self.mirror.gone);
                }
                self.mirror.as_read().differences(&found)
            }
            Err(error) => vec![error.to_string()],
        };
        let told = |wrong| {
            format!("seed {}, world {}, at its end: {wrong}", self.ground.seed, self.number)
        };
        self.ground.is_wrong(wrong.into_iter().map(told));
        self.ground.sum().adds(&self.mirror.holds);
        self.ground.counts("worlds");
        Ok(())
    }

    async fn all_found(&self, process: &Process) -> Result<Holds, event_store::Error> {
        let mut own = self.ground.own.acquire().await?;
        let whose = (self.number, self.mirror.tenant);
        found::all_of(&mut own, &process.store, whose).await
    }
}
