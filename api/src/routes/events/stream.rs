//! One listener: what was recorded while it was away, then what is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Data};
use commands::access;
use domain::Aggregate;
use domain::conversation::{Conversation, Event};
use event_store::log;
use event_store::tail::Notice;
use futures_util::stream;
use projections::Recorded;
use projections::inbox::{self, Inbox};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior, interval};
use uuid::Uuid;

use super::places::Place;
use super::topics::Filter;
use crate::State;
use crate::auth::Member;
use crate::position::Position;
use crate::problem::Problem;
use crate::reading;
use crate::routes::inbox::items;

/// How often it is looked whether the caller still may listen: with what a check is trusted, a
/// credential that ended is heard of within five seconds.
const CHECK: Duration = Duration::from_secs(1);
const _: () = assert!(CHECK.as_secs() + access::TRUSTED.as_secs() <= 5);
/// After so many checks there is a sign of life.
const SIGN: u32 = 15;
/// Events that are told at once.
const PAGE: usize = 200;

pub(super) struct Listener {
    state: Data<State>,
    /// Carries the credential that is looked at again.
    request: HttpRequest,
    member: Member,
    filter: Filter,
    told: Receiver<Notice>,
    /// Up to where everything was told.
    after: i64,
    /// Up to where the log has to be read.
    until: i64,
    check: Interval,
    checks: u32,
    greeted: bool,
    place: Place,
}

/// Why a stream ends; whoever listened comes back.
enum End {
    Stopping,
    TooSlow,
    NotPermitted,
    Failed(Problem),
}

impl From<Problem> for End {
    fn from(problem: Problem) -> End {
        End::Failed(problem)
    }
}

