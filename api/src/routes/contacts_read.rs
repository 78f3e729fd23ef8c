//! Reading contacts; `contacts` registers these two on its resources.

use crate::problem::Problem;

pub(crate) async fn list() -> Problem {
    Problem::not_found()
}

pub(crate) async fn show() -> Problem {
    Problem::not_found()
}
