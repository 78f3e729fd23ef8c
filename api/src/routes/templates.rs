//! Commands on message templates, from drafting to removal, and their validation.

pub(crate) mod form;
mod sync;

use actix_web::web::{Data, Path};
use commands::intake::templates::claim_name;
use commands::{Error, Meta, Refusal, Work};
use domain::channel::Channel;
use domain::template::{
    self, Category, Draft, MOST_NAME, ParameterFormat, Revision, Template, validate,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::{Member, Writer};
use crate::body::{Nothing, Request, present};
use crate::command::{self, About, Answered, Changed, Command, Made, Noun, plain};
use crate::idempotent::{Answer, once};
use crate::openapi::Api;
use crate::problem::{FieldError, Problem};

use form::Form;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/templates", draft)
        .is("template.draft", "Drafts a template")
        .says("`faults` tells what Meta would refuse; a draft may have any.")
        .refuses(409, &["template.name_taken", "template.nothing_to_override"])
        .refuses(422, &["template.channel_missing", "template.unknown_channel"])
        .refuses(422, &["template.invalid", "template.too_large", "template.invalid_reason"]);
    api.patch("/v1/templates/{id}", change)
        .is("template.change", "Changes a template")
        .refuses(409, &["template.under_review", "template.disabled", "template.removed"])
        .refuses(409, &["template.category_fixed", "template.unchanged"])
        .refuses(422, &["template.invalid", "template.too_large"]);
    api.delete("/v1/templates/{id}", remove).is("template.remove", "Removes a template for good");
    api.post("/v1/templates/{id}/submit", submit)
        .is("template.submit", "Asks Meta to approve a template")
        .refuses(409, &["template.under_review", "template.disabled", "template.removed"])
        .refuses(409, &["template.unchanged", "template.needs_override"])
        .refuses(422, &["template.invalid"]);
    api.post("/v1/templates/sync", sync::all)
        .is("template.sync_all", "Asks Meta how all templates of a channel's account stand")
        .says("Templates that nobody here knows are taken over. Repeating it changes nothing more.")
        .refuses(422, &["channel.not_found"])
        .refuses_as_whatsapp();
    api.post("/v1/templates/{id}/sync", sync::one)
        .is("template.sync", "Asks Meta how a template stands")
        .refuses(409, &["template.removed"])
        .refuses(422, &["channel.not_found"])
        .refuses_as_whatsapp();
    api.post("/v1/templates/{id}/duplicate", duplicate)
        .is("template.duplicate", "Drafts a copy of a template")
        .refuses(409, &["template.name_taken"])
        .refuses(422, &["template.unknown_channel", "template.invalid", "template.too_large"]);
    api.post("/v1/templates/{id}/override-category", override_category)
        .is("template.override_category", "Says why a template is not utility")
        .refuses(409, &["template.under_review", "template.disabled", "template.removed"])
        .refuses(409, &["template.nothing_to_override"])
        .refuses(422, &["template.invalid_reason"]);
    api.post("/v1/templates/validate", try_out)
        .is("template.try_out", "Says what Meta would refuse in a template that isn't drafted yet")
        .is_done_only();
    api.post("/v1/templates/{id}/validate", examine)
        .is("template.validate", "Says what Meta would refuse in a template as it is now")
        .is_done_only()
        .refuses(404, &["template.not_found"]);
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TemplateTold")]
pub(crate) struct Told {
    channel_id: Uuid,
    #[schemars(example = &"order_ready")]
    name: String,
    #[schemars(example = &"en_US")]
    language: String,
    category: Category,
    parameter_format: ParameterFormat,
    #[schemars(example = form::components())]
    components: Vec<template::Component>,
    /// How long Meta tries to deliver; -1 is as long as it can.
    message_send_ttl_seconds: Option<i32>,
    status: template::State,
    /// A word or a title of Meta's.
    #[schemars(example = &"INVALID_FORMAT")]
    status_reason: Option<String>,
    #[schemars(example = &"Two placeholders touch. Put words between them.")]
    status_detail: Option<String>,
    /// Whether Meta has not seen it as it is now.
    changed_since_submission: bool,
    work_approved: bool,
    /// Why it is not utility.
    #[schemars(example = &"It invites to a sale.")]
    override_reason: Option<String>,
    #[schemars(example = &"594425479261596")]
    provider_template_id: Option<String>,
    #[schemars(example = &"green")]
    quality: Option<String>,
    /// What Meta would refuse.
    faults: Vec<FieldError>,
}

impl Noun for Template {
    type Told = Told;

    fn absent() -> Refusal {
        template::Error::NotFound.into()
    }

    fn told(&self) -> Result<Told, Refusal> {
        let draft = self.draft.clone().ok_or_else(Template::absent)?;
        let standing = self.standing.clone();
        let overridden = self.overridden.clone();
        Ok(Told {
            faults: faults(&draft),
            channel_id: draft.channel,
            name: draft.name,
            language: draft.language,
            category: draft.category,
            parameter_format: draft.parameter_format,
            components: draft.components,
            message_send_ttl_seconds: draft.message_send_ttl_seconds,
            status: standing.state,
            status_reason: standing.reason,
            status_detail: standing.detail,
            changed_since_submission: self.changed,
            work_approved: self.work_approved,
            override_reason: overridden.map(|(_, reason)| reason),
            provider_template_id: self.provider_id.clone(),
            quality: self.quality.clone(),
        })
    }
}

/// What is wrong with a template, in the form of a problem document's `errors`.
fn faults(draft: &Draft) -> Vec<FieldError> {
    let told = |fault: template::Fault| FieldError::new(fault.path, fault.code, fault.message);
    validate(draft).into_iter().map(told).collect()
}

type Settled = Answered<Changed, Template>;

async fn draft(
    writer: Writer,
    state: Data<State>,
    request: Request<Form>,
) -> Answered<Made, Template> {
    once(&state, &writer, &request, "template.draft", async |meta| {
        let told = form::read(&request, form::BEGINNING)?;
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
    if work.get::<Channel>(draft.channel).await?.connected.is_none() {
        return Err(template::Error::UnknownChannel.into());
    }
    let drafting = template::Command::Draft { draft: draft.clone(), duplicate_of };
    work.execute::<Template>(id, drafting).await?;
    claim_name(work, id, &draft).await
}

/// What is left out stays as it is.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ChangeTemplate")]
struct Change {
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Category")]
    category: Option<Category>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "ParameterFormat")]
    parameter_format: Option<ParameterFormat>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<template::Component>", example = form::components())]
    components: Option<Vec<template::Component>>,
    /// Null takes it away.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<i32>")]
    message_send_ttl_seconds: Option<Option<i32>>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "bool")]
    work_approved: Option<bool>,
}

