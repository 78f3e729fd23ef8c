//! Commands on message templates, from drafting to removal, and their validation.

mod form;
mod sync;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, ServiceConfig};
use commands::intake::templates::claim_name;
use commands::{Error, Refusal, Work};
use domain::channel::Channel;
use domain::template::{
    self, Category, Draft, MOST_NAME, ParameterFormat, Revision, Template, validate,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::State;
use crate::auth::{Member, Writer};
use crate::body::{Nothing, Request, present};
use crate::command::{Command, Noun, plain};
use crate::envelope;
use crate::idempotent::once;
use crate::problem::Problem;
use crate::routes::templates_read;

use form::Form;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    let on = |action: &str| web::resource(format!("/v1/templates/{{id}}/{action}"));
    let all = web::resource("/v1/templates")
        .route(web::get().to(templates_read::list))
        .route(web::post().to(draft));
    let one = web::resource("/v1/templates/{id}")
        .route(web::get().to(templates_read::show))
        .route(web::patch().to(change))
        .route(web::delete().to(remove));
    cfg.service(all)
        .service(web::resource("/v1/templates/validate").route(web::post().to(try_out)))
        .service(web::resource("/v1/templates/sync").route(web::post().to(sync::all)))
        .service(one)
        .service(on("submit").route(web::post().to(submit)))
        .service(on("sync").route(web::post().to(sync::one)))
        .service(on("duplicate").route(web::post().to(duplicate)))
        .service(on("validate").route(web::post().to(examine)))
        .service(on("override-category").route(web::post().to(override_category)));
}

impl Noun for Template {
    fn absent() -> Refusal {
        template::Error::NotFound.into()
    }

    fn told(&self) -> Map<String, Value> {
        let Some(draft) = &self.draft else { return Map::new() };
        let standing = &self.standing;
        let reason = self.overridden.as_ref().map(|(_, reason)| reason);
        let told = json!({
            "channel_id": draft.channel,
            "name": draft.name,
            "language": draft.language,
            "category": draft.category,
            "parameter_format": draft.parameter_format,
            "components": draft.components,
            "message_send_ttl_seconds": draft.message_send_ttl_seconds,
            "status": standing.state,
            "status_reason": standing.reason,
            "status_detail": standing.detail,
            "changed_since_submission": self.changed,
            "work_approved": self.work_approved,
            "override_reason": reason,
            "provider_template_id": self.provider_id,
            "quality": self.quality,
            "faults": faults(draft),
        });
        match told {
            Value::Object(told) => told,
            _ => Map::new(),
        }
    }
}

/// What is wrong with a template, in the form of a problem document's `errors`.
fn faults(draft: &Draft) -> Vec<Value> {
    let told = |fault: template::Fault| {
        let template::Fault { path, code, message } = fault;
        json!({"field": path, "code": code, "detail": message})
    };
    validate(draft).into_iter().map(told).collect()
}

type Answered = Result<HttpResponse, Problem>;

async fn draft(writer: Writer, state: Data<State>, request: Request) -> Answered {
    once(&state, &writer, &request, "template.draft", async |meta| {
        let told: Form = form::read(&request, form::BEGINNING)?;
        let (draft, reason) = told.draft()?;
        let id = Uuid::now_v7();
        Command::create(id, format!("/v1/templates/{id}"))
            .run::<Template>(&state, &meta, async |work: &mut Work<'_>| {
                begin(work, id, draft.clone(), None).await?;
                match reason.clone() {
                    Some(reason) => {
                        let reason = template::Command::OverrideCategory { reason };
                        work.execute::<Template>(id, reason).await.map(|_| ())
                    }
                    None => Ok(()),
                }
            })
            .await
    })
    .await
}

/// Drafts a template on a channel of the organisation under a name that is free there.
async fn begin(
    work: &mut Work<'_>,
    id: Uuid,
    draft: Draft,
    duplicate_of: Option<Uuid>,
) -> Result<(), Error> {
    let channel = work.get::<Channel>(draft.channel).await.map(|known| known.connected.is_some());
    match channel {
        Ok(true) => {}
        Ok(false) | Err(Error::Refused(Refusal::NotFound)) => {
            return Err(template::Error::UnknownChannel.into());
        }
        Err(error) => return Err(error),
    }
    let drafting = template::Command::Draft { draft: draft.clone(), duplicate_of };
    work.execute::<Template>(id, drafting).await?;
    claim_name(work, id, &draft).await
}

