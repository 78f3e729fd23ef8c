//! The Graph API, played by a server with prepared answers.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::gateways::http::canned::{Canned, Step};

const LINE: &str = "550010002000300";

async fn graph(steps: impl IntoIterator<Item = Step>) -> (Graph, Canned) {
    let server = Canned::playing(steps).await;
    let graph = at(&server.base_url);
    (graph, server)
}

fn at(base_url: &str) -> Graph {
    Graph::new(http::client().unwrap(), base_url, "v23.0", "the-token".into()).unwrap()
}

fn said(status: u16, body: &Value) -> Step {
    Step::Answer(status, body.to_string())
}

fn sent() -> Step {
    said(
        200,
        &json!({
            "messaging_product": "whatsapp",
            "contacts": [{"input": "+255700000001", "wa_id": "255700000001"}],
            "messages": [{"id": "wamid.A", "message_status": "accepted"}],
        }),
    )
}

fn outgoing(content: Sendable) -> Outgoing {
    Outgoing {
        to: Recipient::WaId("+255700000001".into()),
        content,
        reply_to: None,
        callback_data: String::new(),
    }
}

fn hello() -> Outgoing {
    outgoing(Sendable::Text { body: "Habari".into(), preview_url: false })
}

fn id(id: &str) -> Source {
    Source::Id(id.into())
}

#[tokio::test]
async fn a_message_is_sent_from_its_line_and_named_by_its_wamid() {
    let (graph, server) = graph([sent()]).await;
    let outgoing =
        Outgoing { reply_to: Some("wamid.Q".into()), callback_data: "7a11".into(), ..hello() };
    let accepted = graph.send(LINE, &outgoing).await.unwrap();
    assert_eq!(accepted.wamid, "wamid.A");
    assert_eq!(accepted.wa_id.as_deref(), Some("255700000001"));
    assert_eq!(accepted.user_id, None);
    assert_eq!(accepted.pacing.as_deref(), Some("accepted"));
    let seen = server.last();
    assert_eq!(seen.line, "POST /v23.0/550010002000300/messages");
    assert_eq!(seen.header("authorization"), "Bearer the-token");
    assert_eq!(
        seen.json(),
        json!({
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "+255700000001",
            "type": "text",
            "text": {"body": "Habari", "preview_url": false},
            "context": {"message_id": "wamid.Q"},
            "biz_opaque_callback_data": "7a11",
        })
    );
}

#[test]
fn somebody_without_a_number_is_named_by_their_user_id() {
    let outgoing = Outgoing { to: Recipient::UserId("TZ.9".into()), ..hello() };
    let body = outgoing.body();
    assert_eq!((&body["recipient"], body.get("to")), (&json!("TZ.9"), None));
}

#[test]
fn every_kind_of_file_goes_by_id_or_by_link() {
    let link = || Source::Link("https://example.com/a".into());
    let caption = || Some("Roof".to_owned());
    for (content, kind, expected) in [
        (
            Sendable::Image { source: id("1"), caption: caption() },
            "image",
            json!({"id": "1", "caption": "Roof"}),
        ),
        (
            Sendable::Image { source: link(), caption: None },
            "image",
            json!({"link": "https://example.com/a"}),
        ),
        (
            Sendable::Video { source: id("2"), caption: caption() },
            "video",
            json!({"id": "2", "caption": "Roof"}),
        ),
        (
            Sendable::Audio { source: id("3"), voice: true },
            "audio",
            json!({"id": "3", "voice": true}),
        ),
        (Sendable::Audio { source: id("3"), voice: false }, "audio", json!({"id": "3"})),
        (
            Sendable::Document {
                source: link(),
                caption: caption(),
                filename: Some("a.pdf".into()),
            },
            "document",
            json!({"link": "https://example.com/a", "caption": "Roof", "filename": "a.pdf"}),
        ),
        (Sendable::Sticker { source: id("5") }, "sticker", json!({"id": "5"})),
    ] {
        let body = outgoing(content).body();
        assert_eq!((&body["type"], &body[kind]), (&json!(kind), &expected));
    }
}

