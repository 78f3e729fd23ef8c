//! Hears of every request that was refused for who asked, and has it counted for the audit.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpRequest};
use domain::Actor;

use crate::problem::Problem;
use crate::{State, auth, openapi};

/// Refusals of who could not show what only they should have: who signed in already, their password
/// or second factor once more; others, what was mailed.
const UNPROVEN: &[&str] = &[
    "invitation.expired",
    "user.challenge_failed",
    "user.no_such_recovery_code",
    "user.wrong_code",
    "user.wrong_password",
];

pub(crate) async fn middleware(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let response = next.call(request).await?;
    let problem = response.response().error().and_then(|error| error.as_error::<Problem>());
    if let Some(problem) = problem.filter(|problem| is_told(problem))
        && let Some(state) = response.request().app_data::<Data<State>>()
    {
        note(state, response.request(), problem).await;
    }
    Ok(response)
}

fn is_told(problem: &Problem) -> bool {
    use StatusCode as Is;
    matches!(problem.status(), Is::UNAUTHORIZED | Is::FORBIDDEN | Is::TOO_MANY_REQUESTS)
        || UNPROVEN.contains(&problem.code())
        || problem.is_attempt()
}

async fn note(state: &State, request: &HttpRequest, problem: &Problem) {
    let (origin, code) = (auth::origin(request, state.terms.proxies), problem.code());
    let (refused, now) = (state.commands.refused(), state.commands.store().clock().now());
    let route = request.match_pattern().unwrap_or_else(|| request.path().to_owned());
    let what = (openapi::operation(request.method(), &route), code);
    if let Some((tenant, user)) = problem.account() {
        // Somebody who only said to be them.
        let mut meta = origin.meta(tenant, user);
        meta.actor = Actor::System;
        return refused.note(&meta, user, origin.address, (&what.0, code), now);
    }
    let key = auth::key(request);
    let known = match &key {
        // Whoever asks too often costs no look into the database.
        Some(key) if problem.status() == StatusCode::TOO_MANY_REQUESTS => {
            state.access.remembered(key)
        }
        // It was asked for just now, and is remembered.
        Some(key) => state.access.check(key).await.ok().flatten(),
        None => None,
    };
    match known {
        Some(principal) => {
            let meta = principal.meta(&origin);
            refused.note(&meta, principal.user, origin.address, (&what.0, code), now);
        }
        None => refused.note_stranger(origin.address, code, now),
    }
}
