//! Members of an organisation, together with what the organisation itself knows of them: who owns
//! it, and for how many it has room.

use domain::Personal;
use domain::aggregate::Role;
use domain::organization::{self, Organization};
use domain::user::membership::{self, Decision};
use domain::user::{self, User};
use projections::finder::Finder;
use projections::generation;
use projections::members::{self, Members};
use uuid::Uuid;

use crate::{Error, Work};

/// Registers a member.
pub async fn enlist(work: &mut Work<'_>, user: Uuid, name: &str, role: Role) -> Result<(), Error> {
    let name = Personal::identity(user, name.to_owned());
    work.execute::<User>(user, user::Command::Register { name, role }).await?;
    own(work, user, false).await
}

/// Decides about a member, in the role `by`.
pub async fn decide(
    work: &mut Work<'_>,
    user: Uuid,
    by: Role,
    decision: Decision,
) -> Result<(), Error> {
    let owned = owns(work, user).await?;
    let command = user::Command::Membership(membership::Command { by, decision });
    work.execute::<User>(user, command).await?;
    own(work, user, owned).await
}

async fn owns(work: &mut Work<'_>, user: Uuid) -> Result<bool, Error> {
    Ok(work.get::<User>(user).await?.active_role() == Some(Role::Owner))
}

/// Tells the organisation if the user began or ceased to own it.
async fn own(work: &mut Work<'_>, user: Uuid, owned: bool) -> Result<(), Error> {
    let command = match (owned, owns(work, user).await?) {
        (false, true) => organization::Command::AddOwner { user },
        (true, false) => organization::Command::RemoveOwner { user },
        _ => return Ok(()),
    };
    let organization = work.meta().tenant;
    work.execute::<Organization>(organization, command).await.map(drop)
}

/// Refuses where the plan has no room for one more. Members are counted as the read model knows
/// them: two who come at the same moment may both find the last seat.
pub async fn seat(work: &mut Work<'_>) -> Result<(), Error> {
    let tenant = work.meta().tenant;
    let Some(seats) = work.get::<Organization>(tenant).await?.limits.members else {
        return Ok(());
    };
    let pool = work.commands().store().pool();
    let live = generation::live(pool, &Members).await.map_err(event_store::Error::from)?;
    // While the model is built for the first time nobody is kept out.
    let Some(live) = live else { return Ok(()) };
    let finder = Finder::new(pool, &Members, live.generation, tenant);
    match members::count_active(&finder).await? {
        count if count < i64::from(seats) => Ok(()),
        _ => Err(organization::Error::NoSeatLeft(seats).into()),
    }
}