async fn change(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Change>,
) -> Settled {
    once(&state, &writer, &request, "template.change", async |meta| {
        let told = form::read(&request, form::LATER)?;
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

async fn remove(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Settled {
    plain::<Template>(&writer, &state, *id, &request, "remove", || template::Command::Remove).await
}

async fn submit(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Settled {
    plain::<Template>(&writer, &state, *id, &request, "submit", || {
        template::Command::RequestSubmission
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OverrideCategory")]
struct Reason {
    #[schemars(example = &"It invites to a sale.")]
    reason: String,
}

async fn override_category(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Reason>,
) -> Settled {
    once(&state, &writer, &request, "template.override_category", async |meta| {
        let told = request.parse()?;
        Command::on(*id, request.expected_version()?)
            .run::<Template>(&state, &meta, async |work: &mut Work<'_>| {
                let command = template::Command::OverrideCategory { reason: told.reason.clone() };
                work.execute::<Template>(*id, command).await.map(|_| ())
            })
            .await
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DuplicateTemplate")]
struct Copy {
    /// `<name>_copy` unless told, where the language stays, too.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", example = &"order_ready_soon")]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", example = &"en_US")]
    language: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Uuid")]
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
    request: Request<Copy>,
) -> Answered<Made, Template> {
    once(&state, &writer, &request, "template.duplicate", async |meta| {
        let told = request.parse()?;
        let copy = Uuid::now_v7();
        Command::create(copy, format!("/v1/templates/{copy}"))
            .run::<Template>(&state, &meta, async |work: &mut Work<'_>| {
                let original = work.get::<Template>(*id).await?.draft.clone();
                let original = original.ok_or_else(Template::absent)?;
                begin(work, copy, told.of(&original), Some(*id)).await
            })
            .await
    })
    .await
}

/// What Meta would say to a template.
#[derive(Serialize, JsonSchema)]
struct Verdict {
    valid: bool,
    faults: Vec<FieldError>,
}

impl Verdict {
    fn on(draft: &Draft) -> Verdict {
        let faults = faults(draft);
        Verdict { valid: faults.is_empty(), faults }
    }
}

async fn try_out(
    member: Member,
    state: Data<State>,
    request: Request<Form>,
) -> Result<command::Told<About<Verdict>>, Problem> {
    once(&state, &member, &request, "template.try_out", async |meta| {
        let told = form::read(&request, form::BEGINNING)?;
        let (draft, _) = told.draft_anywhere();
        given(&state, &meta, &Verdict::on(&draft)).await
    })
    .await
}

async fn examine(
    member: Member,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Result<command::Told<About<Verdict>>, Problem> {
    once(&state, &member, &request, "template.validate", async |meta| {
        let Nothing {} = request.parse()?;
        let (template, _) = state.commands.load::<Template>(member.tenant(), *id).await?;
        let draft = template.draft.ok_or_else(Template::absent)?;
        given(&state, &meta, &Verdict::on(&draft)).await
    })
    .await
}

/// Nothing happens; under a key it is told again as it was.
async fn given(
    state: &State,
    meta: &Meta,
    verdict: &Verdict,
) -> Result<(Answer<About<Verdict>>, i64), Problem> {
    let told = async |work: &mut Work| Ok(Answer::about(verdict).kept_in(work));
    let given = state.commands.transact(meta, told).await?;
    Ok((given.value, given.position))
}
