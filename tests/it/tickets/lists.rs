//! Which tickets are shown: to whom, by what filter, and page by page.

use reqwest::Method;
use serde_json::{Value, json};
use simulators::whatsapp::Person;
use uuid::Uuid;

use super::{ACTIONS, Shop, body, id};
use crate::support::ANA;

impl Shop {
    /// The numbers of the tickets that a filter finds, in the order in which they are listed.
    async fn found(&self, filter: &str) -> Vec<u64> {
        let path = format!("/v1/tickets?{filter}");
        let rows = self.app.get(&self.organization.agent, &path).await.expect(200).data();
        let numbers = rows.as_array().unwrap().iter().map(|row| row["number"].as_u64().unwrap());
        numbers.collect()
    }
}

#[tokio::test]
async fn tickets_are_found_by_what_is_true_of_them() {
    let shop = Shop::open().await;
    let (app, agent) = (&shop.app, shop.organization.agent_id);
    app.say(&shop.organization, &ANA, "wamid.1", 0, "Hello").await;
    let conversation = app.conversation(&shop.organization, &ANA).await;
    let contact = shop.contact("Amina").await;
    let mut tickets = vec![];
    for ticket in [
        json!({"subject": "One", "priority": "urgent"}),
        json!({"subject": "Two", "contact_id": contact, "priority": "low"}),
        json!({"subject": "Three", "conversation_id": conversation}),
        json!({"subject": "Four", "contact_id": contact}),
    ] {
        tickets.push(id(&shop.ticket(ticket).await.expect(201)));
    }
    shop.act(&tickets[0], "assign", json!({"agent_id": agent})).await.expect(200);
    shop.act(&tickets[1], "solve", Value::Null).await.expect(200);
    shop.act(&tickets[2], "pend", Value::Null).await.expect(200);
    app.settle().await;
    let expected: [(String, &[u64]); 15] = [
        (String::new(), &[4, 3, 2, 1]),
        ("status=all".into(), &[4, 3, 2, 1]),
        ("status=open".into(), &[4, 1]),
        ("status=open,pending".into(), &[4, 3, 1]),
        ("status=closed".into(), &[]),
        ("assignee=me".into(), &[1]),
        (format!("assignee={agent}"), &[1]),
        ("assignee=unassigned".into(), &[4, 3, 2]),
        ("priority=urgent".into(), &[1]),
        ("priority=low,normal&status=open".into(), &[4]),
        (format!("contact={contact}"), &[4, 2]),
        (format!("conversation={conversation}"), &[3]),
        ("number=3".into(), &[3]),
        ("number=5".into(), &[]),
        (format!("contact={}", Uuid::now_v7()), &[]),
    ];
    for (filter, numbers) in expected {
        assert_eq!(shop.found(&filter).await, numbers, "{filter}");
    }
    for wrong in ["status=new", "priority=huge", "assignee=bob", "contact=amina", "number=one"] {
        let path = format!("/v1/tickets?{wrong}");
        let refused = app.get(&shop.organization.agent, &path).await;
        assert_eq!(refused.refused(422), "parameter.invalid", "{wrong}");
    }
}

#[tokio::test]
async fn tickets_are_listed_page_by_page_newest_first() {
    let shop = Shop::open().await;
    for number in 1..=9 {
        shop.opened(&format!("Ticket {number}")).await;
    }
    shop.app.settle().await;
    let (mut numbers, mut path) = (vec![], "/v1/tickets?limit=4".to_owned());
    loop {
        let page = shop.app.get(&shop.organization.auditor, &path).await.expect(200).json();
        let rows = page["data"].as_array().unwrap();
        numbers.extend(rows.iter().map(|row| row["number"].as_u64().unwrap()));
        let Some(next) = page["meta"]["next_cursor"].as_str() else { break };
        path = format!("/v1/tickets?limit=4&cursor={next}");
    }
    assert_eq!(numbers, (1..=9).rev().collect::<Vec<_>>());
    let audit = shop.app.get(&shop.organization.auditor, "/v1/audit/events?limit=1").await.json();
    let foreign = audit["meta"]["next_cursor"].as_str().unwrap();
    let path = format!("/v1/tickets?cursor={foreign}");
    let refused = shop.app.get(&shop.organization.auditor, &path).await;
    assert_eq!(refused.refused(400), "cursor.invalid");
}

#[tokio::test]
async fn tickets_of_two_contacts_who_are_one_person_are_that_persons() {
    let shop = Shop::open().await;
    let (app, organization) = (&shop.app, &shop.organization);
    let by_phone = Person::with_phone("Bisi", "2348039876543");
    let by_id = Person { wa_id: None, user_id: Some("NG.17".into()), ..by_phone.clone() };
    let both = Person { user_id: Some("NG.17".into()), ..by_phone.clone() };
    for (person, message) in [(&by_phone, "wamid.1"), (&by_id, "wamid.2")] {
        app.say(organization, person, message, 0, "Hello").await;
    }
    let rows = app.conversations(organization).await;
    let contacts = rows.iter().map(|row| row["contact"]["id"].as_str().unwrap());
    let contacts: Vec<&str> = contacts.collect();
    assert_eq!(contacts.len(), 2);
    for contact in &contacts {
        let ticket = json!({"subject": "A tap drips", "contact_id": contact});
        shop.ticket(ticket).await.expect(201);
    }
    app.say(organization, &both, "wamid.3", 1, "It is me").await;
    app.settle().await;
    let standing = contacts.iter().min().unwrap();
    assert_eq!(shop.found(&format!("contact={standing}")).await, [2, 1]);
    let rows = app.get(&organization.agent, "/v1/tickets").await.expect(200).data();
    for row in rows.as_array().unwrap() {
        assert_eq!((&row["contact_id"], &row["contact_name"]), (&json!(standing), &json!("Bisi")));
    }
    // Whoever still uses the other id opens a ticket of the same person.
    let merged = contacts.iter().max().unwrap();
    let third = shop.ticket(json!({"subject": "Again", "contact_id": merged})).await.expect(201);
    assert_eq!(third.data()["contact_id"], json!(standing));
    app.assert_verified().await;
}

#[tokio::test]
async fn tickets_of_another_organisation_do_not_exist() {
    let shop = Shop::open().await;
    let theirs = shop.app.organization("Elsewhere").await;
    let ticket = shop.of_somebody("A tap drips").await;
    shop.act(&ticket, "comments", json!({"body": "Call her."})).await.expect(201);
    shop.app.settle().await;
    let head = shop.app.store.head();
    for path in ["", "/comments"] {
        let path = format!("/v1/tickets/{ticket}{path}");
        assert_eq!(shop.app.get(&theirs.owner, &path).await.refused(404), "not_found");
        shop.app.get(&shop.organization.owner, &path).await.expect(200);
    }
    for action in ACTIONS {
        let path = format!("/v1/tickets/{ticket}/{action}");
        let refused = shop.app.post(&theirs.owner, &path, body(action, theirs.agent_id)).await;
        assert_eq!(refused.refused(404), "ticket.not_found", "{action}");
    }
    let (path, change) = (format!("/v1/tickets/{ticket}"), json!({"subject": "Mine now"}));
    let refused = shop.app.send(Method::PATCH, &theirs.owner, &path, Some(change), &[]).await;
    assert_eq!(refused.refused(404), "ticket.not_found");
    for filter in ["", "?number=1", "?assignee=unassigned", "?status=open"] {
        let rows = shop.app.get(&theirs.owner, &format!("/v1/tickets{filter}")).await.expect(200);
        assert_eq!(rows.data(), json!([]));
    }
    assert_eq!(shop.app.store.head(), head);
}
