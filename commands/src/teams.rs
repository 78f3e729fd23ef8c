//! Teams: their names, which are claimed in whatever letters, and their members, who must be
//! members of the organisation.

use domain::team::{self, Command, Role, Team};
use domain::user::User;
use uuid::Uuid;

use crate::{Error, Work, names};

/// The scope of claims on names.
const NAME: &str = "team.name";

pub async fn create(work: &mut Work<'_>, id: Uuid, name: &str) -> Result<(), Error> {
    work.execute::<Team>(id, Command::Create { name: name.to_owned() }).await?;
    claim(work, id).await
}

pub async fn rename(work: &mut Work<'_>, id: Uuid, name: &str) -> Result<(), Error> {
    let before = known_as(work, id).await?;
    work.execute::<Team>(id, Command::Rename { name: name.to_owned() }).await?;
    // Other letters, the same name.
    if known_as(work, id).await? == before { Ok(()) } else { claim(work, id).await }
}

pub async fn set_member(
    work: &mut Work<'_>,
    id: Uuid,
    user: Uuid,
    role: Role,
) -> Result<(), Error> {
    if work.get::<User>(user).await?.active_role().is_none() {
        return Err(team::Error::UnknownMember.into());
    }
    work.execute::<Team>(id, Command::SetMember { user, role }).await.map(drop)
}

/// Those who left the organisation can be taken out, strangers can't.
pub async fn remove_member(work: &mut Work<'_>, id: Uuid, user: Uuid) -> Result<(), Error> {
    work.get::<User>(user).await?;
    if work.version::<User>(user) == 0 {
        return Err(team::Error::UnknownMember.into());
    }
    work.execute::<Team>(id, Command::RemoveMember { user }).await.map(drop)
}

async fn known_as(work: &mut Work<'_>, id: Uuid) -> Result<String, Error> {
    Ok(work.get::<Team>(id).await?.name.as_deref().unwrap_or_default().to_lowercase())
}

/// A name is free again when its team was deleted or goes by another one.
async fn claim(work: &mut Work<'_>, id: Uuid) -> Result<(), Error> {
    let name = known_as(work, id).await?;
    let (store, tenant) = (work.commands().store(), work.meta().tenant);
    let value = names::value(store, tenant, NAME, &[name.as_bytes()]);
    names::claim(work, NAME, value, id, async |work, last| {
        Ok(work.get::<Team>(last).await?.deleted || known_as(work, last).await? != name)
    })
    .await
}
