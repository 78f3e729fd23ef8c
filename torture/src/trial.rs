//! One trial: clients ask while something torments the machine; then it is left alone, what is in
//! doubt is asked again, and everybody's ledgers are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures_util::future::join_all;
use serde_json::Value;
use sqlx::{Connection, Row};

use crate::Outcome;
use crate::ask::{Ask, Kind};
use crate::clients::{Answer, Client, Tally, send};
use crate::dice::Dice;
use crate::ledger::{self, Entry};
use crate::reckoning::{self, Recorded, There};
use crate::stage::Stage;

pub(crate) const CLIENTS: u64 = 6;
/// One in so many acknowledged things is asked again in the end, and must get the same answer.
const REPEATED: usize = 7;

/// What came of a trial.
pub(crate) struct Report {
    pub(crate) figures: Vec<String>,
    pub(crate) wrong: Vec<String>,
}

/// Lets so many clients ask while `torment` goes on, and reckons afterwards.
pub(crate) async fn run<T>(
    stage: &Stage,
    dice: &Dice,
    clients: u64,
    torment: impl AsyncFnOnce(&Tally) -> Outcome<T>,
) -> Outcome<(T, Report)> {
    let began = Instant::now();
    let tally = Tally::default();
    let torment = async {
        let outcome = torment(&tally).await;
        tally.stop();
        outcome
    };
    let (outcome, asked) = tokio::join!(torment, all_ask(stage, &tally, dice, clients));
    asked?;
    let outcome = outcome?;
    let mut report = Report { figures: vec![tally.to_string()], wrong: vec![] };
    reckon(stage, &tally, dice, &mut report).await?;
    report.wrong.extend(tally.wrong());
    report.wrong.extend(stage.panics());
    report.figures.push(format!("{:.0} s", began.elapsed().as_secs_f64()));
    Ok((outcome, report))
}

async fn all_ask(stage: &Stage, tally: &Tally, dice: &Dice, clients: u64) -> Outcome<()> {
    let asking = async |number: u64| {
        let whose = format!("client-{number}");
        Client::new(stage, tally, &whose, dice.own(number + 1))?.go_on().await
    };
    join_all((0..clients).map(asking)).await.into_iter().collect()
}

async fn reckon(stage: &Stage, tally: &Tally, dice: &Dice, report: &mut Report) -> Outcome<()> {
    let ledgers = stage.dir.join("ledgers");
    stage.raise().await?;
    let before = look(stage).await?;
    let entries = ledger::read(&ledgers)?;
    report.wrong.extend(reckoning::writes(&entries, &before));
    settle(stage, tally, dice, &entries, &before, report).await?;
    repeat(stage, &entries, report).await;
    if let Err(restless) = stage.comes_to_rest().await {
        report.wrong.push(restless.to_string());
    }
    let entries = ledger::read(&ledgers)?;
    let there = look(stage).await?;
    report.wrong.extend(reckoning::writes(&entries, &there));
    let events = recorded(stage).await?;
    report.wrong.extend(reckoning::log(&entries, &events));
    report.wrong.extend(left(stage, &entries));
    report.figures.push(format!("{} asked for, {} events", entries.len(), events.len()));
    replayed(stage, report).await
}

/// Asks for all that is in doubt once more: the answer says whether it had been done.
async fn settle(
    stage: &Stage,
    tally: &Tally,
    dice: &Dice,
    entries: &BTreeMap<u64, Entry>,
    there: &There,
    report: &mut Report,
) -> Outcome<()> {
    let mut client = Client::new(stage, tally, "afterwards", dice.own(0))?;
    let (mut found, mut doubtful) = (0, 0);
    let mut payouts = BTreeSet::new();
    for Entry { ask, told } in entries.values() {
        let mut id = told.as_ref().and_then(|told| told.id.clone());
        if told.is_none() {
            doubtful += 1;
            let was_there = there.contains_key(&ask.name());
            found += usize::from(was_there);
            let Some(told) = client.insists(ask).await? else { continue };
            if ask.has_key() && told.replayed != was_there {
                report.wrong.push(format!("{ask}: there {was_there}, repeated {}", told.replayed));
            }
            id = told.id;
        }
        if ask.kind == Kind::Payout {
            payouts.extend(id);
        } else if ask.kind == Kind::Approval {
            payouts.remove(&ask.about);
        }
    }
    // Those that nobody came to approve.
    for about in payouts {
        let approval = Ask { kind: Kind::Approval, number: tally.number(), about };
        if client.asks(&approval).await?.is_none() {
            client.insists(&approval).await?;
        }
    }
    let figure = format!("{doubtful} in doubt: {found} had been done, {} not", doubtful - found);
    report.figures.push(figure);
    Ok(())
}

