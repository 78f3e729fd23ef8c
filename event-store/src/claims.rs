//! Looks claims up. Who asks while a question is under way shares the next one with others, as
//! appends share a batch: a round trip costs more than what it finds.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use crate::batch::Claim;
use crate::sessions::Sessions;
use crate::store::Error;
use crate::tenant::within;

/// How many may ask before others wait. All who wait share the next question: where the database is
/// gone, they hear of it together.
const WAITING: usize = 1024;
/// How long the next question waits for the one before, whose session may have gone silent.
const PATIENCE: Duration = Duration::from_secs(1);

/// For each that asks, by number, all claims whose scope and beginning of value are asked for, by
/// scopes, and the least and greatest values, to be asked within a tenant. OFFSET 0 keeps the
/// planner from making one scan of the whole table out of many look-ups.
pub const CLAIMS: &str = "select w.question, c.scope, c.value, c.aggregate_id
       from unnest($2::int[], $3::text[], $4::bytea[], $5::bytea[]) w(question, scope, low, high)
      cross join lateral (select * from claims c where c.tenant_id = t.id
        and c.scope = w.scope and c.value >= w.low and c.value <= w.high offset 0) c
      order by w.question, c.scope, c.value";

/// A scope, and how a value begins.
type Wanted = (String, Vec<u8>);

#[derive(Debug)]
struct Question {
    tenant: Uuid,
    wanted: Vec<Wanted>,
    answer: oneshot::Sender<Result<Vec<Claim>, Error>>,
}

/// Asks for whoever wants to know. Cheap to clone; ends with the last clone.
#[derive(Clone, Debug)]
pub(crate) struct Claims(mpsc::Sender<Question>);

impl Claims {
    pub(crate) fn of(pool: Sessions) -> Claims {
        let (questions, asked) = mpsc::channel(WAITING);
        tokio::spawn(answer(pool, asked));
        Claims(questions)
    }

    pub(crate) async fn find(
        &self,
        tenant: Uuid,
        wanted: &[(&str, Vec<u8>)],
    ) -> Result<Vec<Claim>, Error> {
        let wanted = wanted.iter().map(|(scope, low)| ((*scope).to_owned(), low.clone())).collect();
        let (answer, answered) = oneshot::channel();
        let question = Question { tenant, wanted, answer };
        self.0.send(question).await.map_err(|_| Error::Closed)?;
        answered.await.unwrap_or(Err(Error::Closed))
    }
}

async fn answer(pool: Sessions, mut asked: mpsc::Receiver<Question>) {
    let mut questions = vec![];
    while asked.recv_many(&mut questions, WAITING).await > 0 {
        let mut by_tenant: HashMap<Uuid, Vec<Question>> = HashMap::new();
        // Some may have gone meanwhile.
        for question in questions.drain(..).filter(|question| !question.answer.is_closed()) {
            by_tenant.entry(question.tenant).or_default().push(question);
        }
        let answering = by_tenant.into_iter().map(|(tenant, own)| {
            let pool = pool.clone();
            tokio::spawn(async move { answer_all(&pool, tenant, own).await })
        });
        // What takes longer goes on beside the next ones.
        let _ = timeout(PATIENCE, join_all(answering)).await;
    }
}

async fn answer_all(pool: &Sessions, tenant: Uuid, questions: Vec<Question>) {
    let mut found = ask(pool, tenant, &questions).await.map_err(Error::from);
    for (number, question) in (0..).zip(questions) {
        let own = match &mut found {
            Ok(found) => Ok(found.remove(&number).unwrap_or_default()),
            Err(error) => Err(error.clone()),
        };
        // Whoever asked may have gone.
        let _ = question.answer.send(own);
    }
}

/// What was found, by the numbers of the questions.
async fn ask(
    pool: &Sessions,
    tenant: Uuid,
    questions: &[Question],
) -> sqlx::Result<HashMap<i32, Vec<Claim>>> {
    let (mut numbers, mut scopes, mut lows, mut highs) = (vec![], vec![], vec![], vec![]);
    for (number, question) in (0_i32..).zip(questions) {
        for (scope, low) in &question.wanted {
            numbers.push(number);
            scopes.push(scope.as_str());
            lows.push(low.as_slice());
            // Beyond every value that begins so: hashes of ours are shorter.
            highs.push([low, [0xff; 65].as_slice()].concat());
        }
    }
    let rows: Vec<(i32, String, Vec<u8>, String)> = sqlx::query_as(&within(CLAIMS))
        .bind(tenant)
        .bind(numbers)
        .bind(scopes)
        .bind(lows)
        .bind(highs)
        .fetch_all(pool)
        .await?;
    let mut found: HashMap<i32, Vec<Claim>> = HashMap::new();
    for (number, scope, value, owner) in rows {
        found.entry(number).or_default().push(Claim { tenant, scope, value, owner });
    }
    Ok(found)
}
