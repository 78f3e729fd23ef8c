//! Who has shown just now who they are, beyond that they are signed in.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use commands::access::step_up::{self, Due};

use super::{Extracted, Member, forbidden, state};
use crate::openapi::{Described, Operation, Schemas};
use crate::problem::Problem;

/// Somebody who has just shown their second factor again, if they have to have one.
#[derive(Clone, Debug)]
pub(crate) struct Fresh;

/// Somebody who has just shown who they are: by their second factor, or by their password if they
/// have none. No key is anybody who could.
#[derive(Clone, Debug)]
pub(crate) struct Proven;

fn required(due: Due) -> Problem {
    let (way, first) = match due {
        Due::SecondFactor => ("second_factor", "show your second factor at POST /v1/auth/step-up"),
        Due::Password => ("password", "show your password at POST /v1/auth/step-up"),
        Due::SignIn => ("sign_in", "a key can't do this: sign in, and send the access token"),
    };
    let detail = format!("{first}; then do this within 5 minutes");
    forbidden("auth.step_up_required", detail).with("step_up", way)
}

/// Refuses who has something left to show; `of_factor`: nothing where there is no second factor.
async fn check(request: HttpRequest, of_factor: bool) -> Result<(), Problem> {
    let member = Member::of(request.clone()).await?;
    let commands = &state(&request)?.commands;
    let due = match of_factor {
        true => step_up::due_of_factor(commands, &member.principal).await?,
        false => step_up::due(commands, &member.principal).await?,
    };
    due.map_or(Ok(()), |due| Err(required(due)))
}

impl FromRequest for Fresh {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let checked = check(request.clone(), true);
        Box::pin(async move { checked.await.map(|()| Fresh) })
    }
}

impl FromRequest for Proven {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let checked = check(request.clone(), false);
        Box::pin(async move { checked.await.map(|()| Proven) })
    }
}

impl Described for Fresh {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Member::describe(operation, schemas);
        operation.refuses(403, &["auth.step_up_required"]);
    }
}

/// Who may do it at all, another extractor tells.
impl Described for Proven {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        operation.refuses(403, &["auth.step_up_required"]);
    }
}
