//! Hands ended spans to OpenTelemetry. The trace of a span is its correlation id, so that whatever
//! follows from a request is in one trace, in whichever task, process or week it happens: nothing
//! is carried along but what events carry anyway.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, SpanData, SpanLinks, SpanProcessor,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

use super::Collector;

/// The crates whose spans are sent.
pub(super) fn ours() -> Targets {
    let crates = ["api", "commands", "event_store", "projections"];
    Targets::new().with_targets(crates.map(|name| (name, Level::DEBUG)))
}

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Spans(Arc<Collector>);

impl Spans {
    pub(super) fn to(collector: Collector) -> Spans {
        Spans(Arc::new(collector))
    }

    /// Sends what has not been sent, and takes no more; tells whether the collector took it. Blocks.
    pub(super) fn send_all(&self) -> bool {
        self.0.0.shutdown().is_ok()
    }
}

/// A span that has not ended.
struct Open {
    trace: TraceId,
    id: SpanId,
    parent: SpanId,
    began: SystemTime,
    told: Told,
}

impl Open {
    /// `within`: the span around it.
    fn new(told: Told, within: Option<(TraceId, SpanId)>) -> Option<Open> {
        let (id, began) = (RandomIdGenerator::default().new_span_id(), SystemTime::now());
        let (trace, id, parent) = match (told.correlation, within) {
            (None, Some((trace, parent))) => (trace, id, parent),
            (Some(of), Some((trace, parent))) if trace_of(of) == trace => (trace, id, parent),
            (Some(of), _) if told.kind == SpanKind::Server => {
                (trace_of(of), span_of(of), SpanId::INVALID)
            }
            // Begun elsewhere, it follows from the request that its trace is named after.
            (Some(of), _) => (trace_of(of), id, span_of(of)),
            (None, None) => return None,
        };
        Some(Open { trace, id, parent, began, told })
    }

    fn ended(self, name: &'static str) -> SpanData {
        let Told { kind, name: told, attributes, failed, caller, .. } = self.told;
        let mut links = SpanLinks::default();
        links.links.extend(caller.map(Link::with_context));
        let context = |id| {
            let (flags, state) = (TraceFlags::SAMPLED, TraceState::default());
            SpanContext::new(self.trace, id, flags, false, state)
        };
        SpanData {
            span_context: context(self.id),
            parent_span_id: self.parent,
            parent_span_is_remote: false,
            span_kind: kind,
            name: told.map_or(name.into(), Into::into),
            start_time: self.began,
            end_time: SystemTime::now(),
            attributes,
            dropped_attributes_count: 0,
            events: Default::default(),
            links,
            status: if failed { Status::error("") } else { Status::Unset },
            instrumentation_scope: InstrumentationScope::builder("verbatim").build(),
        }
    }
}

fn trace_of(correlation: Uuid) -> TraceId {
    TraceId::from_bytes(correlation.into_bytes())
}

/// The request's own span. Its id is known to whatever follows from the request.
fn span_of(correlation: Uuid) -> SpanId {
    let [.., a, b, c, d, e, f, g, h] = correlation.into_bytes();
    SpanId::from_bytes([a, b, c, d, e, f, g, h])
}

/// The span that a `traceparent` names.
fn caller(traceparent: &str) -> Option<SpanContext> {
    let told = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract(&told);
    let caller = context.span().span_context().clone();
    caller.is_valid().then_some(caller)
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut told = Told::default();
        attributes.record(&mut told);
        let within = span.parent().and_then(|around| {
            around.extensions().get::<Open>().map(|around| (around.trace, around.id))
        });
        if let Some(open) = Open::new(told, within) {
            span.extensions_mut().insert(open);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            values.record(&mut open.told);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let open = span.extensions_mut().remove::<Open>();
        if let Some(open) = open {
            self.0.0.on_end(open.ended(span.name()));
        }
    }
}

/// What a span says of itself.
struct Told {
    correlation: Option<Uuid>,
    kind: SpanKind,
    name: Option<String>,
    failed: bool,
    /// The client's span, in a trace of its own.
    caller: Option<SpanContext>,
    attributes: Vec<KeyValue>,
}

impl Default for Told {
    fn default() -> Told {
        let (kind, attributes) = (SpanKind::Internal, vec![]);
        Told { correlation: None, kind, name: None, failed: false, caller: None, attributes }
    }
}

impl Told {
    fn keep(&mut self, field: &Field, value: impl Into<Value>) {
        self.failed |= field.name() == "error.type";
        self.attributes.push(KeyValue::new(field.name(), value));
    }
}

impl Visit for Told {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "otel.name" => self.name = Some(value.to_owned()),
            "otel.kind" if value == "server" => self.kind = SpanKind::Server,
            "otel.kind" => self.kind = SpanKind::Client,
            "traceparent" => self.caller = caller(value),
            _ => self.keep(field, value.to_owned()),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        if field.name() == "correlation_id" {
            self.correlation = Uuid::try_parse(&text).ok();
        }
        self.keep(field, text);
    }
}
