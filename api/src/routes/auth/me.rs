//! Who calls, as we know them.

use actix_web::web::Data;
use domain::aggregate::Role;
use domain::api_key::Scopes;
use domain::organization::Organization;
use domain::user::User;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::State;
use crate::auth::Known;
use crate::envelope::{Read, read};
use crate::openapi::Api;
use crate::position::{self, Position, Since};
use crate::problem::Problem;
use crate::query::Query;

pub(super) fn routes(api: &mut Api) {
    api.get("/v1/auth/me", show).is("auth.me", "Tells who calls, and what they may do");
}

#[derive(Serialize, JsonSchema)]
struct Me {
    user: Shown,
    organization: Place,
    /// By what they call.
    #[schemars(extend("enum" = ["session", "key", "visit"]))]
    via: &'static str,
    via_id: Uuid,
    /// What they may do with it; less than their own role where the key says so.
    role: Role,
    #[schemars(with = "Vec<String>", example = ["read", "contacts:write"])]
    scopes: Scopes,
    /// Nothing else is open before the second factor is set up.
    second_factor_required: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MyUser")]
struct Shown {
    id: Uuid,
    #[schemars(example = &"Ada Obi")]
    name: Option<String>,
    #[schemars(example = &"ada@example.org")]
    email: Option<String>,
    email_verified: bool,
    role: Option<Role>,
    second_factor: bool,
    recovery_codes_left: usize,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MyOrganization")]
struct Place {
    id: Uuid,
    #[schemars(example = &"Baraka")]
    name: Option<String>,
    requires_second_factor: bool,
}

async fn show(
    Known(member): Known,
    state: Data<State>,
    asked: Query<Since>,
) -> Result<Read<Me>, Problem> {
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let live = position::logged(&state, min).await?;
    let principal = &member.principal;
    let (tenant, id) = (principal.tenant, principal.user);
    let (user, _) = state.commands.load::<User>(tenant, id).await?;
    let (organization, _) = state.commands.load::<Organization>(tenant, tenant).await?;
    let (via, via_id) = (principal.via.as_str(), principal.via.id());
    let factor = user.second_factor.as_ref().filter(|factor| factor.confirmed);
    let shown = Shown {
        id,
        name: state.commands.opened(tenant, user.name.as_ref()).await?,
        email: state.commands.opened(tenant, user.email.as_ref()).await?,
        email_verified: user.email_verified,
        role: user.role,
        second_factor: factor.is_some(),
        recovery_codes_left: factor.map_or(0, |factor| factor.recovery_codes.len()),
    };
    Ok(read(
        &live,
        Me {
            user: shown,
            organization: Place {
                id: tenant,
                name: organization.name,
                requires_second_factor: organization.requires_second_factor,
            },
            via,
            via_id,
            role: principal.role,
            scopes: principal.scopes.clone(),
            second_factor_required: principal.must_enrol,
        },
    ))
}
