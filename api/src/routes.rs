//! The routes, one file for each noun.

pub(crate) mod analytics;
mod api_keys;
mod api_keys_read;
pub(crate) mod audit;
pub(crate) mod auth;
mod channels;
mod channels_read;
mod contacts;
mod contacts_read;
mod conversations;
mod conversations_read;
mod events;
mod health;
mod inbox;
mod invitations;
mod invitations_accept;
mod invitations_read;
mod media;
mod members;
mod members_read;
pub(crate) mod messages;
mod payouts;
mod payouts_read;
mod platform;
mod teams;
mod teams_read;
pub(crate) mod templates;
mod templates_read;
mod tickets;
mod tickets_open;
mod tickets_read;
mod webhooks;
pub(crate) mod workspace;

use crate::openapi::Api;

/// The nouns of operations, in the order in which documents show them.
pub(crate) const TAGS: &[(&str, &str)] = &[
    ("inbox", "What waits for an answer."),
    ("conversation", "What a customer and the organisation say to each other on a channel."),
    ("message", "What is sent to customers, and what did not get through."),
    ("media", "Files of messages, on their way to WhatsApp and from it."),
    ("contact", "The people who write, and by which names and numbers they are known."),
    ("channel", "The lines and accounts through which the organisation reaches people."),
    ("template", "Messages that Meta approves, and that may be sent at any time."),
    ("ticket", "Work that has a number and an end."),
    ("payout", "Money that one person asks for and another one approves."),
    ("analytics", "How much happened."),
    ("event", "What happens, as it happens."),
    ("audit", "Who did what, when, and because of what."),
    ("member", "Who works in the organisation, and whether they are there."),
    ("team", "Members who take work together."),
    ("invitation", "Who is asked to join."),
    ("workspace", "How the organisation is shown, and what it demands of its members."),
    ("api_key", "With what programs call, in whose name, and what for."),
    ("auth", "Registering, signing in, and the second factor."),
    ("platform", "What the platform's own staff do."),
    ("webhook", "Where providers tell what happened."),
    ("server", "How the program is doing."),
];

pub(crate) fn declare(api: &mut Api) {
    analytics::routes(api);
    api_keys::routes(api);
    api_keys_read::routes(api);
    audit::routes(api);
    auth::routes(api);
    channels::routes(api);
    channels_read::routes(api);
    contacts::routes(api);
    contacts_read::routes(api);
    conversations::routes(api);
    conversations_read::routes(api);
    events::routes(api);
    health::routes(api);
    inbox::routes(api);
    invitations::routes(api);
    invitations_accept::routes(api);
    invitations_read::routes(api);
    media::routes(api);
    members::routes(api);
    members_read::routes(api);
    messages::routes(api);
    payouts::routes(api);
    payouts_read::routes(api);
    platform::routes(api);
    teams::routes(api);
    teams_read::routes(api);
    templates::routes(api);
    templates_read::routes(api);
    tickets::routes(api);
    tickets_open::routes(api);
    tickets_read::routes(api);
    webhooks::routes(api);
    workspace::routes(api);
}

/// What a process that only works has to say.
pub(crate) fn declare_health(api: &mut Api) {
    health::own(api);
}
