//! The routes, one file for each noun.

mod analytics;
mod audit;
mod auth;
mod channels;
mod channels_read;
mod contacts;
mod contacts_read;
mod conversations;
mod conversations_read;
mod health;
mod inbox;
mod messages;
mod payouts;
mod payouts_read;
mod templates;
mod templates_read;
mod tickets;
mod tickets_open;
mod tickets_read;
mod webhooks;

use actix_web::web::ServiceConfig;

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.configure(analytics::routes)
        .configure(audit::routes)
        .configure(auth::routes)
        .configure(channels::routes)
        .configure(contacts::routes)
        .configure(conversations::routes)
        .configure(conversations_read::routes)
        .configure(health::routes)
        .configure(inbox::routes)
        .configure(messages::routes)
        .configure(payouts::routes)
        .configure(templates::routes)
        .configure(tickets::routes)
        .configure(webhooks::routes);
}
