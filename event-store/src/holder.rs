//! Who holds claims and leases, as others see it: there, as long as its connection locks its number.

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use uuid::Uuid;

/// The first half of the locks of all holders; the second is a holder's number. The view `holders`
/// shows who is there.
const HOLDERS: i32 = 7204;

/// One that holds. Its lock goes with its connection, however its process ends.
#[derive(Debug)]
pub struct Holder {
    connection: PoolConnection<Postgres>,
    number: i32,
}

impl Holder {
    pub async fn come(pool: &PgPool) -> sqlx::Result<Holder> {
        let mut connection = pool.acquire().await?;
        // It must not return to the pool, or the lock would outlive its holder.
        connection.close_on_drop();
        // Random bits: that two have the same number is unlikely, and one would wait for the other.
        let number = (Uuid::new_v4().as_u128() >> 97) as i32;
        let lock = sqlx::query("select pg_advisory_lock($1, $2)").bind(HOLDERS).bind(number);
        lock.execute(&mut *connection).await?;
        Ok(Holder { connection, number })
    }

    pub fn number(&self) -> i32 {
        self.number
    }

    /// What is claimed over this connection is claimed by one that is there.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
