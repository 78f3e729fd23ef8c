//! What is sent at once must have happened in some order: it is looked for.

use event_store::StreamAppend;
use futures_util::future::join_all;
use uuid::Uuid;

use super::mirror::Mirror;
use super::work::{Came, Work};
use super::world::World;
use crate::Outcome;
use crate::dice::Dice;

/// Something that happened at the same time as others.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move<'a> {
    Append(&'a Work, &'a Came),
    Erase(Uuid),
}

/// The model after these, in the first order that explains what came of each.
pub(crate) fn explained(mirror: &Mirror, moves: &[Move]) -> Option<Mirror> {
    if moves.is_empty() {
        return Some(mirror.clone());
    }
    (0..moves.len()).find_map(|first| {
        let mut next = mirror.clone();
        match moves[first] {
            Move::Append(work, came) => next.judge(work, came).ok()?,
            Move::Erase(subject) => next.erase(subject),
        }
        let rest = [&moves[..first], &moves[first + 1..]].concat();
        explained(&next, &rest)
    })
}

impl World<'_> {
    /// Appends that get in each other's way, through whatever processes, and sometimes an erasure.
    pub(super) async fn race(&mut self, dice: &mut Dice) -> Outcome<Result<u64, String>> {
        let works = if dice.happens(15) { self.chain(dice) } else { self.rivals(dice) };
        let whom = works.iter().flat_map(Work::keys).map(|(subject, _)| subject).next();
        let whom = whom.filter(|_| dice.happens(15));
        let (one, alone) = (self.ground.stores.any(dice), dice.happens(30));
        let process = |_| if alone { one.clone() } else { self.ground.stores.any(dice) };
        let processes: Vec<_> = works.iter().map(process).collect();
        let sending = works.iter().zip(&processes).map(|(work, process)| self.send(work, process));
        let erasing = async {
            match whom {
                Some(whom) => self.destroy(whom).await,
                None => Ok(()),
            }
        };
        let (came, erased) = tokio::join!(join_all(sending), erasing);
        erased?;
        let came: Vec<Came> = came.into_iter().collect::<Outcome<_>>()?;
        let appends = works.iter().zip(&came).map(|(work, came)| Move::Append(work, came));
        let moves: Vec<Move> = appends.chain(whom.map(Move::Erase)).collect();
        self.ground.counts("races");
        let Some(after) = explained(&self.mirror, &moves) else {
            let first = self.mirror.expects(&works[0]);
            return Ok(Err(format!("no order explains (the first alone: {first:?}) {moves:?}")));
        };
        self.mirror = after;
        if whom.is_some() {
            self.ground.counts("erased");
            self.unaware = self.ground.stores.names().into_iter().collect();
        }
        let did = u64::try_from(moves.len())?;
        works.into_iter().zip(&came).for_each(|(work, came)| self.remembers(work, came));
        Ok(Ok(did))
    }

    /// What was written one after the other in a stream, sent again.
    fn chain(&self, dice: &mut Dice) -> Vec<Work> {
        let name = self.draw(dice).stream();
        let is_in =
            |work: &&Work| work.append.streams.iter().any(|stream| stream.aggregate_id == name);
        let chain: Vec<Work> = self.past.iter().rev().filter(is_in).take(3).cloned().collect();
        chain.iter().for_each(|_| self.ground.counts("repeated"));
        if chain.is_empty() { self.rivals(dice) } else { chain }
    }

    /// The same twice, two for one place, one after the other, or with one key or claim.
    fn rivals(&self, dice: &mut Dice) -> Vec<Work> {
        let mut works = vec![self.draw(dice).events()];
        let many = 1 + dice.below(2);
        for _ in 0..many {
            let first = works[0].clone();
            let last = &works[works.len() - 1].append;
            let mut next = self.draw(dice).events();
            match dice.below(6) {
                0 => next = first,
                1 => {
                    next.append.streams = first.append.streams;
                    next.append.streams.iter_mut().for_each(|stream| renew(stream, dice));
                }
                2 | 3 => {
                    let mut after = last.streams[0].clone();
                    after.expected += after.events.len() as i64;
                    renew(&mut after, dice);
                    next.append.streams.retain(|own| own.aggregate_id != after.aggregate_id);
                    next.append.streams.insert(0, after);
                }
                4 => {
                    self.draw(dice).give_key(&mut next);
                    let same = first.append.idempotency.map(|record| record.key);
                    if let (Some(record), Some(key)) = (&mut next.append.idempotency, same) {
                        record.key = key;
                    }
                }
                _ => next.append.claims = first.append.claims,
            }
            works.push(next);
        }
        works
    }
}

/// Other events, which say the same.
fn renew(stream: &mut StreamAppend, dice: &mut Dice) {
    stream.events.iter_mut().for_each(|event| event.event_id = dice.id());
}
