//! One operation: what its declaration says of it, and what is read from its handler's signature.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::{Method, StatusCode};
use domain::aggregate::Role;
use serde_json::{Map, Value, json};

use super::document::{header, parameter, required};
use crate::{dry_run, problem};

#[derive(Debug)]
pub(crate) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    description: Option<&'static str>,
    pub(super) most_bytes: Option<usize>,
    /// The extractor's name, and the roles that it lets in.
    permission: Option<(&'static str, &'static [Role])>,
    pub(super) parameters: Vec<Value>,
    pub(super) required: Option<&'static str>,
    pub(super) body: Option<Value>,
    success: Option<(u16, Map<String, Value>)>,
    /// The answer to a dry run.
    rehearsal: Option<Value>,
    /// Whether it can only be done, because it leaves the building at once.
    done_only: bool,
    headers: Vec<&'static str>,
    pub(super) problems: BTreeMap<u16, BTreeSet<String>>,
}

impl Operation {
    pub(super) fn new(method: Method, path: &'static str) -> Operation {
        Operation {
            method,
            path,
            id: "",
            summary: "",
            description: None,
            most_bytes: None,
            permission: None,
            parameters: vec![],
            required: None,
            body: None,
            success: None,
            rehearsal: None,
            done_only: false,
            headers: vec![],
            problems: BTreeMap::new(),
        }
    }

    /// `id` is noun and verb, `contact.register`: the noun is the tag, and the first word of the
    /// noun's problem codes.
    pub(crate) fn is(&mut self, id: &'static str, summary: &'static str) -> &mut Operation {
        (self.id, self.summary) = (id, summary);
        self
    }

    /// What one sentence has no room for.
    pub(crate) fn says(&mut self, description: &'static str) -> &mut Operation {
        self.description = Some(description);
        self
    }

    /// Codes of problems that can occur beside those of the handler's extractors.
    pub(crate) fn refuses(&mut self, status: u16, codes: &[&str]) -> &mut Operation {
        let known = self.problems.entry(status).or_default();
        known.extend(codes.iter().map(|code| (*code).to_owned()));
        self
    }

    /// Codes of problems where WhatsApp is asked over a channel.
    pub(crate) fn refuses_as_whatsapp(&mut self) -> &mut Operation {
        self.refuses(404, &["whatsapp.not_found"])
            .refuses(409, &["channel.no_access_token", "whatsapp.not_permitted"])
            .refuses(422, &["whatsapp.refused"])
            .refuses(502, &["whatsapp.unclear"])
            .refuses(503, &["whatsapp.unreachable", "whatsapp.busy", "read_model.building"])
    }

    /// A header that has to be sent.
    pub(crate) fn header(&mut self, name: &str, description: &str) -> &mut Operation {
        self.takes_header(name, description, true)
    }

    pub(crate) fn optional_header(&mut self, name: &str, description: &str) -> &mut Operation {
        self.takes_header(name, description, false)
    }

    fn takes_header(&mut self, name: &str, description: &str, required: bool) -> &mut Operation {
        self.parameters.push(json!({
            "name": name,
            "in": "header",
            "required": required,
            "description": description,
            "schema": { "type": "string" },
        }));
        self
    }

    /// A body may be larger than elsewhere.
    pub(crate) fn takes_up_to(&mut self, bytes: usize) -> &mut Operation {
        self.most_bytes = Some(bytes);
        self
    }

    pub(crate) fn permits(&mut self, extractor: &'static str, roles: &'static [Role]) {
        self.permission = Some((extractor, roles));
    }

    /// A parameter that several operations share.
    pub(crate) fn shares(&mut self, name: &str) {
        self.parameters.push(parameter(name));
    }

    /// A shared parameter can't be left out here.
    pub(crate) fn requires(&mut self, name: &'static str) -> &mut Operation {
        self.required = Some(name);
        self
    }

    pub(crate) fn takes(&mut self, content: &str, schema: Value, required: bool) {
        self.body =
            Some(json!({ "required": required, "content": { content: {"schema": schema} } }));
    }

    /// In this content type, too.
    pub(crate) fn answers(&mut self, status: u16, content: &str, schema: Value) {
        let (_, contents) = self.success.get_or_insert_with(|| (status, Map::new()));
        contents.insert(content.to_owned(), json!({ "schema": schema }));
    }

    /// Can be asked what it would do; the answer to that.
    pub(crate) fn rehearses(&mut self, schema: Value) {
        if !self.done_only {
            self.rehearsal = Some(schema);
            self.shares(dry_run::NAME);
        }
    }

