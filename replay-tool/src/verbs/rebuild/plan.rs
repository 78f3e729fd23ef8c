//! `rebuild --plan`: what would be done, and what that takes.

use projections::Model;
use projections::rebuild::plan::{Plan, plan};

use crate::connect::Session;
use crate::failure::Failure;
use crate::shown;

pub(super) async fn run(session: &Session, models: &[&'static dyn Model]) -> Result<(), Failure> {
    let mut plans = vec![];
    for model in models {
        plans.push(plan(&session.database, *model).await?);
    }
    if session.json {
        return shown::say_json(&plans);
    }
    let mut table = shown::table(&[
        "read model",
        "version",
        "live",
        "events",
        "from",
        "rows",
        "disk",
        "events/s",
        "seconds",
    ]);
    for plan in &plans {
        table.add_row(row(plan));
    }
    shown::say(table.trim_fmt())?;
    shown::say(
        "Rows and disk are those of the generation that answers now; the rate is that of a trial \
         over the newest events. Together they share one pass, which takes as long as the slowest.",
    )
}

fn row(plan: &Plan) -> [String; 9] {
    [
        plan.model.to_owned(),
        plan.version.to_string(),
        shown::known(plan.live_version),
        plan.events.to_string(),
        plan.resumes_at.to_string(),
        shown::known(plan.rows),
        plan.bytes.map_or_else(|| "?".into(), |bytes| format!("{} MiB", bytes >> 20)),
        plan.events_per_second.to_string(),
        format!("{:.0}", plan.seconds),
    ]
}
