//! Group commit: one task per process sends whatever appends arrived while the previous batch was
//! in flight, as one round trip.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot, watch};

use crate::batch::{Admission, Answer, Arrays, Reason, Why, Written};
use crate::keyring::Keyring;
use crate::store::{Appended, Clock, Error};
use crate::tenant::within;

/// How long a batch whose answer was lost is sent again before its callers are told.
const PATIENCE: Duration = Duration::from_secs(8);

pub(crate) struct Request {
    pub(crate) written: Written,
    /// The newest erasure that was known before its personal data was encrypted.
    pub(crate) erasures_seen: i64,
    pub(crate) answer: oneshot::Sender<Result<Appended, Error>>,
}

pub(crate) struct Appender {
    pub(crate) pool: PgPool,
    pub(crate) keyring: Keyring,
    pub(crate) clock: Clock,
    pub(crate) head: watch::Sender<i64>,
    /// The newest erasure that cached keys were read after; 0 for none.
    pub(crate) erasures_seen: Arc<AtomicI64>,
    pub(crate) round_trips: Arc<AtomicU64>,
    /// Whether the last batch got no answer for as long as it was tried.
    pub(crate) gone: AtomicBool,
}

const APPEND: &str = "select first, at, refused from append($1, $2, $3, $4, $5, $6, $7, $8, $9, \
     $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, \
     $28, $29, $30, $31, $32, $33, $34, $35)";

impl Appender {
    /// Runs until all senders are gone.
    pub(crate) async fn run(self, mut inbox: mpsc::Receiver<Request>) {
        let mut waiting: VecDeque<Request> = VecDeque::new();
        loop {
            if waiting.is_empty() {
                match inbox.recv().await {
                    Some(request) => waiting.push_back(request),
                    None => return,
                }
            }
            while let Ok(request) = inbox.try_recv() {
                waiting.push_back(request);
            }
            let (batch, groups) = take_batch(&mut waiting);
            let returned = self.send(batch, groups).await;
            returned.into_iter().rev().for_each(|request| waiting.push_front(request));
        }
    }

    /// Sends a batch, answers whom it can, and returns those that fell with others of their group
    /// and deserve another try.
    async fn send(&self, batch: Vec<Request>, groups: Vec<usize>) -> Vec<Request> {
        match self.ask(&batch, &groups).await {
            Ok(answer) => self.settle(batch, &groups, answer).await,
            // Splitting finds an append that the database can't take, not a database that is gone.
            Err(error) if batch.len() > 1 && !is_lost(&error) => self.send_halves(batch).await,
            Err(error) => fail(batch, error.into()),
        }
    }

    /// A batch that the database could not take is split until the culprit stands alone.
    async fn send_halves(&self, mut batch: Vec<Request>) -> Vec<Request> {
        let second = batch.split_off(batch.len() / 2);
        let mut returned = vec![];
        for half in [batch, second] {
            let mut half = VecDeque::from(half);
            while !half.is_empty() {
                let (batch, groups) = take_batch(&mut half);
                returned.extend(Box::pin(self.send(batch, groups)).await);
            }
        }
        returned
    }

