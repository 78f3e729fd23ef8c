//! Which events a listener asked for, and which of them it may hear of.

use domain::Aggregate;
use domain::aggregate::Role;
use domain::api_key::ApiKey;
use domain::attempts::Attempts;
use domain::channel::Channel;
use domain::contact::Contact;
use domain::conversation::Conversation;
use domain::invitation::Invitation;
use domain::organization::Organization;
use domain::payout::Payout;
use domain::presence::Presence;
use domain::session::Session;
use domain::team::Team;
use domain::template::Template;
use domain::ticket::Ticket;
use domain::ticket_counter::TicketCounter;
use domain::user::User;
use domain::visit::Visit;
use event_store::tail::Notice;
use uuid::Uuid;

use crate::auth::Member;
use crate::problem::Problem;
use crate::reading;

/// The topic that brings rows of the inbox.
const INBOX: &str = "inbox";
/// What everybody of an organisation may read.
const NOUNS: [&str; 10] = [
    Channel::TYPE,
    Contact::TYPE,
    Conversation::TYPE,
    Organization::TYPE,
    Payout::TYPE,
    Presence::TYPE,
    Team::TYPE,
    Template::TYPE,
    Ticket::TYPE,
    User::TYPE,
];

/// What only those hear of who may read the audit.
const KEPT: [&str; 6] = [
    ApiKey::TYPE,
    Attempts::TYPE,
    Invitation::TYPE,
    Session::TYPE,
    TicketCounter::TYPE,
    Visit::TYPE,
];

pub(super) struct Filter {
    /// `None`: what everybody may read.
    topics: Option<Vec<String>>,
    conversation: Option<Uuid>,
    pub(super) with_inbox: bool,
    /// Whether the caller may read what everybody did.
    reads_audit: bool,
}

impl Filter {
    pub(super) fn asked(
        member: &Member,
        topics: Option<&str>,
        conversation: Option<&str>,
    ) -> Result<Filter, Problem> {
        let role = member.principal.role;
        let reads_audit = matches!(role, Role::Owner | Role::Admin | Role::Auditor);
        let conversation = reading::id("conversation", conversation)?;
        let mut filter = Filter { topics: None, conversation, with_inbox: true, reads_audit };
        if let Some(topics) = topics {
            let topics: Vec<String> = topics.split(',').map(|it| it.trim().to_owned()).collect();
            filter.with_inbox = topics.iter().any(|topic| topic == INBOX);
            if let Some(unknown) = topics.iter().find(|topic| !filter.knows(topic)) {
                let kept: &[&str] = if reads_audit { &KEPT } else { &[] };
                let known = [&NOUNS[..], &[INBOX], kept].concat().join(", ");
                let detail = format!("are some of {known}, not `{unknown}`");
                return Err(reading::unreadable("topics", detail));
            }
            filter.topics = Some(topics);
        }
        Ok(filter)
    }

    fn knows(&self, topic: &str) -> bool {
        topic == INBOX || NOUNS.contains(&topic) || (self.reads_audit && KEPT.contains(&topic))
    }

    /// Whether the caller asked for it and may hear of it, leaving aside whose a conversation is.
    pub(super) fn lets_through(&self, notice: &Notice) -> bool {
        let kind = notice.aggregate_type.as_str();
        let asked = match &self.topics {
            None => NOUNS.contains(&kind),
            Some(topics) => {
                let inbox = self.with_inbox && kind == Conversation::TYPE;
                inbox || topics.iter().any(|topic| topic == kind)
            }
        };
        let there = self.conversation.is_none_or(|conversation| {
            kind == Conversation::TYPE && notice.aggregate_id == conversation.to_string()
        });
        asked && there
    }
}
