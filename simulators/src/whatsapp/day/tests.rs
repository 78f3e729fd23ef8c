//! What the day is relied on for.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeSet, HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::super::people::PEOPLE;
use super::*;

fn line() -> Line {
    Line {
        account_id: "770010002000300".into(),
        phone_number_id: "550010002000300".into(),
        display_phone_number: "254190000100".into(),
    }
}

fn start() -> DateTime<Utc> {
    "2025-10-14T00:00:00Z".parse().unwrap()
}

fn bodies(deliveries: &[Delivery]) -> Vec<Value> {
    deliveries.iter().map(|delivery| serde_json::from_slice(&delivery.body).unwrap()).collect()
}

/// Each change of the day with its field, redeliveries left out.
fn changes(deliveries: &[Delivery]) -> Vec<(String, Value)> {
    let mut seen = HashSet::new();
    let fresh: Vec<Delivery> =
        deliveries.iter().filter(|delivery| seen.insert(&delivery.body)).cloned().collect();
    bodies(&fresh)
        .iter()
        .flat_map(|body| body["entry"].as_array().unwrap().clone())
        .flat_map(|entry| entry["changes"].as_array().unwrap().clone())
        .map(|change| (change["field"].as_str().unwrap().to_owned(), change["value"].clone()))
        .collect()
}

fn all(deliveries: &[Delivery], list: &str) -> Vec<Value> {
    changes(deliveries)
        .iter()
        .filter_map(|(_, value)| value[list].as_array().cloned())
        .flatten()
        .collect()
}

fn text<'a>(item: &'a Value, field: &str) -> &'a str {
    item[field].as_str().unwrap_or_default()
}

fn hash_of(deliveries: &[Delivery]) -> String {
    let mut hash = Sha256::new();
    for delivery in deliveries {
        hash.update(delivery.at.timestamp().to_be_bytes());
        hash.update(delivery.body.len().to_be_bytes());
        hash.update(&delivery.body);
    }
    hex::encode(hash.finalize())
}

#[test]
fn a_day_is_the_same_whenever_it_is_made() {
    assert_eq!(day(&line(), start()), day(&line(), start()));
    assert_eq!(
        hash_of(&day(&line(), start())),
        "92c7b8cee66335dfd3d6a6959dab8522536bf74d5b92e94387bb5f0b2a1ca284",
        "if the day was meant to change, so is this hash"
    );
}

#[test]
fn no_two_days_and_no_two_lines_share_a_message_id() {
    let other = Line { phone_number_id: "550010002000301".into(), ..line() };
    let mut seen = HashSet::new();
    for deliveries in
        [day(&line(), start()), day(&line(), start() + Duration::days(1)), day(&other, start())]
    {
        for message in [all(&deliveries, "messages"), all(&deliveries, "message_echoes")].concat() {
            assert!(text(&message, "id").starts_with("wamid."));
            assert!(seen.insert(text(&message, "id").to_owned()), "{message}");
        }
    }
}

#[test]
fn the_shop_is_busy_from_seven_to_half_past_nine() {
    let deliveries = day(&line(), start());
    assert!((250..=350).contains(&deliveries.len()), "{}", deliveries.len());
    assert!(deliveries.is_sorted_by_key(|delivery| delivery.at));
    assert!(deliveries[0].at >= start() + Duration::hours(7));
    assert!(deliveries.last().unwrap().at <= start() + Duration::minutes(21 * 60 + 30));
    let within = |from: i64, to: i64| {
        let (from, to) = (start() + Duration::hours(from), start() + Duration::hours(to));
        deliveries.iter().filter(|delivery| (from..to).contains(&delivery.at)).count()
    };
    assert!(within(7, 9) > 2 * within(10, 12), "a morning peak");
    assert!(within(12, 14) > 2 * within(14, 16), "a lunch peak");
}

#[test]
fn forty_people_and_more_write_to_the_shop_each_under_their_own_address() {
    let deliveries = day(&line(), start());
    let writers: BTreeSet<String> = all(&deliveries, "messages")
        .iter()
        .map(|message| format!("{}/{}", text(message, "from"), text(message, "from_user_id")))
        .collect();
    assert!(writers.len() >= 40, "{}", writers.len());
    assert_eq!(writers.len(), PEOPLE.len(), "nobody of the cast is idle");
    let hidden = writers.iter().filter(|writer| writer.starts_with('/')).count();
    assert_eq!(hidden, 2, "two show no number");
}

#[test]
fn every_kind_of_message_comes_in_once_at_least() {
    let messages = all(&day(&line(), start()), "messages");
    let kinds: BTreeSet<&str> = messages
        .iter()
        .map(|message| match text(message, "type") {
            "interactive" => text(&message["interactive"], "type"),
            kind => kind,
        })
        .collect();
    let expected = [
        "audio",
        "button",
        "button_reply",
        "contacts",
        "document",
        "edit",
        "image",
        "list_reply",
        "location",
        "nfm_reply",
        "order",
        "reaction",
        "revoke",
        "sticker",
        "system",
        "text",
        "unsupported",
        "video",
    ];
    assert_eq!(kinds, BTreeSet::from(expected));
    let any = |pointer: &str| messages.iter().any(|message| message.pointer(pointer).is_some());
    for pointer in [
        "/context/forwarded",
        "/context/referred_product/product_retailer_id",
        "/referral/ctwa_clid",
        "/group_id",
        "/errors/0/code",
        "/system/wa_id",
    ] {
        assert!(any(pointer), "{pointer}");
    }
    assert!(messages.iter().any(|message| message["reaction"]["emoji"] == ""));
}

