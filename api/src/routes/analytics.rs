//! Numbers for a dashboard: over a span of time, in steps of the asker's calendar. Each number
//! links to the rows or events that it counts. As JSON, or by `Accept: text/csv` as a table.

mod agents;
mod conversations;
mod number;
mod overview;
mod payouts;
mod rows;
mod rows_of_buckets;
mod span;
mod steps;
mod table;
mod templates;
mod volume;

use actix_web::web::{ServiceConfig, get, resource};

pub(crate) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(resource("/v1/analytics/overview").route(get().to(overview::show)))
        .service(resource("/v1/analytics/conversations").route(get().to(conversations::show)))
        .service(resource("/v1/analytics/agents").route(get().to(agents::show)))
        .service(resource("/v1/analytics/templates").route(get().to(templates::show)))
        .service(resource("/v1/analytics/payouts").route(get().to(payouts::show)))
        .service(resource("/v1/analytics/volume").route(get().to(volume::show)))
        .service(resource("/v1/analytics/rows/{measure}").route(get().to(rows::list)));
}
