//! How often somebody may ask: by address before anybody looks at who it is, then by key and by
//! organisation. All answers tell what is left (draft-ietf-httpapi-ratelimit-headers).

use std::net::IpAddr;
use std::time::Duration;

use actix_web::Error;
use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use commands::Meta;
use commands::access::limits::network;
use event_store::rate_limit::{Leases, Limit, Taken};

use crate::problem::{Problem, whole_seconds};
use crate::terms::per_minute;
use crate::{State, address, auth};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// What a request is counted against, and what is left of it.
struct Counted {
    policy: &'static str,
    limit: Limit,
    taken: Taken,
}

/// Lets a request through if everybody it counts against has a token left.
pub(crate) async fn middleware(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, BoxBody>>, Error> {
    let state = request.app_data::<Data<State>>().cloned();
    let Some(state) = state.filter(|_| is_counted(request.path())) else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let address = address::of(request.request(), state.terms.proxies);
    if request.path().starts_with("/webhooks/") {
        return webhook(&state, address, request, next).await;
    }
    let mut counted = vec![];
    let mut response = match count(&state, &request, address, &mut counted).await {
        Ok(()) => next.call(request).await?.map_into_left_body(),
        Err(problem) => request.error_response(problem).map_into_right_body(),
    };
    tell(&counted, response.headers_mut());
    Ok(response)
}

/// Whoever watches the program must always hear from it.
pub(crate) fn is_counted(path: &str) -> bool {
    !matches!(path, "/health" | "/ready" | "/metrics")
}

/// A provider may tell as much as there is to tell; who calls in its name and is refused for it is
/// counted.
async fn webhook<B: MessageBody>(
    state: &State,
    address: Option<IpAddr>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let limited = state.terms.limits.address.zip(address.map(network));
    if let Some((_, network)) = &limited
        && let Some(wait) = state.leases.refused(&[b"webhook", network]).await
    {
        let problem = too_many("address", wait);
        return Ok(request.error_response(problem).map_into_right_body());
    }
    let response = next.call(request).await?;
    if let Some((limit, network)) = limited
        && response.status().is_client_error()
    {
        take(&state.leases, &[b"webhook", &network], limit).await;
    }
    Ok(response.map_into_left_body())
}

async fn count(
    state: &State,
    request: &ServiceRequest,
    address: Option<IpAddr>,
    counted: &mut Vec<Counted>,
) -> Result<(), Problem> {
    let limits = state.terms.limits;
    if let Some((limit, network)) = limits.address.zip(address.map(network)) {
        one(state, "address", &network, limit, counted).await?;
    }
    let Some(key) = auth::key(request.request()) else { return Ok(()) };
    // Whether it opens anything, the handler decides; it is asked once for both.
    let Ok(Some(principal)) = state.access.check(&key).await else { return Ok(()) };
    if let Some(limit) = limits.key {
        one(state, "key", principal.via.id().as_bytes(), limit, counted).await?;
    }
    // What its plan says comes before what holds for all.
    let planned = principal.requests_per_minute.and_then(per_minute);
    if let Some(limit) = planned.or(limits.organization) {
        one(state, "organization", principal.tenant.as_bytes(), limit, counted).await?;
    }
    Ok(())
}

async fn one(
    state: &State,
    policy: &'static str,
    whose: &[u8],
    limit: Limit,
    counted: &mut Vec<Counted>,
) -> Result<(), Problem> {
    // What was left of another limit, before this one was agreed on, says nothing of this one.
    let bucket = [policy.as_bytes(), whose, &limit.burst.to_be_bytes()];
    let Some(taken) = take(&state.leases, &bucket, limit).await else { return Ok(()) };
    counted.push(Counted { policy, limit, taken });
    match taken.allowed {
        true => Ok(()),
        false => Err(too_many(policy, taken.retry_after)),
    }
}

/// Lets an organisation invite so many people by mail, or nobody of them.
pub(crate) async fn invite(state: &State, meta: &Meta, people: usize) -> Result<(), Problem> {
    let counts = people > 0 && meta.dry_run.is_none();
    let Some(limit) = state.terms.limits.invitations.filter(|_| counts) else { return Ok(()) };
    let (store, wanted) = (state.commands.store(), i32::try_from(people).unwrap_or(i32::MAX));
    let bucket: [&[u8]; 2] = [b"invitations", meta.tenant.as_bytes()];
    let taken = store.take_all_tokens(&bucket, limit, wanted).await?;
    match taken.allowed {
        true => Ok(()),
        false => Err(too_many("invitations", taken.retry_after)),
    }
}

/// While nobody can count, nobody is refused: a database that is gone answers by itself.
async fn take(leases: &Leases, bucket: &[&[u8]], limit: Limit) -> Option<Taken> {
    let taken = leases.take(bucket, limit).await;
    taken.inspect_err(|error| tracing::debug!(%error, "A request could not be counted")).ok()
}

fn too_many(policy: &str, wait: Duration) -> Problem {
    let whose = match policy {
        "key" => "this key asks",
        "organization" => "the organisation asks",
        "invitations" => "the organisation invites",
        _ => "somebody at this address asks",
    };
    Problem::too_many(whose, wait).with("policy", policy)
}

fn tell(counted: &[Counted], headers: &mut HeaderMap) {
    let list = |item: fn(&Counted) -> String| {
        let items: Vec<String> = counted.iter().map(item).collect();
        HeaderValue::from_str(&items.join(", ")).ok().filter(|_| !items.is_empty())
    };
    let policies =
        list(|it| format!("\"{}\";q={};w={}", it.policy, it.limit.burst, it.limit.per.as_secs()));
    let standings = list(|it| {
        format!(
            "\"{}\";r={};t={}",
            it.policy,
            it.taken.remaining,
            whole_seconds(it.taken.full_after)
        )
    });
    for (name, value) in [(POLICY, policies), (STANDING, standings)] {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_as_the_draft_writes_it() {
        let taken = Taken {
            allowed: true,
            remaining: 41,
            retry_after: Duration::ZERO,
            full_after: Duration::from_millis(2100),
        };
        let limit = Limit { burst: 60, per: Duration::from_secs(60) };
        let counted = ["address", "key"].map(|policy| Counted { policy, limit, taken });
        let mut headers = HeaderMap::new();
        tell(&counted, &mut headers);
        assert_eq!(headers.get(POLICY).unwrap(), "\"address\";q=60;w=60, \"key\";q=60;w=60");
        assert_eq!(headers.get(STANDING).unwrap(), "\"address\";r=41;t=3, \"key\";r=41;t=3");
    }
}
