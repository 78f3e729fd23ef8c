//! The endpoints: which request is for what, and what its caller gets to see in the end.

use std::sync::Arc;

use hyper::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::intake::Refusal;
use super::payout::{Status, message};
use super::state::State;
use crate::lock;
use crate::script::{Act, Callbacks, Outcome, Seen, Trouble};
use crate::server::{Answer, Call, Reply, Service};

enum Route<'a> {
    Pay,
    Status(&'a str),
    Resend(&'a str),
    FailEnqueued(&'a str),
    Nowhere,
}

impl Service for State {
    async fn answer(self: Arc<Self>, call: Call) -> Answer {
        let seen = self.seen(&call);
        let trouble = lock(&self.script).next(&seen);
        let about =
            if seen.act == Act::Pay { call.json()["payoutId"].clone() } else { Value::Null };
        let troubled = |status| {
            let mut reply = Refusal::of("UNKNOWN_ERROR").about(&about);
            reply.status = status;
            Answer::Reply(reply)
        };
        sleep(trouble.delay).await;
        let reply = match trouble.outcome {
            Outcome::HungUp => return Answer::HangUp,
            Outcome::Failed(status) => return troubled(status),
            Outcome::Refused(code) => Refusal::because(code, message(code)).about(&about),
            _ => self.serve(&call, &trouble),
        };
        sleep(trouble.answer_delay).await;
        match trouble.outcome {
            Outcome::DoneButHungUp if reply.status == 200 => Answer::HangUp,
            Outcome::DoneButFailed(status) if reply.status == 200 => troubled(status),
            _ => Answer::Reply(reply),
        }
    }
}

impl State {
    fn seen(&self, call: &Call) -> Seen {
        let mut seen =
            Seen { act: Act::Look, kind: String::new(), to: String::new(), about: String::new() };
        let parts = call.parts();
        let id = match route(&call.method, &parts) {
            Route::Pay => return super::state::seen(&call.json()),
            Route::Status(id) => (Act::AskStatus, id),
            Route::Resend(id) => (Act::ResendCallback, id),
            Route::FailEnqueued(id) => (Act::FailEnqueued, id),
            Route::Nowhere => (Act::Look, ""),
        };
        seen.act = id.0;
        id.1.clone_into(&mut seen.about);
        if let Some(payout) = lock(&self.books).find(id.1) {
            seen.kind = payout.provider();
            seen.to = payout.asked("/recipient/accountDetails/phoneNumber");
        }
        seen
    }

    fn serve(self: &Arc<Self>, call: &Call, trouble: &Trouble<&'static str>) -> Reply {
        let parts = call.parts();
        let route = route(&call.method, &parts);
        let known = match call.bearer() {
            None => Err(Refusal::of("NO_AUTHENTICATION")),
            Some(token) if token != self.settings.token => Err(Refusal::of("AUTHENTICATION_ERROR")),
            Some(_) => Ok(()),
        };
        match (route, known) {
            (Route::Pay, known) => {
                let asked = call.json();
                match known.and_then(|()| self.pay(&asked, trouble)) {
                    Ok(answer) => Reply::json(200, &answer),
                    Err(refusal) => refusal.about(&asked["payoutId"]),
                }
            }
            (_, Err(refusal)) => refusal.bare(),
            (Route::Status(id), _) => Reply::json(200, &self.status(id)),
            (Route::Resend(id), _) => done(id, self.resend(id)),
            (Route::FailEnqueued(id), _) => done(id, self.fail_enqueued(id)),
            (Route::Nowhere, _) => Reply::json(404, &json!({"message": "no such endpoint"})),
        }
    }

    fn status(&self, id: &str) -> Value {
        match lock(&self.books).find(id) {
            Some(payout) => json!({"status": "FOUND", "data": payout.told()}),
            None => json!({"status": "NOT_FOUND"}),
        }
    }

    /// Tells the truth once more, whatever was told before.
    fn resend(&self, id: &str) -> Result<(), Refusal> {
        let Some(payout) = lock(&self.books).find(id).cloned() else {
            return Err(not_found(id));
        };
        if !payout.status.is_final() {
            let message = format!("Payout with ID {id} has not been finished yet");
            return Err(Refusal::because("INVALID_STATE", message));
        }
        self.tell(&payout, payout.callback(None), &Callbacks::default());
        Ok(())
    }

    fn fail_enqueued(&self, id: &str) -> Result<(), Refusal> {
        let status = lock(&self.books).find(id).map(|payout| payout.status);
        match status {
            None => Err(not_found(id)),
            Some(Status::Enqueued) => {
                self.end(id, Some("MANUALLY_CANCELLED"));
                Ok(())
            }
            Some(status) => {
                let message = format!("Payout with ID {id} is {} by now", status.name());
                Err(Refusal::because("INVALID_STATE", message))
            }
        }
    }
}

fn not_found(id: &str) -> Refusal {
    Refusal::because("NOT_FOUND", format!("There is no payout with ID {id}"))
}

fn done(id: &str, outcome: Result<(), Refusal>) -> Reply {
    match outcome {
        Ok(()) => Reply::json(200, &json!({"payoutId": id, "status": "ACCEPTED"})),
        Err(refusal) => refusal.about(&json!(id)),
    }
}

/// Both spellings of the resend path are served; the documentation has the id at the end.
fn route<'a>(method: &Method, parts: &[&'a str]) -> Route<'a> {
    match (method, parts) {
        (&Method::POST, ["v2", "payouts"]) => Route::Pay,
        (&Method::GET, ["v2", "payouts", id]) => Route::Status(id),
        (
            &Method::POST,
            ["v2", "payouts", "resend-callback", id] | ["v2", "payouts", id, "resend-callback"],
        ) => Route::Resend(id),
        (&Method::POST, ["v2", "payouts", "fail-enqueued", id]) => Route::FailEnqueued(id),
        _ => Route::Nowhere,
    }
}
