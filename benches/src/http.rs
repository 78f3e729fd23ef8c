//! A client that costs next to nothing: one connection, kept alive, requests written out before.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;

/// One connection to a server, and what it answered last.
pub(crate) struct Wire {
    stream: TcpStream,
    answer: Vec<u8>,
    /// Where in `answer` the body begins.
    body: usize,
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Outcome<Wire> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Wire { stream, answer: Vec::with_capacity(64 << 10), body: 0 })
    }

    /// Sends a request and takes the whole answer in; any but a success is an error.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Outcome<()> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the server hung up".into());
            }
            if let Some(end) = find(&self.answer, b"\r\n\r\n") {
                self.body = end + 4;
                break;
            }
        }
        let length: usize =
            self.header("content-length").ok_or("an answer without length")?.parse()?;
        while self.answer.len() < self.body + length {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the server hung up within an answer".into());
            }
        }
        if self.answer.get(9) == Some(&b'2') {
            return Ok(());
        }
        let asked = String::from_utf8_lossy(request);
        let asked = asked.lines().next().unwrap_or_default();
        Err(format!("{asked} was answered: {}", String::from_utf8_lossy(&self.answer)).into())
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.answer[self.body..]
    }

    pub(crate) fn json(&self) -> Outcome<serde_json::Value> {
        Ok(serde_json::from_slice(self.body())?)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = std::str::from_utf8(&self.answer[..self.body]).ok()?;
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// A request, written out.
pub(crate) fn get(path: &str, key: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n\r\n")
        .into_bytes()
}

/// The same with a JSON body. `header` says who asks.
pub(crate) fn post(path: &str, header: (&str, &str), body: &[u8]) -> Vec<u8> {
    let (name, value) = header;
    let length = body.len();
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\n{name}: {value}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Answers each request with the next of these, in two pieces.
    async fn server(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                let (first, second) = answer.split_at(answer.len() / 2);
                stream.write_all(first.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
                stream.write_all(second.as_bytes()).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn one_connection_serves_one_request_after_the_other() {
        let answers = &[
            "HTTP/1.1 201 Created\r\nLog-Position: 1.42\r\nContent-Length: 8\r\n\r\n{\"a\": 1}",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        ];
        let mut wire = Wire::connect(server(answers).await).await.unwrap();
        wire.ask(&post("/", ("authorization", "Bearer a"), b"{}")).await.unwrap();
        assert_eq!(wire.header("log-position"), Some("1.42"));
        assert_eq!(wire.json().unwrap()["a"], 1);
        wire.ask(&get("/", "a")).await.unwrap();
        assert_eq!(wire.body(), b"");
    }

    #[tokio::test]
    async fn an_answer_that_is_no_success_is_an_error_that_says_it() {
        let answers = &["HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnone"];
        let mut wire = Wire::connect(server(answers).await).await.unwrap();
        let error = wire.ask(&get("/v1/nothing", "a")).await.unwrap_err().to_string();
        assert!(error.contains("GET /v1/nothing") && error.ends_with("none"), "{error}");
    }
}
