//! The people whom the organisation knows: registered by hand or by their first message, changed,
//! and found again.

use reqwest::Method;
use serde_json::{Value, json};
use simulators::whatsapp::Person;

use crate::support::{Answer, App, Organization};

async fn register(app: &App, organization: &Organization, contact: Value) -> Answer {
    app.post(&organization.agent, "/v1/contacts", contact).await
}

fn id(answer: &Answer) -> String {
    answer.data()["id"].as_str().unwrap().to_owned()
}

async fn change(
    app: &App,
    organization: &Organization,
    id: &str,
    change: Value,
    headers: &[(&str, &str)],
) -> Answer {
    let path = format!("/v1/contacts/{id}");
    app.send(Method::PATCH, &organization.agent, &path, Some(change), headers).await
}

#[tokio::test]
async fn a_contact_is_registered_and_shown() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let contact = json!({
        "name": "Amina Bello", "phone": "+234 803 123 4567",
        "tags": ["vip", "wholesale"], "attributes": {"city": "Kano"},
    });
    let made = register(&app, &organization, contact).await.expect(201);
    let path = format!("/v1/contacts/{}", id(&made));
    assert_eq!(made.header("location"), path);
    let seen = app.get_since(&made, &organization.auditor, &path).await.expect(200);
    assert_eq!(seen.header("etag"), made.header("etag"));
    let seen = seen.data();
    assert_eq!((&seen["name"], &seen["phone"]), (&json!("Amina Bello"), &json!("2348031234567")));
    assert_eq!(seen["tags"], json!(["vip", "wholesale"]));
    assert_eq!(seen["attributes"], json!({"city": "Kano"}));
    assert_eq!((&seen["status"], &seen["source"]), (&json!("active"), &json!("api")));
    for field in ["name", "phone", "tags", "attributes", "status", "version"] {
        assert_eq!(made.data()[field], seen[field], "{field} is told as it is shown");
    }
    app.assert_verified().await;
}

#[tokio::test]
async fn a_number_belongs_to_one_contact() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let first = json!({"name": "Amina", "phone": "+2348031234567"});
    let amina = id(&register(&app, &organization, first).await.expect(201));
    let again = json!({"name": "Somebody", "phone": "00234 803 123 4567"});
    let refused = register(&app, &organization, again).await;
    assert_eq!(refused.refused(409), "contact.phone_taken");
    assert_eq!(refused.json()["owner"], json!(amina));
    // Whoever wrote first is known, too.
    let bisi = Person::with_phone("Bisi", "2348039876543");
    app.say(&organization, &bisi, "wamid.1", 0, "Hello").await;
    let refused = register(&app, &organization, json!({"phone": "+2348039876543"})).await;
    assert_eq!(refused.refused(409), "contact.phone_taken");
    app.settle().await;
    let contacts = app.get(&organization.agent, "/v1/contacts").await.expect(200).data();
    assert_eq!(contacts.as_array().unwrap().len(), 2);
    // In another organisation the number is free.
    let other = app.organization("Elsewhere").await;
    register(&app, &other, json!({"phone": "+2348031234567"})).await.expect(201);
}

#[tokio::test]
async fn of_two_who_register_a_number_at_once_one_does() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let contact = || json!({"name": "Amina", "phone": "+2348031234567"});
    let (one, other) = tokio::join!(
        register(&app, &organization, contact()),
        register(&app, &organization, contact()),
    );
    let (made, refused) = if one.status == 201 { (one, other) } else { (other, one) };
    assert_eq!(refused.refused(409), "contact.phone_taken");
    assert_eq!(refused.json()["owner"], made.expect(201).data()["id"]);
}

#[tokio::test]
async fn a_customer_who_writes_is_the_contact_with_that_number() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let contact = json!({"name": "Ms Bello", "phone": "+2348031234567"});
    let made = id(&register(&app, &organization, contact).await.expect(201));
    let amina = Person::with_phone("Amina", "2348031234567");
    app.say(&organization, &amina, "wamid.1", 0, "Hello").await;
    let inbox = app.conversations(&organization).await;
    assert_eq!(inbox[0]["contact"]["id"], json!(made));
}

