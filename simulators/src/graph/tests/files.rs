//! Files on their way to customers and from them.

use bytes::Bytes;
use serde_json::json;

use super::{ASHA, MESSAGES, account, graph, refused};
use crate::rehearsal::Asker;

const MEDIA: &str = "/v23.0/550010002000300/media";

async fn upload(asker: &Asker, mime_type: &str, bytes: &str) -> (u16, serde_json::Value) {
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n\
         --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\
         Content-Type: {mime_type}\r\n\r\n{bytes}\r\n--b--\r\n"
    );
    let form = "multipart/form-data; boundary=b";
    let url = format!("{}{MEDIA}", asker.url);
    let (status, _, answer) = asker.send("POST", &url, form, body.into()).await.unwrap();
    (status, serde_json::from_slice(&answer).unwrap())
}

#[tokio::test]
async fn an_uploaded_file_can_be_sent_described_fetched_and_deleted() {
    let (graph, asker) = graph(None);
    let (status, answer) = upload(&asker, "image/png", "a lamp").await;
    assert_eq!(status, 200);
    let id = answer["id"].as_str().unwrap();
    let image = json!({
        "messaging_product": "whatsapp", "to": ASHA, "type": "image", "image": {"id": id},
    });
    assert_eq!(asker.post(MESSAGES, image.clone()).await.0, 200);
    let (_, told) = asker.get(&format!("/v23.0/{id}")).await;
    assert_eq!((&told["mime_type"], &told["file_size"]), (&json!("image/png"), &json!(6)));
    assert_eq!(told["sha256"], hex::encode(<sha2::Sha256 as sha2::Digest>::digest(b"a lamp")));
    let url = told["url"].as_str().unwrap();
    let fetched = asker.send("GET", url, "", Bytes::new()).await.unwrap();
    assert_eq!(fetched, (200, "image/png".into(), Bytes::from("a lamp")));
    let thief = Asker { url: asker.url.clone(), token: "stolen".into() };
    assert_eq!(thief.send("GET", url, "", Bytes::new()).await.unwrap().0, 401);
    let guessed = format!("{url}0");
    assert_eq!(asker.send("GET", &guessed, "", Bytes::new()).await.unwrap().0, 404);
    let deleted = asker.ask("DELETE", &format!("/v23.0/{id}"), &json!(null)).await.unwrap();
    assert_eq!(deleted, (200, json!({"success": true})));
    refused(&asker.post(MESSAGES, image).await, 400, 131_009);
    assert_eq!(graph.sent().len(), 1);
}

#[tokio::test]
async fn a_customers_file_is_fetched_as_one_of_our_own() {
    let (graph, asker) = graph(None);
    let line = account(None).line.phone_number_id;
    let id = graph.media(&line, "audio/ogg; codecs=opus", b"hello".to_vec());
    let (_, told) = asker.get(&format!("/v23.0/{id}?phone_number_id={line}")).await;
    let url = told["url"].as_str().unwrap();
    assert_eq!(asker.send("GET", url, "", Bytes::new()).await.unwrap().2, "hello");
}

#[tokio::test]
async fn a_file_of_a_type_that_whatsapp_does_not_show_is_refused() {
    let (_graph, asker) = graph(None);
    refused(&upload(&asker, "text/html", "<p>").await, 400, 100);
    refused(&upload(&asker, "image/png", "").await, 400, 100);
}
