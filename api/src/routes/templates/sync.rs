//! Asking Meta how templates stand there: one, or all of a channel's account.

use actix_web::web::{Data, Path};
use commands::templates::{Account, Skipped, at_meta, follow, now};
use commands::{Error, Refusal, Work};
use domain::template::Template;
use projections::templates::Templates;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::Answered;
use crate::State;
use crate::auth::Writer;
use crate::body::{Nothing, Request};
use crate::command::{Command, Noun};
use crate::envelope;
use crate::idempotent::once;
use crate::position::Position;
use crate::problem::Problem;
use crate::{reach, reading};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    channel_id: Uuid,
}

/// Repeating it changes nothing more, so that no key is needed. Templates that nobody here knows
/// are taken over.
pub(super) async fn all(Writer(member): Writer, state: Data<State>, request: Request) -> Answered {
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
    let skipped = |skipped: &Skipped| {
        let Skipped { name, language, reason } = skipped;
        json!({"name": name, "language": language, "reason": reason})
    };
    let told = json!({
        "channel_id": channel_id,
        "seen": account.seen(),
        "imported": synced.value.imported,
        "updated": synced.value.updated,
        "skipped": synced.value.skipped.iter().map(skipped).collect::<Vec<_>>(),
    });
    Ok(envelope::written(Position::here(&state, synced.position), told))
}

pub(super) async fn one(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Answered {
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
