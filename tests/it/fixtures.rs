//! Real payloads, where the folder that holds them is there: `VERBATIM_FIXTURES` names it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{App, Organization};

struct Fixture {
    name: String,
    body: Vec<u8>,
}

fn webhooks() -> Vec<Fixture> {
    files("whatsapp/webhooks")
}

fn files(folder: &str) -> Vec<Fixture> {
    let Some(dir) = std::env::var_os("VERBATIM_FIXTURES") else {
        println!("VERBATIM_FIXTURES is not set: no real payloads are fed");
        return vec![];
    };
    let dir = PathBuf::from(dir).join(folder);
    let mut files: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let fixture = |file: PathBuf| Fixture {
        name: file.file_name().unwrap().to_string_lossy().into_owned(),
        body: std::fs::read(&file).unwrap(),
    };
    files
        .into_iter()
        .filter(|file| file.extension().is_some_and(|e| e == "json"))
        .map(fixture)
        .collect()
}

/// Samples of documentation whose timestamp is a placeholder: there is no time to record them at.
fn is_malformed(fixture: &Fixture) -> bool {
    String::from_utf8_lossy(&fixture.body).contains("\"<TIMESTAMP>\"")
}

/// Feeds them one by one; tells how many things were told, and how many of them twice.
async fn feed(app: &App, organization: &Organization, fixtures: &[Fixture]) -> (u64, u64) {
    let (mut received, mut duplicates) = (0, 0);
    for fixture in fixtures {
        let answer = app.deliver(organization.channel, &fixture.body).await;
        let expected = if is_malformed(fixture) { 400 } else { 200 };
        assert_eq!(answer.status.as_u16(), expected, "{}: {}", fixture.name, answer.text);
        let told = answer.data();
        received += told["received"].as_u64().unwrap_or_default();
        duplicates += told["duplicates"].as_u64().unwrap_or_default();
    }
    app.settle().await;
    (received, duplicates)
}

#[tokio::test]
async fn every_real_payload_is_taken_in_whole() {
    let fixtures = webhooks();
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let before = app.store.head();
    let (received, duplicates) = feed(&app, &organization, &fixtures).await;
    let mut items = BTreeMap::new();
    for fixture in fixtures.iter().filter(|fixture| !is_malformed(fixture)) {
        count_items(&serde_json::from_slice(&fixture.body).unwrap(), &mut items);
    }
    let mut events = BTreeMap::new();
    for event in recorded(&app, before).await {
        *events.entry(event).or_insert(0) += 1;
    }
    report(fixtures.len(), items.values().sum(), &events);
    let people =
        ["contact.", "conversation.Opened", "conversation.Merged", "conversation.ContactReplaced"];
    let told: usize = events
        .iter()
        .filter(|(event, _)| !people.iter().any(|prefix| event.starts_with(prefix)))
        .map(|(_, count)| count)
        .sum();
    // Messages of an imported history bring their receipts with them.
    let receipts = items.remove("history receipts").unwrap_or_default();
    assert_eq!(received, items.values().sum::<usize>() as u64);
    assert_eq!(told as u64, received - duplicates + receipts as u64);
    app.assert_verified().await;

    let head = app.store.head();
    feed(&app, &organization, &fixtures).await;
    assert_eq!(app.store.head(), head, "fed twice, something doubled");
}

#[tokio::test]
async fn the_order_in_which_webhooks_arrive_changes_nothing() {
    let mut fixtures = webhooks();
    let forward = App::start().await;
    let organization = forward.organization("Baraka").await;
    feed(&forward, &organization, &fixtures).await;
    let one = snapshot(&forward, &organization).await;
    fixtures.reverse();
    let backward = App::start().await;
    let organization = backward.organization("Baraka").await;
    feed(&backward, &organization, &fixtures).await;
    let other = snapshot(&backward, &organization).await;
    for (part, rows) in &one {
        assert_eq!(rows.len(), other[part].len(), "{part}");
        for (row, twin) in rows.iter().zip(&other[part]) {
            assert!(row == twin, "{part}:\n{row:#}\n{twin:#}");
        }
    }
}

#[tokio::test]
async fn every_real_callback_of_pawapay_is_answered_for_what_it_is() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let path = format!("/webhooks/pawapay/{}", organization.pawapay);
    let head = app.store.head();
    for Fixture { name, body } in files("pawapay") {
        if !name.contains("-callback-") && !name.contains("-status-") {
            continue;
        }
        let answer = app.post_bytes("", &path, body).await;
        let expected = match name.as_str() {
            absent if absent.contains("not-found") => 400,
            // Of a payout that is none of ours.
            payout if payout.contains("-payout-") => 404,
            _ => 200,
        };
        assert_eq!(answer.status.as_u16(), expected, "{name}: {}", answer.text);
    }
    assert_eq!(app.store.head(), head);
}

