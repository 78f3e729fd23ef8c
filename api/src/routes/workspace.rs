//! The organisation's own settings: reading and changing them.

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use commands::{Error, Refusal, Work};
use domain::organization::{self, Limits, Logo, Organization, Plan};
use domain::user::User;
use projections::workspace::{self, Row, Workspace};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::auth::{Administrator, Member};
use crate::body::{Request, present};
use crate::command::{Answered, Changed, Command, Noun};
use crate::envelope::{self, One};
use crate::idempotent::once;
use crate::openapi::Api;
use crate::position::{Position, Since};
use crate::problem::Problem;
use crate::query::Query;
use crate::{State, reading, region};

/// A logo may come along.
const MOST: usize = 128 * 1024;

pub(super) fn routes(api: &mut Api) {
    api.get("/v1/workspace", show).is("workspace.show", "Shows the organisation's settings");
    api.patch("/v1/workspace", change)
        .is("workspace.change", "Changes the organisation's settings")
        .says("Only an owner says whether everybody needs a second factor.")
        .takes_up_to(MOST)
        .refuses(403, &["organization.owners_only"])
        .refuses(409, &["organization.own_second_factor_first"])
        .refuses(422, &["organization.invalid_name", "organization.invalid_logo"])
        .refuses(422, &["workspace.unknown_timezone", "workspace.invalid_locale"])
        .refuses(422, &["workspace.unknown_currency"]);
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WorkspaceTold")]
pub(crate) struct Told {
    #[serde(flatten)]
    settings: Settings,
    status: Status,
}

/// What an organisation that never said otherwise has.
const UTC: &str = "UTC";
const ENGLISH: &str = "en";

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WorkspaceSettings")]
struct Settings {
    #[schemars(example = &"Baraka Hardware")]
    name: String,
    /// Of the IANA database.
    #[schemars(example = &"Africa/Nairobi")]
    timezone: String,
    /// A tag of BCP 47.
    #[schemars(example = &"sw-KE")]
    locale: String,
    /// A code of ISO 4217.
    #[schemars(example = &"KES")]
    currency: Option<String>,
    /// An https address, or the image as a data URL.
    #[schemars(example = &"https://baraka.example/logo.png")]
    logo: Option<String>,
    security: Security,
    plan: Plan,
    limits: Limits,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SecuritySettings")]
struct Security {
    /// Nobody gets further than setting one up without it.
    require_second_factor: bool,
    /// Agents see only conversations that are theirs or nobody's.
    agents_see_own_only: bool,
}

#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WorkspaceStatus")]
pub(crate) enum Status {
    Active,
    Suspended,
}

impl Status {
    pub(crate) fn of(suspended: bool) -> Status {
        if suspended { Status::Suspended } else { Status::Active }
    }
}

fn link(logo: Option<&Logo>) -> Option<String> {
    logo.map(|logo| logo.as_str().to_owned())
}

impl Noun for Organization {
    type Told = Told;

    fn absent() -> Refusal {
        organization::Error::NotFound.into()
    }

    fn told(&self) -> Result<Told, Refusal> {
        let otherwise =
            |told: &Option<String>, usual: &str| told.clone().unwrap_or_else(|| usual.to_owned());
        let settings = Settings {
            name: self.name.clone().ok_or_else(Organization::absent)?,
            timezone: otherwise(&self.timezone, UTC),
            locale: otherwise(&self.locale, ENGLISH),
            currency: self.currency.clone(),
            logo: link(self.logo.as_ref()),
            security: Security {
                require_second_factor: self.requires_second_factor,
                agents_see_own_only: self.agents_see_own_only,
            },
            plan: self.plan,
            limits: self.limits.clone(),
        };
        Ok(Told { settings, status: Status::of(self.suspended.is_some()) })
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Workspace")]
struct Item {
    id: Uuid,
    #[serde(flatten)]
    settings: Settings,
    version: i64,
    founded_at: DateTime<Utc>,
}

async fn show(
    state: Data<State>,
    member: Member,
    asked: Query<Since>,
) -> Result<One<Item>, Problem> {
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let (live, finder) = reading::finder(&state, &member, &Workspace, min).await?;
    let row = workspace::own(&finder).await?.ok_or_else(Problem::not_found)?;
    Ok(envelope::one(&live, row.version, item(row)))
}

fn item(row: Row) -> Item {
    Item {
        id: row.organization_id,
        settings: Settings {
            name: row.name,
            timezone: row.timezone.unwrap_or_else(|| UTC.to_owned()),
            locale: row.locale.unwrap_or_else(|| ENGLISH.to_owned()),
            currency: row.currency,
            logo: link(row.logo.as_ref()),
            security: Security {
                require_second_factor: row.requires_second_factor,
                agents_see_own_only: row.agents_see_own_only,
            },
            plan: row.plan,
            limits: row.limits,
        },
        version: row.version,
        founded_at: row.founded_at,
    }
}

/// What is left out stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeWorkspace")]
pub(crate) struct Change {
    /// 1 to 200 characters.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", example = &"Baraka Hardware")]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", example = &"Africa/Nairobi")]
    timezone: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", example = &"sw-KE")]
    locale: Option<String>,
    /// Null: none.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<String>", example = &"KES")]
    currency: Option<Option<String>>,
    /// An https address, or a PNG, JPEG or WebP image of at most 64 KiB as a data URL; null: none.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<String>", example = &"https://baraka.example/logo.png")]
    logo: Option<Option<String>>,
    #[serde(default)]
    security: ChangeSecurity,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeSecurity {
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "bool")]
    require_second_factor: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "bool")]
    agents_see_own_only: Option<bool>,
}

/// A change whose names are known to the world.
pub(crate) struct Checked {
    timezone: Option<String>,
    locale: Option<String>,
    currency: Option<Option<String>>,
    logo: Option<Option<Logo>>,
    told: Change,
}

impl Change {
    pub(crate) fn check(mut self) -> Result<Checked, Problem> {
        let named = |field, code, known: Result<String, &'static str>| {
            known.map_err(|detail| Problem::field(field, code, detail))
        };
        let zone =
            |name: String| named("timezone", "workspace.unknown_timezone", region::timezone(&name));
        let language =
            |tag: String| named("locale", "workspace.invalid_locale", region::locale(&tag));
        let money = |code: Option<String>| {
            let known = |code: String| {
                named("currency", "workspace.unknown_currency", region::currency(&code))
            };
            code.map(known).transpose()
        };
        let picture = |logo: Option<String>| {
            let parsed = logo.map(|logo| logo.parse::<Logo>()).transpose();
            parsed.map_err(Refusal::from)
        };
        Ok(Checked {
            timezone: self.timezone.take().map(zone).transpose()?,
            locale: self.locale.take().map(language).transpose()?,
            currency: self.currency.take().map(money).transpose()?,
            logo: self.logo.take().map(picture).transpose()?,
            told: self,
        })
    }
}

