//! When a team works: hours of each day of a week, in the civil time of one place.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Hours in one day's order that don't overlap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Told")]
pub struct Schedule {
    /// A name of the IANA time zone database; that there is such a place is checked where there
    /// are clocks.
    #[schemars(example = &"Africa/Nairobi")]
    pub timezone: String,
    /// From Sunday to Saturday.
    #[schemars(example = weekdays())]
    pub days: [Vec<Hours>; 7],
}

/// From one minute to before another of the same day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    pub from: Time,
    pub to: Time,
}

/// A time of day to the minute, as in `09:30`; `24:00` is the day's end.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[0-2][0-9]:[0-5][0-9]$"))]
#[schemars(example = &"09:30")]
pub struct Time {
    minutes: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    #[error("a time of day reads like 09:30, from 00:00 to 24:00")]
    Time,
    #[error("hours begin before they end; a night is written as two days' hours")]
    Backwards,
    #[error("hours of a day are told in order and don't overlap")]
    Overlap,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Schedule")]
struct Told {
    /// A name of the IANA time zone database.
    #[schemars(example = &"Africa/Nairobi")]
    timezone: String,
    /// From Sunday to Saturday.
    #[schemars(example = weekdays())]
    days: [Vec<Hours>; 7],
}

fn weekdays() -> serde_json::Value {
    let hours = serde_json::json!([{"from": "08:00", "to": "17:00"}]);
    serde_json::json!([[], hours, hours, hours, hours, hours, []])
}

impl TryFrom<Told> for Schedule {
    type Error = InvalidSchedule;

    fn try_from(Told { timezone, days }: Told) -> Result<Schedule, InvalidSchedule> {
        let hours = days.iter().flatten();
        if hours.into_iter().any(|hours| hours.from >= hours.to) {
            return Err(InvalidSchedule::Backwards);
        }
        let meet = |two: &[Hours]| two[0].to > two[1].from;
        if days.iter().any(|day| day.windows(2).any(meet)) {
            return Err(InvalidSchedule::Overlap);
        }
        Ok(Schedule { timezone, days })
    }
}

impl FromStr for Time {
    type Err = InvalidSchedule;

    fn from_str(text: &str) -> Result<Time, InvalidSchedule> {
        let two = |text: &str| {
            let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u16>().ok()).flatten()
        };
        let read = || {
            let (hour, minute) = text.split_once(':')?;
            let (hour, minute) = (two(hour)?, two(minute)?);
            let minutes = hour * 60 + minute;
            (minute < 60 && minutes <= 24 * 60).then_some(Time { minutes })
        };
        read().ok_or(InvalidSchedule::Time)
    }
}

impl TryFrom<String> for Time {
    type Error = InvalidSchedule;

    fn try_from(text: String) -> Result<Time, InvalidSchedule> {
        text.parse()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

impl From<Time> for String {
    fn from(time: Time) -> String {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn monday(hours: Value) -> Result<Schedule, String> {
        let week = json!({"timezone": "Africa/Nairobi", "days": [[], hours, [], [], [], [], []]});
        serde_json::from_value(week).map_err(|error| error.to_string())
    }

    #[test]
    fn a_day_may_have_a_break_and_go_on_to_its_end() {
        let hours = json!([{"from": "08:00", "to": "12:00"}, {"from": "12:00", "to": "24:00"}]);
        let schedule = monday(hours.clone()).unwrap();
        assert_eq!(serde_json::to_value(&schedule.days[1]).unwrap(), hours);
    }

    #[test]
    fn hours_that_nobody_could_keep_are_refused() {
        let one = |from: &str, to: &str| json!([{"from": from, "to": to}]);
        for (from, to) in [("17:00", "08:00"), ("08:00", "08:00")] {
            assert!(monday(one(from, to)).unwrap_err().contains("begin before they end"));
        }
        for time in ["8:00", "08:60", "24:01", "0800", "+8:00", "08:00:00", ""] {
            assert!(monday(one("00:00", time)).unwrap_err().contains("reads like"), "{time}");
        }
        let twice = json!([{"from": "08:00", "to": "12:00"}, {"from": "11:59", "to": "13:00"}]);
        assert!(monday(twice).unwrap_err().contains("overlap"));
    }

    #[test]
    fn a_week_has_seven_days() {
        let week = json!({"timezone": "UTC", "days": [[], []]});
        assert!(serde_json::from_value::<Schedule>(week).is_err());
    }
}