/// The answer to what was acknowledged stays the same, byte for byte.
async fn repeat(stage: &Stage, entries: &BTreeMap<u64, Entry>, report: &mut Report) {
    let mut same = 0;
    let keyed = entries.values().filter(|entry| entry.ask.has_key());
    for Entry { ask, told } in keyed.step_by(REPEATED) {
        let Some(told) = told else { continue };
        match send(stage, ask).await {
            Answer::Done(again) if again.replayed && again.body == told.body => same += 1,
            other => report.wrong.push(format!("{ask} was told {told:?}, and then {other:?}")),
        }
    }
    report.figures.push(format!("{same} repeated with the same answer"));
}

/// Everything that clients asked for, as they find it in the lists.
async fn look(stage: &Stage) -> Outcome<There> {
    let position = head(stage).await?;
    let mut there = There::new();
    let mut find = |name: &Value, id: &Value| {
        let (Some(name), Some(id)) = (name.as_str(), id.as_str()) else { return };
        there.entry(name.to_owned()).or_default().push(id.to_owned());
    };
    for conversation in &stage.conversations {
        for row in
            stage.all(&format!("/v1/conversations/{conversation}/messages"), position).await?
        {
            let body = if row["body"].is_string() { &row["body"] } else { &row["content"]["body"] };
            find(body, &row["id"]);
        }
    }
    for row in stage.all("/v1/tickets", position).await? {
        find(&row["subject"], &row["id"]);
    }
    for row in stage.all("/v1/payouts", position).await? {
        find(&row["reason"], &row["id"]);
        if row["approved_by"].is_string() {
            find(
                &format!("approval of {}", row["id"].as_str().unwrap_or_default()).into(),
                &row["id"],
            );
        }
    }
    // What customers wrote before anything began.
    there.retain(|name, _| !name.starts_with("Hello from"));
    Ok(there)
}

async fn head(stage: &Stage) -> Outcome<i64> {
    let mut database = stage.cluster.connect().await?;
    let head = sqlx::query_scalar("select coalesce(max(position), 0) from events");
    let head = head.fetch_one(&mut database).await?;
    database.close().await?;
    Ok(head)
}

async fn recorded(stage: &Stage) -> Outcome<Vec<Recorded>> {
    let mut database = stage.cluster.connect().await?;
    let rows = sqlx::query(
        "select position, aggregate_type, aggregate_id, sequence from events order by position",
    )
    .fetch_all(&mut database)
    .await?;
    database.close().await?;
    let of = |row: &sqlx::postgres::PgRow| -> sqlx::Result<Recorded> {
        let (position, kind) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Recorded { position, kind, stream: row.try_get(2)?, sequence: row.try_get(3)? })
    };
    Ok(rows.iter().map(of).collect::<Result<_, _>>()?)
}

/// What the providers' ledgers say.
fn left(stage: &Stage, entries: &BTreeMap<u64, Entry>) -> Vec<String> {
    let made = |kind: Kind| -> BTreeSet<String> {
        let of_kind = entries.values().filter(|entry| entry.ask.kind == kind);
        of_kind.filter_map(|entry| entry.told.as_ref()?.id.clone()).collect()
    };
    let (sent, paid) = (stage.graph.sent(), stage.pawapay.paid());
    let messages = sent.iter().map(|sent| sent.callback_data.as_deref().unwrap_or("unnamed"));
    let mut wrong = reckoning::effects("message", &made(Kind::Message), messages);
    let payouts = paid.iter().map(|paid| paid.payout_id.as_str());
    wrong.extend(reckoning::effects("payout", &made(Kind::Payout), payouts));
    wrong
}

/// Ends the server; then every read model must equal a fresh replay of the log.
async fn replayed(stage: &Stage, report: &mut Report) -> Outcome<()> {
    if !stage.stop_server().await? {
        report.wrong.push("the server did not end well when it was asked to".to_owned());
    }
    let mut verify = stage.program("replay-tool");
    verify.arg("verify");
    let output = tokio::process::Command::from(verify).output().await?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        report.wrong.push(format!("replay-tool verify: {said}"));
    }
    let (sent, paid) = (stage.graph.count(), stage.pawapay.count());
    report.figures.push(format!("{sent} messages left, {paid} payouts were paid"));
    Ok(())
}
