//! The real programs over a real database on disk: first start and second, and kill -9 of either.

mod day;
mod feed;
mod leases;
mod letters;
mod rebuild;
mod serve;
mod several;
mod telemetry;

use std::collections::BTreeMap;

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use crate::support::{Running, Scratch, client, ended};
use feed::Feed;

fn demo(scratch: &Scratch) -> Running {
    let mut command = scratch.program("verbatim");
    command.args(["demo", "--listen", "127.0.0.1:0"]);
    Running::start(command, "Verbatim is running at")
}

/// What the demo tells scripts.
fn told(scratch: &Scratch) -> Value {
    serde_json::from_str(&std::fs::read_to_string(scratch.0.join("demo.json")).unwrap()).unwrap()
}

fn status(scratch: &Scratch) -> Value {
    let mut status = scratch.program("replay-tool");
    status.args(["status", "--json"]);
    let output = ended(status);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn assert_verifies(scratch: &Scratch) {
    let mut verify = scratch.program("replay-tool");
    verify.arg("verify");
    let output = ended(verify);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn get(base_url: &str, key: &Value, path: &str) -> Value {
    let request = client().get(format!("{base_url}{path}"));
    let answer = request.bearer_auth(key.as_str().unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

#[tokio::test]
async fn the_demo_comes_up_filled_and_a_second_start_adds_nothing() {
    let scratch = Scratch::new();
    let first = demo(&scratch);
    let demo_json = told(&scratch);
    assert_eq!(demo_json["base_url"], json!(first.base_url));
    for field in ["organization_id", "channel_id", "app_secret", "phone_number_id"] {
        assert!(demo_json[field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
    }
    for role in ["owner", "agent", "agent2", "auditor"] {
        let inbox =
            get(&first.base_url, &demo_json["keys"][role], "/v1/inbox?status=all&limit=200").await;
        assert!(inbox["data"].as_array().unwrap().len() >= 40, "about forty people wrote");
    }
    let organization = json!(demo_json["organization_id"]);
    let founded = "/v1/audit/events?action=organization.Founded";
    let founded = get(&first.base_url, &demo_json["keys"]["auditor"], founded).await;
    assert_eq!(founded["data"][0]["aggregate"]["id"], organization);
    let before = status(&scratch);
    assert_eq!(before["head"], before["events"]);
    assert!(first.stop().success());
    assert!(scratch.postgres().is_none(), "the database stopped with it");

    let second = demo(&scratch);
    let after = status(&scratch);
    assert_eq!(after["head"], before["head"]);
    let mut again = told(&scratch);
    assert_eq!(again["base_url"], json!(second.base_url));
    again["base_url"] = demo_json["base_url"].clone();
    assert_eq!(again, demo_json);
    assert!(second.stop().success());
    assert_verifies(&scratch);
}

#[tokio::test]
async fn nothing_acknowledged_is_gone_after_kill_9_of_server_and_database() {
    let scratch = Scratch::new();
    let mut server = demo(&scratch);
    let mut feed = Feed::of(&told(&scratch));
    for with_database in [false, true] {
        let base_url = server.base_url.clone();
        let end = || {
            if with_database {
                kill(scratch.postgres().unwrap(), Signal::SIGKILL).unwrap();
            }
            server.kill();
        };
        let acknowledged = feed.until_killed(&base_url, 60, end).await;
        assert!(acknowledged.len() >= 60);
        server = demo(&scratch);
        let there = feed.read_back(&server.base_url).await;
        let lost: Vec<_> = acknowledged.iter().filter(|id| !there.contains_key(*id)).collect();
        assert!(lost.is_empty(), "acknowledged and gone: {lost:?}");
        // Meta tells again what was not acknowledged; of nothing there are two then.
        feed.tell_again(&server.base_url).await;
        let there = feed.read_back(&server.base_url).await;
        let twice: BTreeMap<_, _> = there.iter().filter(|(_, times)| **times != 1).collect();
        assert!(twice.is_empty(), "{twice:?}");
        assert_eq!(there.len(), feed.told());
    }
    assert!(server.stop().success());
    assert_verifies(&scratch);
}
