//! Asking Meta how templates stand there: one, or all of a channel's account.

use actix_web::web::{Data, Path};
use commands::Work;
use commands::templates::{self, Account, Skipped, at_meta, follow, now};
use domain::template::Template;
use projections::templates::Templates;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Settled;
use crate::State;
use crate::auth::Writer;
use crate::body::{Nothing, Request};
use crate::command::{About, Command, Noun, Told};
use crate::idempotent::{Answer, once};
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

/// Templates that nobody here knows are taken over.
pub(super) async fn all(
    writer: Writer,
    state: Data<State>,
    request: Request<Of>,
) -> Result<Told<About<Synced>>, Problem> {
    let member = &writer.0;
    once(&state, &writer, &request, "template.sync_all", async |meta| {
        let Of { channel_id } = request.parse()?;
        let line = reach::line(&state, meta.tenant, channel_id, "channel_id").await?;
        let (_, ours) = reading::finder(&state, member, &Templates, None).await?;
        let account = Account::ask(&state.commands, &line.graph, &line.route, &ours).await?;
        let synced = state
            .commands
            .transact(&meta, async |work: &mut Work<'_>| {
                let followed = account.follow(work, &line.route).await?;
                let synced = told(channel_id, account.seen(), followed);
                Ok(Answer::about(&synced).kept_in(work))
            })
            .await?;
        Ok((synced.value, synced.position))
    })
    .await
}

fn told(channel_id: Uuid, seen: usize, followed: templates::Synced) -> Synced {
    let templates::Synced { imported, updated, skipped } = followed;
    let left = |Skipped { name, language, reason }: Skipped| Left { name, language, reason };
    Synced { channel_id, seen, imported, updated, skipped: skipped.into_iter().map(left).collect() }
}

pub(super) async fn one(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Settled {
    once(&state, &writer, &request, "template.sync", async |meta| {
        let Nothing {} = request.parse()?;
        let (template, _) = state.commands.load::<Template>(meta.tenant, *id).await?;
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
