//! Where a webhook leads: the channel that its address names, and the secrets it is checked with.
//! Whoever calls the channel's provider finds their way here, too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::Aggregate;
use domain::channel::{Channel, Connected, WhenClosed};
use event_store::log;
use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::turns::Turns;
use crate::{Commands, Error};

/// How long a channel is trusted to be as it was before it is looked up again.
const TRUSTED: Duration = Duration::from_secs(5);

/// A line that is connected.
#[derive(Clone)]
pub struct Route {
    pub channel: Uuid,
    pub tenant: Uuid,
    /// The WhatsApp Business account.
    pub account: String,
    /// The provider's id of the channel's line.
    pub line: String,
    pub when_closed: WhenClosed,
    pub app_secret: Vec<u8>,
    pub verify_token: Vec<u8>,
    pub access_token: Option<Vec<u8>>,
}

/// An account at PawaPay that is connected.
#[derive(Clone)]
pub struct Merchant {
    pub channel: Uuid,
    pub tenant: Uuid,
    pub api_token: String,
    pub fingerprint: String,
    /// In PEM.
    pub callback_key: Option<String>,
}

type Found = Option<Arc<Route>>;

/// A channel as it was at a version, and the way to it.
#[derive(Clone)]
struct Known {
    tenant: Uuid,
    channel: Channel,
    version: i64,
    route: Found,
    trusted_until: Instant,
}

/// Finds routes, remembering them for a moment.
#[derive(Clone)]
pub struct Routes {
    commands: Commands,
    known: Arc<Cache<Uuid, Arc<Known>>>,
    /// Of many webhooks at once for a channel, one looks it up.
    looking: Turns<Uuid>,
}

impl Routes {
    pub fn new(commands: Commands) -> Self {
        let known = Arc::new(Cache::new(10_000));
        Routes { commands, known, looking: Turns::default() }
    }

    /// The route of a channel, if it is a line and connected.
    pub async fn find(&self, channel: Uuid) -> Result<Found, Error> {
        if let Some(known) = self.trusted(channel) {
            return Ok(known.route.clone());
        }
        let _turn = self.looking.turn_soon(channel).await?;
        if let Some(known) = self.trusted(channel) {
            return Ok(known.route.clone());
        }
        let known = self.known.get(&channel);
        let Some(known) = self.look_up(channel, known.as_deref()).await? else { return Ok(None) };
        let route = known.route.clone();
        self.known.insert(channel, Arc::new(known));
        Ok(route)
    }

    fn trusted(&self, channel: Uuid) -> Option<Arc<Known>> {
        self.known.get(&channel).filter(|known| known.trusted_until > Instant::now())
    }

    /// The account of a channel, if it is one and connected. As it is now: money moves by it.
    pub async fn merchant(&self, channel: Uuid) -> Result<Option<Merchant>, Error> {
        let known = self.known.get(&channel);
        let Some(known) = self.look_up(channel, known.as_deref()).await? else { return Ok(None) };
        let (tenant, state) = (known.tenant, known.channel.clone());
        self.known.insert(channel, Arc::new(known));
        let Some(account) = state.account.filter(|_| !state.disconnected) else { return Ok(None) };
        let secret = self.commands.store().secret(account.api_token.id).await?;
        let token = secret.and_then(|(_, token)| String::from_utf8(token).ok());
        Ok(token.map(|api_token| Merchant {
            channel,
            tenant,
            api_token,
            fingerprint: account.api_token.fingerprint,
            callback_key: account.callback_key,
        }))
    }

    /// The channel was changed: what is known of it is no longer trusted.
    pub fn changed(&self, channel: Uuid) {
        if let Some(known) = self.known.get(&channel) {
            let trusted_until = Instant::now();
            self.known.insert(channel, Arc::new(Known { trusted_until, ..(*known).clone() }));
        }
    }

    /// Reads on from what is known: notices, any number, come after what was connected.
    async fn look_up(&self, channel: Uuid, known: Option<&Known>) -> Result<Option<Known>, Error> {
        let trusted_until = Instant::now() + TRUSTED;
        let (tenant, state, version) = match known {
            Some(known) => (known.tenant, known.channel.clone(), known.version),
            None => {
                let id = channel.to_string();
                let tenant = log::tenant_of(self.commands.store().pool(), Channel::TYPE, &id)
                    .await
                    .map_err(event_store::Error::from)?;
                let Some(tenant) = tenant else { return Ok(None) };
                (tenant, Channel::default(), 0)
            }
        };
        let (state, version) = self.commands.fold(tenant, channel, state, version).await?;
        let route = match &state.connected {
            Some(line) if !state.disconnected => self.route(tenant, channel, line).await?,
            _ => None,
        };
        Ok(Some(Known { tenant, channel: state, version, route, trusted_until }))
    }

    async fn route(&self, tenant: Uuid, channel: Uuid, line: &Connected) -> Result<Found, Error> {
        let store = self.commands.store();
        let app_secret = store.secret(line.app_secret.id).await?;
        let verify_token = store.secret(line.verify_token.id).await?;
        let access_token = match &line.access_token {
            Some(token) => store.secret(token.id).await?.map(|(_, token)| token),
            None => None,
        };
        let route = |((_, app_secret), (_, verify_token))| Route {
            channel,
            tenant,
            account: line.account.clone(),
            line: line.line.clone(),
            when_closed: line.when_closed,
            app_secret,
            verify_token,
            access_token,
        };
        Ok(app_secret.zip(verify_token).map(route).map(Arc::new))
    }
}
