//! Where a webhook leads: the channel that its address names, and the secrets it is checked with.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::Aggregate;
use domain::channel::{Channel, Event, WhenClosed};
use event_store::log;
use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::{Commands, Error};

/// How long a route is trusted before it is looked up again.
const TRUSTED: Duration = Duration::from_secs(5);

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

type Found = Option<Arc<Route>>;

/// Finds routes, remembering them for a moment.
#[derive(Clone)]
pub struct Routes {
    commands: Commands,
    found: Arc<Cache<Uuid, (Found, Instant)>>,
}

impl Routes {
    pub fn new(commands: Commands) -> Self {
        Routes { commands, found: Arc::new(Cache::new(10_000)) }
    }

    /// The route of a connected channel.
    pub async fn find(&self, channel: Uuid) -> Result<Found, Error> {
        if let Some((route, since)) = self.found.get(&channel)
            && since.elapsed() < TRUSTED
        {
            return Ok(route);
        }
        let route = self.look_up(channel).await?.map(Arc::new);
        self.found.insert(channel, (route.clone(), Instant::now()));
        Ok(route)
    }

    async fn look_up(&self, channel: Uuid) -> Result<Option<Route>, Error> {
        let store = self.commands.store();
        // What is connected is told by the first event; after it come only notices, any number.
        let (kind, id, failed) = (Channel::TYPE, channel.to_string(), event_store::Error::from);
        let tenant = log::tenant_of(store.pool(), kind, &id).await.map_err(failed)?;
        let Some(tenant) = tenant else { return Ok(None) };
        let first = log::first_of(store.pool(), tenant, kind, &id).await.map_err(failed)?;
        let Some(first) = first else { return Ok(None) };
        let Event::Connected(connected) = self.commands.decode::<Channel>(&first, false).await?
        else {
            return Ok(None);
        };
        let app_secret = store.secret(connected.app_secret.id).await?;
        let verify_token = store.secret(connected.verify_token.id).await?;
        let access_token = match &connected.access_token {
            Some(token) => store.secret(token.id).await?.map(|(_, token)| token),
            None => None,
        };
        Ok(app_secret.zip(verify_token).map(|((_, app_secret), (_, verify_token))| Route {
            channel,
            tenant,
            account: connected.account,
            line: connected.line,
            when_closed: connected.when_closed,
            app_secret,
            verify_token,
            access_token,
        }))
    }
}