#[tokio::test]
async fn a_contact_is_changed_field_by_field() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let contact =
        json!({"name": "Amina", "tags": ["old", "vip"], "attributes": {"a": "1", "b": "2"}});
    let made = register(&app, &organization, contact).await.expect(201);
    let id = id(&made);
    let changed = json!({
        "name": "Amina Bello", "tags": ["vip", "new"],
        "attributes": {"a": null, "c": "3"}, "status": "blocked",
    });
    let changed = change(&app, &organization, &id, changed, &[]).await.expect(200);
    let path = format!("/v1/contacts/{id}");
    let seen = app.get_since(&changed, &organization.agent, &path).await.expect(200).data();
    assert_eq!(seen["name"], "Amina Bello");
    assert_eq!(seen["tags"], json!(["new", "vip"]));
    assert_eq!(seen["attributes"], json!({"b": "2", "c": "3"}));
    assert_eq!(seen["status"], "blocked");
    let unblocked =
        change(&app, &organization, &id, json!({"status": "active"}), &[]).await.expect(200);
    assert_eq!(unblocked.data()["status"], "active");
    assert_eq!(unblocked.data()["name"], "Amina Bello", "what is not told stays");
    let nothing = change(&app, &organization, &id, json!({}), &[]).await.expect(200);
    assert_eq!(nothing.text, unblocked.text);
    let old = [("if-match", made.header("etag"))];
    let refused = change(&app, &organization, &id, json!({"name": "A"}), &old).await;
    assert_eq!(refused.refused(412), "precondition.version");
    let new = [("if-match", unblocked.header("etag"))];
    change(&app, &organization, &id, json!({"name": "A"}), &new).await.expect(200);
    app.assert_verified().await;
}

#[tokio::test]
async fn what_cannot_be_true_of_a_contact_is_refused_with_its_field() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let before = app.store.head();
    let many: Vec<String> = (0..51).map(|tag| format!("tag {tag}")).collect();
    let wrong = [
        (json!({"phone": "0803 123 4567"}), "contact.invalid_phone", "phone"),
        (json!({"phone": "+999 1"}), "contact.invalid_phone", "phone"),
        (json!({"phone": "Ana"}), "contact.invalid_phone", "phone"),
        (json!({"name": "  "}), "contact.invalid_name", "name"),
        (json!({"name": "x".repeat(201)}), "contact.invalid_name", "name"),
        (json!({"name": "A", "tags": [""]}), "contact.invalid_tag", "tags"),
        (json!({"name": "A", "tags": ["x".repeat(51)]}), "contact.invalid_tag", "tags"),
        (json!({"name": "A", "tags": many}), "contact.too_many_tags", "tags"),
        (json!({"name": "A", "attributes": {"": "1"}}), "contact.invalid_attribute", "attributes"),
        (json!({"name": "A", "tags": "vip"}), "request.invalid", "tags"),
    ];
    for (contact, code, field) in wrong {
        let refused = register(&app, &organization, contact).await;
        assert_eq!(refused.refused(422), code);
        assert_eq!(refused.json()["errors"][0]["field"], field);
    }
    let nameless = register(&app, &organization, json!({})).await;
    assert_eq!(nameless.refused(422), "contact.nameless");
    assert_eq!(app.store.head(), before);
    let made = register(&app, &organization, json!({"name": "A"})).await.expect(201);
    for wrong in [json!({"name": null}), json!({"status": "merged"}), json!({"phone": "+1"})] {
        change(&app, &organization, &id(&made), wrong, &[]).await.refused(422);
    }
    let nobody = uuid::Uuid::now_v7().to_string();
    let refused = change(&app, &organization, &nobody, json!({"name": "B"}), &[]).await;
    assert_eq!(refused.refused(404), "contact.not_found");
}

