//! Members of an organisation, together with what the organisation itself knows of them: who they
//! are, who owns it, and for how many it has room.

use std::collections::BTreeSet;

use domain::aggregate::Role;
use domain::organization::{self, Organization};
use domain::user::membership::{self, Decision};
use domain::user::{self, User};
use domain::{Aggregate, Personal};
use event_store::log;
use uuid::Uuid;

use crate::{Error, Work};

/// What makes an active member of somebody, and what ends that.
const STANDING: [&str; 3] = ["Registered", "Reactivated", "Deactivated"];

/// Registers a member, if the plan has room for one more.
pub async fn enlist(work: &mut Work<'_>, user: Uuid, name: &str, role: Role) -> Result<(), Error> {
    let name = Personal::identity(user, name.to_owned());
    work.execute::<User>(user, user::Command::Register { name, role }).await?;
    tell(work, user, None).await
}

/// Decides about a member, in the role `by`. Who comes back needs a seat.
pub async fn decide(
    work: &mut Work<'_>,
    user: Uuid,
    by: Role,
    decision: Decision,
) -> Result<(), Error> {
    let before = work.get::<User>(user).await?.active_role();
    let command = user::Command::Membership(membership::Command { by, decision });
    work.execute::<User>(user, command).await?;
    tell(work, user, before).await
}

/// Tells the organisation if the user began or ceased to be its member, or to own it. All who come
/// and go write to its one stream, so no two of them find the same last seat.
async fn tell(work: &mut Work<'_>, user: Uuid, before: Option<Role>) -> Result<(), Error> {
    let after = work.get::<User>(user).await?.active_role();
    let joined = match (before, after) {
        (None, Some(_)) => Some(organization::Command::AddMember { user }),
        (Some(_), None) => Some(organization::Command::RemoveMember { user }),
        _ => None,
    };
    let owns = |role| role == Some(Role::Owner);
    let owned = match (owns(before), owns(after)) {
        (false, true) => Some(organization::Command::AddOwner { user }),
        (true, false) => Some(organization::Command::RemoveOwner { user }),
        _ => None,
    };
    if joined.is_some() {
        count(work).await?;
    }
    let organization = work.meta().tenant;
    for command in [joined, owned].into_iter().flatten() {
        work.execute::<Organization>(organization, command).await?;
    }
    Ok(())
}

/// Refuses where the plan has no room for one more.
pub async fn seat(work: &mut Work<'_>) -> Result<(), Error> {
    count(work).await?;
    let tenant = work.meta().tenant;
    Ok(work.get::<Organization>(tenant).await?.seat()?)
}

/// Counts the members of an organisation that has not done so: its log is older than that they are
/// counted, or it has none yet. Who comes or goes meanwhile makes this work's append fail.
async fn count(work: &mut Work<'_>) -> Result<(), Error> {
    let tenant = work.meta().tenant;
    if work.get::<Organization>(tenant).await?.members.is_some() {
        return Ok(());
    }
    let pool = work.commands().store().pool();
    let last = log::last_of_each(pool, tenant, User::TYPE, &STANDING).await;
    let last = last.map_err(event_store::Error::from)?.into_iter();
    let active = last.filter(|(_, event_type)| event_type != "Deactivated");
    let members: BTreeSet<Uuid> = active.filter_map(|(user, _)| user.parse().ok()).collect();
    let count = organization::Command::CountMembers { members };
    work.execute::<Organization>(tenant, count).await.map(drop)
}
