//! What waits for an answer: filtered, searched, paged while it changes, and fresh on demand.

use std::collections::BTreeMap;

use projections::inbox::Inbox;
use serde_json::{Value, json};
use simulators::whatsapp::{self, Person};

use crate::support::{ANA, App, BEN, Organization, at, customer, line};
use crate::together::hold;

async fn names(app: &App, key: &str, filter: &str) -> Vec<String> {
    let page = app.get(key, &format!("/v1/inbox?{filter}")).await.expect(200).data();
    let name = |row: &Value| row["contact"]["name"].as_str().unwrap().to_owned();
    page.as_array().unwrap().iter().map(name).collect()
}

async fn act(app: &App, organization: &Organization, id: &str, action: &str, body: Value) {
    let path = format!("/v1/conversations/{id}/{action}");
    app.post(&organization.agent, &path, body).await.expect(200);
}

#[tokio::test]
async fn a_conversation_shows_who_wrote_what_last() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.say(&organization, &ANA, "wamid.1", 0, "Hello").await;
    app.echo(&organization, &ANA, "wamid.2", 10, "Hello Ana, how can we help?").await;
    // An older message that comes late is no newer for it.
    app.say(&organization, &ANA, "wamid.3", 5, "Anybody there?").await;
    let rows = app.conversations(&organization).await;
    let row = &rows[0];
    assert_eq!(row["last_message"]["preview"], "Hello Ana, how can we help?");
    assert_eq!(row["last_message"]["author"], "human");
    assert_eq!(row["last_message"]["at"], "2026-03-02T08:00:10Z");
    assert_eq!((&row["message_count"], &row["unread_count"]), (&json!(3), &json!(2)));
    assert_eq!(row["contact"]["name"], "Ana Lima");
    assert_eq!(row["contact"]["phone"], "258801000122");
    let path = format!("/v1/conversations/{}", row["conversation_id"].as_str().unwrap());
    assert_eq!(&app.get(&organization.agent, &path).await.expect(200).data(), row);
}

#[tokio::test]
async fn the_inbox_is_narrowed_by_state_person_in_charge_and_what_is_unread() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let people = [customer(1), customer(2), customer(3), customer(4)];
    let mut ids = vec![];
    for (second, person) in (0..).zip(&people) {
        app.say(&organization, person, &format!("wamid.{second}"), second, "Hello").await;
        ids.push(app.conversation(&organization, person).await);
    }
    let me = json!({"agent_id": organization.agent_id});
    act(&app, &organization, &ids[0], "resolve", Value::Null).await;
    act(&app, &organization, &ids[1], "assign", me.clone()).await;
    act(&app, &organization, &ids[2], "read", Value::Null).await;
    act(&app, &organization, &ids[3], "assign", me).await;
    act(&app, &organization, &ids[3], "resolve", Value::Null).await;
    app.settle().await;
    let agent = organization.agent_id;
    let expected: [(&str, &[usize]); 14] = [
        ("", &[3, 2]),
        ("status=all", &[4, 3, 2, 1]),
        ("status=closed", &[4, 1]),
        ("status=open", &[3]),
        ("status=human_handling", &[2]),
        ("status=open,closed", &[4, 3, 1]),
        ("assignee=me", &[2]),
        ("assignee=me&status=all", &[4, 2]),
        (&format!("assignee={agent}&status=closed"), &[4]),
        ("assignee=unassigned", &[3]),
        ("unread=true", &[2]),
        ("unread=true&status=all", &[4, 2, 1]),
        (&format!("channel={}", organization.channel), &[3, 2]),
        (&format!("channel={agent}"), &[]),
    ];
    for (filter, customers) in expected {
        let wanted: Vec<String> = customers.iter().map(|n| format!("Customer {n}")).collect();
        assert_eq!(names(&app, &organization.agent, filter).await, wanted, "{filter}");
    }
    assert!(names(&app, &organization.owner, "assignee=me").await.is_empty());
    for wrong in ["status=opened", "status=", "assignee=bob", "channel=shop", "contact=ana"] {
        let refused = app.get(&organization.agent, &format!("/v1/inbox?{wrong}")).await;
        assert_eq!(refused.refused(422), "parameter.invalid", "{wrong}");
    }
    app.get(&organization.agent, "/v1/inbox?unread=perhaps").await.refused(400);
}

