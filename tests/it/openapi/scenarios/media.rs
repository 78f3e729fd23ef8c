//! For each operation on files what makes it succeed, and what makes it refuse.

use chrono::Utc;
use serde_json::{Value, json};
use simulators::whatsapp;
use uuid::Uuid;

use super::{Shop, missing};
use crate::support::{ANA, Answer, line};

impl Shop {
    pub(super) async fn media(&self, operation: &str) {
        let channel = self.organization.channel;
        match operation {
            "media.upload" => self.uploads("/v1/media").await,
            "template.upload_sample" => self.uploads("/v1/templates/media").await,
            "media.fetch" => {
                let id = self.graph.media(&line().phone_number_id, "image/png", b"a pot".to_vec());
                self.read(&format!("/v1/media/{id}?channel={channel}")).await;
                let gone = format!("/v1/media/4711?channel={channel}");
                self.app.get(&self.organization.owner, &gone).await.refused(410);
            }
            "message.show" | "message.media" => {
                let id = self.graph.media(&line().phone_number_id, "image/png", b"a pot".to_vec());
                let image = json!({"id": id, "mime_type": "image/png"});
                let wamid = format!("wamid.{}", Uuid::now_v7());
                let (at, kind) = (Utc::now(), "image");
                let said = whatsapp::message(&line(), &ANA, &wamid, at, kind, image, Value::Null);
                self.app.tell(&self.organization, said).await.expect(200);
                let messages = format!("/v1/conversations/{}/messages", self.conversation);
                self.app.settle().await;
                let listed = self.app.get(&self.organization.owner, &messages).await.data();
                let image = |message: &&Value| message["kind"] == "image";
                let message = listed.as_array().unwrap().iter().find(image).unwrap();
                let under = if operation == "message.media" { "/media" } else { "" };
                self.shown(&messages, message["id"].as_str().unwrap(), under).await;
            }
            _ => missing(operation),
        }
    }

    async fn uploads(&self, path: &str) {
        let path = format!("{path}?channel={}", self.organization.channel);
        self.file(&path, "image/png", "a pot").await.expect(201);
        self.file(&path, "text/html", "<p>").await.refused(415);
        self.file(&path, "image/png", "").await.refused(422);
    }

    async fn file(&self, path: &str, mime_type: &str, bytes: &str) -> Answer {
        let key = Uuid::now_v7().to_string();
        let file = (mime_type, bytes.as_bytes().to_vec());
        self.app.post_file(&self.organization.agent, path, file, &key).await
    }
}
