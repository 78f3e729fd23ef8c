//! Numbers that can be trusted: each is as many as the rows behind it, and no two of them disagree.

use chrono::{DateTime, Utc};
use commands::effects;
use commands::gateways::http;
use commands::policies::send_messages::{GraphSettings, SendMessages, Sender};
use commands::policies::{self, Policy};
use event_store::subscription::Subscription;
use reqwest::Method;
use serde_json::{Value, json};
use simulators::graph::{Account, Graph, Rule, Settings, Window};
use simulators::script::Act;
use simulators::whatsapp::{self, Person};

use super::Day;
use crate::support::{ACCESS_TOKEN, ANA, APP_SECRET, App, BEN, line};

/// A day with WhatsApp at the other end.
struct Desk {
    day: Day,
    graph: Graph,
    sender: Sender,
}

impl Desk {
    async fn open() -> Desk {
        let day = Day::begin("2026-03-02T06:00:00Z").await;
        let webhook =
            format!("{}/webhooks/whatsapp/{}", day.app.base_url, day.organization.channel);
        let account = Account {
            line: line(),
            token: ACCESS_TOKEN.into(),
            app_secret: APP_SECRET.into(),
            webhook_url: Some(webhook),
        };
        let settings =
            Settings { accounts: vec![account], window: Window::Open, ..Settings::default() };
        let graph = Graph::start(settings).unwrap();
        let settings = GraphSettings { base_url: graph.url(), version: "v23.0".into() };
        let sender = Sender::new(day.app.commands.clone(), http::client().unwrap(), settings);
        Desk { day, graph, sender }
    }

    fn now(&self, time: &str) -> DateTime<Utc> {
        let at = format!("2026-03-02T{time}Z").parse().unwrap();
        *self.day.clock.write().unwrap() = Some(at);
        at
    }

    async fn hears(&mut self, time: &str, from: &Person) -> String {
        let at = self.now(time);
        self.day.told += 1;
        let id = format!("wamid.{}", self.day.told);
        let hello = json!({"body": "Hello"});
        let said = whatsapp::message(&line(), from, &id, at, "text", hello, Value::Null);
        self.day.app.tell(&self.day.organization, said).await.expect(200);
        self.day.app.conversation(&self.day.organization, from).await
    }

    async fn says(&self, time: &str, conversation: &str, message: Value) {
        self.now(time);
        let path = format!("/v1/conversations/{conversation}/messages");
        self.day.app.post(&self.day.organization.agent, &path, message).await.expect(202);
        self.deliver().await;
    }

