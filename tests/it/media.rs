//! Files of messages: uploaded once, sent, and fetched again by whoever may read the message.

use chrono::Utc;
use reqwest::StatusCode;
use serde_json::{Value, json};
use simulators::graph::{Account, Graph, Rule, Settings};
use simulators::script::{Act, Outcome};
use simulators::whatsapp;

use crate::support::{ACCESS_TOKEN, ANA, APP_SECRET, Answer, App, Organization, line};

const PDF: &str = "application/pdf";

/// An organisation and a WhatsApp that keeps its files.
struct Shelf {
    app: App,
    organization: Organization,
    graph: Graph,
}

impl Shelf {
    async fn open() -> Shelf {
        let account = Account {
            line: line(),
            token: ACCESS_TOKEN.into(),
            app_secret: APP_SECRET.into(),
            webhook_url: None,
        };
        let settings = Settings { accounts: vec![account], ..Settings::default() };
        let graph = Graph::start(settings).unwrap();
        let app = App::measured(&graph.url()).await;
        let organization = app.organization("Baraka").await;
        Shelf { app, organization, graph }
    }

    fn upload(&self, under: &str) -> String {
        format!("/v1/{under}?channel={}&filename=bill.pdf", self.organization.channel)
    }

    async fn file(&self, path: &str, mime_type: &str, bytes: &str, key: &str) -> Answer {
        let file = (mime_type, bytes.as_bytes().to_vec());
        self.app.post_file(&self.organization.agent, path, file, key).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.app.get(&self.organization.agent, path).await
    }

    /// A customer sends a file; where its message is.
    async fn received(&self, wamid: &str, kind: &str, file: Value) -> String {
        let said = whatsapp::message(&line(), &ANA, wamid, Utc::now(), kind, file, Value::Null);
        self.app.tell(&self.organization, said).await.expect(200);
        let conversation = self.app.conversation(&self.organization, &ANA).await;
        let messages = format!("/v1/conversations/{conversation}/messages");
        self.app.settle().await;
        let listed = self.get(&messages).await.data();
        let of_kind = |message: &&Value| message["kind"] == kind;
        let message = listed.as_array().unwrap().iter().find(of_kind).unwrap();
        format!("{messages}/{}", message["id"].as_str().unwrap())
    }
}

#[tokio::test]
async fn a_file_is_uploaded_once_under_one_key_and_comes_back_byte_for_byte() {
    let shelf = Shelf::open().await;
    let path = shelf.upload("media");
    let made = shelf.file(&path, PDF, "%PDF a bill", "bill-17").await.expect(201);
    let again = shelf.file(&path, PDF, "%PDF a bill", "bill-17").await.expect(201);
    assert_eq!((again.text.as_str(), again.header("idempotent-replayed")), (&*made.text, "true"));
    let other = shelf.file(&path, PDF, "%PDF b bill", "bill-17").await.refused(422);
    assert_eq!(other, "idempotency.key_reused");
    let told = made.data();
    assert_eq!((&told["mime_type"], &told["bytes"]), (&json!(PDF), &json!(11)));
    let id = told["id"].as_str().unwrap();
    let at = format!("/v1/media/{id}?channel={}", shelf.organization.channel);
    let file = shelf.get(&at).await.expect(200);
    assert_eq!((file.text.as_str(), file.header("content-type")), ("%PDF a bill", PDF));
    assert_eq!(file.header("content-length"), "11");
    assert_eq!(file.header("content-disposition"), "attachment");
}

#[tokio::test]
async fn a_file_is_called_something_that_can_be_written_down() {
    let shelf = Shelf::open().await;
    for under in ["media", "templates/media"] {
        for name in [String::new(), "x".repeat(241), "bill%0A.pdf".to_owned()] {
            let channel = shelf.organization.channel;
            let path = format!("/v1/{under}?channel={channel}&filename={name}");
            let refused = shelf.file(&path, PDF, "%PDF a bill", "bill-18").await;
            assert_eq!(refused.refused(422), "parameter.invalid", "{name}");
        }
    }
}

