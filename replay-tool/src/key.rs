//! The key of a read model's row as people type it: `name=value`, a JSON object, or a lone id.

use chrono::{DateTime, Utc};
use projections::Model;
use projections::model::{Column, Source};
use serde_json::{Map, Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::failure::Failure;

/// The read model of that name, for clap.
pub(crate) fn read_model(name: &str) -> Result<&'static dyn Model, String> {
    projections::model(name).ok_or_else(|| {
        let names: Vec<&str> = projections::MODELS.iter().map(|model| model.name()).collect();
        format!("the read models are {}", names.join(", "))
    })
}

/// A reason that will stand in the log, for clap.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    match text.trim().is_empty() || text.chars().count() > 500 {
        true => Err("a reason has 1 to 500 characters".into()),
        false => Ok(text.trim().to_owned()),
    }
}

/// The whole key. The organisation may be left out where the log tells it.
pub(crate) async fn key(
    pool: &PgPool,
    model: &dyn Model,
    words: &[String],
) -> Result<Value, Failure> {
    let mut key = parse(model, words).map_err(Failure::Usage)?;
    if !key.contains_key("tenant_id") {
        let tenant = tenant_of(pool, model, &key).await?;
        key.insert("tenant_id".into(), json!(tenant));
    }
    match model.key().iter().find(|column| !key.contains_key(column.name)) {
        Some(missing) => Err(Failure::Usage(format!(
            "a row of {} is named by {}; {} is missing",
            model.name(),
            columns(model),
            missing.name
        ))),
        None => Ok(Value::Object(key)),
    }
}

fn parse(model: &dyn Model, words: &[String]) -> Result<Map<String, Value>, String> {
    if let [word] = words
        && word.starts_with('{')
    {
        let object: Map<String, Value> =
            serde_json::from_str(word).map_err(|error| format!("the key is not JSON: {error}"))?;
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        return object.iter().map(|(name, value)| member(model, name, &text(value))).collect();
    }
    if let ([word], Some(column)) = (words, model.key().get(1))
        && !word.contains('=')
    {
        return Ok(Map::from_iter([(column.name.to_owned(), typed(column, word)?)]));
    }
    let pair = |word: &String| {
        let (name, value) = word.split_once('=').ok_or_else(|| {
            format!("a row of {} is named by {} as name=value", model.name(), columns(model))
        })?;
        member(model, name, value)
    };
    words.iter().map(pair).collect()
}

fn member(model: &dyn Model, name: &str, value: &str) -> Result<(String, Value), String> {
    let column = model.key().iter().find(|column| column.name == name).ok_or_else(|| {
        format!("{name} does not name a row of {}; {} do", model.name(), columns(model))
    })?;
    Ok((name.to_owned(), typed(column, value)?))
}

/// Written as the read model writes it: keys are compared as text.
fn typed(column: &Column, text: &str) -> Result<Value, String> {
    let bad = |what: &str| format!("{} is {what}, which `{text}` is not", column.name);
    Ok(match column.sql_type {
        "uuid" => json!(text.parse::<Uuid>().map_err(|_| bad("a UUID"))?),
        "bigint" => json!(text.parse::<i64>().map_err(|_| bad("a number"))?),
        "timestamptz" => {
            json!(text.parse::<DateTime<Utc>>().map_err(|_| bad("an RFC 3339 time"))?)
        }
        _ => json!(text),
    })
}

fn columns(model: &dyn Model) -> String {
    model.key().iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

async fn tenant_of(
    pool: &PgPool,
    model: &dyn Model,
    key: &Map<String, Value>,
) -> Result<Uuid, Failure> {
    let second = model.key().get(1).map_or("", |column| column.name);
    let missing =
        || Failure::Usage(format!("tenant_id is needed to name a row of {}", model.name()));
    let value = key.get(second).ok_or_else(missing)?;
    let found: Option<Uuid> = match model.source() {
        Source::Stream(kind) => {
            sqlx::query_scalar(
                "select tenant_id from events where aggregate_type = $1 and aggregate_id = $2
                  order by sequence limit 1",
            )
            .bind(kind)
            .bind(value.as_str())
            .fetch_optional(pool)
            .await?
        }
        Source::Position => {
            sqlx::query_scalar("select tenant_id from events where position = $1")
                .bind(value.as_i64())
                .fetch_optional(pool)
                .await?
        }
        Source::Bucket => return Err(missing()),
    };
    found.ok_or_else(|| Failure::Found(format!("the log knows no {second} {value}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ID: &str = "0197aaaa-0000-7000-8000-000000000001";

    fn parsed(name: &str, words: &[&str]) -> Result<Value, String> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        parse(read_model(name)?, &words).map(Value::Object)
    }

    #[test]
    fn a_lone_id_names_the_row_of_its_stream_and_a_lone_number_that_of_its_position() {
        assert_eq!(parsed("inbox", &[ID]), Ok(json!({"conversation_id": ID})));
        assert_eq!(parsed("audit", &["17"]), Ok(json!({"position": 17})));
    }

    #[test]
    fn pairs_and_json_name_the_same_row() {
        let spelled = parsed("audit", &[&format!("tenant_id={}", ID.to_uppercase()), "position=7"]);
        let object = parsed("audit", &[&format!("{{\"tenant_id\":\"{ID}\",\"position\":7}}")]);
        assert_eq!(spelled, object);
        assert_eq!(object, Ok(json!({"tenant_id": ID, "position": 7})));
    }

    #[test]
    fn times_are_written_as_the_read_model_writes_them() {
        let row = parsed("message_volume", &["bucket=2026-05-01T12:15:00+00:00", "kind=text"]);
        assert_eq!(row, Ok(json!({"bucket": "2026-05-01T12:15:00Z", "kind": "text"})));
    }

    #[test]
    fn a_wrong_name_or_value_is_refused() {
        assert!(parsed("inbox", &["state=open"]).unwrap_err().contains("conversation_id"));
        assert!(parsed("inbox", &["conversation_id=7"]).unwrap_err().contains("a UUID"));
        assert!(parsed("inbox", &["one", "two"]).is_err());
        assert!(parsed("outbox", &[ID]).unwrap_err().contains("inbox"));
    }
}
