//! An HTTP server on a port of its own, for a provider that may also hang up without an answer.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};

/// A request that has been read to its end.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: HashMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

pub(crate) enum Answer {
    Reply(Reply),
    /// The connection is closed and nothing said.
    HangUp,
}

pub(crate) trait Service: Send + Sync + 'static {
    fn answer(self: Arc<Self>, call: Call) -> impl Future<Output = Answer> + Send;
}

impl Call {
    /// The path's parts, for matching.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.path.split('/').filter(|part| !part.is_empty()).collect()
    }

    pub(crate) fn bearer(&self) -> Option<&str> {
        self.authorized("Bearer ")
    }

    /// The same token, under the word that the Resumable Upload API wants.
    pub(crate) fn oauth(&self) -> Option<&str> {
        self.authorized("OAuth ")
    }

    fn authorized(&self, scheme: &str) -> Option<&str> {
        self.headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix(scheme)
    }

    pub(crate) fn content_type(&self) -> &str {
        self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON, null where it isn't.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    async fn read(request: Request<Incoming>) -> hyper::Result<Call> {
        let (head, body) = request.into_parts();
        let query = head.uri.query().unwrap_or_default();
        Ok(Call {
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            path: head.uri.path().to_owned(),
            method: head.method,
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        })
    }
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Reply {
        Reply {
            status,
            content_type: "application/json; charset=UTF-8".to_owned(),
            body: body.to_string().into(),
        }
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Ok(value) = self.content_type.parse() {
            response.headers_mut().insert(CONTENT_TYPE, value);
        }
        response
    }
}

/// Threads of its own, so that it serves tests with and without a runtime; dropping it stops
/// everything that goes on in it.
pub(crate) struct Server {
    runtime: Option<Runtime>,
    handle: Handle,
    listener: Option<TcpListener>,
    address: SocketAddr,
}

impl Server {
    /// Takes a free port of this machine. Who connects now waits until `serve`.
    pub(crate) fn bind() -> io::Result<Server> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let handle = runtime.handle().clone();
        Ok(Server { runtime: Some(runtime), handle, listener: Some(listener), address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    pub(crate) fn serve<S: Service>(&mut self, service: Arc<S>) {
        let Some(listener) = self.listener.take() else { return };
        self.handle.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Small answers otherwise wait for the other side's acknowledgement.
                let _ = stream.set_nodelay(true);
                let service = Arc::clone(&service);
                let serve = service_fn(move |request| respond(Arc::clone(&service), request));
                tokio::spawn(async move {
                    // Fails where we hang up or the client goes: both are meant to happen.
                    let _ =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
                });
            }
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Debug)]
enum Closed {
    OnPurpose,
    Unreadable(hyper::Error),
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Closed::OnPurpose => f.write_str("hung up on purpose"),
            Closed::Unreadable(error) => write!(f, "request can't be read: {error}"),
        }
    }
}

impl std::error::Error for Closed {}

/// An error makes hyper close the connection without an answer.
async fn respond<S: Service>(
    service: Arc<S>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Closed> {
    let call = Call::read(request).await.map_err(Closed::Unreadable)?;
    // What has arrived is done, even if the client doesn't wait for it.
    match tokio::spawn(service.answer(call)).await {
        Ok(Answer::Reply(reply)) => Ok(reply.into_response()),
        Ok(Answer::HangUp) | Err(_) => Err(Closed::OnPurpose),
    }
}
