//! The peer as a server: actix-web over stock cqrs-es and postgres-es, with the same commands, the
//! same webhook and the same pages as are asked of Verbatim.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data, Json, Path};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use chrono::{DateTime, Utc};
use commands::gateways::whatsapp::signature;
use cqrs_es::AggregateError;
use cqrs_es::persist::{GenericQuery, ViewRepository};
use postgres_es::{PostgresCqrs, PostgresViewRepository, postgres_cqrs};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use super::conversation::{Command, Conversation, Customer, Received, Refusal};
use super::views::{Inbox, Messages};
use crate::Outcome;

/// What its clients show, and what signs its webhooks.
pub(crate) const KEY: &str = "the key of the peer's only client";
pub(crate) const APP_SECRET: &str = "a secret between the peer and Meta";
/// As many as Verbatim's server has.
const WORKERS: usize = 2;
const PAGE: i64 = 50;

type Views<V> = PostgresViewRepository<V, Conversation>;

struct Shop {
    cqrs: PostgresCqrs<Conversation>,
    messages: Arc<Views<Messages>>,
    pool: PgPool,
}

pub(crate) async fn serve(database_url: &str, connections: u32) -> Outcome<()> {
    let pool = PgPoolOptions::new().max_connections(connections).connect(database_url).await?;
    let inbox = Arc::new(Views::<Inbox>::new("inbox", pool.clone()));
    let messages = Arc::new(Views::<Messages>::new("messages", pool.clone()));
    let mut inbox_query = GenericQuery::new(inbox);
    let mut messages_query = GenericQuery::new(messages.clone());
    inbox_query.use_error_handler(Box::new(|error| eprintln!("inbox: {error}")));
    messages_query.use_error_handler(Box::new(|error| eprintln!("messages: {error}")));
    let queries: Vec<Box<dyn cqrs_es::Query<Conversation>>> =
        vec![Box::new(inbox_query), Box::new(messages_query)];
    let cqrs = postgres_cqrs(pool.clone(), queries, ());
    let shop = Data::new(Shop { cqrs, messages, pool });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shop.clone())
            .route("/v1/conversations/{id}/notes", web::post().to(note))
            .route("/v1/conversations/{id}/messages", web::get().to(read_messages))
            .route("/v1/inbox", web::get().to(read_inbox))
            .route("/webhooks/whatsapp", web::post().to(receive))
    })
    .workers(WORKERS)
    .bind("127.0.0.1:0")?;
    for address in server.addrs() {
        println!("Listening on http://{address}");
    }
    Ok(server.run().await?)
}

/// The conversation with a person, found without looking.
pub(crate) fn conversation_with(phone: &str) -> Uuid {
    let hash: [u8; 32] = Sha256::digest(phone).into();
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    Uuid::from_bytes(id)
}

fn is_known(request: &HttpRequest) -> bool {
    let shown = request.headers().get("authorization").and_then(|header| header.to_str().ok());
    shown.and_then(|header| header.strip_prefix("Bearer ")) == Some(KEY)
}

fn refused(error: &AggregateError<Refusal>) -> HttpResponse {
    let status = match error {
        AggregateError::UserError(Refusal::NotFound) => StatusCode::NOT_FOUND,
        AggregateError::UserError(Refusal::InvalidNote) => StatusCode::UNPROCESSABLE_ENTITY,
        AggregateError::AggregateConflict => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    HttpResponse::build(status).json(json!({"error": error.to_string()}))
}

#[derive(Deserialize)]
struct Note {
    body: String,
}

async fn note(
    request: HttpRequest,
    shop: Data<Shop>,
    id: Path<Uuid>,
    asked: Json<Note>,
) -> HttpResponse {
    if !is_known(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    let note = Uuid::now_v7();
    let body = asked.into_inner().body;
    let command = Command::Note { note, at: Utc::now(), body };
    match shop.cqrs.execute(&id.to_string(), command).await {
        Ok(()) => {
            HttpResponse::Created().json(json!({"data": {"id": *id, "note_id": note}, "meta": {}}))
        }
        Err(error) => refused(&error),
    }
}

#[derive(Deserialize)]
struct Envelope {
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    value: Told,
}

#[derive(Deserialize)]
struct Told {
    contacts: Vec<Contact>,
    messages: Vec<Text>,
}

#[derive(Deserialize)]
struct Contact {
    profile: Profile,
    wa_id: String,
}

#[derive(Deserialize)]
struct Profile {
    name: String,
}

#[derive(Deserialize)]
struct Text {
    from: String,
    id: String,
    timestamp: String,
    text: Body,
}

#[derive(Deserialize)]
struct Body {
    body: String,
}

async fn receive(request: HttpRequest, shop: Data<Shop>, body: Bytes) -> HttpResponse {
    let header = request.headers().get("x-hub-signature-256");
    let header = header.and_then(|header| header.to_str().ok()).unwrap_or_default();
    if signature::verify(APP_SECRET.as_bytes(), header, &body).is_err() {
        return HttpResponse::Unauthorized().finish();
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope>(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    let changes = envelope.entry.into_iter().flat_map(|entry| entry.changes);
    for Told { contacts, messages } in changes.map(|change| change.value) {
        for text in messages {
            let id = conversation_with(&text.from);
            let Some(from) = contacts.iter().find(|contact| contact.wa_id == text.from) else {
                return HttpResponse::BadRequest().finish();
            };
            if let Err(error) = shop.cqrs.execute(&id.to_string(), received(from, text)).await {
                return refused(&error);
            }
        }
    }
    HttpResponse::Ok().json(json!({"data": {"received": 1}, "meta": {}}))
}

fn received(from: &Contact, text: Text) -> Command {
    let seconds = text.timestamp.parse().unwrap_or_default();
    Command::Receive {
        from: Customer { name: from.profile.name.clone(), phone: from.wa_id.clone() },
        message: Received {
            message: Uuid::now_v7(),
            provider_id: text.id,
            at: DateTime::from_timestamp(seconds, 0).unwrap_or_default(),
            body: text.text.body,
        },
    }
}

async fn read_inbox(request: HttpRequest, shop: Data<Shop>) -> HttpResponse {
    if !is_known(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    let page: sqlx::Result<Vec<Value>> = sqlx::query_scalar(
        "select payload from inbox order by payload ->> 'last_message_at' desc limit $1",
    )
    .bind(PAGE)
    .fetch_all(&shop.pool)
    .await;
    match page {
        Ok(rows) => HttpResponse::Ok().json(json!({"data": rows, "meta": {}})),
        Err(error) => HttpResponse::InternalServerError().json(json!({"error": error.to_string()})),
    }
}

async fn read_messages(request: HttpRequest, shop: Data<Shop>, id: Path<Uuid>) -> HttpResponse {
    if !is_known(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    match shop.messages.load(&id.to_string()).await {
        Ok(Some(view)) => {
            let newest: Vec<_> = view.messages.iter().rev().take(PAGE as usize).collect();
            HttpResponse::Ok().json(json!({"data": newest, "meta": {}}))
        }
        Ok(None) => HttpResponse::NotFound().finish(),
        Err(error) => HttpResponse::InternalServerError().json(json!({"error": error.to_string()})),
    }
}
