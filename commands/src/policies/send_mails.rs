//! When somebody needs an answer that only a reader of their mail can give, or is invited, it is
//! mailed to them.

mod letter;

use domain::Aggregate;
use domain::invitation::{self, Invitation};
use domain::organization::Organization;
use domain::user::{Event, Purpose, User};
use event_store::log::{self, Recorded};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Concerns, Policy};
use crate::access::challenges;
use crate::effects::{self, Effect, Executor, NewEffect, Outcome};
use crate::gateways::smtp::{Mail, Post, Unsent};
use crate::stored::decode;
use crate::{Commands, Error};

pub const KIND: &str = "mail";

/// Asks for a mail for each challenge that is answered by mail, and for each invitation.
pub struct SendMails;

impl Policy for SendMails {
    const NAME: &'static str = "send_mails";
    const CONCERNS: Concerns =
        &[(User::TYPE, &["ChallengeIssued"]), (Invitation::TYPE, &["Created", "Resent"])];

    async fn react(&self, stored: &Recorded, db: &mut PgConnection) -> Result<bool, Error> {
        let Some(Challenge { purpose, .. }) = challenge(stored) else { return Ok(false) };
        if !purpose.is_mailed() {
            return Ok(false);
        }
        let aggregate = stored.aggregate_id.parse().unwrap_or_default();
        let effect = NewEffect {
            id: stored.event_id,
            kind: KIND,
            aggregate,
            order_key: aggregate,
            line: Uuid::nil(),
            // A repeat bears the same Message-ID.
            idempotent: true,
        };
        let asked = effects::ask(db, stored, &effect).await;
        asked.map(|()| true).map_err(|error| event_store::Error::from(error).into())
    }
}

struct Challenge {
    purpose: Purpose,
    secret: Uuid,
}

fn challenge(stored: &Recorded) -> Option<Challenge> {
    match stored.aggregate_type.as_str() {
        User::TYPE => match decode(stored) {
            Ok(Event::ChallengeIssued { purpose, secret, .. }) => {
                Some(Challenge { purpose, secret: secret.id })
            }
            _ => None,
        },
        Invitation::TYPE => match decode(stored) {
            Ok(
                invitation::Event::Created { token, .. } | invitation::Event::Resent { token, .. },
            ) => Some(Challenge { purpose: Purpose::Invitation, secret: token.id }),
            _ => None,
        },
        _ => None,
    }
}

/// Sends mails.
pub struct Mailer {
    commands: Commands,
    post: Post,
}

impl Mailer {
    pub fn new(commands: Commands, post: Post) -> Self {
        Mailer { commands, post }
    }

    /// What is to be sent; `None` where it would be of no use any more.
    async fn mail(&self, effect: &Effect) -> Result<Option<Mail>, Error> {
        let (store, tenant) = (self.commands.store(), effect.tenant_id);
        let stored = log::event_of(store.pool(), tenant, effect.position)
            .await
            .map_err(event_store::Error::from)?;
        let Some(challenge) = stored.as_ref().and_then(challenge) else { return Ok(None) };
        let Challenge { purpose, secret } = challenge;
        let Some(answer) = challenges::answer(store, purpose, secret).await? else {
            return Ok(None);
        };
        let (to, (subject, body)) = match purpose {
            Purpose::Invitation => {
                let Some(to) = self.guest(effect, secret).await? else { return Ok(None) };
                let (organization, _) = self.commands.load::<Organization>(tenant, tenant).await?;
                (to, letter::inviting_to(&organization.name.unwrap_or_default(), &answer))
            }
            purpose => {
                let Some(to) = self.challenged(effect, &challenge).await? else { return Ok(None) };
                (to, letter::about(purpose, &answer))
            }
        };
        Ok(Some(Mail { id: effect.id, to, subject, body }))
    }

    /// The address of a user whose challenge is open.
    async fn challenged(
        &self,
        effect: &Effect,
        challenge: &Challenge,
    ) -> Result<Option<String>, Error> {
        let tenant = effect.tenant_id;
        let (user, _) = self.commands.load::<User>(tenant, effect.aggregate).await?;
        let now = self.commands.store().clock().now();
        if !user.challenges.is_open(challenge.purpose, challenge.secret, now) {
            return Ok(None);
        }
        self.commands.opened(tenant, user.email.as_ref()).await
    }

    /// The address that is invited, while this is the newest mail about it.
    async fn guest(&self, effect: &Effect, secret: Uuid) -> Result<Option<String>, Error> {
        let load = self.commands.load::<Invitation>(effect.tenant_id, effect.aggregate);
        let now = self.commands.store().clock().now();
        let asked = load.await?.0.asked.filter(|it| it.token == secret && it.is_pending(now));
        Ok(asked.and_then(|asked| Some(asked.email.clear()?.as_str().to_owned())))
    }
}

impl Executor for Mailer {
    const KIND: &'static str = KIND;

    async fn attempt(&self, effect: &Effect) -> Result<Outcome, Error> {
        let Some(mail) = self.mail(effect).await? else { return Ok(Outcome::Done) };
        Ok(match self.post.send(&mail).await {
            Ok(()) => Outcome::Done,
            Err(error @ Unsent::Refused(_)) => Outcome::Dead { reason: error.to_string() },
            Err(error @ Unsent::NotNow(_)) => {
                Outcome::Retry { after: None, reason: error.to_string() }
            }
        })
    }

    async fn reconcile(&self, effect: &Effect) -> Result<Outcome, Error> {
        self.attempt(effect).await
    }
}
