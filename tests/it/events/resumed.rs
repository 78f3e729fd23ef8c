//! Listeners that break off and come back: each event once, in order.

use std::sync::Arc;

use commands::{Meta, Work};
use domain::Actor;
use domain::conversation::{Command, Conversation};
use domain::personal::Personal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use uuid::Uuid;

use super::{conversation, note, shop};
use crate::support::{App, Organization};

const CLIENTS: usize = 200;
const NOTES: usize = 150;

/// Where everything of the organisation stands in the log.
pub(super) async fn positions(app: &App, organization: &Organization, after: i64) -> Vec<i64> {
    let all = "select position from events where tenant_id = $1 and position > $2 order by 1";
    let all = sqlx::query_scalar(all).bind(organization.id).bind(after);
    all.fetch_all(&app.db.database.owner).await.unwrap()
}

/// Listens again and again, each time breaking off after another number of events, in the middle of
/// others.
async fn resume(app: &App, organization: &Organization, client: usize, begin: i64) -> Vec<i64> {
    let query = if client.is_multiple_of(2) { "?topics=conversation" } else { "" };
    let (mut heard, mut last) = (vec![], format!("1.{begin}"));
    while heard.len() < NOTES {
        let mut stream = app.listen(&organization.owner, query, &last).await;
        for _ in 0..17 + client % 90 {
            if heard.len() == NOTES {
                break;
            }
            let Some(told) = stream.next().await else { break };
            heard.push(told.position());
            last = told.id;
        }
    }
    heard
}

#[tokio::test]
async fn two_hundred_listeners_that_are_killed_and_resume_hear_everything_once_in_order() {
    let (app, organization) = shop().await;
    let path = conversation(&app, &organization).await;
    let begin = app.store.head();
    let (app, organization) = (Arc::new(app), Arc::new(organization));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (app, organization) = (app.clone(), organization.clone());
        clients.spawn(async move { resume(&app, &organization, client, begin).await });
    }
    for number in 0..NOTES {
        note(&app, &organization, &path, &format!("note {number}")).await;
    }
    let expected = positions(&app, &organization, begin).await;
    assert_eq!(expected.len(), NOTES);
    while let Some(heard) = clients.join_next().await {
        assert_eq!(heard.unwrap(), expected);
    }
}

/// Each comes and goes some nine times while nothing happens that the server could tell those who
/// left: more than it has places for.
#[tokio::test]
async fn listeners_that_left_take_no_place_from_those_who_come() {
    let (app, organization) = shop().await;
    let path = conversation(&app, &organization).await;
    let begin = app.store.head();
    for number in 0..NOTES {
        note(&app, &organization, &path, &format!("note {number}")).await;
    }
    let expected = positions(&app, &organization, begin).await;
    let heard = (0..90).map(|_| resume(&app, &organization, 0, begin));
    for heard in futures_util::future::join_all(heard).await {
        assert_eq!(heard, expected);
    }
}

#[tokio::test]
async fn who_reads_too_slowly_is_cut_off_and_finds_the_rest_when_it_comes_back() {
    let (app, organization) = shop().await;
    let path = conversation(&app, &organization).await;
    let begin = app.store.head();
    let address = app.base_url.trim_start_matches("http://");
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = socket.connect(address.parse().unwrap()).await.unwrap();
    let asked = format!(
        "GET /v1/events/stream HTTP/1.0\r\nauthorization: Bearer {}\r\n\r\n",
        organization.owner
    );
    slow.write_all(asked.as_bytes()).await.unwrap();
    // It takes in the greeting, then nothing more.
    let mut greeted = vec![0; 64];
    slow.read_exact(&mut greeted).await.unwrap();
    let id: Uuid = path.rsplit('/').next().unwrap().parse().unwrap();
    for _ in 0..20 {
        many_notes(&app, &organization, id, 500).await;
        app.settle().await;
    }
    let mut text = String::from_utf8(greeted).unwrap();
    let mut rest = vec![];
    // Cut off: the end comes, or a broken connection.
    let _ = slow.read_to_end(&mut rest).await;
    text.push_str(&String::from_utf8_lossy(&rest));
    let whole = text.rsplit_once("\n\n").unwrap().0;
    let ids = whole.lines().filter_map(|line| line.strip_prefix("id: 1.")?.parse().ok());
    let mut heard: Vec<i64> = ids.filter(|position| *position > begin).collect();
    let expected = positions(&app, &organization, begin).await;
    assert!(heard.len() < expected.len(), "it was not cut off: {}", heard.len());
    let last = format!("1.{}", heard.last().copied().unwrap_or(begin));
    let mut again = app.listen(&organization.owner, "", &last).await;
    while heard.len() < expected.len() {
        heard.push(again.next().await.unwrap().position());
    }
    assert_eq!(heard, expected);
}

async fn many_notes(app: &App, organization: &Organization, conversation: Uuid, notes: usize) {
    let meta = Meta::new(organization.id, Actor::System);
    let noted = app.commands.transact(&meta, async |work: &mut Work<'_>| {
        for _ in 0..notes {
            let body = Personal::content(conversation, "A note between us".to_owned());
            let note = Command::Note { note: Uuid::now_v7(), body };
            work.execute::<Conversation>(conversation, note).await?;
        }
        Ok(())
    });
    noted.await.unwrap();
}