    /// Offers no dry run: it asks another party, it changes nothing anyhow, or it lets somebody in.
    /// Why, each of them says in `tests/it/contract/dry_run.rs`.
    pub(crate) fn is_done_only(&mut self) -> &mut Operation {
        self.done_only = true;
        self
    }

    /// What changes something and offers no dry run refuses to be asked for one.
    pub(super) fn refuses_dry_run(&mut self) {
        if !self.method.is_safe() && self.rehearsal.is_none() {
            self.refuses(400, &["dry_run.not_offered"]);
        }
    }

    pub(crate) fn succeeds_with(&mut self, status: u16) {
        if let Some((usual, _)) = &mut self.success {
            *usual = status;
        }
    }

    /// A header of the answer.
    pub(crate) fn tells(&mut self, header: &'static str) {
        self.headers.push(header);
    }

    /// The names in braces.
    pub(crate) fn path_parameters(&self) -> Vec<&'static str> {
        let opened = self.path.split('{').skip(1);
        opened.filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
    }

    pub(super) fn tag(&self) -> &'static str {
        self.id.split_once('.').map_or(self.id, |(noun, _)| noun)
    }

    pub(super) fn to_json(&self) -> Value {
        let mut told = json!({
            "operationId": self.id,
            "tags": [self.tag()],
            "summary": self.summary,
            "description": self.described(),
            "responses": self.responses(),
            "x-permission": self.permission.map_or("public", |(name, _)| name),
        });
        let security = match self.permission {
            Some((_, roles)) => {
                let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
                told["x-roles"] = json!(roles);
                json!([{ "bearer": [] }, { "key": [] }])
            }
            None => json!([]),
        };
        told["security"] = security;
        if !self.parameters.is_empty() {
            let own = |given: &Value| match self.required {
                Some(name) if *given == parameter(name) => required(name),
                _ => given.clone(),
            };
            told["parameters"] = self.parameters.iter().map(own).collect();
        }
        if let Some(body) = &self.body {
            told["requestBody"] = body.clone();
        }
        told
    }

    fn described(&self) -> String {
        let who = match self.permission {
            None => "Needs no key.".to_owned(),
            Some((_, [])) => "For the platform's staff.".to_owned(),
            Some((_, roles)) => {
                let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
                format!("For {}.", roles.join(", "))
            }
        };
        self.description.map_or(who.clone(), |description| format!("{description}\n\n{who}"))
    }

    fn responses(&self) -> Value {
        let mut responses = Map::new();
        if let Some(schema) = &self.rehearsal {
            let told = json!({
                "description": "What it would do, where a dry run was asked for",
                "headers": headers(&["Log-Position"]),
                "content": { dry_run::CONTENT: { "schema": schema } },
            });
            responses.insert("200".to_owned(), told);
        }
        if let Some((status, content)) = &self.success {
            let mut content = content.clone();
            if let (200, Some(schema)) = (status, &self.rehearsal) {
                content.insert(dry_run::CONTENT.to_owned(), json!({ "schema": schema }));
            }
            let told = json!({
                "description": reason(*status),
                "headers": headers(&self.headers),
                "content": content,
            });
            responses.insert(status.to_string(), told);
        }
        if self.parameters.contains(&parameter("If-None-Match")) {
            let told = json!({ "description": reason(304), "headers": headers(&self.headers) });
            responses.insert("304".to_owned(), told);
        }
        for (status, codes) in &self.problems {
            responses.insert(status.to_string(), refusal(*status, codes));
        }
        Value::Object(responses)
    }
}

/// An answer that is a problem document with one of these codes.
pub(super) fn refusal(status: u16, codes: &BTreeSet<String>) -> Value {
    let more: &[&str] = match status {
        401 => &["WWW-Authenticate"],
        409 | 429 | 502 | 503 => &["Retry-After"],
        _ => &[],
    };
    json!({
        "description": reason(status),
        "headers": headers(more),
        "content": { problem::CONTENT: {
            "schema": { "allOf": [
                { "$ref": "#/components/schemas/Problem" },
                { "properties": { "code": { "enum": codes } } },
            ] },
        } },
    })
}

fn headers(names: &[&str]) -> Value {
    let all = names.iter().copied().chain(["X-Request-Id"]);
    Value::Object(all.map(|name| (name.to_owned(), header(name))).collect())
}

fn reason(status: u16) -> &'static str {
    let status = StatusCode::from_u16(status).ok();
    status.and_then(|status| status.canonical_reason()).unwrap_or_default()
}