impl Listener {
    pub(super) fn new(
        state: Data<State>,
        request: HttpRequest,
        member: Member,
        filter: Filter,
        after: Option<i64>,
        place: Place,
    ) -> Listener {
        // First listen, then see where the log stands: so nothing falls between the two.
        let told = state.tail.listen();
        let until = state.commands.store().head();
        let mut check = interval(CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        check.reset();
        Listener {
            after: after.unwrap_or(until),
            state,
            request,
            member,
            filter,
            told,
            until,
            check,
            checks: 0,
            greeted: false,
            place,
        }
    }

    pub(super) fn into_stream(self) -> impl stream::Stream<Item = Result<Bytes, io::Error>> {
        stream::unfold(Some(self), async |listener| {
            let mut listener = listener?;
            let said = match listener.next().await {
                Ok(text) => text,
                Err(End::Failed(problem)) => {
                    tracing::warn!(%problem, "A stream of events ends");
                    return None;
                }
                Err(End::Stopping | End::TooSlow | End::NotPermitted) => return None,
            };
            Some((Ok(Bytes::from(said)), Some(listener)))
        })
    }

    /// What is said next: a greeting, some events, or a sign of life.
    async fn next(&mut self) -> Result<String, End> {
        if !self.greeted {
            self.greeted = true;
            return Ok(format!("retry: 1000\n{}", self.sign()));
        }
        let closing = self.state.closing.clone();
        let mut closing = closing.subscribe();
        tokio::select! {
            said = self.events() => said,
            _ = closing.wait_for(|closing| *closing) => Err(End::Stopping),
        }
    }

    async fn events(&mut self) -> Result<String, End> {
        loop {
            if self.after < self.until {
                let (tenant, limit) = (self.member.tenant(), PAGE as i64);
                let store = self.state.commands.store();
                let page = store.notices(tenant, self.after, self.until, limit).await;
                let page = page.map_err(Problem::from)?;
                let last = page.last().map(|notice| notice.position);
                let upto = last.filter(|_| page.len() == PAGE).unwrap_or(self.until);
                let said = self.say(page).await?;
                self.after = upto;
                if !said.is_empty() {
                    return Ok(said);
                }
                continue;
            }
            tokio::select! {
                told = self.told.recv() => match told {
                    Ok(first) => {
                        let said = self.heard(first).await?;
                        if !said.is_empty() {
                            return Ok(said);
                        }
                    }
                    Err(RecvError::Lagged(_)) => return Err(End::TooSlow),
                    Err(RecvError::Closed) => return Err(End::Stopping),
                },
                () = self.place.called() => return Ok(self.sign()),
                _ = self.check.tick() => {
                    self.member = Member::now(&self.request).await
                        .map_err(|_| End::NotPermitted)?;
                    self.checks += 1;
                    if self.checks.is_multiple_of(SIGN) {
                        return Ok(self.sign());
                    }
                }
            }
        }
    }

    /// What was told by now, in one piece. Positions are dense: where the first is not the next, what
    /// lies between was told before this listened, and the log has it.
    async fn heard(&mut self, first: Notice) -> Result<String, End> {
        if first.position > self.after + 1 {
            self.until = first.position;
            return Ok(String::new());
        }
        let mut heard = vec![first];
        while heard.len() < PAGE
            && let Ok(next) = self.told.try_recv()
        {
            heard.push(next);
        }
        let after = self.after;
        let upto = heard.last().map_or(after, |notice| notice.position.max(after));
        let tenant = self.member.tenant();
        heard.retain(|notice| notice.position > after && notice.tenant_id == tenant);
        let said = self.say(heard).await?;
        self.after = upto;
        Ok(said)
    }

    /// Moves `Last-Event-ID` on without an event.
    fn sign(&self) -> String {
        format!("id: {}\n: here\n\n", Position::here(&self.state, self.after))
    }

    async fn say(&self, mut notices: Vec<Notice>) -> Result<String, End> {
        notices.retain(|notice| self.filter.lets_through(notice));
        let Some(last) = notices.last().map(|notice| notice.position) else {
            return Ok(String::new());
        };
        let mut said = String::new();
        let conversations = conversations(&notices);
        let mut rows = BTreeMap::new();
        let sees_all = self.member.only().is_none();
        if !conversations.is_empty() && (self.filter.with_inbox || !sees_all) {
            rows = self.rows(conversations, last).await?;
        }
        for notice in notices {
            let row = rows.get(&notice.aggregate_id);
            let hidden = !sees_all && notice.aggregate_type == Conversation::TYPE && row.is_none();
            if hidden && !self.left(&notice).await? {
                continue;
            }
            self.write(&mut said, &notice, row.filter(|_| self.filter.with_inbox));
        }
        Ok(said)
    }

    /// How conversations that the caller sees stand in the inbox, at this position or later.
    async fn rows(
        &self,
        conversations: BTreeSet<Uuid>,
        position: i64,
    ) -> Result<BTreeMap<String, Value>, Problem> {
        let min = Some(Position::here(&self.state, position));
        let (live, finder) = reading::finder(&self.state, &self.member, &Inbox, min).await?;
        let rows = inbox::of_ids(&finder, conversations, self.member.only()).await?;
        let (_, items) = items(&self.state, &self.member, live, rows, min).await?;
        let named = items.into_iter().map(|item| {
            (item.conversation_id.to_string(), serde_json::to_value(item).unwrap_or_default())
        });
        Ok(named.collect())
    }

    /// Whether a conversation that the caller does not see was theirs or nobody's until this event.
    async fn left(&self, notice: &Notice) -> Result<bool, Problem> {
        if notice.event_type != "Assigned" {
            return Ok(false);
        }
        let before = log::last_before(
            self.state.commands.store().pool(),
            self.member.tenant(),
            (Conversation::TYPE, &notice.aggregate_id),
            notice.sequence,
            &["Assigned", "Unassigned"],
        );
        let before = before.await.map_err(event_store::Error::from).map_err(Problem::from)?;
        let before = before.and_then(|stored| Recorded::decode(stored).ok());
        Ok(match before.map(|before| before.event) {
            Some(domain::Event::Conversation(Event::Assigned { agent, .. })) => {
                agent == self.member.principal.user
            }
            _ => true,
        })
    }

    fn write(&self, said: &mut String, notice: &Notice, row: Option<&Value>) {
        let position = Position::here(&self.state, notice.position).to_string();
        let kind = format!("{}.{}", notice.aggregate_type, notice.event_type);
        let mut data = json!({
            "position": position,
            "type": kind,
            "aggregate": {
                "type": notice.aggregate_type,
                "id": notice.aggregate_id,
                "version": notice.sequence,
            },
            "actor": notice.actor,
            "correlation_id": notice.correlation_id,
            "recorded_at": notice.recorded_at,
        });
        if let Some(row) = row {
            data["inbox"] = row.clone();
        }
        // Writing to a string can't fail.
        let _ = write!(said, "id: {position}\nevent: {kind}\ndata: {data}\n\n");
    }
}

fn conversations(notices: &[Notice]) -> BTreeSet<Uuid> {
    let of = notices.iter().filter(|notice| notice.aggregate_type == Conversation::TYPE);
    of.filter_map(|notice| notice.aggregate_id.parse().ok()).collect()
}