#[test]
fn what_is_quoted_edited_revoked_or_reacted_to_was_sent_before() {
    let deliveries = day(&line(), start());
    let mut known: HashMap<String, i64> = HashMap::new();
    for list in ["messages", "message_echoes", "statuses"] {
        for item in all(&deliveries, list) {
            let at = text(&item, "timestamp").parse().unwrap();
            known.entry(text(&item, "id").to_owned()).or_insert(at);
        }
    }
    let mut found = 0;
    for message in all(&deliveries, "messages") {
        if message.pointer("/context/referred_product").is_some() {
            continue;
        }
        let at: i64 = text(&message, "timestamp").parse().unwrap();
        for pointer in [
            "/context/id",
            "/reaction/message_id",
            "/edit/original_message_id",
            "/revoke/original_message_id",
        ] {
            if let Some(Value::String(id)) = message.pointer(pointer) {
                assert!(known[id] <= at, "{message}");
                assert_ne!(id, text(&message, "id"), "{message}");
                found += 1;
            }
        }
    }
    assert!(found >= 15, "{found}");
}

#[test]
fn statuses_follow_every_answer_and_some_run_ahead_of_it() {
    let deliveries = day(&line(), start());
    let statuses = all(&deliveries, "statuses");
    let kinds: BTreeSet<&str> = statuses.iter().map(|it| text(it, "status")).collect();
    assert_eq!(kinds, BTreeSet::from(["delivered", "failed", "played", "read", "sent"]));
    let codes: BTreeSet<i64> =
        statuses.iter().filter_map(|it| it["errors"][0]["code"].as_i64()).collect();
    assert_eq!(codes, BTreeSet::from([131_026, 131_047]));
    let categories: BTreeSet<&str> = statuses
        .iter()
        .filter(|it| it["pricing"].is_object())
        .map(|it| text(&it["pricing"], "category"))
        .collect();
    assert_eq!(
        categories,
        BTreeSet::from(["marketing", "referral_conversion", "service", "utility"])
    );

    let mut told: HashMap<String, Vec<String>> = HashMap::new();
    for (_, value) in changes(&deliveries) {
        for echo in value["message_echoes"].as_array().into_iter().flatten() {
            told.entry(text(echo, "id").into()).or_default().push("echo".into());
        }
        for it in value["statuses"].as_array().into_iter().flatten() {
            told.entry(text(it, "id").into()).or_default().push(text(it, "status").into());
        }
    }
    let courses: BTreeSet<String> = told.values().map(|course| course.join(" ")).collect();
    for course in [
        "echo sent delivered read",
        "echo sent delivered read played",
        "echo sent read delivered",
        "echo sent read",
        "sent echo delivered read",
        "sent failed",
        "failed",
    ] {
        assert!(courses.contains(course), "{course}: {courses:?}");
    }
}

#[test]
fn some_bodies_come_twice_and_some_tell_several_things() {
    let deliveries = day(&line(), start());
    let different: HashSet<&Vec<u8>> = deliveries.iter().map(|delivery| &delivery.body).collect();
    assert!(deliveries.len() - different.len() >= 8, "redeliveries");
    let several = |body: &Value| body["entry"].as_array().unwrap().len() > 1;
    assert!(bodies(&deliveries).iter().any(several), "several entries");
    let changes = changes(&deliveries);
    for list in ["messages", "statuses"] {
        let several = |value: &Value| value[list].as_array().is_some_and(|list| list.len() > 1);
        assert!(changes.iter().any(|(_, value)| several(value)), "several {list}");
    }
}

#[test]
fn meta_tells_of_templates_the_number_the_account_and_a_customers_wish() {
    let changes = changes(&day(&line(), start()));
    let told: BTreeSet<(&str, &str)> = changes
        .iter()
        .filter(|(_, value)| value["event"].is_string())
        .map(|(field, value)| (field.as_str(), text(value, "event")))
        .collect();
    assert_eq!(
        told,
        BTreeSet::from([
            ("account_update", "VERIFIED_ACCOUNT"),
            ("message_template_status_update", "APPROVED"),
            ("message_template_status_update", "REJECTED"),
            ("phone_number_quality_update", "UPGRADE"),
        ])
    );
    let wishes = changes.iter().filter(|(field, _)| field == "user_preferences");
    let wishes: Vec<_> = wishes.map(|(_, value)| &value["user_preferences"][0]["value"]).collect();
    assert_eq!(wishes, ["stop"]);
}

#[test]
fn one_webhook_is_for_a_number_that_nobody_connected() {
    let changes = changes(&day(&line(), start()));
    let strange = changes.iter().filter(|(_, value)| {
        value["metadata"].is_object()
            && value["metadata"]["phone_number_id"] != line().phone_number_id.as_str()
    });
    assert_eq!(strange.count(), 1);
}

#[test]
fn every_body_stands_in_the_envelope_and_tells_of_what_has_happened() {
    let deliveries = day(&line(), start());
    let (mut latest, mut checked) = (0, 0);
    for (delivery, body) in deliveries.iter().zip(bodies(&deliveries)) {
        assert_eq!(body["object"], "whatsapp_business_account");
        for entry in body["entry"].as_array().unwrap() {
            assert_eq!(entry["id"], "770010002000300");
            let change = &entry["changes"][0];
            assert!(change["field"].is_string() && change["value"].is_object());
            for list in ["messages", "statuses", "message_echoes"] {
                for item in change["value"][list].as_array().into_iter().flatten() {
                    let at: i64 = text(item, "timestamp").parse().unwrap();
                    let age = delivery.at.timestamp() - at;
                    assert!(age > 0, "{item}");
                    latest = latest.max(age);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 300 && latest > 300, "{checked} {latest}");
}
