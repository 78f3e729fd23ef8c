//! Chance that falls the same way for the same seed: splitmix64.

use std::time::Duration;

use uuid::Uuid;

#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn of(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Dice of somebody's own, which others' throws do not shift.
    pub(crate) fn own(&self, whose: u64) -> Dice {
        let mut own = Dice(self.0 ^ whose.wrapping_mul(0xd134_2543_de82_ef95));
        own.throw();
        own
    }

    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to one below the limit, which is at least 1.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.throw() % limit.max(1)
    }

    pub(crate) fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Something up to so long.
    pub(crate) fn up_to(&mut self, longest: Duration) -> Duration {
        let longest = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.below(longest))
    }

    pub(crate) fn id(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.throw(), self.throw())
    }

    /// One of these; of none, nothing.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let which = self.below(u64::try_from(from.len()).unwrap_or(u64::MAX));
        from.get(usize::try_from(which).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_tells_every_throw_and_whoever_has_dice_of_their_own_is_not_shifted() {
        let throws = |dice: &mut Dice| (0..8).map(|_| dice.below(1000)).collect::<Vec<_>>();
        let (mut one, mut same) = (Dice::of(7), Dice::of(7));
        let (mut own, mut other) = (one.own(1), one.own(2));
        assert_eq!(throws(&mut one), throws(&mut same));
        assert_eq!(throws(&mut own), throws(&mut Dice::of(7).own(1)));
        assert_ne!(throws(&mut own), throws(&mut other));
    }
}
