//! An OpenTelemetry collector: takes spans by OTLP over HTTP, and tells them.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;
use uuid::Uuid;

/// On threads of its own: it takes in whatever the test is about.
pub(crate) struct Collector {
    pub(crate) endpoint: String,
    taken: Arc<Mutex<Vec<ResourceSpans>>>,
}

impl Collector {
    pub(crate) fn listen() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let taken: Arc<Mutex<Vec<ResourceSpans>>> = Arc::default();
        let all = taken.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let all = all.clone();
                std::thread::spawn(move || serve(connection, &all));
            }
        });
        Collector { endpoint, taken }
    }

    /// Everything that came, by whose it is.
    pub(crate) fn taken(&self) -> Vec<ResourceSpans> {
        self.taken.lock().unwrap().clone()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let taken = self.taken();
        let scopes = taken.into_iter().flat_map(|of| of.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// What came of one trace.
    pub(crate) fn trace(&self, id: Uuid) -> Vec<Span> {
        let spans = self.spans().into_iter();
        spans.filter(|span| span.trace_id == id.as_bytes()).collect()
    }
}

/// One request after the other, each kept before it is answered.
fn serve(connection: TcpStream, taken: &Mutex<Vec<ResourceSpans>>) {
    let mut answers = connection.try_clone().unwrap();
    let mut requests = BufReader::new(connection);
    while let Some(request) = read(&mut requests) {
        taken.lock().unwrap().extend(request.resource_spans);
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\n\
                      content-length: 0\r\n\r\n";
        answers.write_all(answer.as_bytes()).unwrap();
    }
}

/// `None` once there are no more.
fn read(requests: &mut impl BufRead) -> Option<ExportTraceServiceRequest> {
    let head: Vec<String> = requests
        .by_ref()
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let asked = head.first()?;
    assert_eq!(asked, "POST /v1/traces HTTP/1.1");
    let header = |wanted: &str| {
        let named = |line: &String| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case(wanted).then(|| value.to_owned())
        };
        head.iter().find_map(named)
    };
    assert_eq!(header("content-type").as_deref(), Some("application/x-protobuf"));
    let mut body = vec![0; header("content-length").unwrap().parse().unwrap()];
    requests.read_exact(&mut body).unwrap();
    Some(ExportTraceServiceRequest::decode(body.as_slice()).unwrap())
}
