//! A server for tests that plays prepared answers and mishaps, one connection each.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) enum Step {
    Answer(u16, String),
    /// Without telling beforehand how long it is.
    Stream(u16, String),
    /// Announces more than it says.
    Half(u16, String),
    Redirect(String),
    /// Takes the request and hangs up.
    Cut,
    /// Takes the request and says nothing.
    Silence,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// Method and path with its query.
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        let header = self.headers.iter().find(|(key, _)| key == name);
        header.map_or("", |(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

pub(crate) struct Canned {
    pub(crate) base_url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[allow(clippy::unwrap_used)]
impl Canned {
    pub(crate) async fn playing(steps: impl IntoIterator<Item = Step>) -> Canned {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (steps, log) = (steps.into_iter().collect::<Vec<_>>(), Arc::clone(&seen));
        tokio::spawn(async move {
            for step in steps {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read(&mut stream).await;
                log.lock().unwrap().push(request);
                play(stream, step).await;
            }
        });
        Canned { base_url, seen }
    }

    /// An address where nobody listens.
    pub(crate) async fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().unwrap_or_default()
    }
}

async fn read(stream: &mut TcpStream) -> Seen {
    let mut bytes = Vec::new();
    loop {
        if let Some(seen) = parsed(&bytes) {
            return seen;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return Seen::default();
        }
    }
}

fn parsed(bytes: &[u8]) -> Option<Seen> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let pair = |line: &str| line.split_once(": ").map(|(k, v)| (k.to_lowercase(), v.to_owned()));
    let headers = lines.filter_map(pair).collect();
    let seen = Seen { line, headers, body: bytes[end + 4..].to_vec() };
    let complete = match seen.header("transfer-encoding") {
        "chunked" => seen.body.ends_with(b"0\r\n\r\n"),
        _ => seen.body.len() >= seen.header("content-length").parse().unwrap_or(0),
    };
    complete.then_some(seen)
}

async fn play(mut stream: TcpStream, step: Step) {
    let head =
        |status: u16, more: &str| format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{more}");
    let text = match step {
        Step::Answer(status, body) => {
            head(status, &format!("content-length: {}\r\n\r\n{body}", body.len()))
        }
        Step::Stream(status, body) => head(status, &format!("\r\n{body}")),
        Step::Half(status, body) => {
            head(status, &format!("content-length: {}\r\n\r\n{body}", body.len() * 2))
        }
        Step::Redirect(to) => head(307, &format!("location: {to}\r\ncontent-length: 0\r\n\r\n")),
        Step::Cut => String::new(),
        Step::Silence => {
            // Until the other side gives up.
            let _ = stream.read(&mut [0]).await;
            return;
        }
    };
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}
