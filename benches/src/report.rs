//! What was measured, as a table, as JSON and as Markdown.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use serde::{Serialize, Serializer};

use crate::Outcome;
use crate::scale::Size;

/// One number of ours, beside a peer's where there is one.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) measure: String,
    /// Of `ours` and `peer`.
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    pub(crate) against: &'static str,
    pub(crate) peer: Option<f64>,
    /// Ours by the peer's.
    pub(crate) ratio: Option<f64>,
    /// Nothing, where a number only tells what limits another.
    pub(crate) target: Option<Target>,
    pub(crate) met: Option<bool>,
    /// How it was measured, and what was done so that nobody has it easier.
    pub(crate) fair: String,
}

/// What a line has to reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    RatioAtLeast(f64),
    RatioAtMost(f64),
    AtLeast(f64),
    AtMost(f64),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::RatioAtLeast(ratio) => write!(f, "≥ {ratio}×"),
            Target::RatioAtMost(ratio) => write!(f, "≤ {ratio}×"),
            Target::AtLeast(number) => write!(f, "≥ {number}"),
            Target::AtMost(number) => write!(f, "≤ {number}"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Line {
    pub(crate) fn beside(
        measure: impl Into<String>,
        unit: &'static str,
        (ours, peer): (f64, f64),
        against: &'static str,
        target: Target,
        fair: impl Into<String>,
    ) -> Line {
        Line::new(measure.into(), unit, ours, (against, Some(peer)), Some(target), fair.into())
    }

    /// Without a target.
    pub(crate) fn shown(
        measure: impl Into<String>,
        unit: &'static str,
        (ours, peer): (f64, f64),
        against: &'static str,
        fair: impl Into<String>,
    ) -> Line {
        Line::new(measure.into(), unit, ours, (against, Some(peer)), None, fair.into())
    }

    pub(crate) fn alone(
        measure: impl Into<String>,
        unit: &'static str,
        ours: f64,
        target: Target,
        fair: impl Into<String>,
    ) -> Line {
        Line::new(measure.into(), unit, ours, ("", None), Some(target), fair.into())
    }

    fn new(
        measure: String,
        unit: &'static str,
        ours: f64,
        (against, peer): (&'static str, Option<f64>),
        target: Option<Target>,
        fair: String,
    ) -> Line {
        let ratio = peer.map(|peer| ours / peer);
        let met = target.map(|target| match target {
            Target::RatioAtLeast(least) => ratio.is_some_and(|ratio| ratio >= least),
            Target::RatioAtMost(most) => ratio.is_some_and(|ratio| ratio <= most),
            Target::AtLeast(least) => ours >= least,
            Target::AtMost(most) => ours <= most,
        });
        Line { measure, unit, ours, against, peer, ratio, target, met, fair }
    }

    /// Whether what was measured is a number at all.
    fn is_number(&self) -> bool {
        let numbers = [Some(self.ours), self.peer, self.ratio];
        numbers.into_iter().flatten().all(|number| number.is_finite() && number > 0.0)
    }
}

/// All lines of a run, and where they are written to.
pub(crate) struct Report {
    size: Size,
    dir: PathBuf,
    lines: Vec<Line>,
}

impl Report {
    pub(crate) fn new(size: Size, dir: &Path) -> Report {
        Report { size, dir: dir.to_owned(), lines: vec![] }
    }

    /// Writes them with what came before: a run may take an hour, and not come to its end.
    pub(crate) fn add(&mut self, lines: Vec<Line>) -> Outcome<()> {
        self.lines.extend(lines);
        fs::create_dir_all(&self.dir)?;
        let json = serde_json::to_string_pretty(&self.lines)? + "\n";
        fs::write(self.dir.join("report.json"), json)?;
        fs::write(self.dir.join("report.md"), self.markdown())?;
        Ok(())
    }

    /// Whether there are lines, and each is a number. A smoke run asks for no more.
    pub(crate) fn is_complete(&self) -> bool {
        !self.lines.is_empty() && self.lines.iter().all(Line::is_number)
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(UTF8_HORIZONTAL_ONLY);
        table.set_header(HEADER);
        for number in [1, 2, 3, 4] {
            if let Some(column) = table.column_mut(number) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in &self.lines {
            table.add_row(line.cells());
        }
        table
    }

    /// One sentence, with the size: what a small run says is no promise.
    pub(crate) fn summary(&self) -> String {
        let met = || self.lines.iter().filter_map(|line| line.met);
        let (all, met, size) =
            (met().count(), met().filter(|met| *met).count(), self.size.as_str());
        format!("{met} of {all} targets met, at the size `{size}`")
    }

    fn markdown(&self) -> String {
        let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("# Numbers\n\n{}.\n\n", self.summary());
        text += &row(&HEADER.map(str::to_owned));
        text += "|---|--:|--:|--:|--:|---|---|\n";
        self.lines.iter().for_each(|line| text += &row(&line.cells()));
        text += "\n## How each was measured\n\n";
        for Line { measure, fair, against, .. } in &self.lines {
            let beside =
                if against.is_empty() { String::new() } else { format!(", beside {against}") };
            text += &format!("- **{measure}**{beside}: {fair}\n");
        }
        text
    }
}

const HEADER: [&str; 7] = ["measure", "ours", "peer", "ratio", "target", "met", "unit"];

impl Line {
    fn cells(&self) -> [String; 7] {
        let or_dash = |number: Option<String>| number.unwrap_or_else(|| "–".to_owned());
        [
            self.measure.clone(),
            shown(self.ours),
            or_dash(self.peer.map(shown)),
            or_dash(self.ratio.map(|ratio| format!("{ratio:.2}×"))),
            or_dash(self.target.map(|target| target.to_string())),
            or_dash(self.met.map(|met| if met { "yes" } else { "no" }.to_owned())),
            self.unit.to_owned(),
        ]
    }
}

/// As many digits as mean something.
fn shown(number: f64) -> String {
    if number >= 100.0 { format!("{number:.0}") } else { format!("{number:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(ours: f64, peer: f64, target: Target) -> Line {
        Line::beside("a", "events/s", (ours, peer), "b", target, "c")
    }

    fn report(lines: Vec<Line>) -> Report {
        Report { lines, ..Report::new(Size::Smoke, Path::new("")) }
    }

    #[test]
    fn a_target_is_met_by_the_ratio_or_by_the_number_itself() {
        assert_eq!(line(20.0, 10.0, Target::RatioAtLeast(2.0)).met, Some(true));
        assert_eq!(line(19.0, 10.0, Target::RatioAtLeast(2.0)).met, Some(false));
        assert_eq!(line(15.0, 10.0, Target::RatioAtMost(1.5)).met, Some(true));
        assert_eq!(line(15.0, 10.0, Target::AtMost(14.0)).met, Some(false));
        assert_eq!(Line::alone("a", "ms", 14.0, Target::AtMost(14.0), "").met, Some(true));
    }

    #[test]
    fn what_is_only_shown_is_no_target() {
        let shown = Line::shown("a", "events/s", (20.0, 10.0), "b", "c");
        let report = report(vec![shown, line(1.0, 2.0, Target::AtLeast(1.0))]);
        assert!(report.summary().starts_with("1 of 1 targets met"), "{}", report.summary());
    }

    #[test]
    fn what_is_no_number_makes_no_report() {
        let whole = report(vec![line(1.0, 2.0, Target::AtLeast(1.0))]);
        assert!(whole.is_complete());
        for (ours, peer) in [(f64::NAN, 1.0), (0.0, 1.0), (1.0, 0.0)] {
            let broken = report(vec![line(ours, peer, Target::AtLeast(1.0))]);
            assert!(!broken.is_complete(), "{ours} {peer}");
        }
        assert!(!report(vec![]).is_complete());
    }

    #[test]
    fn json_tells_what_the_table_shows() {
        let told = serde_json::to_value(line(20.0, 10.0, Target::RatioAtLeast(2.5)));
        let told = told.unwrap_or_default();
        assert_eq!(told["target"], "≥ 2.5×");
        assert_eq!(told["ratio"], 2.0);
        assert_eq!(told["met"], false);
    }
}
