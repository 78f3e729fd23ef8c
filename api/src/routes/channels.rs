//! Commands on channels: connecting a line or an account with its secrets, changing what can be
//! changed, disconnecting and connecting again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actix_web::web::{Data, Path};
use commands::channels::{self, NewAccount, NewLine, replace_secret, trust_key};
use commands::{Refusal, Work};
use domain::channel::{self, Channel, Provider, SecretKind, WhenClosed};
use domain::secret::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::Administrator;
use crate::body::{Request, present};
use crate::command::{Answered, Changed, Command, Made, Noun, plain};
use crate::idempotent::once;
use crate::openapi::Api;
use crate::problem::Problem;
use crate::routes::channels_read::{Status, Webhook, webhook};

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/channels", connect)
        .is("channel.connect", "Connects a line of WhatsApp or an account at PawaPay")
        .says("`webhook` in the answer says where the provider has to be told our address.")
        .refuses(409, &["channel.line_taken"])
        .refuses(422, &["channel.invalid_name", "channel.invalid_account"])
        .refuses(422, &["channel.invalid_line", "channel.invalid_display_number"])
        .refuses(422, &["channel.invalid_callback_key"]);
    api.patch("/v1/channels/{id}", change)
        .is("channel.change", "Changes a channel's name, choices or secrets")
        .refuses(409, &["channel.disconnected"])
        .refuses(422, &["channel.invalid_name", "channel.invalid_callback_key"])
        .refuses(422, &["channel.other_provider"]);
    api.post("/v1/channels/{id}/disconnect", disconnect)
        .is("channel.disconnect", "Disconnects a channel")
        .says("Nothing comes in or goes out over it until it is connected again.");
    api.post("/v1/channels/{id}/reconnect", reconnect)
        .is("channel.reconnect", "Connects a channel again");
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChannelTold")]
pub(crate) struct Told {
    provider: Provider,
    #[schemars(example = &"Shop")]
    name: String,
    status: Status,
    /// The WhatsApp Business account.
    #[schemars(example = &"102290129340398")]
    account_id: Option<String>,
    #[schemars(example = &"106540352242922")]
    phone_number_id: Option<String>,
    #[schemars(example = &"15550783881")]
    display_phone_number: Option<String>,
    when_closed: Option<WhenClosed>,
    /// Fingerprints: two that are equal are of the same secret.
    #[schemars(example = serde_json::json!({"app_secret": "0f1e2d3c4b5a6978"}))]
    secrets: BTreeMap<String, String>,
    /// PawaPay's, by which callbacks are checked.
    #[schemars(example = &"-----BEGIN PUBLIC KEY-----…")]
    callback_public_key: Option<String>,
}

impl Noun for Channel {
    type Told = Told;

    fn absent() -> Refusal {
        channel::Error::NotConnected.into()
    }

    fn told(&self) -> Result<Told, Refusal> {
        let (line, account) = (self.connected.as_ref(), self.account.as_ref());
        let fingerprints = self
            .secrets()
            .into_iter()
            .map(|(kind, secret)| (kind.as_str().to_owned(), secret.fingerprint.clone()));
        Ok(Told {
            provider: self.provider().ok_or_else(Channel::absent)?,
            name: self.name().cloned().ok_or_else(Channel::absent)?,
            status: Status::of(!self.disconnected),
            account_id: line.map(|line| line.account.clone()),
            phone_number_id: line.map(|line| line.line.clone()),
            display_phone_number: line.and_then(|line| line.display_phone_number.clone()),
            when_closed: line.map(|line| line.when_closed),
            secrets: fingerprints.collect(),
            callback_public_key: account.and_then(|account| account.callback_key.clone()),
        })
    }
}

type Settled = Answered<Changed, Channel>;

