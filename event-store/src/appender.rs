//! Group commit: one task per process sends whatever appends arrived while the previous batch was
//! in flight, as one round trip. Where many wait, the next is on its way while the database is still
//! at the last.

mod lane;

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::{Either, select_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::appender::lane::Lane;
use crate::batch::{Admission, Answer, Arrays, MOST_APPENDS, Reason, Verdict, Why, Written};
use crate::keyring::Keyring;
use crate::sessions::Sessions;
use crate::store::{Appended, Clock, Error, raise};
use crate::tenant::within;
use crate::versions::Versions;

/// How long a batch whose answer was lost is sent again before its callers are told.
const PATIENCE: Duration = Duration::from_secs(8);

/// So many appends are worth a commit of their own: while the database is at one batch, those that
/// it answers write the next.
const COMPANY: usize = 96;

pub(crate) struct Request {
    pub(crate) written: Arc<Written>,
    /// The newest erasure that was known before its personal data was encrypted.
    pub(crate) erasures_seen: i64,
    pub(crate) answer: oneshot::Sender<Result<Appended, Error>>,
}

pub(crate) struct Appender {
    pub(crate) pool: Sessions,
    pub(crate) keyring: Keyring,
    pub(crate) clock: Clock,
    pub(crate) head: watch::Sender<i64>,
    /// The newest erasure that cached keys were read after; 0 for none.
    pub(crate) erasures_seen: Arc<AtomicI64>,
    pub(crate) round_trips: Arc<AtomicU64>,
    /// Whether the last batch got no answer for as long as it was tried.
    pub(crate) gone: AtomicBool,
    pub(crate) versions: Mutex<Versions>,
}

/// Appends that go out together, and for each its group: they stand and fall together.
struct Batch {
    requests: Vec<Request>,
    groups: Vec<usize>,
}

/// A batch that the database has answered.
struct Landed {
    batch: Batch,
    first: i64,
    at: DateTime<Utc>,
    /// Whether all of it is refused because somebody was erased meanwhile.
    erasures: bool,
    /// Why some were not taken, by their numbers from 1; and the groups that fell with them.
    worst: HashMap<usize, Reason>,
    fallen: HashSet<usize>,
}

impl Landed {
    fn written(&self) -> impl Iterator<Item = &Written> {
        let all = self.batch.requests.iter().zip(&self.batch.groups);
        let taken = all.filter(|(_, group)| !self.erasures && !self.fallen.contains(group));
        taken.map(|(request, _)| &*request.written)
    }
}

impl Appender {
    /// Runs until all senders are gone, or the database is closed.
    pub(crate) async fn run(self, mut inbox: mpsc::Receiver<Request>) {
        let mut waiting: VecDeque<Request> = VecDeque::new();
        let mut lanes = vec![Lane::default(), Lane::default()];
        // Any number may be told at once; mostly that is done when it is first polled.
        let (mut in_flight, mut telling) = (vec![], FuturesUnordered::new());
        let mut closing = pin!(self.pool.pool().close_event());
        let mut open = true;
        while open || !in_flight.is_empty() || !telling.is_empty() {
            // The database first: what waits goes out to it before those whom it has answered are
            // told.
            tokio::select! {
                biased;
                Some((lane, batch, answer)) = first_of(&mut in_flight) => match answer {
                    Ok(answer) => {
                        lanes.push(lane);
                        let tell = self.tell(self.land(batch, answer));
                        telling.push(Either::Left(tell.map(|left| (None, left))));
                    }
                    Err(error) => telling.push(Either::Right(self.give_up(lane, batch, error))),
                },
                Some((lane, left)) = telling.next() => {
                    lanes.extend(lane);
                    let left: Vec<Request> = left;
                    left.into_iter().rev().for_each(|request| waiting.push_front(request));
                }
                // Whoever closes waits for all sessions to come back.
                () = &mut closing, if open => {
                    open = false;
                    lanes.clear();
                }
                request = inbox.recv(), if open && waiting.len() < MOST_APPENDS => match request {
                    Some(request) => waiting.push_back(request),
                    None => open = false,
                },
            }
            while let Ok(request) = inbox.try_recv() {
                waiting.push_back(request);
            }
            // A few are better off in company than on their way at once.
            while waiting.len() >= least(in_flight.len())
                && let Some(lane) = lanes.pop()
            {
                let batch = self.take_batch(&mut waiting);
                if batch.requests.is_empty() {
                    lanes.push(lane);
                } else {
                    in_flight.push(Box::pin(self.ask_through(lane, batch)));
                }
            }
        }
    }

    /// What goes out next. Who would make a key that was made since they were encrypted is sent back
    /// at once: the database would only do the same.
    fn take_batch(&self, waiting: &mut VecDeque<Request>) -> Batch {
        let mut admission = Admission::default();
        let (mut requests, mut left) = (vec![], vec![]);
        while let Some(request) = waiting.pop_front() {
            let Written { append, made, .. } = &*request.written;
            if self.keyring.has_any(append.tenant, made) {
                let _ = request.answer.send(Err(Error::EncryptAgain));
            } else if admission.admit(&request.written) {
                requests.push(request);
            } else {
                left.push(request);
                if admission.is_full() {
                    break;
                }
            }
        }
        left.into_iter().rev().for_each(|request| waiting.push_front(request));
        Batch { requests, groups: admission.groups().to_vec() }
    }

    async fn ask_through(
        &self,
        mut lane: Lane,
        batch: Batch,
    ) -> (Lane, Batch, Result<Answer, sqlx::Error>) {
        let answer = self.ask(&mut lane, &batch).await;
        (lane, batch, answer)
    }

    /// Sends a batch, answers whom it can, and returns those that fell with others of their group
    /// and deserve another try.
    async fn send(&self, lane: &mut Lane, batch: Batch) -> Vec<Request> {
        match self.ask(lane, &batch).await {
            Ok(answer) => self.tell(self.land(batch, answer)).await,
            Err(error) => self.split(lane, batch, error).await,
        }
    }

    async fn give_up(
        &self,
        mut lane: Lane,
        batch: Batch,
        error: sqlx::Error,
    ) -> (Option<Lane>, Vec<Request>) {
        let left = self.split(&mut lane, batch, error).await;
        (Some(lane), left)
    }

    /// A batch that the database could not take is split until the culprit stands alone. That finds
    /// an append that it can't take, not a database that is gone.
    async fn split(&self, lane: &mut Lane, batch: Batch, error: sqlx::Error) -> Vec<Request> {
        let mut requests = batch.requests;
        if requests.len() < 2 || is_lost(&error) {
            return fail(requests, error.into());
        }
        let second = requests.split_off(requests.len() / 2);
        let mut returned = vec![];
        for half in [requests, second] {
            let mut half = VecDeque::from(half);
            while !half.is_empty() {
                let batch = self.take_batch(&mut half);
                if !batch.requests.is_empty() {
                    returned.extend(Box::pin(self.send(lane, batch)).await);
                }
            }
        }
        returned
    }

    /// One round trip; when its answer is lost, the same events again, until answered.
    async fn ask(&self, lane: &mut Lane, batch: &Batch) -> Result<Answer, sqlx::Error> {
        let events = batch.requests.iter().map(|request| request.written.events() as i64).sum();
        // That the log ended there is found with the events, if there are some.
        let known = self.versions().send(events).filter(|_| events > 0);
        let answered = self.ask_until_answered(lane, batch, known).await;
        let all = answered.as_ref().ok().filter(|answer| answer.refused.is_none());
        self.versions().land(events, all.map(|answer| answer.first + events - 1));
        answered
    }

    async fn ask_until_answered(
        &self,
        lane: &mut Lane,
        batch: &Batch,
        mut known: Option<i64>,
    ) -> Result<Answer, sqlx::Error> {
        let started = Instant::now();
        // Who finds the database gone for a while should not wait as long as the first.
        let gone = self.gone.load(Ordering::Relaxed);
        let patience = if gone { Duration::ZERO } else { PATIENCE };
        let mut pause = Duration::from_millis(10);
        let mut met = false;
        loop {
            let answered = self.round_trip(lane, batch, known).await;
            if answered.as_ref().is_err_and(is_lost) {
                lane.drop_session();
            }
            match answered {
                Err(error) if is_lost(&error) && started.elapsed() < patience => {
                    tracing::warn!(%error, "Append got no answer; sending the same events again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                Ok(None) => self.versions().doubt(),
                // What stands in the way the database tells where nothing is taken for known.
                Err(error) if !met && is_taken(&error) => met = true,
                Err(error) => {
                    self.gone.store(is_lost(&error), Ordering::Relaxed);
                    return Err(error);
                }
                Ok(Some(answer)) => {
                    self.gone.store(false, Ordering::Relaxed);
                    if known.is_some() {
                        self.versions().trust();
                    }
                    return Ok(answer);
                }
            }
            // Only the database knows by now.
            known = None;
        }
    }

    fn versions(&self) -> std::sync::MutexGuard<'_, Versions> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `known`: where the log has to end for what is known of streams to hold. `None` if nothing was
    /// written, because that has to be looked at more closely.
    async fn round_trip(
        &self,
        lane: &mut Lane,
        Batch { requests, groups }: &Batch,
        known: Option<i64>,
    ) -> Result<Option<Answer>, sqlx::Error> {
        let (session, is_another) = lane.session(self.pool.pool()).await?;
        // It may be another database, which lacks the last of what the first had.
        let known = known.filter(|_| !is_another);
        let written: Vec<&Written> = requests.iter().map(|request| &*request.written).collect();
        let a = {
            let mut versions = self.versions();
            if is_another {
                versions.forget();
            }
            Arrays::of(&written, |tenant, stream| versions.take(tenant, stream) && known.is_some())
        };
        let groups: Vec<i32> = groups.iter().map(|group| *group as i32).collect();
        let seen = requests.iter().map(|request| request.erasures_seen).min().filter(|no| *no > 0);
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        metrics::histogram!("verbatim_append_batch_events").record(a.e_append.len() as f64);
        metrics::histogram!("verbatim_append_batch_appends").record(requests.len() as f64);
        let started = std::time::Instant::now();
        let answer = a.append(session, &groups, seen, known, self.clock.told()).await;
        metrics::histogram!("verbatim_append_duration_seconds").record(started.elapsed());
        answer
    }

    /// Takes note of what was written, before anything that builds on it goes out.
    fn land(&self, batch: Batch, answer: Answer) -> Landed {
        let erasures = answer.is(Why::Erasures);
        let Answer { first, at, refused } = answer;
        let reasons = refused.filter(|_| !erasures).unwrap_or_default();
        let worst = worst_of_each(reasons, &batch.groups);
        let fallen = worst.keys().map(|append| batch.groups[append - 1]).collect();
        let landed = Landed { batch, first, at, erasures, worst, fallen };
        let mut versions = self.versions();
        for Written { append, made, .. } in landed.written() {
            self.keyring.remember(append.tenant, made);
            versions.remember(append);
        }
        landed
    }

    /// Answers whom it can. Returns those that fell with others and deserve another try.
    async fn tell(&self, landed: Landed) -> Vec<Request> {
        let Landed { batch: Batch { requests, groups }, first, at, erasures, worst, fallen } =
            landed;
        if erasures {
            return match self.look_for_erasures().await {
                Ok(()) => refuse_erased(requests),
                Err(error) => fail(requests, error),
            };
        }
        let (mut position, mut returned) = (first - 1, vec![]);
        for (number, (request, group)) in (1..).zip(requests.into_iter().zip(groups)) {
            match worst.get(&number) {
                Some(reason) => self.refuse(request, reason).await,
                None if fallen.contains(&group) => returned.push(request),
                None => {
                    let Request { written, answer, .. } = request;
                    let first = position + 1;
                    position += written.events() as i64;
                    // The rest of it is freed by whoever is told.
                    drop(written);
                    let _ = answer.send(Ok(Appended { first, last: position, recorded_at: at }));
                }
            }
        }
        let appended = u64::try_from(position - (first - 1)).unwrap_or_default();
        metrics::counter!("verbatim_appended_events_total").increment(appended);
        raise(&self.head, position);
        returned
    }

    async fn refuse(&self, request: Request, reason: &Reason) {
        let answer = match reason.verdict() {
            Verdict::Done => self.found_done(&request.written).await,
            Verdict::EncryptAgain => Err(Error::EncryptAgain),
            Verdict::Refused(refusal) => Err(Error::Refused(refusal)),
        };
        let _ = request.answer.send(answer);
    }

    /// The append was written by an earlier try whose answer was lost: tell where.
    async fn found_done(&self, written: &Written) -> Result<Appended, Error> {
        let Some(stream) = written.append.streams.first() else { return Err(Error::Empty) };
        let (first, recorded_at): (i64, _) = sqlx::query_as(&within(
            "select position, recorded_at from events where tenant_id = t.id
                and aggregate_type = $2 and aggregate_id = $3 and sequence = $4",
        ))
        .bind(written.append.tenant)
        .bind(&stream.aggregate_type)
        .bind(&stream.aggregate_id)
        .bind(stream.expected + 1)
        .fetch_one(&self.pool)
        .await?;
        Ok(Appended { first, last: first + written.events() as i64 - 1, recorded_at })
    }

    async fn look_for_erasures(&self) -> Result<(), Error> {
        let newest: Option<i64> =
            sqlx::query_scalar("select max(no) from erasures").fetch_one(&self.pool).await?;
        self.keyring.forget();
        self.erasures_seen.fetch_max(newest.unwrap_or_default(), Ordering::AcqRel);
        Ok(())
    }
}

/// What is told of each append that was not taken. Who followed one that had been written before may
/// have been, too: only when it goes out without that one its own stream is looked at.
fn worst_of_each(reasons: Vec<Reason>, groups: &[usize]) -> HashMap<usize, Reason> {
    let mut worst: HashMap<usize, Reason> = HashMap::new();
    for reason in reasons {
        let said = worst.get(&reason.append).map(|said| said.why);
        if said.is_none_or(|said| reason.why < said) {
            worst.insert(reason.append, reason);
        }
    }
    let group = |reason: &Reason| groups[reason.append - 1];
    let done: HashSet<usize> =
        worst.values().filter(|reason| reason.why == Why::Done).map(group).collect();
    worst.retain(|_, reason| reason.why == Why::Done || !done.contains(&group(reason)));
    worst
}

/// Their payloads may hold tokens under a key that is gone: the callers must encrypt again.
fn refuse_erased(batch: Vec<Request>) -> Vec<Request> {
    for request in batch {
        let _ = request.answer.send(Err(Error::EncryptAgain));
    }
    vec![]
}

fn fail(batch: Vec<Request>, error: Error) -> Vec<Request> {
    for request in batch {
        let _ = request.answer.send(Err(error.clone()));
    }
    vec![]
}

/// How many appends have to wait for a batch to go out beside those that are on their way.
fn least(in_flight: usize) -> usize {
    if in_flight == 0 { 1 } else { COMPANY }
}

/// What the first of these comes to; it is taken out of them. Whenever `FuturesUnordered` has polled
/// all that it has, it has itself polled once more: with one batch on its way that wakes a thread for
/// each append.
async fn first_of<F: Future + Unpin>(futures: &mut Vec<F>) -> Option<F::Output> {
    if futures.is_empty() {
        return None;
    }
    let (output, number, _) = select_all(futures.iter_mut()).await;
    drop(futures.swap_remove(number));
    Some(output)
}

/// Whether something of it is there already: an event, a key or a claim.
fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}

/// Whether it is unknown what became of the statement, or the server is not there yet again.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_) => true,
        // Class 08: connection; 57P: the server is going down or coming up; 53300: no slot free;
        // 55P03: somebody held a lock for longer than we wait; 40: it was lost to somebody else.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("08")
                || code.starts_with("57P")
                || code == "53300"
                || code == "55P03"
                || code.starts_with("40")
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_followed_one_that_was_done_is_told_nothing_yet() {
        let reason = |append, why| Reason { append, why, detail: None };
        let reasons = || {
            vec![
                reason(1, Why::Idempotency),
                reason(1, Why::Done),
                reason(2, Why::Claim),
                reason(3, Why::Version),
                reason(3, Why::Claim),
            ]
        };
        let told = |groups: &[usize]| {
            let worst = worst_of_each(reasons(), groups);
            let mut told: Vec<_> = worst.values().map(|r| (r.append, r.why)).collect();
            told.sort_unstable();
            told
        };
        let (first, last) = ((1, Why::Done), (3, Why::Claim));
        assert_eq!(told(&[0, 0, 2]), [first, last]);
        assert_eq!(told(&[0, 1, 1]), [first, (2, Why::Claim), last]);
    }
}