async fn change(
    Administrator(writer): Administrator,
    state: Data<State>,
    request: Request<Change>,
) -> Answered<Changed, Organization> {
    let (by, user) = (writer.0.principal.role, writer.0.principal.user);
    once(&state, &writer, &request, "workspace.change", async |meta| {
        let checked = request.parse()?.check()?;
        let id = meta.tenant;
        Command::on(id, request.expected_version()?)
            .run::<Organization>(&state, &meta, async |work: &mut Work<'_>| {
                for command in checked.commands() {
                    work.execute::<Organization>(id, command).await?;
                }
                match checked.told.security.require_second_factor {
                    Some(required) => {
                        let own = work.get::<User>(user).await?.has_second_factor();
                        let require =
                            organization::Command::RequireSecondFactor { required, own, by };
                        work.execute::<Organization>(id, require).await.map(drop)
                    }
                    None => Ok::<(), Error>(()),
                }
            })
            .await
    })
    .await
}

impl Checked {
    fn commands(&self) -> Vec<organization::Command> {
        use organization::Command;
        let restricted = self.told.security.agents_see_own_only;
        [
            self.told.name.clone().map(|name| Command::Rename { name }),
            self.timezone.clone().map(|timezone| Command::SetTimezone { timezone }),
            self.locale.clone().map(|locale| Command::SetLocale { locale }),
            self.currency.clone().map(|currency| Command::SetCurrency { currency }),
            self.logo.clone().map(|logo| Command::SetLogo { logo }),
            restricted.map(|restricted| Command::RestrictAgents { restricted }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
