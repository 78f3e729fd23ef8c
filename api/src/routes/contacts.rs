//! Commands on contacts: registering and changing them.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, ServiceConfig};
use commands::intake::known::{PHONE, phone_claim};
use commands::{Error, Refusal, Work};
use domain::Personal;
use domain::contact::{self, Contact, Identities, Registered, Source};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::auth::Writer;
use crate::body::{Request, present};
use crate::command::{Command, Noun};
use crate::idempotent::once;
use crate::problem::Problem;
use crate::routes::contacts_read;
use crate::{State, phone};

const MOST_NAME: usize = 200;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        web::resource("/v1/contacts")
            .route(web::get().to(contacts_read::list))
            .route(web::post().to(register)),
    )
    .service(
        web::resource("/v1/contacts/{id}")
            .route(web::get().to(contacts_read::show))
            .route(web::patch().to(change)),
    );
}

impl Noun for Contact {
    fn absent() -> Refusal {
        contact::Error::NotRegistered.into()
    }

    fn told(&self) -> Map<String, Value> {
        let status = if self.blocked { "blocked" } else { "active" };
        Map::from_iter([
            ("name".to_owned(), json!(self.name)),
            ("phone".to_owned(), json!(self.phone)),
            ("user_id".to_owned(), json!(self.user_id)),
            ("username".to_owned(), json!(self.username)),
            ("tags".to_owned(), json!(self.tags)),
            ("attributes".to_owned(), json!(self.attributes)),
            ("status".to_owned(), json!(status)),
        ])
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Register {
    name: Option<String>,
    phone: Option<String>,
    #[serde(default)]
    tags: BTreeSet<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

async fn register(
    writer: Writer,
    state: Data<State>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    once(&state, &writer, &request, "contact.register", async |meta| {
        let told: Register = request.parse()?;
        told.name.as_deref().map(check_name).transpose()?;
        let phone = told.phone.as_deref().map(phone::digits).transpose()?;
        let id = Uuid::now_v7();
        let store = state.commands.store();
        let claim = phone.as_ref().map(|phone| phone_claim(store, meta.tenant, phone));
        let registered = Registered {
            name: told.name.map(|name| Personal::identity(id, name)),
            identities: Identities {
                phone: phone.map(|phone| Personal::identity(id, phone)),
                ..Identities::default()
            },
            at: state.commands.store().clock().now(),
            source: Source::Api,
        };
        let attributes = told.attributes.into_iter().map(|(name, value)| (name, Some(value)));
        let attributes: Attributes = attributes.collect();
        Command::create(id, format!("/v1/contacts/{id}"))
            .run::<Contact>(&state, &meta, async |work: &mut Work<'_>| {
                if let Some(claim) = &claim {
                    work.claim(PHONE, claim.clone(), id.to_string());
                }
                let register = contact::Command::Register(registered.clone());
                work.execute::<Contact>(id, register).await?;
                retag(work, id, &told.tags).await?;
                set_attributes(work, id, &attributes).await
            })
            .await
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default, deserialize_with = "present")]
    name: Option<String>,
    /// All tags, not those that are added.
    #[serde(default, deserialize_with = "present")]
    tags: Option<BTreeSet<String>>,
    /// Those that change; null removes one.
    #[serde(default)]
    attributes: Attributes,
    #[serde(default, deserialize_with = "present")]
    status: Option<Status>,
}

type Attributes = BTreeMap<String, Option<String>>;

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Active,
    Blocked,
}

async fn change(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    once(&state, &writer, &request, "contact.change", async |meta| {
        let told: Change = request.parse()?;
        told.name.as_deref().map(check_name).transpose()?;
        let now = state.commands.store().clock().now();
        Command::on(*id, request.expected_version()?)
            .run::<Contact>(&state, &meta, async |work: &mut Work<'_>| {
                if let Some(name) = &told.name {
                    let name = Personal::identity(*id, name.clone());
                    let rename = contact::Command::Rename { name, at: now, source: Source::Api };
                    work.execute::<Contact>(*id, rename).await?;
                }
                if let Some(tags) = &told.tags {
                    retag(work, *id, tags).await?;
                }
                set_attributes(work, *id, &told.attributes).await?;
                if let Some(status) = told.status {
                    let command = match status {
                        Status::Active => contact::Command::Unblock,
                        Status::Blocked => contact::Command::Block,
                    };
                    work.execute::<Contact>(*id, command).await?;
                }
                Ok(())
            })
            .await
    })
    .await
}

/// Tags leave before others come, so that a full set can be exchanged.
async fn retag(work: &mut Work<'_>, id: Uuid, tags: &BTreeSet<String>) -> Result<(), Error> {
    let present = work.get::<Contact>(id).await?.tags.clone();
    for tag in present.difference(tags) {
        work.execute::<Contact>(id, contact::Command::Untag(tag.clone())).await?;
    }
    for tag in tags.difference(&present) {
        work.execute::<Contact>(id, contact::Command::Tag(tag.clone())).await?;
    }
    Ok(())
}

async fn set_attributes(
    work: &mut Work<'_>,
    id: Uuid,
    attributes: &Attributes,
) -> Result<(), Error> {
    if attributes.is_empty() {
        return Ok(());
    }
    let personal = |value: &String| Personal::identity(id, value.clone());
    let attributes = attributes
        .iter()
        .map(|(name, value)| (name.clone(), value.as_ref().map(personal)))
        .collect();
    work.execute::<Contact>(id, contact::Command::SetAttributes(attributes)).await.map(|_| ())
}

fn check_name(name: &str) -> Result<(), Problem> {
    if !name.trim().is_empty() && name.chars().count() <= MOST_NAME {
        return Ok(());
    }
    let detail = format!("a name has 1 to {MOST_NAME} characters");
    Err(Problem::field("name", "contact.invalid_name", detail))
}
