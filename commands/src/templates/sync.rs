//! Compares what Meta has with what we know, and records the difference as webhooks would have.
//! What was made at Meta is taken over.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::template::{self, Category, Command, Draft, Report, Said, State, Template};
use projections::finder::Finder;
use projections::templates::{Filter, Templates, page};
use uuid::Uuid;

use super::{content, now, observed};
use crate::gateways::whatsapp::graph::{Graph, Listed, Reason, SendError};
use crate::intake::Route;
use crate::intake::templates::{claim_name, claim_provider_id, known_as, last_named};
use crate::{Commands, Error, Refusal, Work};

/// Templates of one page of Meta's list, and rows of one page of ours.
const PAGE: u32 = 100;
/// Meta's own limit is 6000 templates.
const MOST_PAGES: usize = 100;

/// All templates of a channel's account, as Meta has them.
pub struct Account {
    listed: Vec<Listed>,
    /// Templates of ours that Meta has no more, by its id.
    missing: Vec<(Uuid, String)>,
    at: DateTime<Utc>,
}

/// What became of them.
#[derive(Clone, Debug, Default)]
pub struct Synced {
    pub imported: Vec<Uuid>,
    pub updated: Vec<Uuid>,
    pub skipped: Vec<Skipped>,
}

/// A template at Meta that can't be taken over, and why.
#[derive(Clone, Debug)]
pub struct Skipped {
    pub name: String,
    pub language: String,
    pub reason: String,
}

/// Why an account's templates are not known.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Meta(#[from] SendError),
    #[error(transparent)]
    Rows(#[from] projections::Error),
}

