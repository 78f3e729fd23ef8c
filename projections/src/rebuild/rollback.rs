//! The way back: the generation that was replaced last catches up and answers again.

use std::sync::Arc;

use event_store::lease::Leases;
use event_store::{Database, transaction};

use crate::feed::Feed;
use crate::rebuild::build::Build;
use crate::rebuild::memory::Memory;
use crate::rebuild::{Terms, lock};
use crate::{Error, Model, generation};

/// What a rollback did.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct RolledBack {
    pub from: Option<i32>,
    pub to: i32,
    /// Events that the older generation had to catch up with.
    pub events: i64,
    pub position: i64,
}

/// Puts the newest replaced generation of this release in the place of the live one, which is kept
/// in turn.
pub async fn rollback(database: &Database, model: &'static dyn Model) -> Result<RolledBack, Error> {
    let leases = Leases::of(database);
    let locked = lock(&leases, &[model]).await?;
    let Some((_, lease)) = locked.free.into_iter().next() else {
        return Err(Error::Busy(model.name()));
    };
    let rolled_back = tokio::select! {
        rolled_back = swap(database, model, lease.fence()) => rolled_back?,
        lost = leases.keep(std::slice::from_ref(&lease)) => return Err(lost.into()),
    };
    leases.release(&[lease]).await?;
    Ok(rolled_back)
}

async fn swap(
    database: &Database,
    model: &'static dyn Model,
    fence: i64,
) -> Result<RolledBack, Error> {
    let owner = &database.owner;
    let live = generation::live(owner, model).await?;
    let old = generation::in_state(owner, model, "old").await?;
    let old = old.ok_or(Error::NothingBefore(model.name()))?;
    // From here on it is a build whose table is complete as far as it has read.
    let mut tx = transaction::begin(owner).await?;
    let old = generation::take_over(&mut *tx, model, &old, fence).await?;
    sqlx::query(
        "insert into rebuild_progress (model, generation, position) values ($1, $2, $3)
         on conflict (model, generation) do update set position = excluded.position",
    )
    .bind(model.name())
    .bind(old.generation)
    .bind(old.position)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    let feed = Feed::open(owner, model, old).await?;
    let memory = Arc::new(Memory::new(Terms::default().memory, 1));
    let mut build = Build::of(database, feed, fence, memory);
    build.swap().await?;
    Ok(RolledBack {
        from: live.map(|live| live.generation),
        to: build.generation(),
        events: build.position() - build.began_at(),
        position: build.position(),
    })
}
