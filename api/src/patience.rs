//! How long we wait for a body: one that trickles in would hold its connection for ever.

use std::io;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage};
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use crate::State;

pub(crate) async fn middleware(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let patience = request.app_data::<Data<State>>().map(|state| state.terms.patience);
    if let Some(patience) = patience {
        let payload = within(request.take_payload(), patience);
        request.set_payload(payload);
    }
    next.call(request).await
}

/// Whoever sends this much has earned a second more: a large body takes its time.
const A_SECONDS_WORTH: usize = 256 << 10;

/// The same payload; what has not come in time never does.
fn within(payload: Payload, patience: Duration) -> Payload {
    if matches!(payload, Payload::None) {
        return payload;
    }
    let deadline = Instant::now() + patience;
    let payload = stream::unfold(Some((payload, 0)), move |state| async move {
        let (mut payload, came) = state?;
        let earned = Duration::from_secs((came / A_SECONDS_WORTH) as u64);
        match timeout_at(deadline + earned, payload.next()).await {
            Ok(chunk) => {
                let chunk = chunk?;
                let came = came + chunk.as_ref().map_or(0, |bytes| bytes.len());
                Some((chunk, Some((payload, came))))
            }
            Err(_) => Some((Err(PayloadError::Io(io::ErrorKind::TimedOut.into())), None)),
        }
    });
    Payload::Stream { payload: Box::pin(payload) }
}

/// Whether a request failed because its body did not come in time.
pub(crate) fn ran_out(error: &Error) -> bool {
    let error = error.as_error::<PayloadError>();
    matches!(error, Some(PayloadError::Io(error)) if error.kind() == io::ErrorKind::TimedOut)
}
