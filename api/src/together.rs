//! One question for all who ask at about the same time for different things of one kind: a round trip
//! to the database costs as much as a good part of what it brings.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// How long others wait for one who asks before each asks alone: it may take long, or its session
/// have gone silent.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many are answered together: enough to save most of the round trips, few enough that nobody
/// waits for long on account of the others.
const MOST: usize = 16;
/// Questions under way at once: while those who asked the one are told, the database is at the other.
const TURNS: usize = 2;

/// Whose fault a failure is.
pub(crate) trait Blame {
    /// Whether it may be due to one of the things that were asked for, and not to the machinery.
    fn may_be_of_one(&self) -> bool;
}

impl Blame for Arc<projections::Error> {
    fn may_be_of_one(&self) -> bool {
        matches!(**self, projections::Error::Row { .. })
    }
}

/// Somebody who asks for this.
type Asker<Q, T, E> = (Q, oneshot::Sender<Result<T, E>>);

/// Those who wait to be answered, and whose turn it is to ask.
#[derive(Debug)]
pub(crate) struct Together<Q, T, E> {
    waiting: std::sync::Mutex<Vec<Asker<Q, T, E>>>,
    turns: Semaphore,
}

impl<Q, T, E> Default for Together<Q, T, E> {
    fn default() -> Self {
        Together { waiting: std::sync::Mutex::default(), turns: Semaphore::new(TURNS) }
    }
}

impl<Q: Clone + Eq + Hash, T: Clone + Default, E: Blame + Clone> Together<Q, T, E> {
    /// The answer to this question, which is asked now or later. `ask` answers several; what it has no
    /// answer to has an empty one. Where what one of several asked for may be at fault each asks alone.
    pub(crate) async fn ask(
        &self,
        question: Q,
        ask: impl AsyncFn(Vec<Q>) -> Result<HashMap<Q, T>, E>,
    ) -> Result<T, E> {
        let (answer, mut answered) = oneshot::channel();
        self.waiting().push((question.clone(), answer));
        let turn = tokio::select! {
            biased;
            told = &mut answered => match told {
                Ok(told) => return told,
                Err(_) => None,
            },
            turn = timeout(PATIENCE, self.turns.acquire()) => turn.ok().and_then(Result::ok),
        };
        if let Some(turn) = turn
            && let Some(told) = self.take(turn, &mut answered, &ask).await
        {
            return told;
        }
        // Nobody else need ask for it any more.
        drop(answered);
        let mut found = ask(vec![question.clone()]).await?;
        Ok(found.remove(&question).unwrap_or_default())
    }

    /// A turn of somebody who waits for an answer: asks for all who wait until theirs is there. `None`
    /// where they are left alone with it.
    async fn take(
        &self,
        turn: SemaphorePermit<'_>,
        answered: &mut oneshot::Receiver<Result<T, E>>,
        ask: &impl AsyncFn(Vec<Q>) -> Result<HashMap<Q, T>, E>,
    ) -> Option<Result<T, E>> {
        loop {
            match answered.try_recv() {
                Ok(told) => return Some(told),
                // Whoever took it along was called off, or failed.
                Err(TryRecvError::Closed) => return None,
                Err(TryRecvError::Empty) => {
                    let next = self.next();
                    if next.is_empty() {
                        // It is asked in another's turn.
                        drop(turn);
                        return timeout(PATIENCE, answered).await.ok()?.ok();
                    }
                    Self::ask_for(next, ask).await;
                }
            }
        }
    }

    async fn ask_for(
        some: Vec<Asker<Q, T, E>>,
        ask: &impl AsyncFn(Vec<Q>) -> Result<HashMap<Q, T>, E>,
    ) {
        let mut askers: HashMap<Q, Vec<_>> = HashMap::new();
        for (question, answer) in some {
            askers.entry(question).or_default().push(answer);
        }
        // Any of them may have gone when they are told.
        match ask(askers.keys().cloned().collect()).await {
            Ok(mut found) => {
                for (question, mut askers) in askers {
                    let told = found.remove(&question).unwrap_or_default();
                    let last = askers.pop();
                    for asker in askers {
                        let _ = asker.send(Ok(told.clone()));
                    }
                    let _ = last.map(|last| last.send(Ok(told)));
                }
            }
            Err(error) if askers.len() > 1 && error.may_be_of_one() => {}
            Err(error) => {
                for asker in askers.into_values().flatten() {
                    let _ = asker.send(Err(error.clone()));
                }
            }
        }
    }

