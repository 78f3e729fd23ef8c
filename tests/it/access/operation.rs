//! Operations of the document, and requests made of it: the example of the body, with ids of
//! somebody's.

use reqwest::Method;
use serde_json::{Value, json};

/// What stands for an id in the document's examples.
const EXAMPLE: &str = "019b2f6e-7c1a-7d35-9e0b-4f1d2a6c8b90";

pub(super) struct Operation {
    pub(super) id: String,
    pub(super) method: Method,
    pub(super) path: String,
    told: Value,
}

/// A request with ids in some places.
#[derive(Clone, Default)]
pub(super) struct Request {
    pub(super) path: String,
    /// Null where there is none.
    pub(super) body: Value,
    pub(super) is_file: bool,
    /// Where an id stands that belongs to somebody.
    pub(super) places: Vec<Place>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Query,
    Body,
}

/// Where an id stands, and of what it is.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Place {
    part: Part,
    name: String,
    pub(super) of: String,
}

impl Place {
    pub(super) fn is_in_path(&self) -> bool {
        self.part == Part::Path
    }
}

impl Operation {
    /// By id; what takes away comes last, so that there is something to ask about until then.
    pub(super) fn all() -> Vec<Operation> {
        let paths = api::document()["paths"].as_object().unwrap();
        let methods = paths.iter().flat_map(|(path, methods)| {
            methods.as_object().unwrap().iter().map(move |(method, told)| Operation {
                id: told["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                told: told.clone(),
            })
        });
        let mut all: Vec<Operation> = methods.collect();
        all.sort_by_key(|operation| (operation.takes(), operation.id.clone()));
        all
    }

    /// How much it takes: of what there is to ask about, or of who could ask.
    fn takes(&self) -> u8 {
        match self.id.as_str() {
            "auth.logout" => 2,
            "message.discard" => 1,
            _ => u8::from(self.method == Method::DELETE),
        }
    }

    /// Whether it is an organisation's: what is public and what is the platform's are not.
    pub(super) fn is_of_an_organization(&self) -> bool {
        !matches!(self.told["x-permission"].as_str(), Some("public" | "staff"))
    }

    /// The request, with the ids that `id` gives to its places.
    pub(super) fn request(&self, id: impl Fn(&Place) -> String) -> Request {
        let mut request = Request { path: self.path.clone(), ..Request::default() };
        self.fill_path(&mut request, &id);
        self.fill_query(&mut request, &id);
        let content = &self.told["requestBody"]["content"];
        request.is_file = content["*/*"].is_object();
        let body = &content["application/json"];
        let several = body["examples"]["text"]["value"].clone();
        request.body = self.body().unwrap_or(if several.is_null() {
            body["example"].clone()
        } else {
            several
        });
        fill_body(&mut request.body, "", &id, &mut request.places);
        request
    }

    /// Where the document's example asks for more than is to be shown here.
    fn body(&self) -> Option<Value> {
        let body = match self.id.as_str() {
            // Nobody lifts others above themselves.
            "invitation.create" => json!({"email": "ben@otieno.example"}),
            "invitation.create_many" => {
                json!({"invitations": [{"email": "ben@otieno.example"}]})
            }
            "message.start" => json!({"channel_id": EXAMPLE, "to": {"contact_id": EXAMPLE},
                "message": {"type": "text", "text": {"body": "Your pot is ready."}}}),
            "member.change" => json!({"role": "agent"}),
            "payout.revise" => json!({"amount": 140_000}),
            // What is said of security is the owner's.
            "workspace.change" => json!({"timezone": "Africa/Nairobi"}),
            _ => return None,
        };
        Some(body)
    }

    fn fill_path(&self, request: &mut Request, id: &impl Fn(&Place) -> String) {
        for parameter in self.parameters("path") {
            let name = parameter["name"].as_str().unwrap();
            let hole = format!("{{{name}}}");
            let of = match name {
                "id" => self.path.split(&hole).next().unwrap().trim_end_matches('/'),
                _ => name,
            };
            let of = of.rsplit('/').next().unwrap().to_owned();
            let place = Place { part: Part::Path, name: name.to_owned(), of };
            request.path = request.path.replace(&hole, &id(&place));
            if parameter["schema"]["format"] == "uuid" {
                request.places.push(place);
            }
        }
    }

    fn fill_query(&self, request: &mut Request, id: &impl Fn(&Place) -> String) {
        for parameter in self.parameters("query").filter(|told| told["required"] == true) {
            let name = parameter["name"].as_str().unwrap().to_owned();
            let place = Place { part: Part::Query, of: name.clone(), name };
            request.path = format!("{}?{}={}", request.path, place.name, id(&place));
            request.places.push(place);
        }
    }

    fn parameters(&self, part: &'static str) -> impl Iterator<Item = &Value> {
        let all = self.told["parameters"].as_array().into_iter().flatten();
        all.filter(move |parameter| parameter["in"] == part)
    }
}

fn fill_body(
    value: &mut Value,
    name: &str,
    id: &impl Fn(&Place) -> String,
    places: &mut Vec<Place>,
) {
    match value {
        Value::String(text) if text == EXAMPLE => {
            let of = name.to_owned();
            let place = Place { part: Part::Body, name: of.clone(), of };
            *text = id(&place);
            places.push(place);
        }
        Value::Object(members) => {
            members.iter_mut().for_each(|(name, value)| fill_body(value, name, id, places));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|item| fill_body(item, name, id, places));
        }
        _ => {}
    }
}
