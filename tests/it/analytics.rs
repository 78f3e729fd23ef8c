//! How many messages came and went, in steps of the asker's calendar.

mod numbers;

use std::sync::{Arc, RwLock};

use chrono::{DateTime, Utc};
use event_store::Clock;
use serde_json::{Value, json};
use simulators::whatsapp;

use crate::support::{ANA, App, BEN, Organization, line};

/// A system whose clock stands where it is put.
struct Day {
    app: App,
    organization: Organization,
    clock: Arc<RwLock<Option<DateTime<Utc>>>>,
    told: usize,
}

impl Day {
    async fn begin(time: &str) -> Day {
        let clock = Arc::new(RwLock::new(Some(time.parse().unwrap())));
        let app = App::start_at(Clock::Told(clock.clone())).await;
        let organization = app.organization("Baraka").await;
        Day { app, organization, clock, told: 0 }
    }

    /// Ana writes at this time, and it arrives at once.
    async fn ana_writes(&mut self, time: &str) {
        let at = time.parse().unwrap();
        *self.clock.write().unwrap() = Some(at);
        self.told += 1;
        let id = format!("wamid.{}", self.told);
        let hello = json!({"body": "Hello"});
        let said = whatsapp::message(&line(), &ANA, &id, at, "text", hello, Value::Null);
        self.app.tell(&self.organization, said).await.expect(200);
    }

    async fn volume(&self, query: &str) -> Vec<Value> {
        self.app.settle().await;
        let path = format!("/v1/analytics/volume?{query}");
        let volume = self.app.get(&self.organization.agent, &path).await.expect(200);
        volume.data().as_array().unwrap().clone()
    }

    /// Where steps begin in which something came in, and how much.
    async fn inbound(&self, query: &str) -> Vec<(String, u64)> {
        let points = self.volume(query).await;
        let told = |point: &Value| {
            (point["start"].as_str().unwrap().to_owned(), point["inbound"].as_u64().unwrap())
        };
        points.iter().map(told).filter(|(_, inbound)| *inbound > 0).collect()
    }
}

fn counted(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(start, count)| ((*start).to_owned(), *count)).collect()
}

#[tokio::test]
async fn every_message_is_counted_once_in_every_step() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    for number in 0..7 {
        let person = if number % 2 == 0 { &ANA } else { &BEN };
        app.say(&organization, person, &format!("wamid.in.{number}"), number, "Hello").await;
    }
    for number in 0..3 {
        let picture = ("image", json!({"id": "1", "mime_type": "image/png"}));
        let id = format!("wamid.image.{number}");
        app.send_kind(&organization, &ANA, (&id, 10 + number), picture, Value::Null).await;
    }
    for number in 0..4 {
        app.echo(&organization, &ANA, &format!("wamid.out.{number}"), 20 + number, "Hi").await;
    }
    // Told again, or told of, nothing is a message more.
    app.say(&organization, &ANA, "wamid.in.0", 0, "Hello").await;
    app.report(&organization, &ANA, ("wamid.out.0", 30), "read", Value::Null).await;
    app.settle().await;
    for step in ["15m", "1h", "1d", "1w", "1mo"] {
        for timezone in ["UTC", "Africa/Nairobi", "Asia/Kathmandu", "America/St_Johns"] {
            let now = app.store.clock().now();
            let from = (now - chrono::TimeDelta::days(1)).format("%FT%TZ");
            let to = (now + chrono::TimeDelta::hours(1)).format("%FT%TZ");
            let span = format!("from={from}&to={to}");
            let total = totals(&app, &organization, step, timezone, &span).await;
            assert_eq!(total, [10, 4, 11, 3], "{step} in {timezone}");
        }
    }
}

/// Inbound, outbound, texts and images.
async fn totals(
    app: &App,
    organization: &Organization,
    step: &str,
    timezone: &str,
    span: &str,
) -> [u64; 4] {
    let path = format!("/v1/analytics/volume?step={step}&timezone={timezone}&{span}");
    let points = app.get(&organization.agent, &path).await.expect(200).data();
    let points = points.as_array().unwrap();
    assert!(points.windows(2).all(|pair| pair[0]["end"] == pair[1]["start"]), "no gap");
    let sum = |count: &dyn Fn(&Value) -> Option<u64>| points.iter().filter_map(count).sum();
    [
        sum(&|point| point["inbound"].as_u64()),
        sum(&|point| point["outbound"].as_u64()),
        sum(&|point| point["by_kind"]["text"].as_u64()),
        sum(&|point| point["by_kind"]["image"].as_u64()),
    ]
}