#[test]
fn places_reactions_and_templates_are_written_as_documented() {
    let place = Sendable::Location {
        latitude: -6.8,
        longitude: 39.25,
        name: Some("Duka".into()),
        address: None,
    };
    let place = outgoing(place).body();
    let expected = json!({"latitude": "-6.8", "longitude": "39.25", "name": "Duka"});
    assert_eq!(place["location"], expected);
    let reaction = |emoji| Sendable::Reaction { wamid: "wamid.Q".into(), emoji };
    let given = outgoing(reaction(Some("🙏".into()))).body();
    assert_eq!(given["reaction"], json!({"message_id": "wamid.Q", "emoji": "🙏"}));
    let taken_back = outgoing(reaction(None)).body();
    assert_eq!(taken_back["reaction"], json!({"message_id": "wamid.Q", "emoji": ""}));
    let template = |components| Sendable::Template {
        name: "parcel".into(),
        language: "sw".into(),
        components,
    };
    let bare = outgoing(template(vec![])).body();
    assert_eq!(bare["template"], json!({"name": "parcel", "language": {"code": "sw"}}));
    let component = json!({"type": "body", "parameters": [{"type": "text", "text": "Juma"}]});
    let filled = outgoing(template(vec![component.clone()])).body();
    assert_eq!(filled["template"]["components"], json!([component]));
}

#[test]
fn a_card_is_passed_on_with_everything_it_holds() {
    let card: domain::message::Card = serde_json::from_value(json!({
        "name": {"formatted": "Asha M", "first": "Asha"},
        "phones": [{"phone": "+255700000002", "wa_id": "255700000002", "kind": "Mobile"}],
        "emails": [{"email": "asha@example.com"}],
        "urls": [{"url": "https://example.com", "kind": "Shop"}],
        "addresses": [{"city": "Arusha", "country_code": "TZ"}],
        "organization": {"company": "Duka", "title": "Owner"},
        "birthday": "1990-05-05",
    }))
    .unwrap();
    let expected = json!([{
        "name": {"formatted_name": "Asha M", "first_name": "Asha"},
        "phones": [{"phone": "+255700000002", "wa_id": "255700000002", "type": "Mobile"}],
        "emails": [{"email": "asha@example.com"}],
        "urls": [{"url": "https://example.com", "type": "Shop"}],
        "addresses": [{"city": "Arusha", "country_code": "TZ"}],
        "org": {"company": "Duka", "title": "Owner"},
        "birthday": "1990-05-05",
    }]);
    assert_eq!(outgoing(Sendable::Contacts(vec![card])).body()["contacts"], expected);
    let bare = outgoing(Sendable::Contacts(vec![Default::default()])).body();
    assert_eq!(bare["contacts"], json!([{"name": {}}]));
}

fn interactive(header: Option<Header>, action: Action) -> Value {
    let footer = header.as_ref().map(|_| "Duka".to_owned());
    let interactive = Interactive { header, body: "Choose".into(), footer, action };
    outgoing(Sendable::Interactive(interactive)).body()["interactive"].take()
}

#[test]
fn buttons_and_lists_are_written_as_documented() {
    let button = Button { id: "yes".into(), title: "Yes".into() };
    assert_eq!(
        interactive(Some(Header::Image(id("7"))), Action::Buttons(vec![button])),
        json!({
            "type": "button",
            "header": {"type": "image", "image": {"id": "7"}},
            "body": {"text": "Choose"},
            "footer": {"text": "Duka"},
            "action": {"buttons": [{"type": "reply", "reply": {"id": "yes", "title": "Yes"}}]},
        })
    );
    let row = |id: &str, description: Option<&str>| Row {
        id: id.into(),
        title: id.to_uppercase(),
        description: description.map(str::to_owned),
    };
    let section = Section {
        title: Some("Sizes".into()),
        rows: vec![row("s", Some("small")), row("l", None)],
    };
    let rows =
        json!([{"id": "s", "title": "S", "description": "small"}, {"id": "l", "title": "L"}]);
    assert_eq!(
        interactive(None, Action::List { button: "Open".into(), sections: vec![section] }),
        json!({
            "type": "list",
            "body": {"text": "Choose"},
            "action": {"button": "Open", "sections": [{"title": "Sizes", "rows": rows}]},
        })
    );
}

