//! The way to an OpenTelemetry collector, by OTLP over HTTP: set by the environment, in the names
//! that OpenTelemetry gives its settings.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use commands::gateways::http;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfig, BatchSpanProcessor, SpanProcessor};
use tokio::runtime::Handle;

/// Where spans go; either is enough.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
const SERVICE: &str = "verbatim";

/// Its address may hold a password, and is not told.
#[derive(Debug, thiserror::Error)]
#[error(
    "spans can't be sent where OTEL_EXPORTER_OTLP_ENDPOINT says: write http://host:4318, or leave \
     it out"
)]
pub(crate) struct Unusable;

pub(super) struct Collector(pub(super) BatchSpanProcessor);

impl Collector {
    /// The collector that the environment names, if it names one.
    pub(super) fn told() -> Result<Option<Collector>, Unusable> {
        if ENDPOINTS.iter().all(|name| set(name).is_none()) {
            return Ok(None);
        }
        let client = Client {
            http: http::client().map_err(|_| Unusable)?,
            runtime: Handle::current(),
            failing: false.into(),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .build()
            .map_err(|_| Unusable)?;
        let mut processor = BatchSpanProcessor::new(exporter, BatchConfig::default());
        // Its own detectors read OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.
        let resource = Resource::builder();
        let resource = match set("OTEL_SERVICE_NAME") {
            Some(_) => resource.build(),
            None => resource.with_service_name(SERVICE).build(),
        };
        processor.set_resource(&resource);
        Ok(Some(Collector(processor)))
    }
}

fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The client of our gateways. Spans are sent by a thread of their own, outside of the runtime that
/// the client needs.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
    failing: AtomicBool,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (http, request) = (self.http.clone(), reqwest::Request::try_from(request)?);
        let sent = self.runtime.spawn(async move {
            let answer = http.execute(request).await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        });
        // An address may hold a password.
        let sent = sent.await?.map_err(reqwest::Error::without_url);
        let fails = !matches!(&sent, Ok((status, _)) if status.is_success());
        if fails && !self.failing.swap(fails, Ordering::Relaxed) {
            tracing::warn!("Spans are lost: their collector does not take them");
        }
        self.failing.store(fails, Ordering::Relaxed);
        let (status, body) = sent?;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Ok(response)
    }
}