impl Account {
    /// Asks Meta for all, and once more for those of ours that it didn't name.
    pub async fn ask(
        commands: &Commands,
        graph: &Graph,
        route: &Route,
        ours: &Finder<Templates>,
    ) -> Result<Account, AskError> {
        let at = now(commands.store());
        let (mut listed, mut after) = (vec![], None);
        for _ in 0..MOST_PAGES {
            let page = graph.templates(&route.account, after.as_deref(), PAGE).await?;
            listed.extend(page.templates);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let named: BTreeSet<&str> = listed.iter().map(|listed| listed.id.as_str()).collect();
        let mut missing = vec![];
        for (id, provider_id) in known(ours, route.channel).await? {
            if !named.contains(provider_id.as_str()) && !is_there(graph, &provider_id).await? {
                missing.push((id, provider_id));
            }
        }
        Ok(Account { listed, missing, at })
    }

    pub fn seen(&self) -> usize {
        self.listed.len()
    }

    /// Records in what they differ.
    pub async fn follow(&self, work: &mut Work<'_>, route: &Route) -> Result<Synced, Error> {
        let mut synced = Synced::default();
        for listed in &self.listed {
            match owner(work, route, listed).await? {
                Some(id) => {
                    if observe(work, id, listed, self.at).await? > 0 {
                        synced.updated.push(id);
                    }
                }
                None => match self.import(work, route, listed).await? {
                    Ok(id) => synced.imported.push(id),
                    Err(reason) => {
                        let (name, language) = (listed.name.clone(), listed.language.clone());
                        synced.skipped.push(Skipped { name, language, reason });
                    }
                },
            }
        }
        for (id, provider_id) in &self.missing {
            if gone(work, *id, provider_id.clone(), self.at).await? > 0 {
                synced.updated.push(*id);
            }
        }
        Ok(synced)
    }

    /// Takes a template over, or says why that can't be.
    async fn import(
        &self,
        work: &mut Work<'_>,
        route: &Route,
        listed: &Listed,
    ) -> Result<Result<Uuid, String>, Error> {
        let draft = match draft(route, listed) {
            Ok(draft) => draft,
            Err(reason) => return Ok(Err(reason)),
        };
        let (id, seen) = (Uuid::now_v7(), observed(listed, self.at));
        match work.execute::<Template>(id, Command::Import { draft: draft.clone(), seen }).await {
            Ok(_) => {}
            Err(Error::Refused(Refusal::Template(error))) => return Ok(Err(error.to_string())),
            Err(error) => return Err(error),
        }
        claim_name(work, id, &draft).await?;
        claim_provider_id(work, id, &listed.id).await?;
        Ok(Ok(id))
    }
}

/// Records in what one template differs from what Meta has.
pub async fn follow(
    work: &mut Work<'_>,
    id: Uuid,
    seen: Option<&Listed>,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    let provider_id = work.get::<Template>(id).await?.provider_id.clone();
    match (seen, provider_id) {
        (Some(listed), _) => {
            let (store, tenant) = (work.commands().store().clone(), work.meta().tenant);
            let owner = known_as(&store, tenant, &listed.id).await?;
            if owner.is_none_or(|owner| owner == id) {
                observe(work, id, listed, at).await?;
            }
        }
        (None, Some(provider_id)) => drop(gone(work, id, provider_id, at).await?),
        (None, None) => {}
    }
    Ok(())
}

async fn observe(
    work: &mut Work<'_>,
    id: Uuid,
    listed: &Listed,
    at: DateTime<Utc>,
) -> Result<usize, Error> {
    let seen = Command::Observe(observed(listed, at));
    let news = work.execute::<Template>(id, seen).await?;
    if news > 0 {
        claim_provider_id(work, id, &listed.id).await?;
    }
    Ok(news)
}

async fn gone(
    work: &mut Work<'_>,
    id: Uuid,
    provider_id: String,
    at: DateTime<Utc>,
) -> Result<usize, Error> {
    if work.get::<Template>(id).await?.standing.state == State::Removed {
        return Ok(0);
    }
    let provider_id = Some(provider_id);
    let report = Report { at, provider_id, category: None, said: Said::Deleted };
    work.execute::<Template>(id, Command::Report(report)).await
}

/// The template of ours that Meta's is: by its id, else by its name on the channel.
async fn owner(work: &mut Work<'_>, route: &Route, listed: &Listed) -> Result<Option<Uuid>, Error> {
    let (store, tenant) = (work.commands().store().clone(), work.meta().tenant);
    if let Some(id) = known_as(&store, tenant, &listed.id).await? {
        return Ok(Some(id));
    }
    let language = Draft::language(&listed.language);
    let named = last_named(&store, tenant, route.channel, &listed.name, &language).await?;
    let Some(id) = named else { return Ok(None) };
    let template = work.get::<Template>(id).await?;
    // Its name was given back, and somebody at Meta took it.
    let free = template.withdrawn() && !template.lingers();
    Ok((!free).then_some(id))
}

/// Those of the channel that Meta has had.
async fn known(
    ours: &Finder<Templates>,
    channel: Uuid,
) -> Result<Vec<(Uuid, String)>, projections::Error> {
    let states: Vec<State> =
        template::State::ALL.into_iter().filter(|state| *state != State::Removed).collect();
    let (mut known, mut after) = (vec![], None);
    loop {
        let filter = Filter { states: states.clone(), channel: Some(channel), ..Filter::default() };
        let rows = page(ours, filter, after, i64::from(PAGE)).await?;
        after = rows.last().map(|row| row.cursor());
        let full = rows.len() == PAGE as usize;
        known.extend(rows.into_iter().filter_map(|row| Some((row.template_id, row.provider_id?))));
        if !full {
            return Ok(known);
        }
    }
}

async fn is_there(graph: &Graph, provider_id: &str) -> Result<bool, SendError> {
    match graph.template(provider_id).await {
        Ok(_) => Ok(true),
        Err(SendError::Refused(refusal)) if refusal.reason == Reason::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What is taken over; or why it can't be.
fn draft(route: &Route, listed: &Listed) -> Result<Draft, String> {
    if super::said(&listed.status, None).is_none_or(|said| said == Said::Deleted) {
        return Err(format!("it is {} at Meta", listed.status));
    }
    let category = Category::named(&listed.category)
        .ok_or_else(|| format!("there is no category {} here", listed.category))?;
    let content = content(listed, Some(category))
        .map_err(|error| format!("it has a component that is unknown here: {error}"))?;
    Ok(Draft {
        channel: route.channel,
        name: listed.name.clone(),
        language: Draft::language(&listed.language),
        category,
        parameter_format: content.parameter_format,
        components: content.components,
        message_send_ttl_seconds: content.message_send_ttl_seconds,
    })
}
