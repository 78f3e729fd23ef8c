//! The processes over the log, as far as it sees them: stores with connections, caches and appenders
//! of their own. One may be closed while it is used, and another one takes its place.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use event_store::database::Connections;
use event_store::{Clock, Database, MasterKey, Store};
use sqlx::postgres::PgConnectOptions;
use tokio::time::timeout;

use super::ground::insist;
use crate::Outcome;
use crate::dice::Dice;

const MASTER_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const PROCESSES: usize = 3;
const CONNECTIONS: Connections = Connections { app: 8, worker: 1, projector: 1 };
/// Longer than an append is tried that finds no database.
const FAREWELL: Duration = Duration::from_secs(60);

/// One process, until it is closed.
pub(crate) struct Process {
    pub(crate) store: Store,
    /// Which one, and the how manieth in its place.
    pub(crate) name: (usize, usize),
    database: Database,
}

pub(crate) struct Stores {
    options: PgConnectOptions,
    processes: Vec<RwLock<Arc<Process>>>,
    /// Held while one is closed.
    closing: tokio::sync::RwLock<()>,
}

impl Stores {
    pub(crate) async fn open(options: PgConnectOptions) -> Outcome<Stores> {
        let mut processes = vec![];
        for place in 0..PROCESSES {
            let process = open(&options, (place, 0)).await?;
            processes.push(RwLock::new(Arc::new(process)));
        }
        Ok(Stores { options, processes, closing: tokio::sync::RwLock::default() })
    }

    /// Whichever the dice say.
    pub(crate) fn any(&self, dice: &mut Dice) -> Arc<Process> {
        match dice.pick(&self.processes) {
            Some(place) => current(place),
            None => current(&self.processes[0]),
        }
    }

    /// The names of those that are there now.
    pub(crate) fn names(&self) -> Vec<(usize, usize)> {
        self.processes.iter().map(|place| current(place).name).collect()
    }

    /// Closes one with whatever it is doing; another one is in its place before.
    pub(crate) async fn renew(&self, dice: &mut Dice) -> Outcome<()> {
        let Some(place) = dice.pick(&self.processes) else { return Ok(()) };
        let (number, times) = current(place).name;
        let next = Arc::new(open(&self.options, (number, times + 1)).await?);
        let _closing = self.closing.write().await;
        let before = {
            let mut place = place.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *place, next)
        };
        // Only when its sessions are back it does nothing any more.
        let closed = timeout(FAREWELL, before.database.app.close()).await;
        before.database.close().await;
        closed.map_err(|_| "a store that was closed goes on".into())
    }

    /// Returns when none that was closed does anything any more.
    pub(crate) async fn are_at_rest(&self) {
        drop(self.closing.read().await);
    }

    pub(crate) async fn close(&self) {
        for place in &self.processes {
            current(place).database.close().await;
        }
    }
}

fn current(place: &RwLock<Arc<Process>>) -> Arc<Process> {
    place.read().unwrap_or_else(PoisonError::into_inner).clone()
}

async fn open(options: &PgConnectOptions, name: (usize, usize)) -> Outcome<Process> {
    let database = Database::attach(options.clone(), CONNECTIONS);
    let master = MasterKey::from_hex(MASTER_KEY)?;
    let store =
        insist(async || Store::open(&database, master.clone(), Clock::Database).await).await?;
    Ok(Process { store, name, database })
}
