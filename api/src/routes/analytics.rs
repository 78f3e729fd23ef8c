//! Numbers for a dashboard: over a span of time, in steps of the asker's calendar. Each number
//! links to the rows or events that it counts. As JSON, or by `Accept: text/csv` as a table.

mod agents;
mod conversations;
mod number;
mod overview;
mod payouts;
mod rows;
mod rows_of_buckets;
pub(crate) mod span;
pub(crate) mod steps;
mod table;
mod templates;
mod volume;

use crate::openapi::Api;

pub(super) fn routes(api: &mut Api) {
    api.get("/v1/analytics/overview", overview::show)
        .is("analytics.overview", "Tells everything at a glance")
        .says("In `steps` only where a step is asked for.")
        .refuses(422, SPAN);
    api.get("/v1/analytics/conversations", conversations::show)
        .is("analytics.conversations", "Tells how conversations went")
        .refuses(422, SPAN);
    api.get("/v1/analytics/agents", agents::show)
        .is("analytics.agents", "Tells what each member did, and how fast")
        .refuses(422, SPAN);
    api.get("/v1/analytics/templates", templates::show)
        .is("analytics.templates", "Tells how often templates were used, and what became of it")
        .refuses(422, SPAN);
    api.get("/v1/analytics/payouts", payouts::show)
        .is("analytics.payouts", "Tells what was paid, by currency")
        .says("Each kind is counted on the day when it happened.")
        .refuses(422, SPAN);
    api.get("/v1/analytics/volume", volume::show)
        .is("analytics.volume", "Counts messages in steps of a calendar")
        .refuses(422, SPAN);
    api.get("/v1/analytics/rows/{measure}", rows::list)
        .is("analytics.rows", "Lists the rows that a number counts")
        .says("Follow the links beside numbers.")
        .refuses(404, &["analytics.unknown_measure"])
        .refuses(422, &["parameter.invalid"]);
}

/// What can be wrong with a span of time.
const SPAN: &[&str] = &["parameter.invalid", "analytics.span"];