/// What decides how the rest of the body is read.
#[derive(Deserialize)]
struct Which {
    provider: Provider,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConnectLine {
    #[serde(rename = "provider")]
    #[schemars(with = "String", extend("const" = "whatsapp"))]
    _provider: Provider,
    #[schemars(example = &"Shop")]
    name: String,
    /// The WhatsApp Business account.
    #[schemars(example = &"102290129340398")]
    account_id: String,
    #[schemars(example = &"106540352242922")]
    phone_number_id: String,
    #[schemars(example = &"+1 555 078 3881")]
    display_phone_number: Option<String>,
    /// By which Meta signs webhooks.
    app_secret: Secret,
    /// Of your own choice; Meta repeats it when it asks whether the address is ours.
    verify_token: Secret,
    /// Without it nothing can be sent.
    access_token: Option<Secret>,
    #[serde(default)]
    when_closed: WhenClosed,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConnectAccount {
    #[serde(rename = "provider")]
    #[schemars(with = "String", extend("const" = "pawapay"))]
    _provider: Provider,
    #[schemars(example = &"Refunds")]
    name: String,
    api_token: Secret,
    /// PawaPay's, in PEM; by it callbacks are checked.
    callback_public_key: Option<String>,
}

/// What is to be connected, as far as the request alone can tell that it makes sense.
enum New {
    Line(NewLine),
    Account(NewAccount),
}

impl JsonSchema for New {
    fn schema_name() -> Cow<'static, str> {
        "ConnectChannel".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let line = generator.subschema_for::<ConnectLine>();
        let account = generator.subschema_for::<ConnectAccount>();
        json_schema!({ "oneOf": [line, account], "required": ["provider"] })
    }
}

impl New {
    fn read(request: &Request<New>) -> Result<New, Problem> {
        let Which { provider } = request.read()?;
        match provider {
            Provider::Whatsapp => {
                let told: ConnectLine = request.read()?;
                let spaced = |c: char| " +-()".contains(c);
                Ok(New::Line(NewLine {
                    name: told.name,
                    account: told.account_id,
                    line: told.phone_number_id,
                    display_phone_number: told
                        .display_phone_number
                        .map(|number| number.replace(spaced, "")),
                    app_secret: told.app_secret,
                    verify_token: told.verify_token,
                    access_token: told.access_token,
                    when_closed: told.when_closed,
                }))
            }
            Provider::Pawapay => {
                let told: ConnectAccount = request.read()?;
                Ok(New::Account(NewAccount {
                    name: told.name,
                    api_token: told.api_token,
                    callback_key: told.callback_public_key,
                }))
            }
        }
    }

    fn provider(&self) -> Provider {
        match self {
            New::Line(_) => Provider::Whatsapp,
            New::Account(_) => Provider::Pawapay,
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct WithWebhook {
    webhook: Webhook,
}

async fn connect(
    Administrator(writer): Administrator,
    state: Data<State>,
    request: Request<New>,
) -> Answered<Made, Channel, WithWebhook> {
    once(&state, &writer, &request, "channel.connect", async |meta| {
        let new = New::read(&request)?;
        let id = Uuid::now_v7();
        Command::create(id, format!("/v1/channels/{id}"))
            .telling(WithWebhook { webhook: webhook(new.provider(), id) })
            .run::<Channel>(&state, &meta, async |work: &mut Work<'_>| match &new {
                New::Line(line) => channels::connect_line(work, id, line).await,
                New::Account(account) => channels::connect_account(work, id, account).await,
            })
            .await
    })
    .await
}

/// What is left out stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeChannel")]
struct Change {
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", example = &"Shop")]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "WhenClosed")]
    when_closed: Option<WhenClosed>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Secret")]
    app_secret: Option<Secret>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Secret")]
    verify_token: Option<Secret>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Secret")]
    access_token: Option<Secret>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Secret")]
    api_token: Option<Secret>,
    /// Null takes it away.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<String>")]
    callback_public_key: Option<Option<String>>,
}

impl Change {
    fn commands(&self) -> impl Iterator<Item = channel::Command> {
        let name = self.name.clone().map(|name| channel::Command::Rename { name });
        let choice = self.when_closed.map(channel::Command::ChooseWhenClosed);
        name.into_iter().chain(choice)
    }

    fn secrets(&self) -> impl Iterator<Item = (SecretKind, &Secret)> {
        let told = [
            (SecretKind::AppSecret, &self.app_secret),
            (SecretKind::VerifyToken, &self.verify_token),
            (SecretKind::AccessToken, &self.access_token),
            (SecretKind::ApiToken, &self.api_token),
        ];
        told.into_iter().filter_map(|(kind, secret)| Some((kind, secret.as_ref()?)))
    }
}

async fn change(
    Administrator(writer): Administrator,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Change>,
) -> Settled {
    let answered = once(&state, &writer, &request, "channel.change", async |meta| {
        let told = request.parse()?;
        Command::on(*id, request.expected_version()?)
            .run::<Channel>(&state, &meta, async |work: &mut Work<'_>| {
                for command in told.commands() {
                    work.execute::<Channel>(*id, command).await?;
                }
                for (which, secret) in told.secrets() {
                    replace_secret(work, *id, which, secret).await?;
                }
                if let Some(key) = &told.callback_public_key {
                    trust_key(work, *id, key.as_ref()).await?;
                }
                Ok(())
            })
            .await
    })
    .await;
    state.routes.changed(*id);
    answered
}

async fn disconnect(
    Administrator(writer): Administrator,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Settled {
    let command = || channel::Command::Disconnect;
    let answered = plain::<Channel>(&writer, &state, *id, &request, "disconnect", command).await;
    state.routes.changed(*id);
    answered
}

async fn reconnect(
    Administrator(writer): Administrator,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Settled {
    let command = || channel::Command::Reconnect;
    let answered = plain::<Channel>(&writer, &state, *id, &request, "reconnect", command).await;
    state.routes.changed(*id);
    answered
}
