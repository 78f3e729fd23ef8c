//! What an operator sees of a running program: its spans, its log, and its numbers.

mod collector;

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::common::v1::any_value::Value as Told;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};
use uuid::Uuid;

use super::told;
use crate::support::{Running, Scratch, client};
use collector::Collector;

const GUEST: &str = "otieno@baraka.example";

/// What spans may tell: ids, types, counts.
const ATTRIBUTES: &[&str] = &[
    "attempt",
    "command_id",
    "correlation_id",
    "effect_id",
    "error.type",
    "events",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "kind",
    "lane",
    "outcome",
    "page",
    "position",
    "state",
    "streams",
    "tenant_id",
];

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    let named: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    let there: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert!(!named.is_empty(), "no {name} among {there:?}");
    named
}

/// A name of ours, an id, or a route: nothing that a person is called.
fn is_impersonal(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./{}*:".contains(c))
        && !(text.len() > 6 && text.chars().all(|c| c.is_ascii_digit()))
}

#[tokio::test]
async fn a_request_is_one_trace_down_to_the_call_that_followed_from_it() {
    let scratch = Scratch::new();
    let collector = Collector::listen();
    let mut demo = scratch.program("verbatim");
    demo.args(["demo", "--listen", "127.0.0.1:0"]).env("RUST_LOG", "info");
    demo.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint);
    // So late that the last are sent because the program ends.
    demo.env("OTEL_BSP_SCHEDULE_DELAY", "3600000");
    let running = Running::start(demo, "Verbatim is running at");
    let request = Uuid::now_v7();
    let owner = told(&scratch)["keys"]["owner"].as_str().unwrap().to_owned();
    let url = format!("{}/v1/invitations", running.base_url);
    let asked = client()
        .post(&url)
        .bearer_auth(&owner)
        .header("x-request-id", request.to_string())
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .json(&json!({"email": GUEST, "role": "agent"}));
    let invited = asked.send().await.unwrap();
    assert_eq!(invited.status(), 201);
    let position = invited.headers()["log-position"].to_str().unwrap();
    let read = client().get(format!("{url}?min_position={position}")).bearer_auth(&owner);
    assert_eq!(read.send().await.unwrap().status(), 200);
    let heard = running.hear(&format!("To: {GUEST}"));
    assert!(running.stop().success());

    let spans = collector.trace(request);
    let [asked] = named(&spans, "POST /v1/invitations")[..] else { panic!("asked once") };
    assert_eq!((asked.kind(), asked.parent_span_id.as_slice()), (SpanKind::Server, &[][..]));
    let [caller] = &asked.links[..] else { panic!("it knows who asked: {asked:?}") };
    assert_eq!(caller.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes());
    assert_eq!(caller.span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    let command = named(&spans, "command");
    assert!(command.iter().any(|command| command.parent_span_id == asked.span_id));
    for append in named(&spans, "append") {
        assert!(command.iter().any(|command| command.span_id == append.parent_span_id));
    }
    for elsewhere in ["projection", "effect"] {
        for span in named(&spans, elsewhere) {
            assert_eq!(span.parent_span_id, asked.span_id, "{elsewhere}");
        }
    }
    assert!(named(&spans, "effect").iter().all(|effect| effect.kind() == SpanKind::Client));
    tells_no_person(&collector);
    is_structured(&heard);
}

/// Of the whole day, and whoever it was about.
fn tells_no_person(collector: &Collector) {
    for of in collector.taken() {
        let resource = of.resource.unwrap();
        let service = resource.attributes.iter().find(|told| told.key == "service.name").unwrap();
        let Told::StringValue(name) = service.value.clone().unwrap().value.unwrap() else {
            panic!("{service:?}")
        };
        assert_eq!(name, "verbatim");
    }
    for span in collector.spans() {
        for attribute in span.attributes {
            assert!(ATTRIBUTES.contains(&attribute.key.as_str()), "{}", attribute.key);
            if let Some(Told::StringValue(text)) = attribute.value.unwrap().value {
                assert!(is_impersonal(&text), "{}: {text}", attribute.key);
            }
        }
    }
}

