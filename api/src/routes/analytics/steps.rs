//! Cuts a span of time into steps of somebody's calendar: hours, days, weeks and months as they
//! are in a timezone, however its clocks are changed.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

/// More points than this no chart shows.
pub(super) const MOST: usize = 5_000;

/// How long a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub(crate) enum Step {
    #[serde(rename = "15m")]
    Quarter,
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "1d")]
    Day,
    #[serde(rename = "1w")]
    Week,
    #[serde(rename = "1mo")]
    Month,
}

impl std::str::FromStr for Step {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "15m" => Ok(Step::Quarter),
            "1h" => Ok(Step::Hour),
            "1d" => Ok(Step::Day),
            "1w" => Ok(Step::Week),
            "1mo" => Ok(Step::Month),
            _ => Err(()),
        }
    }
}

/// Why a span can't be cut.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Uncuttable {
    #[error("the span has more than {MOST} steps; take a shorter span or a longer step")]
    TooMany,
    #[error("the span leaves the calendar")]
    OutOfRange(#[from] OutOfRange),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is beyond the years -9999 to 9999")]
pub(super) struct OutOfRange;

/// The beginnings of all steps that the span from `from` to before `to` touches, and at last where
/// the last one ends.
pub(super) fn edges(
    from: Timestamp,
    to: Timestamp,
    step: Step,
    zone: &TimeZone,
) -> Result<Vec<Timestamp>, Uncuttable> {
    let shortest = match step {
        Step::Quarter => SignedDuration::from_mins(15),
        Step::Hour => SignedDuration::from_hours(1),
        Step::Day => SignedDuration::from_hours(23),
        Step::Week => SignedDuration::from_hours(7 * 24 - 1),
        Step::Month => SignedDuration::from_hours(28 * 24 - 1),
    };
    let span = to.duration_since(from);
    let fits = i32::try_from(MOST + 1).ok().and_then(|most| shortest.checked_mul(most));
    if fits.is_some_and(|longest| span > longest) {
        return Err(Uncuttable::TooMany);
    }
    let out_of_range = |_: jiff::Error| OutOfRange;
    let mut edges: Vec<Timestamp> = vec![];
    let mut at = begin(&from.to_zoned(zone.clone()), step).map_err(out_of_range)?;
    loop {
        let next = next(&at, step).map_err(out_of_range)?;
        // A step that a zone left out, as Samoa did a day, has no length.
        if next.timestamp() > from && at < next {
            edges.push(at.timestamp());
        }
        at = next;
        if at.timestamp() >= to {
            break;
        }
        if edges.len() > MOST {
            return Err(Uncuttable::TooMany);
        }
    }
    edges.push(at.timestamp());
    if edges.len() > MOST + 1 {
        return Err(Uncuttable::TooMany);
    }
    Ok(edges)
}

/// Where a step begins that is not after `at`; the last such one for all but parts of a day, which
/// are counted from where the day begins.
fn begin(at: &Zoned, step: Step) -> Result<Zoned, jiff::Error> {
    let day = at.start_of_day()?;
    match step {
        Step::Quarter | Step::Hour => {
            let length = length(step);
            let passed = at.timestamp().duration_since(day.timestamp());
            let whole = passed.as_secs() / length.as_secs();
            day.checked_add(SignedDuration::from_secs(whole * length.as_secs()))
        }
        Step::Day => Ok(day),
        Step::Week => {
            let since = day.weekday().since(Weekday::Monday);
            day.checked_sub(i64::from(since).days())?.start_of_day()
        }
        Step::Month => day.first_of_month()?.start_of_day(),
    }
}

fn next(at: &Zoned, step: Step) -> Result<Zoned, jiff::Error> {
    match step {
        Step::Quarter | Step::Hour => {
            // A day whose length is not a whole number of steps ends with a shorter one.
            let tomorrow = at.tomorrow()?.start_of_day()?;
            Ok(at.checked_add(length(step))?.min(tomorrow))
        }
        Step::Day => at.tomorrow()?.start_of_day(),
        Step::Week => at.checked_add(1.week())?.start_of_day(),
        Step::Month => at.checked_add(1.month())?.start_of_day(),
    }
}

fn length(step: Step) -> SignedDuration {
    match step {
        Step::Quarter => SignedDuration::from_mins(15),
        _ => SignedDuration::from_hours(1),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn cut(from: &str, to: &str, step: &str, zone: &str) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let edges = edges(from.parse().unwrap(), to.parse().unwrap(), step.parse().unwrap(), &zone);
        let local =
            |edge: Timestamp| edge.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M%:z").to_string();
        edges.unwrap().into_iter().map(local).collect()
    }

    #[test]
    fn the_day_on_which_clocks_go_back_has_25_hours() {
        let hours = cut("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "1h", "Europe/Berlin");
        assert_eq!(hours.len(), 26);
        assert_eq!(
            hours[2..5],
            ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"]
        );
        let days = cut("2026-10-24T22:00:00Z", "2026-10-26T10:00:00Z", "1d", "Europe/Berlin");
        assert_eq!(
            days,
            ["2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00", "2026-10-27T00:00+01:00"]
        );
    }

    #[test]
    fn the_day_on_which_clocks_go_forward_has_23_hours() {
        let hours = cut("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "1h", "Europe/Berlin");
        assert_eq!(hours.len(), 24);
        assert_eq!(hours[1..3], ["2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00"]);
    }

    #[test]
    fn a_day_that_begins_at_one_o_clock_begins_there() {
        // Beirut's clocks skip midnight.
        let days = cut("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z", "1d", "Asia/Beirut");
        assert_eq!(days[1..3], ["2026-03-29T01:00+03:00", "2026-03-30T00:00+03:00"]);
    }

    #[test]
    fn where_clocks_change_by_half_an_hour_the_day_ends_with_half_a_step() {
        let hours =
            cut("2026-04-04T13:00:00Z", "2026-04-05T14:00:00Z", "1h", "Australia/Lord_Howe");
        assert_eq!(
            hours[24..],
            ["2026-04-05T23:30+10:30", "2026-04-06T00:00+10:30", "2026-04-06T01:00+10:30"]
        );
    }

    #[test]
    fn a_day_that_never_was_is_left_out() {
        let days = cut("2011-12-29T12:00:00Z", "2012-01-01T00:00:00Z", "1d", "Pacific/Apia");
        assert_eq!(
            days,
            [
                "2011-12-29T00:00-10:00",
                "2011-12-31T00:00+14:00",
                "2012-01-01T00:00+14:00",
                "2012-01-02T00:00+14:00"
            ]
        );
    }

    #[test]
    fn steps_are_whole_even_if_the_span_is_not() {
        let hours = cut("2026-06-01T10:20:00Z", "2026-06-01T12:00:01Z", "1h", "Asia/Kolkata");
        assert_eq!(
            hours,
            [
                "2026-06-01T15:00+05:30",
                "2026-06-01T16:00+05:30",
                "2026-06-01T17:00+05:30",
                "2026-06-01T18:00+05:30"
            ]
        );
        let quarters = cut("2026-06-01T10:20:00Z", "2026-06-01T10:30:00Z", "15m", "UTC");
        assert_eq!(quarters, ["2026-06-01T10:15+00:00", "2026-06-01T10:30+00:00"]);
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        let weeks = cut("2026-06-03T00:00:00Z", "2026-06-09T00:00:00Z", "1w", "America/New_York");
        assert_eq!(
            weeks,
            ["2026-06-01T00:00-04:00", "2026-06-08T00:00-04:00", "2026-06-15T00:00-04:00"]
        );
        let months = cut("2026-01-31T12:00:00Z", "2026-03-01T12:00:00Z", "1mo", "Africa/Lagos");
        assert_eq!(
            months,
            [
                "2026-01-01T00:00+01:00",
                "2026-02-01T00:00+01:00",
                "2026-03-01T00:00+01:00",
                "2026-04-01T00:00+01:00"
            ]
        );
    }

    #[test]
    fn a_chart_has_at_most_5000_points() {
        let most = |to: &str| {
            let (from, to) = ("2026-01-01T00:00:00Z".parse().unwrap(), to.parse().unwrap());
            edges(from, to, Step::Hour, &TimeZone::UTC)
        };
        assert_eq!(most("2026-07-28T08:00:00Z").unwrap().len(), 5_001);
        assert_eq!(most("2026-07-28T08:00:01Z"), Err(Uncuttable::TooMany));
        assert_eq!(most("9998-01-01T00:00:00Z"), Err(Uncuttable::TooMany));
    }
}