#[tokio::test]
async fn all_that_was_said_with_one_person_is_found_by_their_contact() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let by_id = Person { wa_id: None, user_id: Some("MZ.17".into()), ..ANA.clone() };
    let both = Person { user_id: Some("MZ.17".into()), ..ANA.clone() };
    for (second, person) in (0..).zip([&ANA, &BEN, &by_id]) {
        app.say(&organization, person, &format!("wamid.{second}"), second, "Hello").await;
    }
    let rows = app.conversations(&organization).await;
    let contacts: Vec<&str> =
        rows.iter().map(|row| row["contact"]["id"].as_str().unwrap()).collect();
    let filter = |contact: &str| format!("contact={contact}");
    assert_eq!(names(&app, &organization.agent, &filter(contacts[1])).await, ["Ben Otieno"]);
    // Two contacts turn out to be one person, whose two conversations become one.
    app.say(&organization, &both, "wamid.9", 9, "It is me").await;
    app.settle().await;
    let standing = contacts[0].min(contacts[2]);
    assert_eq!(names(&app, &organization.agent, &filter(standing)).await, ["Ana Lima"]);
    let both = format!("contact={standing}&q=ben");
    assert!(names(&app, &organization.agent, &both).await.is_empty());
    assert!(
        names(&app, &organization.agent, &filter(&organization.agent_id.to_string()))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_conversation_is_found_by_name_or_number() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.say(&organization, &ANA, "wamid.1", 0, "Hello").await;
    let last = app.say(&organization, &BEN, "wamid.2", 1, "Hello").await;
    for (text, found) in [("ana", "Ana Lima"), ("oti", "Ben Otieno"), ("2588", "Ana Lima")] {
        let path = format!("/v1/inbox?q={text}");
        let rows = app.get_since(&last, &organization.agent, &path).await.expect(200).data();
        assert_eq!(rows.as_array().unwrap().len(), 1, "{text}");
        assert_eq!(rows[0]["contact"]["name"], found);
    }
    assert!(names(&app, &organization.agent, "q=nobody").await.is_empty());
    assert!(names(&app, &organization.agent, "q=ana&status=closed").await.is_empty());
    assert_eq!(names(&app, &organization.agent, "q=%20").await.len(), 2, "nothing is searched");
    let long = "x".repeat(201);
    app.get(&organization.agent, &format!("/v1/inbox?q={long}")).await.refused(422);
}

/// Many people, some of whom wrote in the same second.
async fn crowd(app: &App, organization: &Organization, size: usize) {
    let people: Vec<_> = (0..size).map(customer).collect();
    let said = people.iter().enumerate().map(|(number, person)| {
        let second = i64::try_from(number / 5).unwrap();
        let body = json!({"body": format!("Hello from {number}")});
        let id = format!("wamid.{number}");
        whatsapp::said(person, &id, at(second), "text", body, Value::Null)
    });
    let said = said.collect();
    let people: Vec<_> = people.iter().collect();
    app.tell(organization, whatsapp::messages(&line(), &people, said)).await.expect(200);
}

