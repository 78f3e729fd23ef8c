//! Asking Meta how templates stand there: one, or all of a channel's account.

use actix_web::web::{Data, Path};
use commands::templates::{Account, Skipped, at_meta, follow, now};
use commands::{Error, Refusal, Work};
use domain::template::Template;
use projections::templates::Templates;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Settled;
use crate::State;
use crate::auth::Writer;
use crate::body::{Nothing, Request};
use crate::command::{Command, Noun};
use crate::envelope::{Written, written};
use crate::idempotent::once;
use crate::position::Position;
use crate::problem::Problem;
use crate::{reach, reading};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SyncTemplates")]
pub(super) struct Of {
    channel_id: Uuid,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TemplatesSynced")]
pub(super) struct Synced {
    channel_id: Uuid,
    /// How many templates the account has at Meta.
    seen: usize,
    /// Those that nobody here knew.
    imported: Vec<Uuid>,
    updated: Vec<Uuid>,
    skipped: Vec<Left>,
}

/// A template of Meta's that could not be taken over.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TemplateSkipped")]
struct Left {
    #[schemars(example = &"order_ready")]
    name: String,
    #[schemars(example = &"en_US")]
    language: String,
    #[schemars(example = &"a component of a kind that is not known here")]
    reason: String,
}

/// Repeating it changes nothing more, so that no key is needed. Templates that nobody here knows
/// are taken over.
pub(super) async fn all(
    Writer(member): Writer,
    state: Data<State>,
    request: Request<Of>,
) -> Result<Written<Synced>, Problem> {
    let Of { channel_id } = request.parse()?;
    let line = reach::line(&state, member.tenant(), channel_id, "channel_id").await?;
    let (_, ours) = reading::finder(&state, &member, &Templates, None).await?;
    let account = Account::ask(&state.commands, &line.graph, &line.route, &ours).await?;
    let synced = state
        .commands
        .transact(&member.meta(), async |work: &mut Work<'_>| {
            account.follow(work, &line.route).await
        })
        .await?;
    let left = |Skipped { name, language, reason }: Skipped| Left { name, language, reason };
    let told = Synced {
        channel_id,
        seen: account.seen(),
        imported: synced.value.imported,
        updated: synced.value.updated,
        skipped: synced.value.skipped.into_iter().map(left).collect(),
    };
    Ok(written(Position::here(&state, synced.position), told))
}

pub(super) async fn one(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Settled {
    once(&state, &writer, &request, "template.sync", async |meta| {
        let Nothing {} = request.parse()?;
        let template = match state.commands.load::<Template>(meta.tenant, *id).await {
            Ok((template, _)) => template,
            Err(Error::Refused(Refusal::NotFound)) => Template::default(),
            Err(error) => return Err(error.into()),
        };
        let draft = template.draft.as_ref().ok_or_else(|| Problem::from(Template::absent()))?;
        let line = reach::line(&state, meta.tenant, draft.channel, "channel_id").await?;
        let (at, provider_id) = (now(state.commands.store()), template.provider_id.as_deref());
        let seen = at_meta(&line.graph, &line.route.account, draft, provider_id).await?;
        Command::on(*id, request.expected_version()?)
            .run::<Template>(&state, &meta, async |work: &mut Work<'_>| {
                follow(work, *id, seen.as_ref(), at).await
            })
            .await
    })
    .await
}
