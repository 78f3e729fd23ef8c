//! Policies get to the end of what they missed, however often they are interrupted.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use commands::Commands;
use commands::policies::{self, Concerns, Policy};
use event_store::log::Recorded;
use sqlx::PgConnection;

use super::*;

/// Notes what it reacts to, and in which transaction. At one position the database fails.
#[derive(Default)]
struct Noting {
    noted: Mutex<Vec<(String, i64)>>,
    fails_at: AtomicI64,
}

impl Noting {
    /// The positions of each transaction, one after the other.
    fn transactions(&self) -> Vec<Vec<i64>> {
        let noted = std::mem::take(&mut *self.noted.lock().unwrap());
        let chunks = noted.chunk_by(|one, next| one.0 == next.0);
        chunks.map(|chunk| chunk.iter().map(|(_, position)| *position).collect()).collect()
    }
}

impl Policy for Noting {
    const NAME: &'static str = "noting";
    const CONCERNS: Concerns = &[("thing", &["Happened"])];

    async fn react(
        &self,
        event: &Recorded,
        db: &mut PgConnection,
    ) -> Result<bool, commands::Error> {
        let fails = event.position == self.fails_at.load(Ordering::Relaxed);
        let asked = sqlx::query_scalar("select (1 / $1)::text || pg_current_xact_id()");
        let transaction = asked.bind(i32::from(!fails)).fetch_one(db).await.map_err(Error::from)?;
        self.noted.lock().unwrap().push((transaction, event.position));
        Ok(false)
    }
}

#[tokio::test]
async fn a_policy_that_failed_goes_on_after_what_it_did_and_takes_little_first() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    for (expected, name) in [(0, "Passed"), (4, "Happened"), (14, "Passed")] {
        let mut append = append(&[("a", expected, if name == "Happened" { 10 } else { 4 })]);
        append.streams[0].events.iter_mut().for_each(|event| event.event_type = name.to_owned());
        store.append(append).await.unwrap();
    }
    let (commands, policy) = (Commands::new(store.clone()), Noting::default());
    let follow = async || {
        let mut reader = Subscription::resume(&store, Noting::NAME, 0).await.unwrap();
        policies::follow(&commands, &policy, &mut reader).await
    };
    policy.fails_at.store(10, Ordering::Relaxed);
    follow().await.unwrap_err();
    assert_eq!(policy.transactions(), [vec![5], vec![6, 7], vec![8, 9]]);
    assert_eq!(Subscription::stands(&store, Noting::NAME).await.unwrap(), 7);
    policy.fails_at.store(0, Ordering::Relaxed);
    assert_eq!(follow().await.unwrap(), 11);
    assert_eq!(policy.transactions(), [vec![8], vec![9, 10], vec![11, 12, 13, 14]]);
    assert_eq!(Subscription::stands(&store, Noting::NAME).await.unwrap(), 18);
}
