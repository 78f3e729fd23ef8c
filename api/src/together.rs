//! One question for all who ask at about the same time for different things of one kind: a round trip
//! to the database costs as much as a good part of what it brings.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

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
#[derive(Debug)]
struct Asker<Q, T, E> {
    number: u64,
    question: Q,
    answer: oneshot::Sender<Result<T, E>>,
}

/// Those who wait to be asked for, by their numbers, and the number of the next.
#[derive(Debug)]
struct Waiting<Q, T, E> {
    askers: VecDeque<Asker<Q, T, E>>,
    next: u64,
}

/// Those who wait to be answered, and whose turns it is to ask.
#[derive(Debug)]
pub(crate) struct Together<Q, T, E> {
    waiting: std::sync::Mutex<Waiting<Q, T, E>>,
    turns: Semaphore,
}

impl<Q, T, E> Default for Together<Q, T, E> {
    fn default() -> Self {
        let waiting = Waiting { askers: VecDeque::new(), next: 0 };
        Together { waiting: std::sync::Mutex::new(waiting), turns: Semaphore::new(TURNS) }
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
        let until = Instant::now() + PATIENCE;
        let (answer, mut answered) = oneshot::channel();
        let number = self.waiting().push(question.clone(), answer);
        let turn = tokio::select! {
            biased;
            told = &mut answered => match told {
                Ok(told) => return told,
                Err(_) => None,
            },
            turn = timeout_at(until, self.turns.acquire()) => turn.ok().and_then(Result::ok),
        };
        if let Some(turn) = turn {
            loop {
                let next = self.waiting().take_while_waits(number);
                let Some(next) = next else { break };
                Self::ask_for(next, &ask).await;
            }
            // Where it is asked in another's turn, this one is for somebody else. Whoever took it along
            // may have been called off, or fail.
            drop(turn);
            if let Ok(Ok(told)) = timeout_at(until, &mut answered).await {
                return told;
            }
        }
        // Nobody else need ask for it any more.
        drop(answered);
        let mut found = ask(vec![question.clone()]).await?;
        Ok(found.remove(&question).unwrap_or_default())
    }

    async fn ask_for(
        some: Vec<Asker<Q, T, E>>,
        ask: &impl AsyncFn(Vec<Q>) -> Result<HashMap<Q, T>, E>,
    ) {
        let mut askers: HashMap<Q, Vec<_>> = HashMap::new();
        for Asker { question, answer, .. } in some {
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
}

impl<Q, T, E> Waiting<Q, T, E> {
    fn push(&mut self, question: Q, answer: oneshot::Sender<Result<T, E>>) -> u64 {
        self.askers.retain(|asker| !asker.answer.is_closed());
        self.next += 1;
        self.askers.push_back(Asker { number: self.next, question, answer });
        self.next
    }

    /// Those who have waited for the longest time, while the one of this number is not asked for yet.
    fn take_while_waits(&mut self, number: u64) -> Option<Vec<Asker<Q, T, E>>> {
        self.askers.binary_search_by_key(&number, |asker| asker.number).ok()?;
        self.askers.retain(|asker| !asker.answer.is_closed());
        let some = self.askers.len().min(MOST);
        Some(self.askers.drain(..some).collect())
    }
}

impl<Q, T, E> Together<Q, T, E> {
    fn waiting(&self) -> MutexGuard<'_, Waiting<Q, T, E>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::pending;

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tokio::task::yield_now;

    use super::*;

    /// What is never answered, nor what is asked together with it.
    const ENDLESS: i32 = 99;

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
                if questions.contains(&ENDLESS) {
                    pending::<()>().await;
                }
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

    #[tokio::test(start_paused = true)]
    async fn who_was_taken_along_by_somebody_who_gets_no_answer_asks_alone_and_keeps_nobody_waiting()
     {
        let doubling = Doubling::new();
        let [mut first, mut second, mut endless, mut taken, mut last] =
            [1, 2, ENDLESS, 3, 4].map(|question| Box::pin(doubling.of(question)));
        for asking in [&mut first, &mut second, &mut endless, &mut taken] {
            assert!(asking.as_mut().now_or_never().is_none());
        }
        assert_eq!(first.await, Ok(2));
        // Asks for both, for ever.
        assert!(endless.as_mut().now_or_never().is_none());
        assert!(last.as_mut().now_or_never().is_none());
        assert_eq!(second.await, Ok(4));
        let before = Instant::now();
        let (last, taken) = tokio::join!(async { (last.await, before.elapsed()) }, async {
            (taken.await, before.elapsed())
        },);
        assert_eq!(last, (Ok(8), Duration::ZERO));
        assert_eq!(taken, (Ok(6), PATIENCE));
        assert_eq!(*doubling.asked.borrow(), [vec![1], vec![2], vec![3, 99], vec![4], vec![3]]);
    }
}
