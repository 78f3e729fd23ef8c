//! The one place that builds an HTTP client and makes calls with it, so that every gateway tells
//! a call that never left from one whose answer was lost.

#[cfg(test)]
pub(crate) mod canned;

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, RequestBuilder, Response, redirect, retry};

const CONNECT: Duration = Duration::from_secs(5);

/// Shorter than what servers commonly allow: a request on a connection that is being closed at the
/// same moment ends without an answer.
const IDLE: Duration = Duration::from_secs(20);

/// What went wrong on the way. It names no address and quotes nothing: both can hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    #[error("the request can't be made")]
    Request,
    #[error("no connection")]
    Connect,
    #[error("no answer in time")]
    Timeout,
    #[error("the connection broke")]
    Cut,
    /// With the provider's code, where it told one.
    #[error("the server failed with status {status}{}", and_code(*code))]
    Server { status: u16, code: Option<i64> },
    #[error("the answer can't be understood")]
    Unreadable,
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

fn and_code(code: Option<i64>) -> String {
    code.map(|code| format!(" and code {code}")).unwrap_or_default()
}

/// A call that brought no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The other side can't have seen it: trying again is safe.
    #[error("not sent: {0}")]
    NotSent(Cause),
    /// The other side may have done what was asked.
    #[error("it is not known what became of it: {0}")]
    Unclear(Cause),
}

/// Whatever the status; a body that ended where it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// A client to share between gateways. It repeats nothing and follows no redirect: both would
/// happen behind the back of whoever counts attempts.
pub fn client() -> Result<Client, reqwest::Error> {
    trust_ring();
    Client::builder()
        .user_agent("verbatim")
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .build()
}

/// Makes ring the process's source of cryptography for TLS. Every program that builds an HTTP
/// client of its own calls this first; once is enough, more does no harm.
pub fn trust_ring() {
    // An error means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// An answer whose body is still to come.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) status: u16,
    response: Response,
    longest: usize,
    read: usize,
}

impl Incoming {
    /// How long the body is going to be, where the other side says so.
    pub(crate) fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next piece of the body; `None` where it ended as it should.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Cause> {
        let chunk = self.response.chunk().await.map_err(|error| cut(&error))?;
        self.read += chunk.as_ref().map_or(0, Bytes::len);
        if self.read > self.longest {
            return Err(Cause::TooLong(self.longest));
        }
        Ok(chunk)
    }

    /// All of the body.
    pub(crate) async fn whole(mut self) -> Result<Answer, Cause> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status: self.status, body })
    }
}

/// Makes one call, of which sending and reading take `timeout` together.
pub(crate) async fn call(
    request: RequestBuilder,
    timeout: Duration,
    longest: usize,
) -> Result<Answer, Lost> {
    let incoming = begin(request, timeout, longest).await?;
    incoming.whole().await.map_err(Lost::Unclear)
}

/// The same, for who takes the body piece by piece.
pub(crate) async fn begin(
    request: RequestBuilder,
    timeout: Duration,
    longest: usize,
) -> Result<Incoming, Lost> {
    let response = request.timeout(timeout).send().await.map_err(|error| lost(&error))?;
    let told = response.content_length().unwrap_or_default();
    if usize::try_from(told).map_or(true, |told| told > longest) {
        return Err(Lost::Unclear(Cause::TooLong(longest)));
    }
    Ok(Incoming { status: response.status().as_u16(), response, longest, read: 0 })
}

fn lost(error: &reqwest::Error) -> Lost {
    if error.is_builder() {
        Lost::NotSent(Cause::Request)
    } else if error.is_connect() {
        // A slow connection counts too: its limit is shorter than that of any call.
        Lost::NotSent(Cause::Connect)
    } else {
        Lost::Unclear(cut(error))
    }
}

fn cut(error: &reqwest::Error) -> Cause {
    if error.is_timeout() { Cause::Timeout } else { Cause::Cut }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::canned::{Canned, Step};
    use super::*;

    const SOON: Duration = Duration::from_millis(300);

    async fn ask(step: Step, longest: usize) -> Result<Answer, Lost> {
        let server = Canned::playing([step]).await;
        call(client().unwrap().post(&server.base_url).body("hello"), SOON, longest).await
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_was_certainly_not_reached() {
        let address = Canned::nobody().await;
        let lost = call(client().unwrap().get(address), SOON, 100).await;
        assert_eq!(lost, Err(Lost::NotSent(Cause::Connect)));
    }

    #[tokio::test]
    async fn a_request_that_can_not_be_made_was_not_sent() {
        let lost = call(client().unwrap().get("nonsense"), SOON, 100).await;
        assert_eq!(lost, Err(Lost::NotSent(Cause::Request)));
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_late_or_missing_leaves_it_unclear() {
        for (step, cause) in [
            (Step::Cut, Cause::Cut),
            (Step::Silence, Cause::Timeout),
            (Step::Half(200, "{\"ok\"".into()), Cause::Cut),
        ] {
            assert_eq!(ask(step, 100).await, Err(Lost::Unclear(cause)));
        }
    }

    #[tokio::test]
    async fn no_more_is_read_than_was_allowed() {
        let answer = Step::Answer(200, "x".repeat(101));
        assert_eq!(ask(answer, 100).await, Err(Lost::Unclear(Cause::TooLong(100))));
        let unannounced = Step::Stream(200, "x".repeat(101));
        assert_eq!(ask(unannounced, 100).await, Err(Lost::Unclear(Cause::TooLong(100))));
        let full = ask(Step::Stream(404, "x".repeat(100)), 100).await.unwrap();
        assert_eq!((full.status, full.body.len()), (404, 100));
    }

    #[test]
    fn a_failed_server_is_told_with_its_code() {
        let told = |code| Cause::Server { status: 500, code }.to_string();
        assert_eq!(told(None), "the server failed with status 500");
        assert_eq!(told(Some(2)), "the server failed with status 500 and code 2");
    }

    #[tokio::test]
    async fn a_secure_address_is_spoken_to_in_tls() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let first = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap()
        });
        let lost = call(client().unwrap().get(address), SOON, 100).await;
        assert_eq!(lost, Err(Lost::NotSent(Cause::Connect)));
        assert_eq!(first.await.unwrap(), 22, "a TLS handshake");
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_not_followed() {
        let answer = ask(Step::Redirect("http://127.0.0.1:1/".into()), 100).await.unwrap();
        assert_eq!(answer.status, 307);
    }
}