#[tokio::test]
async fn a_day_begins_at_midnight_where_the_asker_is() {
    let mut day = Day::begin("2026-03-01T00:00:00Z").await;
    for time in ["2026-03-01T20:59:59Z", "2026-03-01T21:00:00Z", "2026-03-01T23:59:59Z"] {
        day.ana_writes(time).await;
    }
    day.ana_writes("2026-03-02T00:00:00Z").await;
    let span = "step=1d&from=2026-03-01T00:00:00Z&to=2026-03-03T00:00:00Z";
    let utc = day.inbound(span).await;
    assert_eq!(utc, counted(&[("2026-03-01T00:00:00Z", 3), ("2026-03-02T00:00:00Z", 1)]));
    let nairobi = day.inbound(&format!("{span}&timezone=Africa/Nairobi")).await;
    assert_eq!(nairobi, counted(&[("2026-02-28T21:00:00Z", 1), ("2026-03-01T21:00:00Z", 3)]));
    let kathmandu = day.inbound(&format!("{span}&timezone=Asia/Kathmandu")).await;
    assert_eq!(kathmandu, counted(&[("2026-03-01T18:15:00Z", 4)]));
    let month = day.inbound(&format!("{span}&step=1mo").replacen("step=1d&", "", 1)).await;
    assert_eq!(month, counted(&[("2026-03-01T00:00:00Z", 4)]));
}

#[tokio::test]
async fn a_day_on_which_the_clocks_change_is_shorter_or_longer() {
    let mut day = Day::begin("2026-03-07T00:00:00Z").await;
    // New York goes from 01:59:59 at UTC-5 to 03:00:00 at UTC-4 on the 8th.
    for time in ["2026-03-08T04:59:00Z", "2026-03-08T05:00:00Z", "2026-03-09T03:59:00Z"] {
        day.ana_writes(time).await;
    }
    day.ana_writes("2026-03-09T04:00:00Z").await;
    let span =
        "step=1d&timezone=America/New_York&from=2026-03-07T12:00:00Z&to=2026-03-10T00:00:00Z";
    let days = day.inbound(span).await;
    let expected =
        [("2026-03-07T05:00:00Z", 1), ("2026-03-08T05:00:00Z", 2), ("2026-03-09T04:00:00Z", 1)];
    assert_eq!(days, counted(&expected));
    let points = day.volume(span).await;
    assert_eq!(points[1]["end"], "2026-03-09T04:00:00Z", "a day of 23 hours");
}

#[tokio::test]
async fn steps_in_which_nothing_happened_are_told_too() {
    let mut day = Day::begin("2026-03-01T00:00:00Z").await;
    day.ana_writes("2026-03-01T10:20:00Z").await;
    let span = "from=2026-03-01T09:10:00Z&to=2026-03-01T11:50:00Z";
    let hours = day.volume(&format!("step=1h&{span}")).await;
    let counts: Vec<_> = hours.iter().map(|point| point["inbound"].as_u64().unwrap()).collect();
    assert_eq!(counts, [0, 1, 0]);
    assert_eq!(hours[0]["start"], "2026-03-01T09:00:00Z", "whole steps");
    assert_eq!(hours[2]["end"], "2026-03-01T12:00:00Z");
    assert_eq!(day.volume(&format!("step=15m&{span}")).await.len(), 12);
    let channel = day.organization.channel;
    assert_eq!(day.inbound(&format!("{span}&channel={channel}")).await.len(), 1);
    let nobody = day.organization.agent_id;
    assert!(day.inbound(&format!("{span}&channel={nobody}")).await.is_empty());
}

#[tokio::test]
async fn a_span_or_step_that_makes_no_sense_is_refused() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let ask = async |query: &str| {
        app.get(&organization.agent, &format!("/v1/analytics/volume?{query}")).await
    };
    let (from, to) = ("from=2026-03-01T00:00:00Z", "to=2026-03-02T00:00:00Z");
    let wrong = [
        ("timezone=Nairobi", "timezone"),
        ("timezone=", "timezone"),
        ("step=2h", "step"),
        ("step=", "step"),
        ("from=yesterday", "from"),
        ("from=2026-03-01", "from"),
        ("from=2026-03-01T00:00:00", "from"),
        ("to=%2B11000-01-01T00:00:00Z", "to"),
        ("from=2026-03-02T00:00:00Z&to=2026-03-02T00:00:00Z", "to"),
        ("from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", "to"),
        ("channel=shop", "channel"),
    ];
    for (query, field) in wrong {
        let refused = ask(query).await;
        assert_eq!(refused.refused(422), "parameter.invalid", "{query}");
        assert_eq!(refused.json()["errors"][0]["field"], field, "{query}");
    }
    let ages = "from=1990-01-01T00:00:00Z&to=2026-01-01T00:00:00Z&step=15m";
    assert_eq!(ask(ages).await.refused(422), "analytics.span");
    assert_eq!(ask(&format!("{from}&{to}&color=red")).await.refused(400), "query.invalid");
    ask(&format!("{from}&{to}")).await.expect(200);
}
