//! Each command of a scenario is rehearsed first: the dry run has to foretell what happens then,
//! and to leave nothing behind.

use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use super::Shop;
use crate::support::Answer;

/// What a dry run foretold.
pub(super) struct Rehearsal {
    what: String,
    /// The code of a refusal.
    refused: Option<Value>,
}

impl Shop {
    pub(super) async fn rehearse(
        &self,
        method: &Method,
        key: &str,
        path: &str,
        body: &Value,
    ) -> Rehearsal {
        let before = self.written().await;
        let sign = if path.contains('?') { '&' } else { '?' };
        let asked = format!("{path}{sign}dry_run=true");
        let once = Uuid::now_v7().to_string();
        let headers = [("idempotency-key", once.as_str())];
        let told = self.app.send(method.clone(), key, &asked, Some(body.clone()), &headers).await;
        assert_eq!(self.written().await, before, "{method} {asked} wrote something");
        let what = format!("{method} {asked}: {}", told.text);
        let refused = match told.status.as_u16() {
            200 => None,
            _ => Some(told.json()["code"].clone()),
        };
        Rehearsal { what, refused }
    }

    /// Everything that a command could write, by its number.
    async fn written(&self) -> (i64, i64, i64, i64) {
        let written = "select (select coalesce(max(position), 0) from events),
            (select count(*) from secrets), (select count(*) from claims),
            (select count(*) from idempotency_keys)";
        sqlx::query_as(written).fetch_one(&self.app.db.database.owner).await.unwrap()
    }
}

impl Rehearsal {
    #[track_caller]
    pub(super) fn came_true(&self, answer: &Answer) {
        match &self.refused {
            None => assert!(answer.status.is_success(), "{} then {}", self.what, answer.text),
            Some(code) if code == "dry_run.not_offered" => {}
            Some(code) => assert_eq!(answer.json()["code"], *code, "{}", self.what),
        }
    }
}
