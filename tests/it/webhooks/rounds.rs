//! Whose conversation it is, on which line, and in which round.

use serde_json::{Value, json};
use simulators::whatsapp::{self, Line, Person};

use crate::support::{ANA, App, Organization, line, text};

/// An organisation whose customers begin anew when they write into a closed conversation.
async fn that_begins_anew(app: &App) -> Organization {
    let organization = app.organization("Baraka").await;
    let channel = format!("/v1/channels/{}", organization.channel);
    let anew = json!({"when_closed": "new_conversation"});
    app.patch(&organization.owner, &channel, anew).await.expect(200);
    organization
}

#[tokio::test]
async fn a_person_who_keeps_their_number_to_themselves_is_known_by_their_id() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let nia = Person::with_username("Nia", "nia.in.nairobi", "KE.20871649930015524718");
    app.say(&organization, &nia, "wamid.1", 0, "Hello").await;
    app.echo(&organization, &nia, "wamid.2", 1, "Hello Nia").await;
    app.report(&organization, &nia, ("wamid.2", 2), "read", Value::Null).await;
    app.say(&organization, &nia, "wamid.3", 3, "Do you have taps?").await;
    let inbox = app.conversations(&organization).await;
    assert_eq!(inbox.len(), 1);
    let contact = &inbox[0]["contact"];
    assert_eq!(contact["name"], "Nia");
    assert_eq!(contact["phone"], Value::Null);
    assert_eq!(contact["user_id"], "KE.20871649930015524718");
    let conversation = app.conversation(&organization, &nia).await;
    let said = app.messages(&organization, &conversation).await;
    assert_eq!(said.len(), 3);
    assert_eq!(said[1]["delivery"]["status"], "read");
    let path = format!("/v1/contacts/{}", contact["id"].as_str().unwrap());
    let contact = app.get(&organization.agent, &path).await.expect(200).data();
    assert_eq!(contact["username"], "nia.in.nairobi");
    assert_eq!(contact["source"], "whatsapp");
}

#[tokio::test]
async fn a_line_that_the_channel_does_not_know_is_recorded_under_it() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let other = Line { phone_number_id: "2099".into(), ..line() };
    app.say(&organization, &ANA, "wamid.1", 0, "To the shop").await;
    let said = whatsapp::messages(&other, &[&ANA], vec![text(&ANA, "wamid.2", 1, "To the depot")]);
    app.tell(&organization, said).await.expect(200);
    let inbox = app.conversations(&organization).await;
    assert!(inbox.iter().all(|row| row["channel_id"] == json!(organization.channel)));
    let told = app.audit(&organization, "action=conversation.MessageReceived").await;
    let lines: Vec<&Value> =
        told.iter().map(|event| &event["payload"]["MessageReceived"]["line"]).collect();
    assert_eq!(lines, [&json!("2099"), &Value::Null]);
    // On two lines, the same id is not the same message.
    let said = whatsapp::messages(&other, &[&ANA], vec![text(&ANA, "wamid.1", 2, "Also here")]);
    assert_eq!(app.tell(&organization, said).await.expect(200).data()["duplicates"], 0);
    let conversations = app.conversations(&organization).await;
    let mut conflicts = vec![];
    for row in conversations {
        let id = row["conversation_id"].as_str().unwrap().to_owned();
        conflicts.extend(app.messages(&organization, &id).await);
    }
    assert_eq!(conflicts.len(), 3);
    assert!(conflicts.iter().all(|message| message["conflict"] == false));
}

#[tokio::test]
async fn what_meta_decides_on_templates_numbers_and_accounts_is_in_the_audit() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let template = json!({
        "event": "REJECTED", "message_template_id": 904_417_723, "reason": "INVALID_FORMAT",
        "message_template_name": "parcel_ready", "message_template_language": "pt_PT",
    });
    let quality = json!({"event": "UPGRADE", "current_limit": "TIER_10K"});
    let account = json!({"event": "VERIFIED_ACCOUNT", "phone_number": "15550100200"});
    let unknown = json!({"weather": "sunny"});
    let notices = [
        ("message_template_status_update", template, "TemplateUpdated", "REJECTED INVALID_FORMAT"),
        ("phone_number_quality_update", quality, "PhoneNumberUpdated", "UPGRADE"),
        ("account_update", account, "AccountUpdated", "VERIFIED_ACCOUNT"),
        ("weather_update", unknown, "Unsupported", "unknown"),
    ];
    for (field, value, kind, event) in notices {
        app.notify(&organization, field, value).await.expect(200);
        let told = app.audit(&organization, &format!("action=channel.{kind}")).await;
        assert_eq!(told.len(), 1, "{kind}");
        assert_eq!(told[0]["payload"][kind]["event"], event);
        assert_eq!(told[0]["actor"], format!("channel:{}", organization.channel));
        assert_eq!(told[0]["aggregate"]["id"], json!(organization.channel));
    }
    let told = app.audit(&organization, "action=channel.Unsupported").await;
    let body = told[0]["payload"]["Unsupported"]["body"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), json!({"weather": "sunny"}));
    assert!(app.conversations(&organization).await.is_empty());
}