#[derive(Deserialize)]
struct Change {
    #[serde(default, deserialize_with = "present")]
    category: Option<Category>,
    #[serde(default, deserialize_with = "present")]
    parameter_format: Option<ParameterFormat>,
    #[serde(default, deserialize_with = "present")]
    components: Option<Vec<template::Component>>,
    /// Null takes it away.
    #[serde(default, deserialize_with = "present")]
    message_send_ttl_seconds: Option<Option<i32>>,
    #[serde(default, deserialize_with = "present")]
    work_approved: Option<bool>,
}

async fn change(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    once(&state, &writer, &request, "template.change", async |meta| {
        let told: Change = form::read(&request, form::LATER)?;
        Command::on(*id, request.expected_version()?)
            .run::<Template>(&state, &meta, async |work: &mut Work<'_>| {
                let revision = Revision {
                    category: told.category,
                    parameter_format: told.parameter_format,
                    components: told.components.clone(),
                    message_send_ttl_seconds: told.message_send_ttl_seconds,
                };
                if revision != Revision::default() {
                    let revise = template::Command::Revise(revision);
                    work.execute::<Template>(*id, revise).await?;
                }
                if let Some(approved) = told.work_approved {
                    let mark = template::Command::MarkWorkApproved(approved);
                    work.execute::<Template>(*id, mark).await?;
                }
                Ok(())
            })
            .await
    })
    .await
}

async fn remove(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    plain::<Template>(&writer, &state, *id, &request, "remove", || template::Command::Remove).await
}

async fn submit(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    plain::<Template>(&writer, &state, *id, &request, "submit", || {
        template::Command::RequestSubmission
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
}

async fn override_category(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Answered {
    once(&state, &writer, &request, "template.override_category", async |meta| {
        let told: Reason = request.parse()?;
        Command::on(*id, request.expected_version()?)
            .run::<Template>(&state, &meta, async |work: &mut Work<'_>| {
                let command = template::Command::OverrideCategory { reason: told.reason.clone() };
                work.execute::<Template>(*id, command).await.map(|_| ())
            })
            .await
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Copy {
    /// `<name>_copy` unless told, where the language stays, too.
    #[serde(default, deserialize_with = "present")]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    language: Option<String>,
    #[serde(default, deserialize_with = "present")]
    channel_id: Option<Uuid>,
}

impl Copy {
    fn of(&self, original: &Draft) -> Draft {
        let language = self.language.as_deref().map(Draft::language);
        let (language, channel) = (
            language.unwrap_or_else(|| original.language.clone()),
            self.channel_id.unwrap_or(original.channel),
        );
        let elsewhere = language != original.language || channel != original.channel;
        let name = self.name.clone().unwrap_or_else(|| match elsewhere {
            true => original.name.clone(),
            false => format!("{:.1$}_copy", original.name, MOST_NAME - "_copy".len()),
        });
        Draft { name, language, channel, ..original.clone() }
    }
}

async fn duplicate(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Answered {
    once(&state, &writer, &request, "template.duplicate", async |meta| {
        let told: Copy = request.parse()?;
        let copy = Uuid::now_v7();
        Command::create(copy, format!("/v1/templates/{copy}"))
            .run::<Template>(&state, &meta, async |work: &mut Work<'_>| {
                let original = work.get::<Template>(*id).await.map(|found| found.draft.clone());
                let original = match original {
                    Ok(Some(original)) => original,
                    Ok(None) | Err(Error::Refused(Refusal::NotFound)) => {
                        return Err(Template::absent().into());
                    }
                    Err(error) => return Err(error),
                };
                begin(work, copy, told.of(&original), Some(*id)).await
            })
            .await
    })
    .await
}

/// What Meta would say to a template that isn't drafted yet.
async fn try_out(_: Member, request: Request) -> Answered {
    let told: Form = form::read(&request, form::BEGINNING)?;
    let (draft, _) = told.draft_anywhere();
    Ok(verdict(&draft))
}

/// What Meta would say to a template as it is now.
async fn examine(member: Member, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    let Nothing {} = request.parse()?;
    match state.commands.load::<Template>(member.tenant(), *id).await {
        Ok((Template { draft: Some(draft), .. }, _)) => Ok(verdict(&draft)),
        Ok(_) | Err(Error::Refused(Refusal::NotFound)) => Err(Template::absent().into()),
        Err(error) => Err(error.into()),
    }
}

fn verdict(draft: &Draft) -> HttpResponse {
    let faults = faults(draft);
    envelope::plain(json!({"valid": faults.is_empty(), "faults": faults}))
}