    /// Carries out what is due, until WhatsApp has no more to tell.
    async fn deliver(&self) {
        let store = &self.day.app.store;
        let mut policy = Subscription::resume(store, SendMessages::NAME, 0).await.unwrap();
        while policies::follow(&self.day.app.commands, &SendMessages, &mut policy).await.unwrap()
            > 0
        {}
        while effects::attempt_due(store, &self.sender).await.unwrap() > 0 {}
        while self.graph.pending() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    async fn acts(&self, time: &str, path: &str, body: Value) -> Value {
        self.now(time);
        let unique = uuid::Uuid::now_v7().to_string();
        let headers = [("idempotency-key", unique.as_str())];
        let agent = &self.day.organization.agent;
        let answer = self.day.app.send(Method::POST, agent, path, Some(body), &headers).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
        answer.data()
    }

    async fn get(&self, path: &str) -> Value {
        self.day.app.settle().await;
        self.day.app.get(&self.day.organization.agent, path).await.expect(200).json()
    }
}

const SPAN: &str = "from=2026-03-02T06:00:00Z&to=2026-03-02T12:00:00Z";

fn text(body: &str, author: &str) -> Value {
    json!({"type": "text", "text": {"body": body}, "author": author})
}

/// Ana is answered by a bot after 2 minutes and by a person after 5, and has her matter settled;
/// she comes back. Ben is answered after 10 minutes and still waits. One message fails.
async fn busy() -> Desk {
    let mut desk = Desk::open().await;
    let me = desk.day.organization.agent_id;
    let ana = desk.hears("06:00:00", &ANA).await;
    desk.says("06:02:00", &ana, text("One moment.", "bot")).await;
    desk.says("06:05:00", &ana, text("Until six.", "human")).await;
    desk.acts("06:10:00", &format!("/v1/conversations/{ana}/assign"), json!({"agent_id": me}))
        .await;
    desk.acts("06:40:00", &format!("/v1/conversations/{ana}/resolve"), Value::Null).await;
    let ben = desk.hears("07:00:00", &BEN).await;
    desk.says("07:10:00", &ben, text("We look into it.", "human")).await;
    desk.graph.script(Rule::on(Act::Send).times(1).refused(131_026));
    desk.says("07:11:00", &ben, text("Lost.", "human")).await;
    let template = json!({"name": "order_ready", "language": "en"});
    desk.says(
        "07:12:00",
        &ben,
        json!({"type": "template", "template": template, "author": "automation"}),
    )
    .await;
    desk.hears("07:20:00", &BEN).await;
    desk.hears("08:00:00", &ANA).await;
    let opened = desk.acts("08:30:00", "/v1/tickets", json!({"subject": "Broken pot"})).await;
    let ticket = opened["id"].as_str().unwrap().to_owned();
    desk.acts("08:45:00", &format!("/v1/tickets/{ticket}/assign"), json!({"agent_id": me})).await;
    desk.acts("09:00:00", &format!("/v1/tickets/{ticket}/solve"), Value::Null).await;
    let refund = json!({"amount": 12_050, "currency": "KES", "provider": "MPESA_KEN",
        "recipient": {"phone": "+254712345678"}, "reason": "Refund"});
    let payout = desk.acts("10:00:00", "/v1/payouts", refund).await;
    let payout = payout["id"].as_str().unwrap().to_owned();
    desk.now("10:30:00");
    let (app, organization) = (&desk.day.app, &desk.day.organization);
    let owner = app.sign_in(organization.id, organization.owner_id).await;
    app.approve(&owner, &payout, &[]).await.expect(200);
    desk.now("11:00:00");
    desk
}

#[tokio::test]
async fn times_begin_when_the_customer_writes_and_people_and_bots_are_told_apart() {
    let desk = busy().await;
    let overview = desk.get(&format!("/v1/analytics/overview?{SPAN}")).await["data"].clone();
    let conversations = &overview["conversations"];
    let number = |name: &str| conversations[name]["value"].clone();
    assert_eq!([number("opened"), number("reopened"), number("resolved")], [3, 1, 1]);
    assert_eq!([number("open"), number("unassigned"), number("waiting")], [2, 1, 2]);
    let people = &conversations["first_response"]["people"];
    assert_eq!([&people["count"], &people["median_ms"], &people["p90_ms"]], [2, 450_000, 570_000]);
    let bots = &conversations["first_response"]["bots"];
    assert_eq!([&bots["count"], &bots["average_ms"]], [1, 120_000]);
    let resolution = &conversations["resolution"];
    assert_eq!([&resolution["people"]["median_ms"], &resolution["bots"]["count"]], [2_400_000, 0]);
    assert_eq!(overview["tickets"]["solved"]["median_ms"], 1_800_000);
    let payouts = &overview["payouts"][0];
    assert_eq!(
        [&payouts["approved"]["amount"], &payouts["approved"]["median_ms"]],
        [12_050, 1_800_000]
    );
    assert_eq!(payouts["currency"], "KES");
}

#[tokio::test]
async fn a_messages_way_is_told_by_its_steps_and_its_failures_by_their_reasons() {
    let desk = busy().await;
    let delivery =
        desk.get(&format!("/v1/analytics/overview?{SPAN}")).await["data"]["delivery"].clone();
    let steps = ["written", "sent", "delivered", "read", "failed", "unknown", "waiting"];
    let steps = steps.map(|step| delivery[step]["value"].clone());
    assert_eq!(steps, [5, 3, 3, 3, 2, 0, 0]);
    assert_eq!(delivery["by_author"]["human"]["value"], 3);
    let reasons: Vec<_> = delivery["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| (failure["code"].as_i64().unwrap(), failure["reason"].as_str().unwrap()))
        .collect();
    assert!(reasons.contains(&(131_026, "undeliverable")), "{reasons:?}");
    assert!(reasons.contains(&(132_001, "template_missing")), "{reasons:?}");
    let templates = desk.get(&format!("/v1/analytics/templates?{SPAN}")).await["data"].clone();
    let template = &templates[0];
    assert_eq!((&template["name"], &template["language"]), (&json!("order_ready"), &json!("en")));
    assert_eq!([&template["used"]["value"], &template["failed"]["value"]], [1, 1]);
    assert_eq!([&template["failures"][0]["code"], &template["failures"][0]["value"]], [132_001, 1]);
}

#[tokio::test]
async fn every_number_has_as_many_rows_behind_it_as_it_says() {
    let desk = busy().await;
    let mut followed = 0;
    for of in ["overview", "conversations", "agents", "templates", "payouts"] {
        for step in ["", "&step=1h", "&step=1d&timezone=Africa/Nairobi"] {
            let told = desk.get(&format!("/v1/analytics/{of}?{SPAN}{step}")).await;
            let mut numbers = vec![];
            links(&told["data"], &mut numbers);
            assert!(!numbers.is_empty(), "{of}");
            for (number, rows) in numbers {
                let behind =
                    desk.day.app.get(&desk.day.organization.agent, &rows).await.expect(200).json();
                let listed = behind["data"].as_array().unwrap().len() as u64;
                assert_eq!(listed, number, "{rows}");
                assert_eq!(behind["meta"]["count"].as_u64().unwrap_or(number), number, "{rows}");
                followed += number;
            }
        }
    }
    assert!(followed > 100);
    desk.day.app.assert_verified().await;
}

/// Every number and the address of its rows.
fn links(value: &Value, found: &mut Vec<(u64, String)>) {
    if let Some(rows) = value.get("rows").and_then(Value::as_str) {
        let number = value.get("value").or(value.get("count")).and_then(Value::as_u64).unwrap();
        found.push((number, rows.to_owned()));
    }
    match value {
        Value::Object(members) => members.values().for_each(|member| links(member, found)),
        Value::Array(items) => items.iter().for_each(|item| links(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn no_two_numbers_disagree() {
    let desk = busy().await;
    let overview = desk.get(&format!("/v1/analytics/overview?{SPAN}")).await["data"].clone();
    let total = |points: &Value, at: &str| -> u64 {
        let points = points["data"].as_array().unwrap();
        points.iter().map(|point| point.pointer(at).unwrap().as_u64().unwrap()).sum()
    };
    for step in ["15m", "1h", "1d"] {
        let steps = desk.get(&format!("/v1/analytics/conversations?{SPAN}&step={step}")).await;
        for at in
            ["/opened/value", "/reopened/value", "/resolved/value", "/first_response/people/count"]
        {
            let whole = overview["conversations"].pointer(at).unwrap().as_u64().unwrap();
            assert_eq!(total(&steps, at), whole, "{at} in {step}");
        }
        let volume = desk.get(&format!("/v1/analytics/volume?{SPAN}&step={step}")).await;
        let messages = &overview["messages"];
        assert_eq!(total(&volume, "/inbound"), messages["inbound"]["value"].as_u64().unwrap());
        assert_eq!(total(&volume, "/outbound"), messages["outbound"]["value"].as_u64().unwrap());
        let agents = desk.get(&format!("/v1/analytics/agents?{SPAN}&step={step}")).await;
        assert_eq!(
            total(&agents, "/messages/value"),
            overview["delivery"]["written"]["value"].as_u64().unwrap()
        );
        assert_eq!(total(&agents, "/first_response/count"), 2);
        let payouts = desk.get(&format!("/v1/analytics/payouts?{SPAN}&step={step}")).await;
        assert_eq!(total(&payouts, "/requested/amount"), 12_050);
    }
}

#[tokio::test]
async fn what_an_agent_did_is_told_as_the_audit_names_it() {
    let desk = busy().await;
    let me = desk.day.organization.agent_id;
    let agents = desk.get(&format!("/v1/analytics/agents?{SPAN}&agent={me}")).await["data"].clone();
    let [agent] = &agents.as_array().unwrap()[..] else { panic!("{agents}") };
    assert_eq!(agent["agent_id"], json!(me));
    let activity = &agent["activity"];
    assert_eq!(activity["conversation.MessageQueued"]["value"], 5);
    assert_eq!(activity["ticket.Solved"]["value"], 1);
    assert_eq!(agent["tickets_solved"]["count"], 1);
    let nobody = desk.day.organization.channel;
    let agents = desk.get(&format!("/v1/analytics/agents?{SPAN}&agent={nobody}")).await;
    assert_eq!(agents["data"], json!([]));
}

#[tokio::test]
async fn who_asks_for_a_table_gets_one() {
    let desk = busy().await;
    desk.day.app.settle().await;
    let app: &App = &desk.day.app;
    let agent = &desk.day.organization.agent;
    let csv = [("accept", "text/csv")];
    let table = async |of: &str| {
        let path = format!("/v1/analytics/{of}?{SPAN}");
        let answer = app.send(Method::GET, agent, &path, None, &csv).await.expect(200);
        assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
        answer.text
    };
    let templates = table("templates").await;
    let mut lines = templates.lines();
    let header = "start,end,channel_id,name,language,delivered,failed,failures.0,failures.0.code,read,sent,used";
    assert_eq!(lines.next(), Some(header));
    assert!(lines.next().unwrap().contains(",order_ready,en,0,1,1,132001,0,0,1"));
    let overview = table("overview").await;
    assert!(
        overview.contains("\nconversations.first_response.people.median_ms,450000\n"),
        "{overview}"
    );
    for of in ["conversations", "agents", "payouts", "volume"] {
        assert!(table(of).await.lines().count() > 1, "{of}");
    }
}

#[tokio::test]
async fn a_list_of_rows_goes_on_from_page_to_page_and_refuses_what_it_does_not_know() {
    let desk = busy().await;
    let path = format!("/v1/analytics/rows/messages.written?{SPAN}");
    let (mut seen, mut cursor) = (vec![], String::new());
    loop {
        let page = desk.get(&format!("{path}&limit=2{cursor}")).await;
        assert_eq!(page["meta"]["count"], 5);
        let rows = page["data"].as_array().unwrap();
        seen.extend(rows.iter().map(|row| row["message_id"].clone()));
        let Some(next) = page["meta"]["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let mut unique = seen.clone();
    unique.sort_by_key(ToString::to_string);
    unique.dedup();
    assert_eq!((seen.len(), unique.len()), (5, 5));
    let app = &desk.day.app;
    let refused = async |path: &str, status| {
        app.get(&desk.day.organization.agent, path).await.refused(status)
    };
    assert_eq!(refused("/v1/analytics/rows/nonsense", 404).await, "analytics.unknown_measure");
    assert_eq!(refused("/v1/analytics/rows/messages.lost", 404).await, "analytics.unknown_measure");
    assert_eq!(refused("/v1/analytics/rows/activity.x", 404).await, "analytics.unknown_measure");
    assert_eq!(refused(&format!("{path}&by=colour&key=red"), 422).await, "parameter.invalid");
    assert_eq!(refused(&format!("{path}&by=author"), 422).await, "parameter.invalid");
    assert_eq!(refused(&format!("{path}&cursor=e30"), 400).await, "cursor.invalid");
    assert_eq!(
        refused("/v1/analytics/volume?agent=0194e7a8-0000-7000-8000-000000000000", 422).await,
        "parameter.invalid"
    );
}