#[tokio::test]
async fn the_file_of_a_customers_message_is_for_those_who_may_read_the_message() {
    let shelf = Shelf::open().await;
    let bytes = b"%PDF a recipe".to_vec();
    let id = shelf.graph.media(&line().phone_number_id, PDF, bytes);
    let file = json!({"id": id, "mime_type": PDF, "filename": "stew \"Ana\".pdf"});
    let message = shelf.received("wamid.1", "document", file).await;
    assert_eq!(shelf.get(&message).await.data()["content"]["filename"], "stew \"Ana\".pdf");
    let fetched = shelf.get(&format!("{message}/media")).await.expect(200);
    assert_eq!(fetched.text, "%PDF a recipe");
    let named = fetched.header("content-disposition");
    assert_eq!(named, r#"attachment; filename="stew \"Ana\".pdf""#);

    let strangers = shelf.app.organization("Mwezi").await;
    for path in [message.clone(), format!("{message}/media")] {
        shelf.app.get(&strangers.owner, &path).await.refused(404);
    }
}

#[tokio::test]
async fn a_message_without_a_file_and_a_file_that_is_gone_are_said_to_be_so() {
    let shelf = Shelf::open().await;
    let text = shelf.received("wamid.1", "text", json!({"body": "Hello"})).await;
    let code = shelf.get(&format!("{text}/media")).await.refused(404);
    assert_eq!(code, "message.no_file");
    let lost = json!({"id": "4711", "mime_type": "image/jpeg"});
    let image = shelf.received("wamid.2", "image", lost).await;
    assert_eq!(shelf.get(&format!("{image}/media")).await.refused(410), "media.gone");
}

#[tokio::test]
async fn what_whatsapp_would_not_carry_is_refused_before_it_is_sent_there() {
    let shelf = Shelf::open().await;
    let path = shelf.upload("media");
    let page = shelf.file(&path, "text/html", "<p>", "a").await;
    assert_eq!(page.refused(415), "file.type");
    assert!(page.json()["types"].as_array().unwrap().contains(&json!("image/png")));
    assert_eq!(shelf.file(&path, PDF, "", "b").await.refused(422), "file.empty");
    let large = "x".repeat((500 << 10) + 1);
    let sticker = shelf.file(&path, "image/webp", &large, "c").await;
    assert_eq!(sticker.refused(413), "request.too_large");
    assert!(sticker.json()["most_bytes"].is_number());
    let nowhere = format!("/v1/media?channel={}", uuid::Uuid::now_v7());
    assert_eq!(shelf.file(&nowhere, PDF, "%PDF", "d").await.refused(422), "channel.not_found");
    let auditor = ("image/png", b"a pot".to_vec());
    let read_only = shelf.app.post_file(&shelf.organization.auditor, &path, auditor, "e").await;
    read_only.refused(403);
}

#[tokio::test]
async fn a_sample_becomes_the_example_of_a_templates_header() {
    let shelf = Shelf::open().await;
    let path = shelf.upload("templates/media");
    let handle = shelf.file(&path, PDF, "%PDF a menu", "menu").await.expect(201).data();
    let handle = handle["handle"].as_str().unwrap();
    let draft = json!({
        "channel_id": shelf.organization.channel, "name": "menu", "language": "en_US",
        "components": [
            {"type": "header", "format": "document", "example": {"header_handle": [handle]}},
            {"type": "body", "text": "Our menu of the week."},
        ],
    });
    let made = shelf.app.post(&shelf.organization.agent, "/v1/templates", draft).await.expect(201);
    let path = format!("{}/submit", made.header("location"));
    shelf.app.post(&shelf.organization.agent, &path, json!({})).await.expect(200);
}

#[tokio::test]
async fn a_whatsapp_that_does_not_answer_is_nobodys_mistake() {
    let shelf = Shelf::open().await;
    shelf.graph.script(Rule::on(Act::Media).times(1).ends(Outcome::Failed(500)));
    let unclear = shelf.file(&shelf.upload("media"), PDF, "%PDF", "a").await;
    assert_eq!(unclear.status, StatusCode::BAD_GATEWAY);
    assert_eq!(unclear.refused(502), "whatsapp.unclear");
    // The key was not used up: the repeat uploads.
    shelf.file(&shelf.upload("media"), PDF, "%PDF", "a").await.expect(201);
}
