//! A day's numbers in a few lines, out of what the analytics answer.

use std::fmt::Write;

use serde_json::Value;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// From the answers about a whole day and about its hours.
pub(super) fn of(day: &Value, hours: &Value) -> String {
    let mut table = String::new();
    let (from, to) = open_hours(hours);
    for way in ["inbound", "outbound"] {
        let counts = hourly(hours, way);
        let line = sparkline(&counts[from..to]);
        let total: u64 = counts.iter().sum();
        row(&mut table, way, &format!("{line}  {total} messages, {from}:00 to {to}:00"));
    }
    for (name, cells) in [
        ("conversations", conversations(&day["conversations"])),
        ("delivery", delivery(&day["delivery"])),
        ("templates", told(&day["templates"], &["submitted", "approved", "rejected"])),
        ("tickets", told(&day["tickets"], &["opened", "solved", "closed"])),
    ] {
        row(&mut table, name, &cells);
    }
    for payouts in day["payouts"].as_array().into_iter().flatten() {
        let words = ["requested", "approved", "rejected", "completed", "failed"];
        let currency = payouts["currency"].as_str().unwrap_or_default();
        let happened = words.iter().copied().filter(|word| number(&payouts[*word]) > 0);
        let happened: Vec<&str> = happened.collect();
        row(&mut table, &format!("payouts {currency}"), &told(payouts, &happened));
    }
    table
}

fn row(table: &mut String, name: &str, cells: &str) {
    let _ = writeln!(table, "  {name:<14} {cells}");
}

fn conversations(told_of: &Value) -> String {
    let median = told_of["first_response"]["people"]["median_ms"].as_i64();
    let median = median.map_or("–".to_owned(), |median| format!("{} s", (median + 500) / 1000));
    format!("{} · {median} to the first answer (median)", told(told_of, &["opened", "resolved"]))
}

/// Each step as a part of what was written here.
fn delivery(told_of: &Value) -> String {
    told(told_of, &["written", "sent", "delivered", "read", "failed"])
}

fn told(of: &Value, words: &[&str]) -> String {
    let cells = words.iter().map(|word| format!("{} {word}", number(&of[*word])));
    cells.collect::<Vec<_>>().join(" · ")
}

/// Numbers stand under one of two names.
fn number(told: &Value) -> u64 {
    told["value"].as_u64().or(told["count"].as_u64()).unwrap_or_default()
}

fn hourly(hours: &Value, way: &str) -> Vec<u64> {
    let hours = hours.as_array().into_iter().flatten();
    hours.map(|hour| hour[way].as_u64().unwrap_or_default()).collect()
}

/// From the first hour in which something was said to the end of the last.
fn open_hours(hours: &Value) -> (usize, usize) {
    let (inbound, outbound) = (hourly(hours, "inbound"), hourly(hours, "outbound"));
    let busy: Vec<bool> = inbound.iter().zip(&outbound).map(|(i, o)| i + o > 0).collect();
    let first = busy.iter().position(|busy| *busy).unwrap_or_default();
    (first, busy.iter().rposition(|busy| *busy).map_or(first, |last| last + 1))
}

/// One bar for each number, the highest for the largest.
fn sparkline(counts: &[u64]) -> String {
    let most = counts.iter().max().copied().unwrap_or_default().max(1);
    let bar = |count: &u64| {
        let step = usize::try_from(count * 7 / most).unwrap_or_default();
        BARS.get(step).copied().unwrap_or(' ')
    };
    counts.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_day_fits_into_a_few_short_lines() {
        let hour = |inbound, outbound| json!({"inbound": inbound, "outbound": outbound});
        let hours = json!([hour(0, 0), hour(2, 1), hour(8, 0), hour(0, 4), hour(0, 0)]);
        let day = json!({
            "conversations": {
                "opened": {"value": 45}, "resolved": {"value": 9},
                "first_response": {"people": {"median_ms": 179_600}},
            },
            "delivery": {"written": {"value": 16}, "sent": {"value": 15}, "read": {"value": 9}},
            "templates": {"submitted": {"value": 2}, "approved": {"count": 1}},
            "tickets": {"opened": {"value": 5}},
            "payouts": [{"currency": "KES", "requested": {"count": 1}, "completed": {"count": 1}}],
        });
        let table = of(&day, &hours);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "  inbound        ▂█▁  10 messages, 1:00 to 4:00");
        assert_eq!(lines[1], "  outbound       ▂▁█  5 messages, 1:00 to 4:00");
        let talks = "45 opened · 9 resolved · 180 s to the first answer (median)";
        assert_eq!(lines[2], format!("  conversations  {talks}"));
        assert_eq!(
            lines[3],
            "  delivery       16 written · 15 sent · 0 delivered · 9 read · 0 failed"
        );
        assert_eq!(lines[6], "  payouts KES    1 requested · 1 completed");
        assert!(lines.iter().all(|line| line.chars().count() <= 100));
    }
}
