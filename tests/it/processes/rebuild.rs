//! `replay-tool` on a log that is long enough to be interrupted in.

use std::io::BufRead;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use event_store::embedded::{Embedded, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

use super::{assert_verifies, demo, status};
use crate::support::{Scratch, ended, said};

/// Many times what fits into the memory that the rebuild is given, so that it writes down how far
/// it is.
const EVENTS: i64 = 24_000;

/// A contact is blocked and unblocked, over and over.
async fn lengthen(log: &mut PgConnection) {
    sqlx::query(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version,
             payload, metadata, position, tenant_id, event_id, actor, correlation_id, recorded_at)
         select 'contact', contact.aggregate_id, contact.sequence + n, event, '1',
                to_json(event), '{}', head.position + n, contact.tenant_id, gen_random_uuid(),
                'system', gen_random_uuid(), head.recorded_at
           from (select * from events where aggregate_type = 'contact'
                  order by aggregate_id, sequence desc limit 1) contact,
                (select * from events order by position desc limit 1) head,
                generate_series(1, $1) n,
                lateral (select case n % 2 when 1 then 'Blocked' else 'Unblocked' end) e(event)",
    )
    .bind(EVENTS)
    .execute(log)
    .await
    .unwrap();
}

/// The demo's database with a log that is long enough.
async fn long_log(scratch: &Scratch) -> (Embedded, PgConnection) {
    assert!(demo(scratch).stop().success());
    let settings = Settings { dir: scratch.0.clone(), durable: true };
    let embedded = Embedded::start(&settings).await.unwrap();
    let mut log = embedded.options().connect().await.unwrap();
    lengthen(&mut log).await;
    (embedded, log)
}

fn rebuild(scratch: &Scratch) -> Command {
    let mut command = scratch.program("replay-tool");
    command.args(["rebuild", "--all", "--json", "--memory", "256KiB"]).stdout(Stdio::piped());
    command
}

/// A rebuild that has written down for the first time how far it is.
async fn begun_rebuild(scratch: &Scratch, log: &mut PgConnection) -> Child {
    let mut child = rebuild(scratch).spawn().unwrap();
    let written = "select exists (select from rebuild_progress join generations
         using (model, generation) where state = 'building' and rebuild_progress.position > 0)";
    while !sqlx::query_scalar::<_, bool>(written).fetch_one(&mut *log).await.unwrap() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
    }
    child
}

/// What a rebuild that runs to its end tells, line by line.
fn told(scratch: &Scratch) -> Vec<Value> {
    let output = ended(rebuild(scratch));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn a_killed_rebuild_goes_on_where_it_was_and_a_wrong_column_is_found() {
    let scratch = Scratch::new();
    let (embedded, mut log) = long_log(&scratch).await;

    let mut killed = begun_rebuild(&scratch, &mut log).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    let interrupted = status(&scratch);
    let (head, models) = (interrupted["head"].as_i64().unwrap(), &interrupted["read_models"]);
    let models = models.as_array().unwrap();
    let written = |name: &Value| {
        let model = models.iter().find(|model| model["model"] == *name).unwrap();
        model["building"]["written"].as_i64().unwrap()
    };
    let reached: i64 = models.iter().map(|model| written(&model["model"])).max().unwrap();
    assert!(
        reached > 0 && models[0]["lag"].as_i64().unwrap() >= EVENTS,
        "the old ones are live yet"
    );

    let told = told(&scratch);
    let done: Vec<&Value> = told.iter().filter(|line| !line["done"].is_null()).collect();
    assert_eq!(done.len(), models.len());
    for line in &done {
        assert_eq!(line["events"], head - written(&line["done"]), "{line}");
        assert_eq!(line["position"], head);
        assert_eq!(line["live"], true);
    }
    for line in told.iter().filter(|line| !line["building"].is_null()) {
        assert!(line["position"].as_i64().unwrap() >= written(&line["building"]), "{line}");
    }
    one_column_is_found(&scratch, &mut log).await;
    log.close().await.unwrap();
    embedded.stop().await.unwrap();
}

#[tokio::test]
async fn a_rebuild_that_sleeps_is_done_by_another_and_writes_nothing_when_it_wakes() {
    let scratch = Scratch::new();
    let (embedded, mut log) = long_log(&scratch).await;
    let mut sleeper = begun_rebuild(&scratch, &mut log).await;
    let pid = Pid::from_raw(i32::try_from(sleeper.id()).unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    let since = Instant::now();
    while !ended(rebuild(&scratch)).status.success() {
        assert!(since.elapsed() < Duration::from_secs(60), "it keeps others out");
    }
    let digest = || said(scratch.program("replay-tool"), &["digest", "--all"]);
    let rebuilt = digest();
    kill(pid, Signal::SIGCONT).unwrap();
    assert!(!sleeper.wait().unwrap().success(), "it has lost what it was about");
    assert_eq!(digest(), rebuilt);
    assert_verifies(&scratch);
    log.close().await.unwrap();
    embedded.stop().await.unwrap();
}

async fn one_column_is_found(scratch: &Scratch, log: &mut PgConnection) {
    let status = status(scratch);
    let models = status["read_models"].as_array().unwrap();
    let inbox = models.iter().find(|model| model["model"] == "inbox").unwrap();
    let table = format!("read_data.inbox_g{}", inbox["generation"]);
    let some = format!("select conversation_id::text from {table} order by 1 limit 1");
    let key: String = sqlx::query_scalar(&some).fetch_one(&mut *log).await.unwrap();
    let alter = format!("update {table} set unread = unread + 1 where conversation_id = '{key}'");
    log.execute(alter.as_str()).await.unwrap();
    let mut verify = scratch.program("replay-tool");
    verify.args(["verify", "--json"]);
    let output = ended(verify);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let wrong = report["checks"].as_array().unwrap().iter().filter(|check| check["ok"] == false);
    let wrong: Vec<_> = wrong.map(|check| &check["check"]).collect();
    assert_eq!(wrong, ["inbox"], "all that was rebuilt is as a replay makes it");
    let said = String::from_utf8(output.stderr).unwrap();
    for named in ["inbox", &key, "column unread"] {
        assert!(said.contains(named), "{said} does not name {named}");
    }
}
