//! Who a customer is, when they are known under a number, under an id, or under several.

use serde_json::{Value, json};
use simulators::whatsapp::{self, Person};

use crate::support::{ANA, App, Organization, at, line, text};

const BY_PHONE: Person = Person::with_phone("Zola M", "258801000133");

fn by_id() -> Person {
    Person { name: "Zola M".into(), username: None, wa_id: None, user_id: Some("MZ.900".into()) }
}

fn by_both() -> Person {
    Person { wa_id: BY_PHONE.wa_id.clone(), ..by_id() }
}

/// All that was said with the only contact, oldest first.
async fn said(app: &App, organization: &Organization) -> Vec<String> {
    let conversations = app.conversations(organization).await;
    assert_eq!(conversations.len(), 1, "{conversations:?}");
    let id = conversations[0]["conversation_id"].as_str().unwrap();
    let messages = app.messages(organization, id).await;
    let body = |message: &Value| message["content"]["body"].as_str().unwrap().to_owned();
    messages.iter().map(body).collect()
}

async fn contacts(app: &App, organization: &Organization) -> Vec<Value> {
    app.settle().await;
    let contacts = app.get(&organization.owner, "/v1/contacts").await.expect(200).data();
    contacts.as_array().unwrap().clone()
}

#[tokio::test]
async fn two_contacts_that_turn_out_to_be_one_person_become_one_with_one_conversation() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.say(&organization, &by_id(), "wamid.1", 0, "from the id").await;
    app.say(&organization, &BY_PHONE, "wamid.2", 1, "from the number").await;
    app.echo(&organization, &by_id(), "wamid.3", 2, "to the id").await;
    app.report(&organization, &by_id(), ("wamid.3", 3), "read", Value::Null).await;
    assert_eq!(contacts(&app, &organization).await.len(), 2);

    app.say(&organization, &by_both(), "wamid.4", 4, "from both").await;
    let merged = contacts(&app, &organization).await;
    assert_eq!(merged.len(), 1, "{merged:?}");
    assert_eq!(
        (&merged[0]["phone"], &merged[0]["user_id"]),
        (&json!("258801000133"), &json!("MZ.900"))
    );
    let all = ["from the id", "from the number", "to the id", "from both"];
    assert_eq!(said(&app, &organization).await, all);
    let inbox = app.conversations(&organization).await;
    assert_eq!(inbox[0]["unread_count"], 3);
    assert_eq!(inbox[0]["message_count"], 4);

    // From either side it goes on in the same place, and what was counted is counted once.
    app.say(&organization, &by_id(), "wamid.5", 5, "again from the id").await;
    app.say(&organization, &BY_PHONE, "wamid.6", 6, "again from the number").await;
    assert_eq!(said(&app, &organization).await.len(), 6);
    let volume = app.get(&organization.owner, "/v1/analytics/volume?step=1d").await.expect(200);
    let counted: i64 =
        volume.data().as_array().unwrap().iter().map(|day| day["inbound"].as_i64().unwrap()).sum();
    assert_eq!(counted, 5);
    // Whoever looks for the old name finds the one who stands for it.
    let found = app.get(&organization.agent, "/v1/inbox?q=MZ.900").await.expect(200).data();
    assert_eq!(found.as_array().unwrap().len(), 1);
    app.assert_verified().await;
}

#[tokio::test]
async fn all_in_one_body_reads_like_one_after_the_other() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let people = [by_id(), BY_PHONE, by_both()];
    let messages = ["wamid.1", "wamid.2", "wamid.3"].iter().zip(0..).zip(&people);
    let messages: Vec<Value> =
        messages.map(|((id, second), person)| text(person, id, second, id)).collect();
    let everybody: Vec<&Person> = people.iter().collect();
    app.tell(&organization, whatsapp::messages(&line(), &everybody, messages)).await.expect(200);
    assert_eq!(contacts(&app, &organization).await.len(), 1);
    assert_eq!(said(&app, &organization).await, ["wamid.1", "wamid.2", "wamid.3"]);
    app.assert_verified().await;
}

#[tokio::test]
async fn a_customer_who_moves_to_another_number_keeps_the_conversation() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let new = Person::with_phone("Ana Lima", "258801000999");
    app.say(&organization, &ANA, "wamid.1", 0, "old number").await;
    app.say(&organization, &new, "wamid.2", 20, "new number").await;
    let change = json!({"body": "changed", "wa_id": "258801000999", "type": "user_changed_number"});
    let system = whatsapp::said(&ANA, "wamid.3", at(10), "system", change, Value::Null);
    app.tell(&organization, whatsapp::messages(&line(), &[], vec![system])).await.expect(200);
    let known = contacts(&app, &organization).await;
    assert_eq!(known.len(), 1, "{known:?}");
    assert_eq!(known[0]["phone"], "258801000999");
    app.say(&organization, &ANA, "wamid.4", 30, "old number again").await;
    assert_eq!(app.conversations(&organization).await.len(), 1);
    assert_eq!(contacts(&app, &organization).await[0]["phone"], "258801000999");
    app.assert_verified().await;
}
