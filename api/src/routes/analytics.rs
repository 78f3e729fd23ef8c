//! Being written.

use actix_web::web::ServiceConfig;

pub(crate) fn routes(_: &mut ServiceConfig) {}