/// What became of the files, for whoever asks by `VERBATIM_FIXTURES_REPORT`.
fn report(files: usize, items: usize, events: &BTreeMap<String, usize>) {
    let Some(file) = std::env::var_os("VERBATIM_FIXTURES_REPORT") else { return };
    let mut text = format!("{files} files told {items} things; the events are:\n");
    events.iter().for_each(|(event, count)| text += &format!("{count:5} {event}\n"));
    std::fs::write(file, text).unwrap();
}

/// How many things each body tells, told apart by the list they stand in.
fn count_items(body: &Value, items: &mut BTreeMap<String, usize>) {
    const LISTS: [&str; 9] = [
        "messages",
        "message_echoes",
        "statuses",
        "calls",
        "groups",
        "user_preferences",
        "user_id_update",
        "state_sync",
        "automatic_events",
    ];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for entry in list(&body["entry"]) {
        for change in list(&entry["changes"]) {
            let value = &change["value"];
            let mut found = 0;
            for name in LISTS {
                found += list(&value[name]).len();
                *items.entry(name.to_owned()).or_default() += list(&value[name]).len();
            }
            for chunk in list(&value["history"]) {
                for thread in list(&chunk["threads"]) {
                    let messages = list(&thread["messages"]);
                    found += messages.len();
                    *items.entry("history".into()).or_default() += messages.len();
                    let told =
                        messages.iter().filter(|m| m["history_context"]["status"].is_string());
                    *items.entry("history receipts".into()).or_default() += told.count();
                }
            }
            if found == 0 {
                *items.entry(change["field"].to_string()).or_default() += 1;
            }
        }
    }
}

async fn recorded(app: &App, after: i64) -> Vec<String> {
    sqlx::query_scalar(
        "select aggregate_type || '.' || event_type from events
          where position > $1 and payload->event_type->>'moved' is null order by position",
    )
    .bind(after)
    .fetch_all(app.store.worker())
    .await
    .unwrap()
}

/// All that can be read, without what was minted on the way: ids, positions, receive times.
async fn snapshot(app: &App, organization: &Organization) -> BTreeMap<&'static str, Vec<Value>> {
    let key = &organization.owner;
    let contacts = all(app, key, "/v1/contacts?limit=200").await;
    let inbox = all(app, key, "/v1/inbox?limit=200").await;
    let mut conversations = vec![];
    let mut messages = vec![];
    for row in &inbox {
        let id = row["conversation_id"].as_str().unwrap();
        let said = all(app, key, &format!("/v1/conversations/{id}/messages?limit=200")).await;
        let mut said: Vec<Value> =
            said.iter().map(|message| without_minted(message, &said)).collect();
        said.sort_by_key(Value::to_string);
        let row = without_minted(row, &[]);
        messages.push(json!({"with": row["contact"], "group": row["group_id"], "said": said}));
        conversations.push(row);
    }
    let volume = app.get(key, "/v1/analytics/volume?step=1d").await.expect(200).data();
    let mut volume: Vec<Value> =
        volume.as_array().unwrap().iter().map(|row| row["by_kind"].clone()).collect();
    volume.retain(|kinds| kinds.as_object().is_some_and(|kinds| !kinds.is_empty()));
    let mut parts = BTreeMap::from([
        ("contacts", contacts.iter().map(|row| without_minted(row, &[])).collect()),
        ("conversations", conversations),
        ("messages", messages),
        ("volume", volume),
    ]);
    parts.values_mut().for_each(|rows: &mut Vec<Value>| rows.sort_by_key(Value::to_string));
    parts
}

async fn all(app: &App, key: &str, path: &str) -> Vec<Value> {
    let (mut rows, mut cursor) = (vec![], String::new());
    loop {
        let page = app.get(key, &format!("{path}{cursor}")).await.expect(200).json();
        rows.extend(page["data"].as_array().unwrap().clone());
        match page["meta"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

/// References to other messages become what those say.
fn without_minted(row: &Value, messages: &[Value]) -> Value {
    let Value::Object(fields) = row else { return row.clone() };
    let mut kept = serde_json::Map::new();
    for (name, value) in fields {
        let minted = [
            "id",
            "conversation_id",
            "contact_id",
            "channel_id",
            "version",
            "recorded_at",
            "opened_at",
            "closed_at",
            "registered_at",
            "by",
        ];
        if minted.contains(&name.as_str()) {
            continue;
        }
        let value = match (name.as_str(), value) {
            ("reply_to", Value::String(id)) => {
                let target = messages.iter().find(|message| message["id"] == json!(id));
                target.map_or(Value::Null, |target| target["content"].clone())
            }
            (_, Value::Object(_)) => without_minted(value, messages),
            (_, Value::Array(items)) => {
                items.iter().map(|item| without_minted(item, messages)).collect()
            }
            _ => value.clone(),
        };
        kept.insert(name.clone(), value);
    }
    Value::Object(kept)
}
