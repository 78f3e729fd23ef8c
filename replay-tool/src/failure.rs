//! Why the tool could not do what it was asked, and the exit code that says so.

use std::io;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The question makes no sense as it was put.
    #[error("{0}")]
    Usage(String),
    /// The question was understood, and the answer is bad news.
    #[error("{0}")]
    Found(String),
    #[error("stopped before it was done")]
    Interrupted,
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Open(#[from] event_store::database::OpenError),
    #[error(transparent)]
    Embedded(#[from] event_store::embedded::EmbeddedError),
    #[error(transparent)]
    Store(#[from] event_store::Error),
    #[error(transparent)]
    Keys(#[from] event_store::keys::KeyError),
    #[error(transparent)]
    Projections(#[from] projections::Error),
    #[error("writing failed: {0}")]
    Output(#[from] io::Error),
    #[error("a stored document is not JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<projections::as_of::AsOfError> for Failure {
    fn from(error: projections::as_of::AsOfError) -> Self {
        match error {
            projections::as_of::AsOfError::Failed(error) => Failure::Projections(error),
            bad_key => Failure::Usage(bad_key.to_string()),
        }
    }
}

impl Failure {
    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Interrupted => 130,
            _ => 1,
        }
    }

    /// The whole story in one line: databases like to tell theirs in several.
    pub(crate) fn line(&self) -> String {
        self.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Who reads our output has seen enough, as `head` does.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
