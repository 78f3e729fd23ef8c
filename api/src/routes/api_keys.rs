//! Commands on API keys: making them, what they may be used for, another secret, and an end.

use actix_web::web::{Data, Path};
use chrono::{DateTime, TimeDelta, Utc};
use commands::access::keys::{self, Asked};
use commands::{Refusal, Work};
use domain::aggregate::Role;
use domain::api_key::{self, ApiKey, Scope, Scopes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::asker::Confidant;
use crate::auth::{Administrator, Colleague, Fresh};
use crate::body::{Nothing, Request, present};
use crate::command::{Added, Answered, Changed, Command, Made, Noun};
use crate::idempotent::once;
use crate::openapi::Api;
use crate::problem::Problem;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/api-keys", create)
        .is("api_key.create", "Makes a key with which a program calls in the maker's name")
        .says(
            "The key is told in this answer and nowhere else. It may do what its scopes and its \
             role say, and never more than its maker may, nor for longer, if that is a key.",
        )
        .refuses(403, &["api_key.too_wide"])
        .refuses(422, &["api_key.invalid_name", "api_key.invalid_scope", "api_key.no_scope"])
        .refuses(422, &["api_key.invalid_expiry"]);
    api.patch("/v1/api-keys/{id}", change)
        .is("api_key.change", "Gives a key another name, other scopes, or another time")
        .says("Its days are counted from now. What it may not do any more, it may for 5 seconds.")
        .refuses(403, &["api_key.too_wide"])
        .refuses(409, &["api_key.not_usable"])
        .refuses(422, &["api_key.invalid_name", "api_key.invalid_scope", "api_key.no_scope"])
        .refuses(422, &["api_key.invalid_expiry"]);
    api.post("/v1/api-keys/{id}/rotate", rotate)
        .is("api_key.rotate", "Gives a key another secret")
        .says(
            "The new one is told in this answer and nowhere else. The one before opens for a \
             while, so that programs can change over; one that opens still from an earlier \
             rotation does no more. Only its maker may, in whose name it calls.",
        )
        .refuses(403, &["api_key.anothers", "api_key.too_wide"])
        .refuses(409, &["api_key.not_usable"])
        .refuses(422, &["api_key.invalid_overlap"]);
    api.delete("/v1/api-keys/{id}", revoke)
        .is("api_key.revoke", "Revokes a key for ever")
        .says("It opens nothing any more after 5 seconds at the latest, nor does a token of it.");
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ApiKeyTold")]
pub(crate) struct Told {
    #[schemars(example = &"Till at the door")]
    name: String,
    role: Role,
    scopes: Scopes,
    /// With what the key begins. It opens nothing.
    #[schemars(example = &"vb_00bjiNXAwpJ3Wmr0zH7Ccd")]
    prefix: String,
    /// In whose name it calls.
    user_id: Uuid,
    /// Null: never.
    expires_at: Option<DateTime<Utc>>,
    /// Until when the secret before this one opens.
    previous_until: Option<DateTime<Utc>>,
    revoked: bool,
}

impl Noun for ApiKey {
    type Told = Told;

    fn absent() -> Refusal {
        api_key::Error::NotIssued.into()
    }

    fn told(&self) -> Result<Told, Refusal> {
        let grant = self.grant.as_ref().ok_or_else(ApiKey::absent)?;
        Ok(Told {
            name: grant.name.clone(),
            role: grant.role,
            scopes: grant.scopes.clone(),
            prefix: keys::prefix(grant.secret.id),
            user_id: grant.user,
            expires_at: grant.expires_at,
            previous_until: grant.previous.as_ref().map(|(_, until)| *until),
            revoked: grant.revoked,
        })
    }
}

/// The one time that a secret is told.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WithSecret")]
pub(crate) struct Secret {
    /// What the program sends. Keep it: it can't be shown again.
    key: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CreateApiKey")]
struct Create {
    /// 1 to 60 characters.
    #[schemars(example = &"Till at the door")]
    name: String,
    /// At least one: `read`, `write`, `<noun>:read` or `<noun>:write`.
    #[schemars(example = &["read", "contacts:write"])]
    scopes: Vec<String>,
    /// None above one's own, which it is unless told.
    role: Option<Role>,
    /// 1 to 365; without, it never expires.
    expires_in_days: Option<i64>,
}

fn scopes(told: &[String]) -> Result<Scopes, Refusal> {
    let parse = |text: &String| text.parse::<Scope>().map_err(api_key::Error::InvalidScope);
    let parsed = told.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    Ok(Scopes::of(parsed).ok_or(api_key::Error::NoScope)?)
}

async fn create(
    _: Fresh,
    Colleague(_): Colleague,
    Administrator(writer): Administrator,
    state: Data<State>,
    request: Request<Create>,
) -> Answered<Made, ApiKey, Secret> {
    let by = &writer.0.principal;
    once(&state, &Confidant(&writer.0), &request, "api_key.create", async |meta| {
        let told = request.parse()?;
        let asked = Asked {
            name: told.name,
            role: told.role.unwrap_or(by.role),
            scopes: scopes(&told.scopes)?,
            days: told.expires_in_days,
        };
        let id = Uuid::now_v7();
        let (secret, key) = keys::mint(state.commands.store(), meta.tenant, id).await?;
        let created = Command::create(id, format!("/v1/api-keys/{id}"))
            .telling::<Made, _>(Secret { key })
            .run::<ApiKey>(&state, &meta, async |work: &mut Work<'_>| {
                keys::create(work, id, by, &asked, &secret).await
            })
            .await;
        if created.is_err() {
            keys::forget(&state.commands, &meta, &[secret.id]).await?;
        }
        created
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeApiKey")]
struct Change {
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", example = &"Till at the door")]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<String>", example = &["read"])]
    scopes: Option<Vec<String>>,
    /// 1 to 365; null: it never expires.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<i64>")]
    expires_in_days: Option<Option<i64>>,
}

async fn change(
    _: Fresh,
    Colleague(_): Colleague,
    Administrator(writer): Administrator,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Change>,
) -> Answered<Changed, ApiKey> {
    let by = &writer.0.principal;
    once(&state, &writer, &request, "api_key.change", async |meta| {
        let told = request.parse()?;
        let scopes = told.scopes.as_deref().map(scopes).transpose()?;
        Command::on(*id, request.expected_version()?)
            .run::<ApiKey>(&state, &meta, async |work: &mut Work<'_>| {
                if let Some(name) = &told.name {
                    let rename = api_key::Command::Rename { name: name.clone() };
                    work.execute::<ApiKey>(*id, rename).await?;
                }
                if let Some(scopes) = &scopes {
                    keys::rescope(work, *id, by, scopes).await?;
                }
                if let Some(days) = told.expires_in_days {
                    keys::set_expiry(work, *id, by, days).await?;
                }
                Ok(())
            })
            .await
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RotateApiKey")]
struct Rotate {
    /// How long the present secret still opens: 0 to 168.
    #[serde(default = "day")]
    overlap_hours: i64,
}

fn day() -> i64 {
    24
}

async fn rotate(
    _: Fresh,
    Colleague(_): Colleague,
    Administrator(writer): Administrator,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Rotate>,
) -> Answered<Added, ApiKey, Secret> {
    let by = &writer.0.principal;
    once(&state, &Confidant(&writer.0), &request, "api_key.rotate", async |meta| {
        let overlap = overlap(request.parse()?.overlap_hours)?;
        let expected = request.expected_version()?;
        let before = state.commands.load::<ApiKey>(meta.tenant, *id).await;
        let (secret, key) = keys::mint(state.commands.store(), meta.tenant, *id).await?;
        let rotated = Command::on(*id, expected)
            .telling::<Added, _>(Secret { key })
            .run::<ApiKey>(&state, &meta, async |work: &mut Work<'_>| {
                keys::rotate(work, *id, by, &secret, overlap).await
            })
            .await;
        let useless = match &rotated {
            Ok(_) => {
                let grant = before.ok().and_then(|(key, _)| key.grant);
                grant.and_then(|grant| grant.previous).map(|(secret, _)| secret.id)
            }
            Err(_) => Some(secret.id),
        };
        let useless: Vec<Uuid> = useless.into_iter().collect();
        keys::forget(&state.commands, &meta, &useless).await?;
        rotated
    })
    .await
}

/// What no time can hold is refused as what is too long is.
fn overlap(hours: i64) -> Result<TimeDelta, Problem> {
    let overlap = TimeDelta::try_hours(hours).ok_or(api_key::Error::InvalidOverlap);
    Ok(overlap.map_err(Refusal::from)?)
}

async fn revoke(
    Administrator(writer): Administrator,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Answered<Changed, ApiKey> {
    once(&state, &writer, &request, "api_key.revoke", async |meta| {
        let Nothing {} = request.parse()?;
        let revoked = Command::on(*id, request.expected_version()?)
            .run::<ApiKey>(&state, &meta, async |work: &mut Work<'_>| {
                work.execute::<ApiKey>(*id, api_key::Command::Revoke).await.map(drop)
            })
            .await?;
        let (key, _) = state.commands.load::<ApiKey>(meta.tenant, *id).await?;
        let secrets = key.grant.map(|grant| grant.secrets()).unwrap_or_default();
        keys::forget(&state.commands, &meta, &secrets).await?;
        Ok(revoked)
    })
    .await
}
