//! Reading API keys: what each may do and when it was last used, never its secret.

use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use commands::access::keys;
use domain::aggregate::Role;
use domain::api_key::Scopes;
use projections::api_keys::{self, ApiKeys, Cursor, Seen, Standing};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::Administrator;
use crate::envelope::{self, One};
use crate::openapi::Api;
use crate::page::Page;
use crate::position::{Position, Since};
use crate::problem::Problem;
use crate::query::Query;
use crate::reading;

pub(super) fn routes(api: &mut Api) {
    api.get("/v1/api-keys", list)
        .is("api_key.list", "Lists API keys, the newest first")
        .refuses(422, &["parameter.invalid"]);
    api.get("/v1/api-keys/{id}", show).is("api_key.show", "Shows an API key");
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListAsked {
    /// Only keys that stand so: `active`, `expired` or `revoked`.
    status: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
    min_position: Option<String>,
}

#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ApiKeyStatus")]
enum Status {
    Active,
    Expired,
    Revoked,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ApiKey")]
struct Item {
    id: Uuid,
    #[schemars(example = &"Till at the door")]
    name: String,
    role: Role,
    scopes: Scopes,
    status: Status,
    /// With what the key begins. It opens nothing.
    #[schemars(example = &"vb_00bjiNXAwpJ3Wmr0zH7Ccd")]
    prefix: String,
    /// With what the key began before it was rotated.
    #[schemars(example = &"vb_00bjiNXAwpJ3Wmr0zH7Ccd")]
    previous_prefix: Option<String>,
    /// Until when the secret before the present one opens.
    previous_until: Option<DateTime<Utc>>,
    /// In whose name it calls.
    user_id: Uuid,
    /// As the audit log names who made it.
    #[schemars(example = &"user:0198c5a0-0000-7000-8000-000000000007")]
    created_by: String,
    version: i64,
    created_at: DateTime<Utc>,
    /// Null: never.
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    /// To the minute; null where it never was.
    last_used_at: Option<DateTime<Utc>>,
}

async fn list(
    state: Data<State>,
    administrator: Administrator,
    asked: Query<ListAsked>,
) -> Result<envelope::Page<Item>, Problem> {
    let member = &administrator.0.0;
    let page = Page::<Cursor>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let now = state.commands.store().clock().now();
    let standing = standing(asked.status.as_deref())?.map(|standing| (standing, now));
    let (live, finder) = reading::finder(&state, member, &ApiKeys, min).await?;
    let rows = api_keys::page(&finder, standing, page.after, page.fetch()).await?;
    let cut = page.cut(rows, Seen::cursor);
    let items = cut.rows.into_iter().map(|row| item(row, now)).collect();
    Ok(envelope::page(&live, items, cut.next))
}

async fn show(
    state: Data<State>,
    administrator: Administrator,
    id: Path<Uuid>,
    asked: Query<Since>,
) -> Result<One<Item>, Problem> {
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let (live, finder) = reading::finder(&state, &administrator.0.0, &ApiKeys, min).await?;
    let row = api_keys::find(&finder, *id).await?.ok_or_else(Problem::not_found)?;
    let now = state.commands.store().clock().now();
    Ok(envelope::composed(&live, row.key.version, item(row, now)))
}

fn standing(status: Option<&str>) -> Result<Option<Standing>, Problem> {
    Ok(match status {
        None => None,
        Some("active") => Some(Standing::Active),
        Some("expired") => Some(Standing::Expired),
        Some("revoked") => Some(Standing::Revoked),
        Some(_) => {
            return Err(reading::unreadable("status", "is active, expired or revoked"));
        }
    })
}

fn item(seen: Seen, now: DateTime<Utc>) -> Item {
    let Seen { key, last_used_at } = seen;
    Item {
        status: match key.standing(now) {
            Standing::Active => Status::Active,
            Standing::Expired => Status::Expired,
            Standing::Revoked => Status::Revoked,
        },
        id: key.key_id,
        name: key.name,
        role: key.role,
        scopes: key.scopes,
        prefix: keys::prefix(key.secret_id),
        previous_prefix: key.previous_secret_id.map(keys::prefix),
        previous_until: key.previous_until,
        user_id: key.user_id,
        created_by: key.created_by,
        version: key.version,
        created_at: key.created_at,
        expires_at: key.expires_at,
        revoked_at: key.revoked_at,
        last_used_at,
    }
}