/// Where nobody sits at a terminal, each line of the log is an object; the mail is none of them.
fn is_structured(heard: &[String]) {
    let (log, rest): (Vec<&String>, Vec<&String>) =
        heard.iter().partition(|line| line.contains("\"level\":"));
    let answered = log.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let answered: Vec<Value> =
        answered.filter(|line| line["fields"]["message"] == "Answered").collect();
    assert!(answered.iter().any(|line| line["fields"]["route"] == "/v1/invitations"));
    assert!(!log.iter().any(|line| line.contains(GUEST)));
    assert!(!rest.iter().any(|line| line.contains("Answered")), "{rest:#?}");
}

/// What `/metrics` tells.
struct Numbers {
    helped: BTreeSet<String>,
    types: BTreeMap<String, String>,
    samples: Vec<String>,
}

impl Numbers {
    fn read(text: &str) -> Numbers {
        let (mut helped, mut types, mut samples) = (BTreeSet::new(), BTreeMap::new(), vec![]);
        for line in text.lines().filter(|line| !line.is_empty()) {
            let mut words = line.split(' ').map(str::to_owned);
            match (words.next().as_deref(), words.next(), words.next(), words.next()) {
                (Some("#"), Some(is), Some(name), Some(_)) if is == "HELP" => {
                    helped.insert(name);
                }
                (Some("#"), Some(is), Some(name), Some(kind)) if is == "TYPE" => {
                    types.insert(name, kind);
                }
                _ => samples.push(line.to_owned()),
            }
        }
        Numbers { helped, types, samples }
    }
}

/// The names of metrics in what a dashboard asks for.
fn shown(dashboard: &Value) -> BTreeSet<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let asked = targets.map(|target| target["expr"].as_str().unwrap());
    let words = asked.flat_map(|expr| expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    let metrics = words.filter(|word| {
        ["verbatim_", "http_", "process_"].iter().any(|prefix| word.starts_with(prefix))
    });
    metrics.map(str::to_owned).collect()
}

#[tokio::test]
async fn every_number_says_what_it_means_and_the_dashboard_shows_numbers_that_are_there() {
    let scratch = Scratch::new();
    let mut demo = scratch.program("verbatim");
    demo.args(["demo", "--listen", "127.0.0.1:0", "--log-format", "text"]).env("RUST_LOG", "info");
    let running = Running::start(demo, "Verbatim is running at");
    let get = async |path: &str| {
        client().get(format!("{}{path}", running.base_url)).send().await.unwrap()
    };
    assert_eq!(get("/v1/inbox").await.status(), 401);
    let text = get("/metrics").await.text().await.unwrap();
    let Numbers { helped, types, samples } = Numbers::read(&text);
    assert_eq!(helped, types.keys().cloned().collect(), "each is described, and none in vain");
    for (name, kind) in &types {
        let ends = |with: &[&str]| with.iter().any(|end| name.ends_with(end));
        let fits = match kind.as_str() {
            "counter" => ends(&["_total"]),
            "histogram" => ends(&["_seconds", "_events", "_appends"]),
            "gauge" => !ends(&["_total", "_count", "_sum", "_bucket"]),
            _ => false,
        };
        assert!(fits, "{kind} {name}");
    }
    for sample in &samples {
        let values = sample.split('"').skip(1).step_by(2);
        let ids = values.filter(|value| Uuid::try_parse(value).is_ok()).count();
        assert_eq!(ids, 0, "an id is no label: {sample}");
    }
    let there = |metric: &String| samples.iter().any(|line| line.starts_with(metric.as_str()));
    let dashboard = include_str!("../../../docs/grafana.json");
    let shown = shown(&serde_json::from_str(dashboard).unwrap());
    let dark: Vec<&String> = shown.iter().filter(|metric| !there(metric)).collect();
    assert!(shown.len() > 20 && dark.is_empty(), "shown and not there: {dark:?}");
    let unseen = |name: &&String| !shown.iter().any(|metric| metric.starts_with(name.as_str()));
    let unseen: Vec<&String> = types.keys().filter(unseen).collect();
    assert!(unseen.is_empty(), "there and not shown: {unseen:?}");
    let heard = running.hear("route=\"/metrics\"");
    assert!(heard.last().unwrap().contains("Answered method=\"GET\""), "{heard:#?}");
}