    /// Those who have waited for the longest time.
    fn next(&self) -> Vec<Asker<Q, T, E>> {
        let mut waiting = self.waiting();
        waiting.retain(|(_, answer)| !answer.is_closed());
        let next = waiting.len().min(MOST);
        waiting.drain(..next).collect()
    }
}

impl<Q, T, E> Together<Q, T, E> {
    fn waiting(&self) -> MutexGuard<'_, Vec<Asker<Q, T, E>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tokio::task::yield_now;

    use super::*;

    /// Doubles what is asked for but 13, and tells what was asked at once. What is below 1 can't be asked
    /// for, and below 0 nothing can be.
    struct Doubling {
        together: Together<i32, i32, i32>,
        asked: RefCell<Vec<Vec<i32>>>,
    }

    impl Blame for i32 {
        fn may_be_of_one(&self) -> bool {
            *self == 0
        }
    }

    impl Doubling {
        fn new() -> Doubling {
            Doubling { together: Together::default(), asked: RefCell::default() }
        }

        async fn of(&self, question: i32) -> Result<i32, i32> {
            let ask = async |mut questions: Vec<i32>| {
                questions.sort_unstable();
                self.asked.borrow_mut().push(questions.clone());
                yield_now().await;
                if let Some(wrong) = questions.iter().find(|question| **question < 1) {
                    return Err(*wrong);
                }
                let known = questions.into_iter().filter(|question| *question != 13);
                Ok(known.map(|question| (question, question * 2)).collect())
            };
            self.together.ask(question, ask).await
        }
    }

    #[tokio::test]
    async fn who_asks_meanwhile_is_answered_together_with_others() {
        let doubling = Doubling::new();
        let told = join_all([1, 2, 7, 13, 7, 9].map(|question| doubling.of(question))).await;
        assert_eq!(told, [Ok(2), Ok(4), Ok(14), Ok(0), Ok(14), Ok(18)]);
        assert_eq!(*doubling.asked.borrow(), [vec![1], vec![2], vec![7, 9, 13]]);
    }

    #[tokio::test]
    async fn so_many_are_answered_at_once_and_nobody_is_left_out() {
        let doubling = Doubling::new();
        let told = join_all((1..=40).map(|question| doubling.of(100 + question))).await;
        assert_eq!(told, (1..=40).map(|question| Ok(200 + question * 2)).collect::<Vec<_>>());
        let sizes: Vec<usize> = doubling.asked.borrow().iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, 1, 16, 16, 6]);
    }

    #[tokio::test]
    async fn whose_question_can_not_be_answered_spoils_nobody_elses() {
        let doubling = Doubling::new();
        let told = join_all([1, 2, 0, 3].map(|question| doubling.of(question))).await;
        assert_eq!(told, [Ok(2), Ok(4), Err(0), Ok(6)]);
        assert_eq!(*doubling.asked.borrow(), [vec![1], vec![2], vec![0, 3], vec![0], vec![3]]);
        assert_eq!(doubling.of(0).await, Err(0));
        assert_eq!(doubling.asked.borrow().len(), 6);
    }

    #[tokio::test]
    async fn a_failure_of_the_machinery_is_told_to_all_who_asked_together() {
        let doubling = Doubling::new();
        let told = join_all([1, 2, -1, 3].map(|question| doubling.of(question))).await;
        assert_eq!(told, [Ok(2), Ok(4), Err(-1), Err(-1)]);
        assert_eq!(*doubling.asked.borrow(), [vec![1], vec![2], vec![-1, 3]]);
    }

    #[tokio::test]
    async fn who_was_taken_along_by_somebody_called_off_asks_alone() {
        let doubling = Doubling::new();
        let [mut first, mut second, mut third, mut fourth] =
            [1, 2, 3, 4].map(|question| Box::pin(doubling.of(question)));
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        assert!(fourth.as_mut().now_or_never().is_none());
        assert_eq!(first.await, Ok(2));
        // Asks for both, and is gone.
        assert!(third.as_mut().now_or_never().is_none());
        drop(third);
        assert_eq!(fourth.await, Ok(8));
        assert_eq!(second.await, Ok(4));
        assert_eq!(*doubling.asked.borrow(), [vec![1], vec![2], vec![3, 4], vec![4]]);
    }
}
