//! What a rebuild did, and what comparing found.

use projections::Model;
use projections::rebuild::Rebuilt;
use projections::rebuild::compare::{Against, Comparison};
use projections::standing::standing;
use serde_json::json;

use crate::connect::Session;
use crate::failure::Failure;
use crate::shown;

pub(super) async fn tell(
    session: &Session,
    model: &'static dyn Model,
    rebuilt: &Rebuilt,
) -> Result<(), Failure> {
    let put_aside = standing(session.pool(), model).await?.dead_letters;
    if session.json {
        let mut told = serde_json::to_value(rebuilt)?;
        told["done"] = json!(model.name());
        told["dead_letters"] = json!(put_aside);
        return shown::say_json(&told);
    }
    shown::say(format!(
        "{}: generation {} {} at position {}: {} events, {} rows in {:.1} s{}{}",
        model.name(),
        rebuilt.generation,
        if rebuilt.live { "is live" } else { "is ready" },
        rebuilt.position,
        rebuilt.events,
        rebuilt.rows,
        rebuilt.seconds,
        match rebuilt.waited > 0.0 {
            true => format!(", of which it waited {:.1} s for what is live", rebuilt.waited),
            false => String::new(),
        },
        match put_aside {
            0 => String::new(),
            count => format!("; {count} events were put aside, `dead-letters list` names them"),
        }
    ))?;
    match &rebuilt.comparison {
        Some(comparison) => compared(comparison),
        None => Ok(()),
    }
}

fn compared(comparison: &Comparison) -> Result<(), Failure> {
    let Comparison { rows, refolded, before } = comparison;
    shown::say(format!("  {refolded} rows were folded once more, with the same outcome"))?;
    let Some(against) = before else { return Ok(()) };
    let Against { generation, version, compared, .. } = against;
    if against.is_the_same() {
        return shown::say(format!(
            "  {compared} rows are the same as in generation {generation} (version {version}), \
             which has {}; this one has {rows}",
            against.rows
        ));
    }
    shown::say(format!(
        "  against generation {generation} (version {version}), {compared} rows compared: \
         {} appeared, {} vanished",
        against.appeared, against.vanished
    ))?;
    for (what, columns) in [("new", &against.columns_added), ("gone", &against.columns_dropped)] {
        if !columns.is_empty() {
            shown::say(format!("  {what}: {}", columns.join(", ")))?;
        }
    }
    for difference in &against.differences {
        shown::say(format!(
            "  {} differs in {} rows, as in {}: {} before, {} now",
            difference.column, difference.rows, difference.key, difference.before, difference.now
        ))?;
    }
    if against.moved > 0 {
        shown::say(format!("  {} of them had only read on meanwhile", against.moved))?;
    }
    for key in &against.wrong_before {
        shown::say(format!("  {key} was not what its events make; it is now"))?;
    }
    Ok(())
}