#[tokio::test]
async fn a_contact_is_found_by_the_beginning_of_a_name_or_number() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let people = [
        ("Aïssatou Diallo", "+221771234567"),
        ("João Macuácua", "+258841234567"),
        ("Wanjiku Kamau", "+254712345678"),
        ("Wambui Njeri", "+254722345679"),
    ];
    let mut last = None;
    for (name, phone) in people {
        let contact = json!({"name": name, "phone": phone});
        last = Some(register(&app, &organization, contact).await.expect(201));
    }
    let last = last.unwrap();
    let find = async |text: &str| {
        let path = format!("/v1/contacts?q={}", text.replace(' ', "%20").replace('+', "%2B"));
        let found = app.get_since(&last, &organization.agent, &path).await.expect(200).data();
        let names =
            found.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    };
    for text in ["aissatou", "AÏSSA", "diallo", "dial ais", "Aïssatou Diallo", "22177", "1234567"]
    {
        assert!(find(text).await.contains(&"Aïssatou Diallo".to_owned()), "{text}");
    }
    assert_eq!(find("joao macu").await, ["João Macuácua"]);
    assert_eq!(find("wa").await, ["Wambui Njeri", "Wanjiku Kamau"]);
    assert_eq!(find("wanj").await, ["Wanjiku Kamau"]);
    assert_eq!(find("+254 712").await, ["Wanjiku Kamau"]);
    assert_eq!(find("0712 345 678").await, ["Wanjiku Kamau"], "as one dials it at home");
    assert_eq!(find("2547").await.len(), 2);
    for nobody in ["kamaux", "anjiku", "wanjiku njeri", "99999", "%"] {
        assert!(find(nobody).await.is_empty(), "{nobody}");
    }
    let renamed = json!({"name": "Wanjiru Kamau"});
    let row = app.get(&organization.agent, "/v1/contacts?q=wanjiku").await.expect(200).data();
    let id = row[0]["id"].as_str().unwrap();
    let renamed = change(&app, &organization, id, renamed, &[]).await.expect(200);
    let found = async |name: &str| {
        let path = format!("/v1/contacts?q={name}");
        let found = app.get_since(&renamed, &organization.agent, &path).await.expect(200).data();
        found.as_array().unwrap().len()
    };
    assert_eq!((found("wanjiru").await, found("wanjiku").await), (1, 0));
}

#[tokio::test]
async fn contacts_are_listed_by_tag_and_page_by_page() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    for number in 0..9 {
        let tags = if number % 3 == 0 { json!(["vip"]) } else { json!([]) };
        let contact = json!({"name": format!("Contact {number}"), "tags": tags});
        register(&app, &organization, contact).await.expect(201);
    }
    app.settle().await;
    let tagged = app.get(&organization.agent, "/v1/contacts?tag=vip").await.expect(200).data();
    assert_eq!(tagged.as_array().unwrap().len(), 3);
    let (mut names, mut path) = (vec![], "/v1/contacts?limit=4".to_owned());
    loop {
        let page = app.get(&organization.agent, &path).await.expect(200).json();
        let rows = page["data"].as_array().unwrap();
        names.extend(rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()));
        assert_eq!(page["meta"]["has_more"], page["meta"]["next_cursor"].is_string());
        let Some(next) = page["meta"]["next_cursor"].as_str() else { break };
        path = format!("/v1/contacts?limit=4&cursor={next}");
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 9);
}

#[tokio::test]
async fn a_name_given_by_hand_stays_when_the_customer_writes() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.say(&organization, &crate::support::ANA, "wamid.1", 0, "Hello").await;
    let row = &app.conversations(&organization).await[0];
    let path = format!("/v1/contacts/{}", row["contact"]["id"].as_str().unwrap());
    let by_hand = Some(json!({"name": "Ana from the depot"}));
    let patch = reqwest::Method::PATCH;
    app.send(patch, &organization.agent, &path, by_hand, &[]).await.expect(200);
    app.say(&organization, &crate::support::ANA, "wamid.2", 1, "Me again").await;
    let row = &app.conversations(&organization).await[0];
    assert_eq!(row["contact"]["name"], "Ana from the depot");
}

#[tokio::test]
async fn a_contact_with_a_hundred_attributes_can_still_change_them() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let all: serde_json::Map<String, serde_json::Value> =
        (0..100).map(|n| (format!("k{n}"), json!("v"))).collect();
    let contact = json!({"name": "Full", "attributes": all});
    let made = app.post(&organization.agent, "/v1/contacts", contact).await.expect(201);
    let path = format!("/v1/contacts/{}", made.data()["id"].as_str().unwrap());
    let patch = async |attributes: serde_json::Value| {
        let body = Some(json!({"attributes": attributes}));
        app.send(reqwest::Method::PATCH, &organization.agent, &path, body, &[]).await
    };
    assert_eq!(patch(json!({"one_more": "v"})).await.refused(422), "contact.invalid_attribute");
    patch(json!({"k1": null})).await.expect(200);
    patch(json!({"one_more": "v"})).await.expect(200);
}
