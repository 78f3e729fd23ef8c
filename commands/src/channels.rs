//! Connecting channels: their secrets, which are kept beside the log, and the claims by which they
//! are told apart and found.

use domain::channel::{
    self, Account, Channel, Command, Connected, Provider, SecretKind, WhenClosed,
};
use domain::payout;
use domain::secret::{Secret, SecretRef};
use uuid::Uuid;

use crate::gateways::pawapay::signature::PublicKey;
use crate::{Error, Refusal, Work};

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
    check_key(new.callback_key.as_ref())?;
    let account = Account {
        name: new.name.clone(),
        api_token: keep(work, SecretKind::ApiToken, &new.api_token).await?,
        callback_key: new.callback_key.clone(),
    };
    work.execute::<Channel>(id, Command::ConnectPawapay(account)).await?;
    work.claim(ACCOUNT, id.as_bytes().to_vec(), id.to_string());
    Ok(())
}

/// From now on signed callbacks are checked with this key.
pub async fn trust_key(work: &mut Work<'_>, id: Uuid, key: Option<&String>) -> Result<(), Error> {
    check_key(key)?;
    work.execute::<Channel>(id, Command::TrustCallbackKey(key.cloned())).await.map(|_| ())
}

fn check_key(key: Option<&String>) -> Result<(), Error> {
    match key.map(|key| PublicKey::parse(key)) {
        Some(Err(_)) => Err(channel::Error::InvalidCallbackKey.into()),
        _ => Ok(()),
    }
}

/// The account that a payout goes through: the one that is named, or the only one there is.
pub async fn paying(work: &mut Work<'_>, named: Option<Uuid>) -> Result<Uuid, Error> {
    if let Some(id) = named {
        return match connected(work, id).await? {
            Some(true) => Ok(id),
            Some(false) => Err(channel::Error::Disconnected.into()),
            None => Err(payout::Error::UnknownChannel.into()),
        };
    }
    let (store, tenant) = (work.commands().store().clone(), work.meta().tenant);
    let mut found = vec![];
    for claim in store.claims(tenant, &[(ACCOUNT, vec![])]).await? {
        let id = claim.owner.parse().map_err(|_| Refusal::NotFound)?;
        if connected(work, id).await? == Some(true) {
            found.push(id);
        }
    }
    match found[..] {
        [only] => Ok(only),
        [] => Err(payout::Error::NoChannel.into()),
        _ => Err(payout::Error::ChannelNeeded.into()),
    }
}

/// Whether an account is connected; `None` if it is none of the organisation's.
async fn connected(work: &mut Work<'_>, id: Uuid) -> Result<Option<bool>, Error> {
    let channel = work.get::<Channel>(id).await?;
    Ok(channel.account.as_ref().map(|_| !channel.disconnected))
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
    let fingerprint = match work.meta().dry_run {
        Some(_) => store.fingerprint(tenant, kind.as_str(), secret),
        None => store.keep_secret(tenant, id, kind.as_str(), secret).await?,
    };
    Ok(SecretRef { id, fingerprint })
}
