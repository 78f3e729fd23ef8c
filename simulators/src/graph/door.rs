//! The endpoints: which request is for whom, and what its caller gets to see in the end.

use std::sync::Arc;

use chrono::Utc;
use hyper::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::error::Error;
use super::media::uploaded;
use super::state::State;
use crate::lock;
use crate::script::{Act, Outcome, Seen, Trouble};
use crate::server::{Answer, Call, Reply, Service};

/// Where a path leads. What stands first in it is the version, which changes nothing here.
enum Route<'a> {
    Messages(&'a str),
    Upload(&'a str),
    /// Opens a session for a sample, of whatever app the token belongs to.
    Sample,
    /// What such a session takes.
    SampleBytes(&'a str),
    Templates(&'a str),
    Subscriptions(&'a str),
    Attachment,
    Object(&'a str),
    Nowhere,
}

impl Service for State {
    async fn answer(self: Arc<Self>, call: Call) -> Answer {
        let trouble = lock(&self.script).next(&self.seen(&call));
        sleep(trouble.delay).await;
        let done = match trouble.outcome {
            Outcome::HungUp => return Answer::HangUp,
            Outcome::Failed(status) => Err(Error::status(status)),
            Outcome::Refused(code) => Err(Error::of(code)),
            _ => self.serve(&call, &trouble),
        };
        sleep(trouble.answer_delay).await;
        match (trouble.outcome, done) {
            (Outcome::DoneButHungUp, Ok(_)) => Answer::HangUp,
            (Outcome::DoneButFailed(status), Ok(_)) => self.refuse(&Error::status(status)),
            (_, Ok(reply)) => Answer::Reply(reply),
            (_, Err(error)) => self.refuse(&error),
        }
    }
}

impl State {
    fn refuse(&self, error: &Error) -> Answer {
        let trace = format!("A{}", lock(&self.books).ids.hex(22));
        Answer::Reply(error.reply(&trace))
    }

    fn seen(&self, call: &Call) -> Seen {
        let mut seen =
            Seen { act: Act::Look, kind: String::new(), to: String::new(), about: String::new() };
        match route(&call.parts()) {
            Route::Messages(_) => {
                let body = call.json();
                let field = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
                seen.act = if body["status"] == "read" { Act::MarkRead } else { Act::Send };
                seen.kind = field("type");
                seen.to = super::digits(&if body["to"].is_null() {
                    field("recipient")
                } else {
                    field("to")
                });
                seen.about = field("biz_opaque_callback_data");
            }
            Route::Upload(_) | Route::Attachment => seen.act = Act::Media,
            Route::Sample | Route::SampleBytes(_) => seen.act = Act::Media,
            Route::Templates(_) => {
                seen.act = Act::Template;
                seen.kind = call.method.as_str().to_lowercase();
            }
            Route::Object(id) => {
                let books = lock(&self.books);
                if books.files.get(id).is_some() {
                    seen.act = Act::Media;
                } else if books.shelf.get(id).is_some() {
                    seen.act = Act::Template;
                    seen.kind = call.method.as_str().to_lowercase();
                }
                id.clone_into(&mut seen.about);
            }
            Route::Subscriptions(_) | Route::Nowhere => {}
        }
        seen
    }

    fn serve(self: &Arc<Self>, call: &Call, trouble: &Trouble<u32>) -> Result<Reply, Error> {
        let parts = call.parts();
        let verb = call.method.as_str().to_lowercase();
        let of_line = |id: &str| {
            let books = lock(&self.books);
            books.access(call.bearer(), (&verb, id), |line| line.phone_number_id == id)
        };
        let of_business = |id: &str| {
            let books = lock(&self.books);
            books.access(call.bearer(), (&verb, id), |line| line.account_id == id)
        };
        let answer = match (&call.method, route(&parts)) {
            (&Method::POST, Route::Messages(id)) => {
                self.message(&of_line(id)?, call.json(), trouble)?
            }
            (&Method::POST, Route::Upload(id)) => {
                let account = of_line(id)?;
                let (mime_type, bytes) = uploaded(call.content_type(), &call.body)?;
                let line = &account.line.phone_number_id;
                json!({"id": lock(&self.books).keep(line, &mime_type, bytes)})
            }
            (&Method::POST, Route::Sample) => {
                let mut books = lock(&self.books);
                books.holder(call.bearer())?;
                let id = format!("upload:{}", books.ids.hex(32));
                books.samples.open(id, &call.query)?
            }
            (&Method::POST, Route::SampleBytes(id)) => {
                let mut books = lock(&self.books);
                books.holder(call.oauth())?;
                let offset = call.headers.get("file_offset").and_then(|it| it.to_str().ok());
                books.samples.fill(id, offset, &call.body)?
            }
            (method, Route::Templates(id)) => {
                of_business(id)?;
                self.templates(method, id, call)?
            }
            (&Method::POST, Route::Subscriptions(id)) => {
                of_business(id)?;
                json!({"success": true})
            }
            (&Method::GET, Route::Attachment) => return self.attachment(call),
            (method, Route::Object(id)) => {
                lock(&self.books).holder(call.bearer())?;
                self.object(method, id, call)?
            }
            _ => return Err(Error::no_object(&verb, parts.last().unwrap_or(&""))),
        };
        Ok(Reply::json(200, &answer))
    }

    fn templates(
        self: &Arc<Self>,
        method: &Method,
        account_id: &str,
        call: &Call,
    ) -> Result<Value, Error> {
        let mut books = lock(&self.books);
        match *method {
            Method::POST => {
                let id = books.ids.digits(16);
                let template =
                    books.shelf.create(account_id, id.clone(), &call.json(), Utc::now())?;
                let answer = json!({
                    "id": id, "status": template.status, "category": template.category,
                });
                self.review(&id);
                Ok(answer)
            }
            Method::DELETE => books.shelf.delete(account_id, &call.query),
            _ => {
                let (mut page, next) = books.shelf.list(account_id, &call.query)?;
                if let Some(after) = next {
                    let others = call.query.iter().filter(|(name, _)| *name != "after");
                    let query = url::form_urlencoded::Serializer::new(String::new())
                        .extend_pairs(others)
                        .append_pair("after", &after)
                        .finish();
                    page["paging"]["next"] = json!(format!("{}{}?{query}", self.base, call.path));
                }
                Ok(page)
            }
        }
    }

    /// A file, a template or a number by its id.
    fn object(self: &Arc<Self>, method: &Method, id: &str, call: &Call) -> Result<Value, Error> {
        let mut books = lock(&self.books);
        if books.files.get(id).is_some() {
            return match *method {
                Method::DELETE => Ok(json!({"success": books.files.remove(id)})),
                _ => {
                    let hash = books.ids.hex(45);
                    let described = books.files.describe(id, &self.base, hash, Utc::now());
                    described.ok_or_else(|| Error::no_object("get", id))
                }
            };
        }
        if books.shelf.get(id).is_some() {
            if *method == Method::POST {
                let edited = books.shelf.edit(id, &call.json(), Utc::now())?;
                self.review(id);
                return Ok(edited);
            }
            return books.shelf.get(id).map(|it| it.told()).ok_or_else(|| Error::of(131_000));
        }
        let verb = method.as_str().to_lowercase();
        let account =
            books.access(call.bearer(), (&verb, id), |line| line.phone_number_id == id)?;
        Ok(json!({
            "id": account.line.phone_number_id,
            "display_phone_number": account.line.display_phone_number,
            "verified_name": "Baraka Home",
            "code_verification_status": "VERIFIED",
            "quality_rating": "GREEN",
            "platform_type": "CLOUD_API",
            "throughput": {"level": "STANDARD"},
        }))
    }

    fn attachment(&self, call: &Call) -> Result<Reply, Error> {
        let books = lock(&self.books);
        books.holder(call.bearer())?;
        let Some(file) = books.files.fetch(&call.query, Utc::now()) else {
            return Ok(Reply { status: 404, content_type: "text/plain".into(), body: "".into() });
        };
        Ok(Reply { status: 200, content_type: file.mime_type.clone(), body: file.bytes.clone() })
    }
}

fn route<'a>(parts: &[&'a str]) -> Route<'a> {
    match *parts {
        ["whatsapp_business", "attachments"] => Route::Attachment,
        [version, ref rest @ ..] if version.starts_with('v') => match *rest {
            [id, "messages"] => Route::Messages(id),
            [id, "media"] => Route::Upload(id),
            [id, "message_templates"] => Route::Templates(id),
            [id, "subscribed_apps"] => Route::Subscriptions(id),
            ["app", "uploads"] => Route::Sample,
            [id] if id.starts_with("upload:") => Route::SampleBytes(id),
            [id] => Route::Object(id),
            _ => Route::Nowhere,
        },
        _ => Route::Nowhere,
    }
}
