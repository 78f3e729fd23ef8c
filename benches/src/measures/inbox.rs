//! Pages of a large inbox over HTTP, authenticated and decrypted; beside the same SQL through
//! pgbench.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chrono::{DateTime, Utc};
use projections::contacts::Contacts;
use projections::inbox::Inbox;
use projections::{Model, generation};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::Outcome;
use crate::bench::{Bench, Log};
use crate::desk::{caught_up, found};
use crate::history::{self, Plan, Shop};
use crate::http::{self, Wire};
use crate::load::{Client, Contestant, Load, median};
use crate::programs::{self, Running};
use crate::report::{Line, Target};

const CLIENTS: usize = 16;
/// Places in the inbox that pages are asked for behind.
const PLACES: usize = 50;
/// Pages behind a place that a reader asks for, each beginning a microsecond from all others.
const PAGES: usize = 8;
const LIMIT: i64 = 50;

const AGAINST: &str = "the same SQL through pgbench";

pub(crate) async fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let plan = Plan { conversations: bench.scale.conversations, exchanges: 0 };
    let shop = Open::new(bench, "inbox", plan).await?;
    let places = Place::some(&shop.log, shop.shop).await?;
    let mut ours = shop.readers(&places).await?;
    let (mut rates, mut slowest) = (vec![], vec![]);
    for _ in 0..bench.scale.rounds {
        ours.take_turn(bench.scale.window).await?;
        let (rate, p99) = pgbench(bench, &shop, &places).await?;
        rates.push(rate);
        slowest.push(p99);
    }
    let fair = format!(
        "Pages of {LIMIT} at {PLACES} places spread over {} conversations, {CLIENTS} connections; \
         none is asked for again while the server keeps it. pgbench runs the two statements that \
         the page is made of, prepared, under the same role; \
         it opens no key, decrypts and answers nothing, and is not asked who calls.",
        bench.scale.conversations
    );
    let name = format!("inbox page at {} conversations", bench.scale.conversations);
    let p99 = (ours.median(Load::p99), median(slowest));
    let rates = (ours.median(Load::rate), median(rates));
    let most = Target::RatioAtMost(2.5);
    let least = Target::RatioAtLeast(0.35);
    let lines = vec![
        Line::beside(format!("{name}, p99"), "ms", p99, AGAINST, most, fair.clone()),
        Line::beside(format!("{name}, throughput"), "pages/s", rates, AGAINST, least, fair),
    ];
    shop.close(bench).await?;
    Ok(lines)
}

/// A log with all read models built, and a server over it that has nothing left to do.
pub(super) struct Open {
    pub(super) log: Log,
    pub(super) server: Running,
    pub(super) shop: Shop,
    key: String,
}

impl Open {
    pub(super) async fn new(bench: &Bench, name: &'static str, plan: Plan) -> Outcome<Open> {
        let log = bench.log(name).await?;
        let (shop, key) = found(&log).await?;
        history::fill(&log.store, shop, plan).await?;
        Open::over(bench, log, shop, key).await
    }

    pub(super) async fn over(bench: &Bench, log: Log, shop: Shop, key: String) -> Outcome<Open> {
        log.rebuild(projections::MODELS).await?;
        let server = programs::verbatim(bench, log.name).await?;
        caught_up(&log).await?;
        policies_read(&log).await?;
        bench.cluster.rest().await?;
        Ok(Open { log, server, shop, key })
    }

    /// Those who read pages at these places.
    pub(super) async fn readers(&self, places: &[Place]) -> Outcome<Contestant<Reader>> {
        let mut readers = vec![];
        for first in 0..CLIENTS {
            let beyond = (first..).step_by(CLIENTS).take(PAGES);
            let behind = |beyond| places.iter().map(move |place| place.request(&self.key, beyond));
            let pages = beyond.flat_map(behind).collect();
            readers.push(Reader {
                wire: Wire::connect(self.server.address).await?,
                pages,
                turn: first,
            });
        }
        Ok(Contestant::new(readers))
    }

    /// Stops the server; what is left can be appended to.
    pub(super) fn shut(self) -> Outcome<(Log, Shop, String)> {
        self.server.stop()?;
        Ok((self.log, self.shop, self.key))
    }

    pub(super) async fn close(self, bench: &Bench) -> Outcome<()> {
        self.shut()?.0.close(bench).await
    }
}

