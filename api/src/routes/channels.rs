//! Commands on channels: connecting a line or an account with its secrets, changing what can be
//! changed, disconnecting and connecting again.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, ServiceConfig};
use commands::channels::{self, NewAccount, NewLine, replace_secret, trust_key};
use commands::{Refusal, Work};
use domain::channel::{self, Channel, Provider, SecretKind, WhenClosed};
use domain::secret::Secret;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::State;
use crate::auth::Administrator;
use crate::body::{Request, present};
use crate::command::{Command, Noun, plain};
use crate::idempotent::once;
use crate::problem::Problem;
use crate::routes::channels_read::{self, webhook};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    let on = |action: &str| web::resource(format!("/v1/channels/{{id}}/{action}"));
    let all = web::resource("/v1/channels")
        .route(web::get().to(channels_read::list))
        .route(web::post().to(connect));
    let one = web::resource("/v1/channels/{id}")
        .route(web::get().to(channels_read::show))
        .route(web::patch().to(change));
    cfg.service(all)
        .service(one)
        .service(on("disconnect").route(web::post().to(disconnect)))
        .service(on("reconnect").route(web::post().to(reconnect)));
}

impl Noun for Channel {
    fn absent() -> Refusal {
        channel::Error::NotConnected.into()
    }

    fn told(&self) -> Map<String, Value> {
        let (line, account) = (self.connected.as_ref(), self.account.as_ref());
        let fingerprints = self
            .secrets()
            .into_iter()
            .map(|(kind, secret)| (kind.as_str().to_owned(), json!(secret.fingerprint)));
        Map::from_iter([
            ("provider".to_owned(), json!(self.provider())),
            ("name".to_owned(), json!(self.name())),
            ("status".to_owned(), json!(channels_read::status(!self.disconnected))),
            ("account_id".to_owned(), json!(line.map(|line| &line.account))),
            ("phone_number_id".to_owned(), json!(line.map(|line| &line.line))),
            (
                "display_phone_number".to_owned(),
                json!(line.and_then(|line| line.display_phone_number.as_ref())),
            ),
            ("when_closed".to_owned(), json!(line.map(|line| line.when_closed))),
            ("secrets".to_owned(), Value::Object(fingerprints.collect())),
            (
                "callback_public_key".to_owned(),
                json!(account.and_then(|account| account.callback_key.as_ref())),
            ),
        ])
    }
}

type Answered = Result<HttpResponse, Problem>;

/// What decides how the rest of the body is read.
#[derive(Deserialize)]
struct Which {
    provider: Provider,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectLine {
    #[serde(rename = "provider")]
    _provider: Provider,
    name: String,
    account_id: String,
    phone_number_id: String,
    display_phone_number: Option<String>,
    app_secret: Secret,
    verify_token: Secret,
    access_token: Option<Secret>,
    #[serde(default)]
    when_closed: WhenClosed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectAccount {
    #[serde(rename = "provider")]
    _provider: Provider,
    name: String,
    api_token: Secret,
    callback_public_key: Option<String>,
}

/// What is to be connected, as far as the request alone can tell that it makes sense.
enum New {
    Line(NewLine),
    Account(NewAccount),
}

impl New {
    fn read(request: &Request) -> Result<New, Problem> {
        let Which { provider } = request.parse()?;
        match provider {
            Provider::Whatsapp => {
                let told: ConnectLine = request.parse()?;
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
                let told: ConnectAccount = request.parse()?;
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

async fn connect(
    Administrator(writer): Administrator,
    state: Data<State>,
    request: Request,
) -> Answered {
    once(&state, &writer, &request, "channel.connect", async |meta| {
        let new = New::read(&request)?;
        let id = Uuid::now_v7();
        let mut command = Command::create(id, format!("/v1/channels/{id}"));
        command.extra.insert("webhook".to_owned(), json!(webhook(new.provider(), id)));
        command
            .run::<Channel>(&state, &meta, async |work: &mut Work<'_>| match &new {
                New::Line(line) => channels::connect_line(work, id, line).await,
                New::Account(account) => channels::connect_account(work, id, account).await,
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
    #[serde(default, deserialize_with = "present")]
    when_closed: Option<WhenClosed>,
    #[serde(default, deserialize_with = "present")]
    app_secret: Option<Secret>,
    #[serde(default, deserialize_with = "present")]
    verify_token: Option<Secret>,
    #[serde(default, deserialize_with = "present")]
    access_token: Option<Secret>,
    #[serde(default, deserialize_with = "present")]
    api_token: Option<Secret>,
    /// Null takes it away.
    #[serde(default, deserialize_with = "present")]
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
    request: Request,
) -> Answered {
    let answered = once(&state, &writer, &request, "channel.change", async |meta| {
        let told: Change = request.parse()?;
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
) -> Answered {
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
) -> Answered {
    let command = || channel::Command::Reconnect;
    let answered = plain::<Channel>(&writer, &state, *id, &request, "reconnect", command).await;
    state.routes.changed(*id);
    answered
}
