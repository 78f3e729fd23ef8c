//! Commands on contacts: registering and changing them.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::web::{Data, Path};
use commands::intake::known::{PHONE, phone_claim};
use commands::{Error, Refusal, Work};
use domain::Personal;
use domain::contact::{self, Contact, Identities, Registered, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::auth::Writer;
use crate::body::{Request, present};
use crate::command::{Answered, Changed, Command, Made, Noun};
use crate::idempotent::once;
use crate::openapi::Api;
use crate::problem::Problem;
use crate::{State, phone};

const MOST_NAME: usize = 200;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/contacts", register)
        .is("contact.register", "Registers a contact")
        .refuses(409, &["contact.phone_taken"])
        .refuses(422, &["contact.invalid_name", "contact.invalid_phone", "contact.nameless"])
        .refuses(422, &["contact.invalid_tag", "contact.too_many_tags"])
        .refuses(422, &["contact.invalid_attribute"]);
    api.patch("/v1/contacts/{id}", change)
        .is("contact.change", "Changes a contact")
        .refuses(409, &["contact.merged"])
        .refuses(422, &["contact.invalid_name", "contact.invalid_tag", "contact.too_many_tags"])
        .refuses(422, &["contact.invalid_attribute"]);
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ContactTold")]
pub(crate) struct Told {
    #[schemars(example = &"Ada Obi")]
    name: Option<String>,
    /// Digits with the country code.
    #[schemars(example = &"254712345678")]
    phone: Option<String>,
    /// By which the provider knows a person who hides the number.
    #[schemars(example = &"KE.1234567890")]
    user_id: Option<String>,
    #[schemars(example = &"ada.obi")]
    username: Option<String>,
    #[schemars(example = ["vip"])]
    tags: BTreeSet<String>,
    #[schemars(example = serde_json::json!({"city": "Nairobi"}))]
    attributes: BTreeMap<String, String>,
    status: Status,
}

impl Noun for Contact {
    type Told = Told;

    fn absent() -> Refusal {
        contact::Error::NotRegistered.into()
    }

    fn told(&self) -> Result<Told, Refusal> {
        Ok(Told {
            name: self.name.clone(),
            phone: self.phone.clone(),
            user_id: self.user_id.clone(),
            username: self.username.clone(),
            tags: self.tags.clone(),
            attributes: self.attributes.clone(),
            status: if self.blocked { Status::Blocked } else { Status::Active },
        })
    }
}

/// A person to be known; by a name, a number, or both.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RegisterContact")]
struct Register {
    /// 1 to 200 characters.
    #[schemars(example = &"Ada Obi")]
    name: Option<String>,
    /// With its country code, however it is written.
    #[schemars(example = &"+254 712 345 678")]
    phone: Option<String>,
    #[serde(default)]
    #[schemars(example = ["vip"])]
    tags: BTreeSet<String>,
    #[serde(default)]
    #[schemars(example = serde_json::json!({"city": "Nairobi"}))]
    attributes: BTreeMap<String, String>,
}

async fn register(
    writer: Writer,
    state: Data<State>,
    request: Request<Register>,
) -> Answered<Made, Contact> {
    once(&state, &writer, &request, "contact.register", async |meta| {
        let told = request.parse()?;
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

/// What is left out stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeContact")]
struct Change {
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", example = &"Ada Obi")]
    name: Option<String>,
    /// All tags, not those that are added.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "BTreeSet<String>", example = ["vip"])]
    tags: Option<BTreeSet<String>>,
    /// Those that change; null removes one.
    #[serde(default)]
    #[schemars(example = serde_json::json!({"city": "Kisumu", "shop": null}))]
    attributes: Attributes,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Status")]
    status: Option<Status>,
}

type Attributes = BTreeMap<String, Option<String>>;

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ContactStatus")]
pub(crate) enum Status {
    Active,
    Blocked,
}

async fn change(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Change>,
) -> Answered<Changed, Contact> {
    once(&state, &writer, &request, "contact.change", async |meta| {
        let told = request.parse()?;
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