    /// One round trip; when its answer is lost, the same events again, until answered.
    async fn ask(&self, batch: &[Request], groups: &[usize]) -> Result<Answer, sqlx::Error> {
        let started = tokio::time::Instant::now();
        // Who finds the database gone for a while should not wait as long as the first.
        let gone = self.gone.load(Ordering::Relaxed);
        let patience = if gone { Duration::ZERO } else { PATIENCE };
        let mut pause = Duration::from_millis(10);
        loop {
            match self.round_trip(batch, groups).await {
                Err(error) if is_lost(&error) && started.elapsed() < patience => {
                    tracing::warn!(%error, "Append got no answer; sending the same events again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                answered => {
                    let gone = answered.as_ref().is_err_and(is_lost);
                    self.gone.store(gone, Ordering::Relaxed);
                    return answered;
                }
            }
        }
    }

    async fn round_trip(&self, batch: &[Request], groups: &[usize]) -> Result<Answer, sqlx::Error> {
        let written: Vec<&Written> = batch.iter().map(|request| &request.written).collect();
        let a = Arrays::of(&written);
        let groups: Vec<i32> = groups.iter().map(|group| *group as i32).collect();
        let seen = batch.iter().map(|request| request.erasures_seen).min().filter(|no| *no > 0);
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        metrics::histogram!("verbatim_append_batch_events").record(a.e_append.len() as f64);
        let started = std::time::Instant::now();
        let query = sqlx::query_as(APPEND)
            .bind(&a.e_append)
            .bind(&a.e_type)
            .bind(&a.e_id)
            .bind(&a.e_seq)
            .bind(&a.e_name)
            .bind(&a.e_ver)
            .bind(&a.e_payload)
            .bind(&a.e_meta)
            .bind(&a.e_tenant)
            .bind(&a.e_event)
            .bind(&a.e_actor)
            .bind(&a.e_command)
            .bind(&a.e_corr)
            .bind(&a.e_cause)
            .bind(&a.s_append)
            .bind(&a.s_tenant)
            .bind(&a.s_type)
            .bind(&a.s_id)
            .bind(&a.s_expected)
            .bind(&a.s_event);
        let answer = query
            .bind(&a.i_append)
            .bind(&a.i_last)
            .bind(&a.i_tenant)
            .bind(&a.i_key)
            .bind(&a.i_print)
            .bind(&a.i_status)
            .bind(&a.i_response)
            .bind(&a.c_append)
            .bind(&a.c_tenant)
            .bind(&a.c_scope)
            .bind(&a.c_value)
            .bind(&a.c_owner)
            .bind(&groups)
            .bind(seen)
            .bind(self.clock.told())
            .fetch_one(&self.pool)
            .await;
        metrics::histogram!("verbatim_append_seconds").record(started.elapsed().as_secs_f64());
        answer
    }

    async fn settle(&self, batch: Vec<Request>, groups: &[usize], answer: Answer) -> Vec<Request> {
        let reasons = answer.refused.map(|refused| refused.0).unwrap_or_default();
        if reasons.iter().any(|reason| reason.why == Why::Erasures) {
            return match self.look_for_erasures().await {
                Ok(()) => refuse_erased(batch),
                Err(error) => fail(batch, error),
            };
        }
        let mut worst: HashMap<usize, Reason> = HashMap::new();
        for reason in reasons {
            let said = worst.get(&reason.append).map(|said| said.why);
            if said.is_none_or(|said| reason.why < said) {
                worst.insert(reason.append, reason);
            }
        }
        let fallen: Vec<usize> = worst.keys().map(|append| groups[append - 1]).collect();
        let mut returned = vec![];
        let mut position = answer.first - 1;
        for (index, request) in batch.into_iter().enumerate() {
            match worst.get(&(index + 1)) {
                Some(reason) => self.refuse(request, reason).await,
                None if fallen.contains(&groups[index]) => returned.push(request),
                None => {
                    let first = position + 1;
                    position += request.written.events() as i64;
                    let done = Appended { first, last: position, recorded_at: answer.at };
                    let _ = request.answer.send(Ok(done));
                }
            }
        }
        self.head.send_if_modified(|head| {
            let moved = position > *head;
            *head = position.max(*head);
            moved
        });
        returned
    }

    async fn refuse(&self, request: Request, reason: &Reason) {
        let answer = match reason.refusal() {
            Some(refusal) => Err(Error::Refused(refusal)),
            None => self.found_done(&request.written).await,
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
        self.erasures_seen.store(newest.unwrap_or_default(), Ordering::Release);
        Ok(())
    }
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

fn take_batch(waiting: &mut VecDeque<Request>) -> (Vec<Request>, Vec<usize>) {
    let mut admission = Admission::default();
    let mut batch = vec![];
    let mut left = VecDeque::new();
    for request in waiting.drain(..) {
        if admission.admit(&request.written) {
            batch.push(request);
        } else {
            left.push_back(request);
        }
    }
    *waiting = left;
    (batch, admission.groups().to_vec())
}

/// Whether it is unknown what became of the statement, or the server is not there yet again.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_) => true,
        // Class 08: connection; 57P: the server is going down or coming up; 53300: no slot free;
        // 40: the lock was lost to somebody else.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("08")
                || code.starts_with("57P")
                || code == "53300"
                || code.starts_with("40")
        }),
        _ => false,
    }
}