#[tokio::test]
async fn a_closed_conversation_begins_a_new_round_when_the_customer_writes() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.say(&organization, &ANA, "wamid.1", 0, "Hello").await;
    let conversation = app.conversation(&organization, &ANA).await;
    let resolve = format!("/v1/conversations/{conversation}/resolve");
    app.post(&organization.agent, &resolve, Value::Null).await.expect(200);
    // What the business writes reopens nothing.
    app.echo(&organization, &ANA, "wamid.2", 60, "Goodbye").await;
    let row = &app.conversations(&organization).await[0];
    assert_eq!((&row["status"], &row["cycle"]), (&json!("closed"), &json!(1)));
    app.say(&organization, &ANA, "wamid.3", 120, "One more thing").await;
    assert_eq!(app.conversation(&organization, &ANA).await, conversation);
    let row = &app.conversations(&organization).await[0];
    assert_eq!((&row["status"], &row["cycle"]), (&json!("open"), &json!(2)));
    assert_eq!(row["closed_at"], Value::Null);
    let said = app.messages(&organization, &conversation).await;
    let cycles: Vec<&Value> = said.iter().map(|message| &message["cycle"]).collect();
    assert_eq!(cycles, [1, 1, 2]);
}

#[tokio::test]
async fn a_channel_may_begin_another_conversation_instead() {
    let app = App::start().await;
    let organization = that_begins_anew(&app).await;
    app.say(&organization, &ANA, "wamid.1", 0, "Hello").await;
    let first = app.conversation(&organization, &ANA).await;
    app.say(&organization, &ANA, "wamid.2", 1, "Anybody there?").await;
    assert_eq!(app.conversation(&organization, &ANA).await, first);
    let resolve = format!("/v1/conversations/{first}/resolve");
    app.post(&organization.agent, &resolve, Value::Null).await.expect(200);
    app.say(&organization, &ANA, "wamid.3", 120, "One more thing").await;
    app.say(&organization, &ANA, "wamid.4", 121, "Or two").await;
    let inbox = app.conversations(&organization).await;
    let states: Vec<_> =
        inbox.iter().map(|row| (row["status"].as_str().unwrap(), &row["cycle"])).collect();
    assert_eq!(states, [("open", &json!(1)), ("closed", &json!(1))]);
    assert_eq!(inbox[0]["contact"]["id"], inbox[1]["contact"]["id"]);
    assert_eq!(inbox[0]["message_count"], 2);
    assert_eq!(app.messages(&organization, &first).await.len(), 2);
}

#[tokio::test]
async fn a_receipt_goes_where_its_message_is_and_opens_nothing() {
    let app = App::start().await;
    let organization = that_begins_anew(&app).await;
    app.say(&organization, &ANA, "wamid.1", 0, "Hello").await;
    app.echo(&organization, &ANA, "wamid.2", 1, "Yes?").await;
    let conversation = app.conversation(&organization, &ANA).await;
    let resolve = format!("/v1/conversations/{conversation}/resolve");
    app.post(&organization.agent, &resolve, Value::Null).await.expect(200);
    app.report(&organization, &ANA, ("wamid.2", 2), "read", Value::Null).await;
    let thumb = json!({"message_id": "wamid.2", "emoji": "👍"});
    app.send_kind(&organization, &ANA, ("wamid.3", 3), ("reaction", thumb), Value::Null).await;
    let said = app.messages(&organization, &conversation).await;
    assert_eq!(said[1]["delivery"]["status"], "read");
    assert_eq!(said[1]["reactions"].as_array().unwrap().len(), 1);
    let inbox = app.conversations(&organization).await;
    assert_eq!((inbox.len(), &inbox[0]["status"]), (1, &json!("closed")));
    let opened = app.audit(&organization, "action=conversation.Opened").await;
    assert_eq!(opened.len(), 1);
}