#[test]
fn links_flows_and_questions_for_the_place_are_written_as_documented() {
    let action = Action::CtaUrl { display_text: "Book".into(), url: "https://example.com".into() };
    let told = interactive(Some(Header::Text("Hi".into())), action);
    assert_eq!(told["type"], "cta_url");
    assert_eq!(told["header"], json!({"type": "text", "text": "Hi"}));
    let parameters = json!({"display_text": "Book", "url": "https://example.com"});
    assert_eq!(told["action"], json!({"name": "cta_url", "parameters": parameters}));
    let flow = Flow {
        id: "9".into(),
        token: "t".into(),
        cta: "Fill in".into(),
        screen: Some("FIRST".into()),
        data: Some(json!({"name": null})),
        draft: true,
    };
    let told = interactive(None, Action::Flow(flow.clone()));
    let expected = json!({
        "flow_message_version": "3",
        "flow_id": "9",
        "flow_token": "t",
        "flow_cta": "Fill in",
        "mode": "draft",
        "flow_action": "navigate",
        "flow_action_payload": {"screen": "FIRST", "data": {"name": null}},
    });
    assert_eq!(told["action"], json!({"name": "flow", "parameters": expected}));
    let by_endpoint = Flow { screen: None, draft: false, ..flow };
    let told = interactive(None, Action::Flow(by_endpoint));
    assert_eq!(told["action"]["parameters"]["flow_action"], "data_exchange");
    let told = interactive(None, Action::LocationRequest);
    assert_eq!(told["type"], "location_request_message");
    assert_eq!(told["action"], json!({"name": "send_location"}));
}

#[tokio::test]
async fn a_send_ends_accepted_refused_not_sent_or_unclear() {
    let error = json!({"error": {"message": "(#131026)", "code": 131_026}});
    let vague = json!({"error": {"message": "(#131000)", "code": 131_000}});
    let steps = [
        said(400, &error),
        said(500, &vague),
        Step::Cut,
        Step::Answer(200, "{\"messages\": []}".into()),
        Step::Half(200, "{}".into()),
    ];
    let (graph, _server) = graph(steps).await;
    let Err(SendError::Refused(refusal)) = graph.send(LINE, &hello()).await else {
        panic!("it should have been refused");
    };
    assert_eq!((refusal.reason, refusal.retry), (Reason::Undeliverable, Retry::Never));
    assert_eq!(refusal.reason.about(), About::Recipient);
    for cause in [
        Cause::Server { status: 500, code: Some(131_000) },
        Cause::Cut,
        Cause::Unreadable,
        Cause::Cut,
    ] {
        assert_eq!(graph.send(LINE, &hello()).await, Err(SendError::Unclear(cause)));
    }
    let lost = at(&Canned::nobody().await).send(LINE, &hello()).await;
    assert_eq!(lost, Err(SendError::NotSent(Cause::Connect)));
}

