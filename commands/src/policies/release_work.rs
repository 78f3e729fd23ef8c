//! When a member is deactivated, what they had is nobody's. So is what comes to them afterwards,
//! because it was decided a moment before, or was closed and is opened again.

use domain::Aggregate;
use domain::conversation::{self, Conversation};
use domain::ticket::{self, Ticket};
use domain::user::User;
use event_store::log::Recorded;
use projections::finder::Finder;
use projections::inbox::{self, Inbox};
use projections::tickets::{self, Tickets};
use projections::{ReadModel, generation};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Concerns, Policy, decode};
use crate::effects::{self, Effect, Executor, NewEffect, Outcome};
use crate::{Commands, Error, Refusal};

pub const KIND: &str = "member.release";
const NAME: &str = "release_work";
const PAGE: i64 = 200;

/// Asks for the release of what somebody had who is there no longer.
pub struct ReleaseWork {
    commands: Commands,
}

impl ReleaseWork {
    pub fn new(commands: Commands) -> Self {
        ReleaseWork { commands }
    }

    async fn is_gone(&self, tenant: Uuid, user: Uuid) -> Result<bool, Error> {
        Ok(self.commands.load::<User>(tenant, user).await?.0.deactivated)
    }
}

impl Policy for ReleaseWork {
    const NAME: &'static str = NAME;
    const CONCERNS: Concerns = &[
        (User::TYPE, &["Deactivated"]),
        (Conversation::TYPE, &["Assigned", "Reopened"]),
        (Ticket::TYPE, &["Assigned", "Reopened"]),
    ];

    async fn react(&self, stored: &Recorded, db: &mut PgConnection) -> Result<bool, Error> {
        let Some(user) = given_to(stored)? else { return Ok(false) };
        if !self.is_gone(stored.tenant_id, user).await? {
            return Ok(false);
        }
        let effect = NewEffect {
            id: stored.event_id,
            kind: KIND,
            aggregate: user,
            order_key: user,
            line: user,
            idempotent: true,
        };
        let asked = effects::ask(db, stored, &effect).await;
        asked.map(|()| true).map_err(|error| event_store::Error::from(error).into())
    }
}

/// Who was deactivated, or given something.
fn given_to(stored: &Recorded) -> Result<Option<Uuid>, Error> {
    Ok(match stored.aggregate_type.as_str() {
        User::TYPE => stored.aggregate_id.parse().ok(),
        Conversation::TYPE => match decode(stored)? {
            conversation::Event::Assigned { agent, .. } => Some(agent),
            conversation::Event::Reopened { agent, .. } => agent,
            _ => None,
        },
        Ticket::TYPE => match decode(stored)? {
            ticket::Event::Assigned { agent, .. } => Some(agent),
            ticket::Event::Reopened { was, .. } => was.assignee,
            _ => None,
        },
        _ => None,
    })
}

/// Makes nobody's what is somebody's.
pub struct Releaser {
    commands: Commands,
}

impl Releaser {
    pub fn new(commands: Commands) -> Self {
        Releaser { commands }
    }

    /// The tenant's rows, as soon as the model has read what the effect follows from.
    async fn finder<M: ReadModel>(
        &self,
        effect: &Effect,
        model: &'static M,
    ) -> Result<Option<Finder<M>>, Error> {
        let pool = self.commands.store().pool();
        let live = generation::live(pool, model).await.map_err(event_store::Error::from)?;
        let live = live.filter(|live| live.position >= effect.position);
        Ok(live.map(|live| Finder::new(pool, model, live.generation, effect.tenant_id)))
    }

    async fn release(&self, effect: &Effect) -> Result<Outcome, Error> {
        let user = effect.aggregate;
        let (known, _) = self.commands.load::<User>(effect.tenant_id, user).await?;
        if !known.deactivated {
            return Ok(Outcome::Done);
        }
        let inbox = self.finder(effect, &Inbox).await?;
        let (Some(inbox), Some(tickets)) = (inbox, self.finder(effect, &Tickets).await?) else {
            let reason = "the read models have not read that far".into();
            return Ok(Outcome::Retry { after: None, reason });
        };
        let conversations = inbox::open_of(&inbox, user, PAGE).await?;
        let tickets = tickets::open_of(&tickets, user, PAGE).await?;
        for id in &conversations {
            let command = || conversation::Command::Unassign;
            self.tell::<Conversation>(effect, *id, command).await?;
        }
        for id in &tickets {
            self.tell::<Ticket>(effect, *id, || ticket::Command::Unassign).await?;
        }
        // What the page had no room for, or the model has not read yet, stands there the next time.
        if conversations.is_empty() && tickets.is_empty() {
            return Ok(Outcome::Done);
        }
        Ok(Outcome::Retry { after: None, reason: "there may be more".into() })
    }

    async fn tell<A: Aggregate>(
        &self,
        effect: &Effect,
        id: Uuid,
        command: impl Fn() -> A::Command,
    ) -> Result<(), Error>
    where
        Refusal: From<A::Error>,
    {
        // A repeat of the same telling causes the same events.
        let telling = Uuid::from_u128(effect.id.as_u128() ^ id.as_u128());
        let meta = effect.meta(NAME, crate::event_id(telling, effect.attempts as usize));
        match self.commands.execute::<A>(id, command, &meta).await {
            // Closed or merged meanwhile: nobody has it to do.
            Ok(_) | Err(Error::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Executor for Releaser {
    const KIND: &'static str = KIND;

    async fn attempt(&self, effect: &Effect) -> Result<Outcome, Error> {
        self.release(effect).await
    }

    async fn reconcile(&self, effect: &Effect) -> Result<Outcome, Error> {
        self.release(effect).await
    }
}
