//! Two processes over one log: what is written in either is heard in both, once and in order.

use api::terms::Terms;
use serde_json::json;

use super::resumed::positions;
use super::{conversation, note, shop};
use crate::support::Listening;

const NOTES: usize = 40;

async fn heard(stream: &mut Listening, events: usize) -> Vec<i64> {
    let mut heard = vec![];
    while heard.len() < events {
        heard.push(stream.next().await.unwrap().position());
    }
    heard
}

#[tokio::test]
async fn what_is_written_in_one_process_is_heard_in_the_other_once_and_in_order() {
    let (app, ours) = shop().await;
    let twin = app.twin(Terms::default()).await;
    let path = conversation(&app, &ours).await;
    let begin = app.store.head();
    let last = format!("1.{begin}");
    let (mut here, mut there) =
        (app.listen(&ours.owner, "", &last).await, twin.listen(&ours.owner, "", &last).await);
    let stranger = app.organization("Mwezi").await;
    let written = async {
        for number in 0..NOTES {
            note(&app, &ours, &path, &format!("note {number}")).await;
            let body = json!({"body": format!("their note {number}")});
            twin.post(&ours.owner, &format!("{path}/notes"), body).await.expect(201);
            let ticket = json!({"subject": "Somebody else's"});
            twin.post(&stranger.agent, "/v1/tickets", ticket).await.expect(201);
        }
    };
    // One listens while it is written; the other comes back twice meanwhile.
    let broken_off = async {
        let mut all = heard(&mut there, NOTES / 2).await;
        for _ in 0..2 {
            there = twin.listen(&ours.owner, "", &there.last).await;
            all.extend(heard(&mut there, NOTES / 2).await);
        }
        all
    };
    let (_, so_far) = futures_util::join!(written, broken_off);
    let expected = positions(&app, &ours, begin).await;
    assert_eq!(expected.len(), 2 * NOTES);
    assert_eq!(so_far, expected[..so_far.len()]);
    assert_eq!(heard(&mut there, expected.len() - so_far.len()).await, expected[so_far.len()..]);
    assert_eq!(heard(&mut here, expected.len()).await, expected);
}