#[tokio::test]
async fn a_message_is_marked_as_read_with_or_without_typing() {
    let done = json!({"success": true});
    let (graph, server) = graph([said(200, &done), said(200, &done)]).await;
    graph.mark_read(LINE, "wamid.Q", false).await.unwrap();
    let mut expected =
        json!({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.Q"});
    assert_eq!(server.last().json(), expected);
    graph.mark_read(LINE, "wamid.Q", true).await.unwrap();
    expected["typing_indicator"] = json!({"type": "text"});
    assert_eq!(server.last().json(), expected);
}

#[tokio::test]
async fn a_file_is_uploaded_with_its_type_and_name() {
    let (graph, server) = graph([said(200, &json!({"id": "m1"}))]).await;
    let uploaded = graph.upload(LINE, "%PDF".into(), "application/pdf", "bill.pdf").await;
    assert_eq!(uploaded.as_deref(), Ok("m1"));
    let seen = server.last();
    assert_eq!(seen.line, "POST /v23.0/550010002000300/media");
    assert!(seen.header("content-type").starts_with("multipart/form-data; boundary="));
    let body = String::from_utf8_lossy(&seen.body).to_lowercase();
    for part in [
        "name=\"messaging_product\"\r\n\r\nwhatsapp\r\n",
        "name=\"type\"\r\n\r\napplication/pdf\r\n",
        "name=\"file\"; filename=\"bill.pdf\"\r\ncontent-type: application/pdf\r\n\r\n%pdf\r\n",
    ] {
        assert!(body.contains(part), "{part} isn't in {body}");
    }
    let nonsense = graph.upload(LINE, Bytes::new(), "no type", "a").await;
    assert_eq!(nonsense, Err(SendError::NotSent(Cause::Request)));
}

#[tokio::test]
async fn a_file_is_fetched_from_where_the_api_says_and_nowhere_else() {
    let files = Canned::playing([
        Step::Answer(200, "bytes".into()),
        Step::Stream(200, "too many bytes".into()),
        Step::Answer(404, String::new()),
        Step::Redirect("http://127.0.0.1:1/".into()),
    ])
    .await;
    let url = format!("{}/f?mid=1", files.base_url);
    let info = json!({"url": url, "mime_type": "image/png", "sha256": "ab", "file_size": "5"});
    let (graph, server) = graph([said(200, &info)]).await;
    let media = graph.media("a/../b").await.unwrap();
    assert_eq!(server.last().line, "GET /v23.0/a%2F..%2Fb");
    assert_eq!((media.mime_type.as_deref(), media.file_size), (Some("image/png"), Some(5)));
    let mut file = graph.download(&media, 5).await.unwrap();
    assert_eq!((file.length(), file.chunk().await), (Some(5), Ok(Some("bytes".into()))));
    assert_eq!(file.chunk().await, Ok(None));
    assert_eq!(files.last().line, "GET /f?mid=1");
    assert_eq!(files.last().header("authorization"), "Bearer the-token");
    let mut too_long = graph.download(&media, 5).await.unwrap();
    assert_eq!(too_long.chunk().await, Err(Cause::TooLong(5)));
    for reason in [Reason::NotFound, Reason::Unrecognised] {
        let refused = graph.download(&media, 5).await.unwrap_err();
        assert!(matches!(refused, SendError::Refused(refusal) if refusal.reason == reason));
    }
    // The real API never sends us, and our token, to a place without TLS.
    let refused = at("https://graph.example.com").download(&media, 5).await;
    assert_eq!(refused.unwrap_err(), SendError::NotSent(Cause::Request));
}

#[tokio::test]
async fn a_sample_is_uploaded_in_two_steps_and_known_by_its_handle() {
    let session = json!({"id": "upload:MTph?sig=ARZ"});
    let (graph, server) = graph([said(200, &session), said(200, &json!({"h": "4::aW"}))]).await;
    let handle = graph.upload_sample("%PDF".into(), "application/pdf", "a b.pdf").await;
    assert_eq!(handle.as_deref(), Ok("4::aW"));
    let [opened, sent] = &server.seen()[..] else { panic!("two calls") };
    let told = "file_name=a+b.pdf&file_length=4&file_type=application%2Fpdf";
    assert_eq!(opened.line, format!("POST /v23.0/app/uploads?{told}"));
    assert_eq!(sent.line, "POST /v23.0/upload:MTph?sig=ARZ");
    assert_eq!(
        (sent.header("authorization"), sent.header("file_offset")),
        ("OAuth the-token", "0")
    );
    assert_eq!(sent.body, b"%PDF");
}

#[test]
fn a_type_is_known_whatever_its_parameters() {
    assert_eq!(longest("audio/ogg; codecs=opus"), Some(16 << 20));
    assert_eq!(
        (longest("IMAGE/PNG"), longest("text/html"), longest("")),
        (Some(5 << 20), None, None)
    );
}

#[tokio::test]
async fn a_template_is_created_edited_and_deleted() {
    let done = json!({"success": true});
    let created = json!({"id": "77", "status": "PENDING", "category": "MARKETING"});
    let steps = [said(200, &created), said(200, &done), said(200, &done), said(200, &done)];
    let (graph, server) = graph(steps).await;
    let template = json!({"name": "parcel", "language": "sw", "category": "UTILITY"});
    let created = graph.create_template("88", &template).await.unwrap();
    assert_eq!((created.id.as_str(), created.status.as_str()), ("77", "PENDING"));
    assert_eq!(created.category.as_deref(), Some("MARKETING"));
    assert_eq!(server.last().json(), template);
    graph.edit_template("77", &json!({"category": "UTILITY"})).await.unwrap();
    graph.delete_template("88", "parcel & co", None).await.unwrap();
    graph.delete_template("88", "parcel", Some("77")).await.unwrap();
    let lines: Vec<String> = server.seen().into_iter().map(|seen| seen.line).collect();
    let expected = [
        "POST /v23.0/88/message_templates",
        "POST /v23.0/77",
        "DELETE /v23.0/88/message_templates?name=parcel+%26+co",
        "DELETE /v23.0/88/message_templates?name=parcel&hsm_id=77",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn templates_are_listed_page_by_page_until_there_is_no_next() {
    let template = json!({
        "id": "77",
        "name": "parcel",
        "language": "sw",
        "status": "APPROVED",
        "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Karibu"}],
        "quality_score": {"score": "GREEN", "date": 1},
    });
    let cursors = json!({"before": "B", "after": "A"});
    let first = json!({"data": [template], "paging": {"cursors": cursors, "next": "https://…"}});
    let last = json!({"data": [], "paging": {"cursors": cursors}});
    let (graph, server) = graph([said(200, &first), said(200, &last)]).await;
    let page = graph.templates("88", None, 50).await.unwrap();
    assert_eq!(page.next.as_deref(), Some("A"));
    assert_eq!(page.templates[0].quality.as_deref(), Some("GREEN"));
    assert_eq!(page.templates[0].components[0]["text"], "Karibu");
    let page = graph.templates("88", page.next.as_deref(), 50).await.unwrap();
    assert_eq!(page, Page { templates: vec![], next: None });
    let line = server.last().line;
    assert!(line.starts_with("GET /v23.0/88/message_templates?fields=id%2Cname%2C"), "{line}");
    assert!(line.ends_with("&limit=50&after=A"), "{line}");
}

#[test]
fn the_token_is_not_written_anywhere() {
    assert!(!format!("{:?}", at("https://graph.example.com")).contains("the-token"));
    let client = http::client().unwrap();
    for wrong in ["", "graph.example.com", "ftp://example.com", "mailto:a@example.com"] {
        let refused = Graph::new(client.clone(), wrong, "v23.0", String::new());
        assert_eq!(refused.unwrap_err(), InvalidAddress);
    }
}

proptest::proptest! {
    #[test]
    fn no_answer_brings_it_down(
        status in 100u16..600,
        body in proptest::prelude::any::<Vec<u8>>(),
    ) {
        let answer = Answer { status, body };
        let _ = understood::<Sent>(&answer);
        let _ = understood::<Told>(&answer);
        let _ = understood::<Created>(&answer);
    }
}
