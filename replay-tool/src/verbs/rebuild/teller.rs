//! Tells of progress in the way that suits who listens: bars in a terminal, else lines.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use projections::rebuild::Progress;
use serde_json::json;

/// How often it is told how far a rebuild is, to programs and where there is no terminal.
const FOR_PROGRAMS: Duration = Duration::from_secs(1);
const WITHOUT_TERMINAL: Duration = Duration::from_secs(3);

const LOOK: &str = "{msg:<36} [{bar:30}] {human_pos}/{human_len} {prefix}";

pub(super) struct Teller {
    json: bool,
    /// `None` where no terminal would show them.
    bars: Option<MultiProgress>,
    told: Mutex<HashMap<&'static str, Told>>,
}

struct Told {
    at: Instant,
    bar: Option<ProgressBar>,
}

impl Teller {
    pub(super) fn new(json: bool) -> Self {
        let shows = !json && std::io::stderr().is_terminal();
        Teller { json, bars: shows.then(MultiProgress::new), told: Mutex::default() }
    }

    pub(super) fn tell(&self, progress: &Progress) {
        let Ok(mut told) = self.told.lock() else { return };
        let told = told
            .entry(progress.model)
            .or_insert_with(|| Told { at: Instant::now(), bar: self.bar() });
        if let Some(bar) = &told.bar {
            return draw(bar, progress);
        }
        let pause = if self.json { FOR_PROGRAMS } else { WITHOUT_TERMINAL };
        if told.at.elapsed() < pause {
            return;
        }
        told.at = Instant::now();
        let line = if self.json { as_json(progress) } else { as_text(progress) };
        // Nobody listens any more: no reason to stop building.
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    fn bar(&self) -> Option<ProgressBar> {
        let bar = self.bars.as_ref()?.add(ProgressBar::new(0));
        // A look that indicatif can't read would only be a plainer one.
        if let Ok(style) = ProgressStyle::with_template(LOOK) {
            bar.set_style(style.progress_chars("=> "));
        }
        Some(bar)
    }

    pub(super) fn done(&self) {
        if let Some(bars) = &self.bars {
            // What it shows is told once more below.
            let _ = bars.clear();
        }
    }
}

fn draw(bar: &ProgressBar, progress: &Progress) {
    bar.set_length(progress.until.unsigned_abs());
    bar.set_position(progress.position.unsigned_abs());
    bar.set_message(format!("{} {}", progress.model, progress.phase.as_str()));
    bar.set_prefix(match progress.position < progress.until {
        true => format!("{}/s ETA {} s", progress.events_per_second(), progress.seconds_left()),
        false => String::new(),
    });
}

fn as_json(progress: &Progress) -> String {
    json!({
        "building": progress.model, "generation": progress.generation,
        "phase": progress.phase, "position": progress.position, "head": progress.until,
        "rows_in_memory": progress.rows, "events_per_second": progress.events_per_second(),
        "eta_seconds": progress.seconds_left(),
    })
    .to_string()
}

fn as_text(progress: &Progress) -> String {
    format!(
        "{}: {}, {} of {} events, {} a second, {} s to go",
        progress.model,
        progress.phase.as_str(),
        progress.position,
        progress.until,
        progress.events_per_second(),
        progress.seconds_left()
    )
}