#[tokio::test]
async fn paging_shows_everybody_once_while_the_inbox_changes() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    crowd(&app, &organization, 33).await;
    app.settle().await;
    let (mut seen, mut path) = (BTreeMap::new(), "/v1/inbox?status=all&limit=5".to_owned());
    let mut last = String::from("9999");
    for number in 0.. {
        let page = app.get(&organization.agent, &path).await.expect(200).json();
        let rows = page["data"].as_array().unwrap();
        assert!(rows.len() <= 5);
        for row in rows {
            let moment = row["last_message"]["at"].as_str().unwrap().to_owned();
            assert!(moment <= last, "newest first");
            last = moment;
            let id = row["conversation_id"].as_str().unwrap().to_owned();
            *seen.entry(id).or_insert(0) += 1;
        }
        let Some(next) = page["meta"]["next_cursor"].as_str() else { break };
        path = format!("/v1/inbox?status=all&limit=5&cursor={next}");
        // Somebody who was shown writes again, somebody new writes, and work is done on others.
        let id = rows[0]["conversation_id"].as_str().unwrap();
        let shown = rows[0]["contact"]["name"].as_str().unwrap();
        let shown = customer(shown.trim_start_matches("Customer ").parse().unwrap());
        let again = format!("wamid.again.{number}");
        app.say(&organization, &shown, &again, 1_000 + number, "Still waiting").await;
        let new = customer(500 + usize::try_from(number).unwrap());
        app.say(&organization, &new, &format!("wamid.new.{number}"), 2_000 + number, "Hi").await;
        act(&app, &organization, id, "read", Value::Null).await;
        act(&app, &organization, id, "resolve", Value::Null).await;
        app.settle().await;
    }
    assert_eq!(seen.len(), 33, "everybody who was there when it began");
    assert!(seen.values().all(|times| *times == 1));
}

#[tokio::test]
async fn whoever_writes_reads_what_they_wrote() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    for number in 0..100 {
        let contact = json!({"name": format!("Contact {number}")});
        let made = app.post(&organization.agent, "/v1/contacts", contact).await.expect(201);
        let path = format!("/v1/contacts/{}", made.data()["id"].as_str().unwrap());
        let seen = app.get_since(&made, &organization.agent, &path).await.expect(200);
        assert_eq!(seen.data()["name"], format!("Contact {number}"));
        let told = app.say(&organization, &ANA, &format!("wamid.{number}"), number, "Hello").await;
        let inbox = app.get_since(&told, &organization.agent, "/v1/inbox?q=ana").await.expect(200);
        assert_eq!(inbox.data()[0]["message_count"], number + 1);
        let position = |answer: &str| answer.split_once('.').unwrap().1.parse::<i64>().unwrap();
        assert!(position(inbox.header("log-position")) >= position(told.header("log-position")));
    }
}

#[tokio::test]
async fn a_position_of_another_log_or_of_none_is_refused() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let told = app.say(&organization, &ANA, "wamid.1", 0, "Hello").await;
    let (epoch, position) = told.header("log-position").split_once('.').unwrap();
    let other: i32 = epoch.parse::<i32>().unwrap() + 1;
    for path in [
        "/v1/inbox?",
        "/v1/inbox?q=ana&",
        "/v1/contacts?",
        "/v1/audit/events?",
        "/v1/analytics/volume?",
    ] {
        let ask = async |min: &str| {
            app.get(&organization.owner, &format!("{path}min_position={min}")).await
        };
        let refused = ask(&format!("{other}.{position}")).await;
        assert_eq!(refused.refused(409), "log.epoch", "{path}");
        assert_eq!(refused.json()["epoch"], json!(epoch.parse::<i32>().unwrap()));
        let never_told = format!("{epoch}.{}", app.store.head() + 1_000);
        for nonsense in ["", "1", "1.x", "-1.-1", "1.99999999999999999999", &never_told] {
            assert_eq!(ask(nonsense).await.refused(400), "min_position.invalid", "{path}");
        }
    }
}

#[tokio::test]
async fn a_read_that_would_wait_too_long_says_so() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.settle().await;
    let (held, _) = hold(&app, &Inbox, "share").await;
    let told = app.say(&organization, &ANA, "wamid.1", 0, "Hello").await;
    let refused = app.get_since(&told, &organization.agent, "/v1/inbox").await;
    assert_eq!(refused.refused(503), "read_model.lagging");
    assert_ne!(refused.header("retry-after"), "");
    held.commit().await.unwrap();
}
