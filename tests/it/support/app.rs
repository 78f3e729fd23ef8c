//! x
pub(crate) struct App;
