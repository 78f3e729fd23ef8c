//! Who gives a command, and who they have to be again for a repeat to be one.

use commands::access::Origin;
use commands::{DryRun, IdempotencyKey, Meta};
use uuid::Uuid;

use crate::auth::{Member, Writer};

/// Whose an idempotency key is: the same key of two is two keys.
pub(crate) struct Whose<'a> {
    /// Nil: the key is forgotten in minutes, with the answer that is kept under it.
    pub(crate) tenant: Uuid,
    pub(crate) who: &'a [u8],
}

pub(crate) trait Asker {
    /// What the command runs under.
    type Under;

    fn whose(&self) -> Whose<'_>;

    fn under(&self, key: Option<IdempotencyKey>, dry_run: Option<DryRun>) -> Self::Under;

    /// Whether anybody else could say to be them.
    fn is_anybody(&self) -> bool {
        false
    }
}

impl Asker for Member {
    type Under = Meta;

    fn whose(&self) -> Whose<'_> {
        Whose { tenant: self.tenant(), who: self.principal.user.as_bytes() }
    }

    fn under(&self, idempotency: Option<IdempotencyKey>, dry_run: Option<DryRun>) -> Meta {
        Meta { idempotency, dry_run, ..self.meta() }
    }
}

impl Asker for Writer {
    type Under = Meta;

    fn whose(&self) -> Whose<'_> {
        self.0.whose()
    }

    fn under(&self, key: Option<IdempotencyKey>, dry_run: Option<DryRun>) -> Meta {
        self.0.under(key, dry_run)
    }
}

/// Somebody who is told what opens something, or tells it: neither is kept for long.
pub(crate) struct Confidant<'a>(pub(crate) &'a Member);

impl Asker for Confidant<'_> {
    type Under = Meta;

    fn whose(&self) -> Whose<'_> {
        Whose { tenant: Uuid::nil(), ..self.0.whose() }
    }

    fn under(&self, key: Option<IdempotencyKey>, dry_run: Option<DryRun>) -> Meta {
        self.0.under(key, dry_run)
    }
}

/// The same, where what was done is true of one session alone.
pub(crate) struct InSession<'a> {
    member: &'a Member,
    session: Uuid,
}

impl<'a> InSession<'a> {
    pub(crate) fn of(member: &'a Member) -> Self {
        InSession { member, session: member.principal.via.id() }
    }
}

impl Asker for InSession<'_> {
    type Under = Meta;

    fn whose(&self) -> Whose<'_> {
        Whose { tenant: Uuid::nil(), who: self.session.as_bytes() }
    }

    fn under(&self, key: Option<IdempotencyKey>, dry_run: Option<DryRun>) -> Meta {
        self.member.under(key, dry_run)
    }
}

/// Somebody whom nobody knows yet.
pub(crate) struct Stranger<'a> {
    origin: &'a Origin,
    says: &'a str,
    holds: bool,
}

impl<'a> Stranger<'a> {
    /// By an address, which anybody can name.
    pub(crate) fn named(origin: &'a Origin, address: &'a str) -> Self {
        Stranger { origin, says: address, holds: false }
    }

    /// By what opens something, which nobody else has.
    pub(crate) fn holding(origin: &'a Origin, secret: &'a str) -> Self {
        Stranger { origin, says: secret, holds: true }
    }
}

impl Asker for Stranger<'_> {
    type Under = Origin;

    fn whose(&self) -> Whose<'_> {
        Whose { tenant: Uuid::nil(), who: self.says.as_bytes() }
    }

    fn under(&self, idempotency: Option<IdempotencyKey>, dry_run: Option<DryRun>) -> Origin {
        Origin { idempotency, dry_run, ..self.origin.clone() }
    }

    fn is_anybody(&self) -> bool {
        !self.holds
    }
}
