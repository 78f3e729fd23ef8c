//! What stands still, as an operator finds it and lets it go on while the server runs.

use event_store::embedded;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgConnection};

use super::{demo, get, told};
use crate::support::{Scratch, ended};

/// Another event of a contact that no program understands; returns the contact.
async fn poison(log: &mut PgConnection) -> String {
    let position: i64 = sqlx::query_scalar(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version,
             payload, metadata, tenant_id)
         select 'contact', aggregate_id, max(sequence) + 1, 'Levitated', '1',
                '{\"Levitated\": {}}', '{}', tenant_id
           from events where aggregate_type = 'contact' group by 2, tenant_id
          order by aggregate_id limit 1 returning position",
    )
    .fetch_one(&mut *log)
    .await
    .unwrap();
    sqlx::query_scalar("select aggregate_id from events where position = $1")
        .bind(position)
        .fetch_one(log)
        .await
        .unwrap()
}

fn tool(scratch: &Scratch, args: &[&str]) -> (Option<i32>, Vec<Value>, String) {
    let mut tool = scratch.program("replay-tool");
    tool.args(args).arg("--json");
    let output = ended(tool);
    let lines = String::from_utf8(output.stdout).unwrap();
    let said = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code(), said, String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn a_contact_that_stands_still_is_told_and_goes_on_without_the_event() {
    let scratch = Scratch::new();
    let server = demo(&scratch);
    let key = told(&scratch)["keys"]["owner"].clone();
    let mut log = embedded::running(&scratch.0).await.unwrap().connect().await.unwrap();
    let contact = poison(&mut log).await;
    let path = format!("/v1/contacts/{contact}");
    let stale = async || get(&server.base_url, &key, &path).await["meta"]["stale_since"].clone();
    while stale().await.is_null() {}
    let other = get(&server.base_url, &key, "/v1/contacts?limit=200").await;
    let other = other["data"].as_array().unwrap().iter().find(|it| it["id"] != contact).unwrap();
    let other = format!("/v1/contacts/{}", other["id"].as_str().unwrap());
    assert!(get(&server.base_url, &key, &other).await["meta"]["stale_since"].is_null());

    let (_, listed, _) = tool(&scratch, &["dead-letters", "list", "contacts"]);
    let stream = format!("contact/{contact}");
    let [stopped] = &listed[0].as_array().unwrap()[..] else { panic!("{listed:?}") };
    assert_eq!((&stopped["key"], &stopped["waiting"]), (&json!(stream), &json!(1)));
    let (_, explained, _) = tool(&scratch, &["status", "--explain"]);
    let contacts = explained[0].as_array().unwrap().iter().find(|it| it["model"] == "contacts");
    let [obstacle] = &contacts.unwrap()["obstacles"].as_array().unwrap()[..] else { panic!() };
    assert_eq!(obstacle["cause"], "dead_letters");
    assert!(obstacle["detail"].as_str().unwrap().contains(&stream), "{obstacle}");
    let (checked, _, said) = tool(&scratch, &["check"]);
    assert_eq!(checked, Some(1));
    assert!(said.contains("contact.Levitated version 1"), "{said}");

    let (retried, _, said) = tool(&scratch, &["dead-letters", "retry", "contacts", &stream]);
    assert_eq!(retried, Some(1));
    assert!(said.contains("still stands still") && said.contains("Levitated"), "{said}");
    let standing = tool(&scratch, &["dead-letters", "list"]).1[0].as_array().unwrap().clone();
    assert!(standing.len() > 1, "the audit and others have it too: {standing:?}");
    for stopped in standing {
        let (model, key) = (stopped["model"].as_str().unwrap(), stopped["key"].as_str().unwrap());
        let skip = ["dead-letters", "skip", model, key, "--reason", "Nobody levitates"];
        let (skipped, _, said) = tool(&scratch, &skip);
        assert_eq!(skipped, Some(0), "{said}");
    }
    assert_eq!(tool(&scratch, &["dead-letters", "list"]).1, [json!([])]);
    assert!(stale().await.is_null());
    let audit =
        get(&server.base_url, &key, "/v1/audit/events?action=operation.LetterSkipped&limit=200")
            .await;
    let reason = &audit["data"][0]["payload"]["LetterSkipped"]["reason"];
    assert_eq!(reason, "Nobody levitates");
    // In a rebuild it is left out as well.
    assert_eq!(tool(&scratch, &["rebuild", "contacts", "audit"]).0, Some(0));
    assert_eq!(tool(&scratch, &["dead-letters", "list"]).1, [json!([])]);
    // Of the log it is true for ever that one event says nothing; of the read models nothing is wrong.
    let (_, verified, _) = tool(&scratch, &["verify"]);
    let checks = verified[0]["checks"].as_array().unwrap();
    let wrong: Vec<_> = checks.iter().filter(|check| check["ok"] == false).collect();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert_eq!(wrong[0]["check"], "events decode");
    assert!(server.stop().success());
}
