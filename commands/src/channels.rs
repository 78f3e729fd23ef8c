//! Connecting channels: their secrets, which are kept beside the log, and the claims by which they
//! are told apart and found.

use domain::channel::{Account, Channel, Command, Connected, Provider, SecretKind, WhenClosed};
use domain::secret::{Secret, SecretRef};
use uuid::Uuid;

use crate::{Error, Work};

/// The scope of claims on lines. They hold within an organisation: a line that another one claims
/// too opens nothing to it without Meta's secrets, but whoever could claim it from everybody could
/// keep its owner out.
pub const LINE: &str = "channel.line";
/// The scope of the claims that an organisation's accounts at PawaPay are found by.
const ACCOUNT: &str = "channel.pawapay";

/// A line as WhatsApp knows it, and the secrets agreed on with Meta.
#[derive(Clone, Debug)]
pub struct NewLine {
    pub name: String,
    pub account: String,
    pub line: String,
    pub display_phone_number: Option<String>,
    pub app_secret: Secret,
    pub verify_token: Secret,
    pub access_token: Option<Secret>,
    pub when_closed: WhenClosed,
}

/// An account at PawaPay, and what opens it.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub name: String,
    pub api_token: Secret,
    pub callback_key: Option<String>,
}

/// Connects a line, unless another channel of the organisation has it.
pub async fn connect_line(work: &mut Work<'_>, id: Uuid, new: &NewLine) -> Result<(), Error> {
    let access_token = match &new.access_token {
        Some(token) => Some(keep(work, SecretKind::AccessToken, token).await?),
        None => None,
    };
    let line = Connected {
        provider: Provider::Whatsapp,
        name: new.name.clone(),
        account: new.account.clone(),
        line: new.line.clone(),
        display_phone_number: new.display_phone_number.clone(),
        app_secret: keep(work, SecretKind::AppSecret, &new.app_secret).await?,
        verify_token: keep(work, SecretKind::VerifyToken, &new.verify_token).await?,
        access_token,
        when_closed: new.when_closed,
    };
    work.execute::<Channel>(id, Command::Connect(line)).await?;
    let parts = [LINE.as_bytes(), new.line.as_bytes()];
    let value = work.commands().store().lookup(work.meta().tenant, &parts).to_vec();
    work.claim(LINE, value, id.to_string());
    Ok(())
}

pub async fn connect_account(work: &mut Work<'_>, id: Uuid, new: &NewAccount) -> Result<(), Error> {
    let account = Account {
        name: new.name.clone(),
        api_token: keep(work, SecretKind::ApiToken, &new.api_token).await?,
        callback_key: new.callback_key.clone(),
    };
    work.execute::<Channel>(id, Command::ConnectPawapay(account)).await?;
    work.claim(ACCOUNT, id.as_bytes().to_vec(), id.to_string());
    Ok(())
}

/// From now on the channel uses this secret.
pub async fn replace_secret(
    work: &mut Work<'_>,
    id: Uuid,
    which: SecretKind,
    secret: &Secret,
) -> Result<(), Error> {
    let secret = keep(work, which, secret).await?;
    work.execute::<Channel>(id, Command::ReplaceSecret { which, secret }).await.map(|_| ())
}

async fn keep(work: &Work<'_>, kind: SecretKind, secret: &Secret) -> Result<SecretRef, Error> {
    let (id, tenant) = (Uuid::now_v7(), work.meta().tenant);
    let (store, secret) = (work.commands().store(), secret.expose().as_bytes());
    let fingerprint = store.keep_secret(tenant, id, kind.as_str(), secret).await?;
    Ok(SecretRef { id, fingerprint })
}
