//! What every client may rely on, whatever it asks: problem documents, limits, and that nothing
//! which can be typed breaks the server.

mod cost;
mod dry_run;
mod edges;
mod heads;
mod limits;
mod positions;
mod preconditions;
mod promises;
mod row_security;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{ANA, Answer, App, Organization};

const LISTS: [&str; 3] = ["/v1/inbox", "/v1/contacts", "/v1/audit/events"];

async fn shop() -> (App, Organization) {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    (app, organization)
}

/// The code of a problem document that is complete.
fn problem(answer: &Answer, status: u16) -> String {
    let code = answer.refused(status);
    let document = answer.json();
    assert_eq!(document["status"], status);
    assert_eq!(document["type"], format!("urn:verbatim:problem:{code}"));
    for member in ["title", "detail"] {
        assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{document}");
    }
    assert!(Uuid::try_parse(answer.header("x-request-id")).is_ok());
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    code
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_a_problem_document() {
    let (app, organization) = shop().await;
    for path in
        ["/", "/v1", "/v1/nothing", "/v2/inbox", "/v1/inbox/", "/webhooks", "/v1/contacts/a/b"]
    {
        let answer = app.get(&organization.owner, path).await;
        assert_eq!(problem(&answer, 404), "route.not_found", "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let (app, organization) = shop().await;
    let id = Uuid::now_v7();
    let wrong = [
        (Method::DELETE, "/v1/contacts".to_owned(), "GET"),
        (Method::POST, "/v1/inbox".into(), "GET"),
        (Method::PUT, format!("/v1/contacts/{id}"), "PATCH"),
        (Method::GET, format!("/v1/conversations/{id}/notes"), "POST"),
        (Method::DELETE, format!("/v1/conversations/{id}"), "GET"),
        (Method::PUT, format!("/webhooks/whatsapp/{id}"), "POST"),
        (Method::POST, "/health".into(), "GET"),
    ];
    for (method, path, right) in wrong {
        let answer = app.send(method, &organization.owner, &path, None, &[]).await;
        assert_eq!(problem(&answer, 405), "route.method_not_allowed", "{path}");
        assert!(answer.header("allow").contains(right), "{path}: {}", answer.header("allow"));
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused() {
    let (app, organization) = shop().await;
    let before = app.store.head();
    for body in ["{", "{\"name\": \"A\"", "{'name': 'A'}", "\"\\ud800\"", "\u{feff}{}"] {
        let body = body.as_bytes().to_vec();
        let answer = app.post_bytes(&organization.agent, "/v1/contacts", body).await;
        assert_eq!(problem(&answer, 400), "request.malformed");
    }
    let bytes = b"{\"name\": \"\xff\"}".to_vec();
    let answer = app.post_bytes(&organization.agent, "/v1/contacts", bytes).await;
    assert_eq!(problem(&answer, 400), "request.malformed");
    for body in [json!([]), json!("A"), json!(5), json!({"nmae": "A"}), json!({"name": ["A"]})] {
        let answer = app.post(&organization.agent, "/v1/contacts", body).await;
        assert_eq!(problem(&answer, 422), "request.invalid");
    }
    // A list is no object, however deep it stands.
    let nested = json!({"channel_id": Uuid::now_v7(), "to": {"phone": "+1 415 555 2671"},
        "message": {"type": "text", "text": ["Hello"]}});
    let answer = app.post(&organization.agent, "/v1/messages", nested).await;
    assert_eq!(problem(&answer, 422), "request.invalid");
    assert_eq!(answer.json()["errors"][0]["field"], "message.text");
    let body = json!({"type": "body", "text": "Hello {{1}}", "example": [[], [["Ana"]]]});
    let draft = json!({"channel_id": organization.channel, "name": "hello", "language": "en",
        "category": "utility", "components": [body]});
    let answer = app.post(&organization.owner, "/v1/templates", draft).await;
    assert_eq!(problem(&answer, 422), "request.invalid");
    assert_eq!(answer.json()["errors"][0]["field"], "components[0].example");
    let deep = "[".repeat(100_000).into_bytes();
    app.post_bytes(&organization.agent, "/v1/contacts", deep).await.refused(400);
    assert_eq!(app.store.head(), before);
}

#[tokio::test]
async fn a_parameter_that_nobody_knows_is_refused() {
    let (app, organization) = shop().await;
    let id = Uuid::now_v7();
    let paths = [
        "/v1/inbox",
        "/v1/contacts",
        "/v1/audit/events",
        "/v1/analytics/volume",
        &format!("/v1/contacts/{id}"),
        &format!("/v1/conversations/{id}"),
        &format!("/v1/conversations/{id}/messages"),
    ];
    for path in paths {
        let answer = app.get(&organization.owner, &format!("{path}?limt=5")).await;
        assert_eq!(problem(&answer, 400), "query.invalid", "{path}");
        assert_eq!(answer.json()["errors"][0]["field"], "limt");
        assert!(answer.json()["detail"].as_str().unwrap().contains("limt"));
    }
    let read = format!("/v1/conversations/{id}/read");
    let answer = app.post(&organization.owner, &read, json!({"by": "me"})).await;
    assert_eq!(problem(&answer, 422), "request.invalid");
}

#[tokio::test]
async fn a_body_beyond_a_megabyte_is_refused() {
    let (app, organization) = shop().await;
    let before = app.store.head();
    let mut body = json!({"name": "A"}).to_string().into_bytes();
    body.resize((1 << 20) + 1, b' ');
    let answer = app.post_bytes(&organization.agent, "/v1/contacts", body.clone()).await;
    assert_eq!(problem(&answer, 413), "request.too_large");
    assert_eq!(answer.json()["most_bytes"], 1 << 20);
    let logo = json!({"logo": "x".repeat(128 << 10)});
    let answer = app.patch(&organization.owner, "/v1/workspace", logo).await;
    assert_eq!(problem(&answer, 413), "request.too_large");
    assert_eq!(answer.json()["most_bytes"], 128 << 10);
    assert!(answer.json()["detail"].as_str().unwrap().contains("131072 bytes"));
    assert_eq!(app.store.head(), before);
    body.pop();
    app.post_bytes(&organization.agent, "/v1/contacts", body).await.expect(201);
}

#[tokio::test]
async fn the_character_that_ends_strings_elsewhere_breaks_nothing() {
    let (app, organization) = shop().await;
    app.say(&organization, &ANA, "wamid.1", 0, "Hello").await;
    let conversation = app.conversation(&organization, &ANA).await;
    let agent = &organization.agent;
    let bodies = [
        ("/v1/contacts".to_owned(), json!({"name": "A\0B"})),
        ("/v1/contacts".into(), json!({"name": "A", "phone": "\0"})),
        ("/v1/contacts".into(), json!({"name": "A", "tags": ["\0"]})),
        ("/v1/contacts".into(), json!({"name": "A", "attributes": {"a\0": "b"}})),
        ("/v1/contacts".into(), json!({"name": "A", "attributes": {"a": "\0b"}})),
        (format!("/v1/conversations/{conversation}/notes"), json!({"body": "\0"})),
        (format!("/v1/conversations/{conversation}/assign"), json!({"agent_id": "\0"})),
    ];
    for (path, body) in bodies {
        let answer = app.post(agent, &path, body).await;
        assert_eq!(problem(&answer, 422), "request.invalid", "{path}");
        assert!(answer.text.contains("U+0000"));
    }
    let queries = [
        "/v1/inbox?q=%00",
        "/v1/inbox?status=%00",
        "/v1/inbox?assignee=%00",
        "/v1/inbox?cursor=%00",
        "/v1/contacts?q=a%00b",
        "/v1/contacts?tag=%00",
        "/v1/contacts/%00",
        "/v1/contacts?limit=%00",
        "/v1/audit/events?actor=%00",
        "/v1/audit/events?action=a%00",
        "/v1/audit/events?aggregate=a/%00",
        "/v1/analytics/volume?timezone=%00",
        "/v1/analytics/volume?from=%00",
        "/v1/%00",
        "/v1/inbox?min_position=%00",
        "/webhooks/whatsapp/%00?hub.mode=%00",
    ];
    for path in queries {
        let answer = app.get(&organization.owner, path).await;
        assert!(answer.status.as_u16() < 500, "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn no_text_that_can_be_typed_breaks_the_server() {
    let (app, organization) = shop().await;
    let odd = [
        "' or 1=1 --",
        "\u{202e}gnp.exe",
        "\u{fffd}",
        "\u{10ffff}",
        "{}",
        "%s%n",
        "👩‍👩‍👧",
        "\r\n\t",
        "\\u0000",
    ];
    for text in odd {
        let contact =
            json!({"name": format!("A {text}"), "tags": ["a"], "attributes": {"note": text}});
        let made = app.post(&organization.agent, "/v1/contacts", contact).await.expect(201);
        let path = format!("/v1/contacts/{}", made.data()["id"].as_str().unwrap());
        let seen = app.get_since(&made, &organization.agent, &path).await.expect(200).data();
        assert_eq!(seen["attributes"]["note"], text);
        let typed: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for list in LISTS.map(|list| format!("{list}?limit=5")) {
            for name in ["q", "tag", "actor", "cursor", "status", "assignee", "from"] {
                let answer = app.get(&organization.owner, &format!("{list}&{name}={typed}")).await;
                assert!(answer.status.as_u16() < 500, "{name}={text}: {}", answer.text);
            }
        }
    }
}

#[tokio::test]
async fn a_cursor_that_was_not_given_out_is_refused() {
    let (app, organization) = shop().await;
    for number in 0..3 {
        let contact = json!({"name": format!("Contact {number}")});
        app.post(&organization.agent, "/v1/contacts", contact).await.expect(201);
    }
    app.settle().await;
    let page = app.get(&organization.owner, "/v1/contacts?limit=1").await.expect(200).json();
    let of_contacts = page["meta"]["next_cursor"].as_str().unwrap();
    for list in LISTS {
        for cursor in ["", "nonsense", "!", "bnVsbA", "W10", "%F0%9F%98%80"] {
            let answer = app.get(&organization.owner, &format!("{list}?cursor={cursor}")).await;
            assert_eq!(problem(&answer, 400), "cursor.invalid", "{list}?cursor={cursor}");
        }
    }
    let other = format!("/v1/audit/events?cursor={of_contacts}");
    assert_eq!(problem(&app.get(&organization.owner, &other).await, 400), "cursor.invalid");
}

#[tokio::test]
async fn a_page_holds_one_to_two_hundred_rows() {
    let (app, organization) = shop().await;
    for list in LISTS {
        for limit in ["0", "-1", "201", "9223372036854775807"] {
            let answer = app.get(&organization.owner, &format!("{list}?limit={limit}")).await;
            assert_eq!(problem(&answer, 422), "limit.out_of_range", "{list}?limit={limit}");
            assert_eq!(answer.json()["errors"][0]["field"], "limit");
        }
        for limit in ["ten", "", "1.5", "9223372036854775808"] {
            let answer = app.get(&organization.owner, &format!("{list}?limit={limit}")).await;
            assert_eq!(problem(&answer, 400), "query.invalid", "{list}?limit={limit}");
            let error = &answer.json()["errors"][0];
            assert_eq!(
                (&error["field"], &error["code"]),
                (&json!("limit"), &json!("query.invalid"))
            );
            assert!(error["detail"].as_str().unwrap().contains("number"), "{error}");
        }
        for limit in [1, 200] {
            let page = app.get(&organization.owner, &format!("{list}?limit={limit}")).await;
            let page = page.expect(200).json();
            assert!(page["data"].is_array() && page["meta"]["has_more"].is_boolean());
        }
    }
}

#[tokio::test]
async fn the_read_models_say_where_they_stand() {
    let (app, organization) = shop().await;
    app.settle().await;
    let models = app.get(&organization.agent, "/v1/projections").await.expect(200).data();
    let models = models.as_array().unwrap();
    let head = json!(app.store.head());
    for name in ["inbox", "conversation_messages", "contacts", "message_volume", "audit"] {
        let model = models.iter().find(|model| model["model"] == name).unwrap();
        assert_eq!((&model["position"], &model["lag"]), (&head, &json!(0)));
        assert_eq!(model["dead_letters"], 0);
    }
    let ready = app.get("", "/ready").await.expect(200);
    assert_eq!(ready.data(), json!({"status": "ready"}));
    assert_eq!(app.get("", "/health").await.expect(200).data(), json!({"status": "ok"}));
    // Whoever reads an answer twice must not get the first one from somewhere in between.
    assert_eq!(ready.header("cache-control"), "no-store");
    assert_eq!(app.get("", "/metrics").await.status, 404, "this server was given none");
    assert_ne!(Value::Null, head);
}