/// Waits until no policy has anything to read.
async fn policies_read(log: &Log) -> Outcome<()> {
    let pool = &log.database.owner;
    let head = event_store::log::head(pool).await?;
    loop {
        let lowest: Option<i64> =
            sqlx::query_scalar("select min(position) from subscriptions").fetch_one(pool).await?;
        if lowest.unwrap_or_default() >= head {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) struct Reader {
    wire: Wire,
    pages: Vec<Vec<u8>>,
    turn: usize,
}

impl Client for Reader {
    async fn act(&mut self) -> Outcome<()> {
        self.turn += 1;
        self.wire.ask(&self.pages[self.turn % self.pages.len()]).await
    }
}

/// Where a page begins.
pub(super) struct Place {
    at: DateTime<Utc>,
    conversation: Uuid,
}

impl Place {
    /// Places all over the inbox, none of them at its end.
    pub(super) async fn some(log: &Log, shop: Shop) -> Outcome<Vec<Place>> {
        let table = table(&log.database.owner, &Inbox).await?;
        let rows: Vec<(DateTime<Utc>, Uuid)> = sqlx::query_as(&format!(
            "select max(last_message_at), (array_agg(conversation_id))[1] from (
               select last_message_at, conversation_id,
                      ntile({PLACES}) over (order by last_message_at) as part
                 from {table} where tenant_id = $1) parts
              group by part"
        ))
        .bind(shop.tenant)
        .fetch_all(&log.database.owner)
        .await?;
        Ok(rows.into_iter().map(|(at, conversation)| Place { at, conversation }).collect())
    }

    /// For the page that begins so many microseconds beyond the place.
    fn request(&self, key: &str, beyond: usize) -> Vec<u8> {
        let at = self.at + Duration::from_micros(beyond as u64);
        let cursor = BASE64.encode(json!([at, self.conversation]).to_string());
        http::get(&format!("/v1/inbox?limit={LIMIT}&cursor={cursor}"), key)
    }

    /// The statements behind the page, as the server's finders write them, with literals.
    async fn script(&self, log: &Log, shop: Shop) -> Outcome<String> {
        let pool = &log.database.owner;
        let (inbox, contacts) = (table(pool, &Inbox).await?, table(pool, &Contacts).await?);
        let told = format!(
            "(select set_config('app.tenant', '{}', true)::uuid as id offset 0) t",
            shop.tenant
        );
        let (at, conversation, fetch) = (self.at.to_rfc3339(), self.conversation, LIMIT + 1);
        let order = "order by last_message_at desc, conversation_id desc";
        let page = format!(
            "from {inbox} r where r.tenant_id = t.id and last_message_at is not null
                and state in ('bot_handling', 'human_handling', 'open', 'waiting_for_customer')
                and (last_message_at, conversation_id) < ('{at}', '{conversation}')
              {order} limit {fetch}"
        );
        let of_page = format!(
            "select q.id from {told} cross join lateral (select contact_id as id {page}) q"
        );
        let people: Vec<Uuid> = sqlx::query_scalar(&of_page).fetch_all(pool).await?;
        let people: Vec<String> = people.iter().map(Uuid::to_string).collect();
        let people = people.join(",");
        Ok(format!(
            "select q.* from {told} cross join lateral (select r.* {page}) q;
             select q.* from {told} cross join lateral (
               select contact_id, name, phone, user_id, merged_into from {contacts} r
                where r.tenant_id = t.id and contact_id = any('{{{people}}}')) q;"
        ))
    }
}

/// The live table of a read model.
async fn table(pool: &PgPool, model: &'static dyn Model) -> Outcome<String> {
    let live = generation::live(pool, model).await?.ok_or("no live generation")?;
    Ok(model.table(live.generation))
}

/// Transactions a second, and the latency in milliseconds that all but one in a hundred stay below.
async fn pgbench(bench: &Bench, shop: &Open, places: &[Place]) -> Outcome<(f64, f64)> {
    let dir = bench.cluster.dir.join("pgbench");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir)?;
    let mut command = programs::pgbench();
    let clients = CLIENTS.to_string();
    // It counts in whole seconds.
    let seconds = bench.scale.window.as_secs().max(1).to_string();
    command.args(["--no-vacuum", "--protocol", "prepared", "--jobs", "2", "--client", &clients]);
    command.args(["--time", &seconds, "--username", "postgres", "--port", "5432", "--log"]);
    command.arg("--log-prefix").arg(dir.join("log"));
    command.arg("--host").arg(bench.cluster.socket().ok_or("no socket")?);
    for (number, place) in places.iter().enumerate() {
        let file = dir.join(format!("page-{number}.sql"));
        // A statement of pgbench may take several lines, and a script has no use for them.
        fs::write(&file, place.script(&shop.log, shop.shop).await?)?;
        command.arg("--file").arg(file);
    }
    command.arg(shop.log.name).env("PGOPTIONS", "-c role=verbatim_app");
    let output = tokio::process::Command::from(command).stdin(Stdio::null()).output().await?;
    if !output.status.success() {
        return Err(format!("pgbench: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let said = String::from_utf8(output.stdout)?;
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
    let rate = rate.ok_or_else(|| format!("pgbench told no rate: {said}"))?.parse()?;
    let slowest = slowest_of_hundred(&dir)?;
    fs::remove_dir_all(&dir)?;
    Ok((rate, slowest))
}

fn slowest_of_hundred(dir: &Path) -> Outcome<f64> {
    let mut latencies: Vec<f64> = vec![];
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            continue;
        }
        for line in fs::read_to_string(path)?.lines() {
            let micros: f64 =
                line.split(' ').nth(2).ok_or("an odd line of pgbench's log")?.parse()?;
            latencies.push(micros / 1_000.0);
        }
    }
    latencies.sort_by(f64::total_cmp);
    let rank = (latencies.len() * 99).div_ceil(100).saturating_sub(1);
    latencies.get(rank).copied().ok_or_else(|| "pgbench did nothing".into())
}
