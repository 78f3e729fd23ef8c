//! The way from a handler to WhatsApp: a channel of the caller's, its line and its token.

use std::sync::Arc;

use commands::gateways::whatsapp::graph::Graph;
use commands::intake::Route;
use uuid::Uuid;

use crate::State;
use crate::problem::Problem;

/// A channel's line, and the Graph API with the channel's token.
pub(crate) struct Reached {
    pub(crate) route: Arc<Route>,
    pub(crate) graph: Graph,
}

/// `field` names the channel where it is none of the caller's.
pub(crate) async fn line(
    state: &State,
    tenant: Uuid,
    channel: Uuid,
    field: &str,
) -> Result<Reached, Problem> {
    let route = state.routes.find(channel).await?.filter(|route| route.tenant == tenant);
    let route = route.ok_or_else(|| {
        Problem::field(field, "channel.not_found", "give the id of a channel of yours")
    })?;
    let graph = state.graphs.with(route.access_token.as_deref()).ok_or_else(|| {
        let detail = "the channel has no access token, so that nothing can be asked of WhatsApp";
        Problem::conflict("channel.no_access_token", detail)
    })?;
    Ok(Reached { route, graph })
}
