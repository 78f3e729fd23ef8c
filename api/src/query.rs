//! What an address asks beside its path. Whatever can't be read there is named.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::problem::Problem;

#[derive(Debug)]
pub(crate) struct Query<T>(T);

impl<T> Query<T> {
    pub(crate) fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request.query_string()).map(Query))
    }
}

fn read<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let asked = form_urlencoded::parse(query.as_bytes());
    let asked = serde_urlencoded::Deserializer::new(asked);
    serde_path_to_error::deserialize(asked).map_err(|error| {
        let (path, told) = (error.path().to_string(), error.inner().to_string());
        // Of one that is missing, unknown or there twice, serde tells the name in what it says.
        match told.split('`').nth(1).filter(|_| told.contains(" field `")) {
            Some(name) => invalid(name, told.clone()),
            None => invalid(&path, format!("{path} {}", wanted(&told))),
        }
    })
}

/// A parameter that can't be read.
pub(crate) fn invalid(name: &str, detail: impl Into<String>) -> Problem {
    Problem::bad_request("query.invalid", detail).about(name)
}

/// What the standard library says of numbers and booleans, as somebody can use it who sees only the
/// address.
fn wanted(told: &str) -> String {
    match told {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "is a whole number".to_owned()
        }
        "number too large to fit in target type" => "is a smaller number".to_owned(),
        "number too small to fit in target type" => "is a larger number".to_owned(),
        "provided string was not `true` or `false`" => "is true or false".to_owned(),
        other => format!("can't be read: {other}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        from: String,
        limit: Option<i64>,
        #[serde(default)]
        unread: bool,
    }

    #[test]
    fn what_can_be_read_is_read() {
        let asked: Asked = read("from=a%20b&limit=5&unread=true").unwrap();
        assert_eq!((asked.from.as_str(), asked.limit, asked.unread), ("a b", Some(5), true));
    }

    #[test]
    fn what_can_not_be_read_is_named_with_what_it_should_be() {
        for (query, name, wanted) in [
            ("from=a&limit=ten", "limit", "limit is a whole number"),
            ("from=a&limit=", "limit", "limit is a whole number"),
            ("from=a&limit=9223372036854775808", "limit", "limit is a smaller number"),
            ("from=a&unread=yes", "unread", "unread is true or false"),
            ("from=a&limt=5", "limt", "unknown field `limt`"),
            ("from=a&from=b", "from", "duplicate field `from`"),
            ("limit=5", "from", "missing field `from`"),
        ] {
            let problem = serde_json::to_value(read::<Asked>(query).unwrap_err().document());
            let error = &problem.unwrap()["errors"][0];
            assert_eq!((&error["field"], &error["code"]), (&name.into(), &"query.invalid".into()));
            assert!(error["detail"].as_str().unwrap().contains(wanted), "{error}");
        }
    }
}
