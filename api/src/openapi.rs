//! Routes and the document that describes them, out of one declaration: what a handler takes and
//! answers is read from its signature, so the two can't diverge. The rest is said in one place:
//! its id, one sentence, and with which codes it refuses.

mod described;
mod document;
mod example;
mod operation;
mod schemas;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::dev::Handler;
use actix_web::http::Method;
use actix_web::web::{self, PayloadConfig, ServiceConfig};
use actix_web::{FromRequest, Resource, Responder, Route, Scope};
use serde_json::Value;

pub(crate) use described::{Described, Text};
pub(crate) use operation::Operation;
pub(crate) use schemas::Schemas;

use crate::routes;

/// What a JSON body may measure, in bytes.
pub(crate) const MOST_JSON: usize = 1 << 20;

/// The same of a body at one path, where it is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MostBytes(pub(crate) usize);

/// The document, as it is served at `/openapi.json`.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let mut api = Api::default();
        routes::declare(&mut api);
        api.document()
    });
    &DOCUMENT
}

/// The id of the operation at a route, or how it is asked where there is none.
pub(crate) fn operation(method: &Method, route: &str) -> String {
    let id = &document()["paths"][route][method.as_str().to_lowercase()]["operationId"];
    id.as_str().map_or_else(|| format!("{method} {route}"), str::to_owned)
}

/// All that was declared.
#[derive(Default)]
pub(crate) struct Api {
    declared: Vec<Declared>,
}

struct Declared {
    operation: Operation,
    route: Route,
    /// Tells of what is in the handler's signature.
    describe: fn(&mut Operation, &mut Schemas),
}

/// A handler whose signature tells what it takes and answers.
pub(crate) trait Handles<A>: Sized {
    fn route(self, method: Method) -> Route;
    fn describe(operation: &mut Operation, schemas: &mut Schemas);
}

impl<H, A> Handles<A> for H
where
    H: Handler<A>,
    A: FromRequest + Described + 'static,
    H::Output: Responder + Described + 'static,
{
    fn route(self, method: Method) -> Route {
        web::method(method).to(self)
    }

    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        A::describe(operation, schemas);
        H::Output::describe(operation, schemas);
    }
}

impl Api {
    pub(crate) fn get<A>(&mut self, path: &'static str, by: impl Handles<A>) -> &mut Operation {
        self.route(Method::GET, path, by)
    }

    pub(crate) fn post<A>(&mut self, path: &'static str, by: impl Handles<A>) -> &mut Operation {
        self.route(Method::POST, path, by)
    }

    pub(crate) fn patch<A>(&mut self, path: &'static str, by: impl Handles<A>) -> &mut Operation {
        self.route(Method::PATCH, path, by)
    }

    pub(crate) fn put<A>(&mut self, path: &'static str, by: impl Handles<A>) -> &mut Operation {
        self.route(Method::PUT, path, by)
    }

    pub(crate) fn delete<A>(&mut self, path: &'static str, by: impl Handles<A>) -> &mut Operation {
        self.route(Method::DELETE, path, by)
    }

    fn route<H: Handles<A>, A>(
        &mut self,
        method: Method,
        path: &'static str,
        by: H,
    ) -> &mut Operation {
        let route = by.route(method.clone());
        let operation = Operation::new(method, path);
        let at = self.declared.len();
        self.declared.push(Declared { operation, route, describe: H::describe });
        &mut self.declared[at].operation
    }

    /// One resource for each path, so that a wrong method is told the right ones. In alphabetical
    /// order a word comes before a parameter in its place. Paths that begin with the same two words
    /// share a scope: to try all paths takes longer than some answers.
    pub(crate) fn serve(self, cfg: &mut ServiceConfig) {
        let mut scopes: BTreeMap<&str, BTreeMap<&str, Vec<Declared>>> = BTreeMap::new();
        for declared in self.declared {
            let path = declared.operation.path;
            let second = path.match_indices('/').nth(2).map_or(path.len(), |(end, _)| end);
            let (beginning, rest) = path.split_at(second);
            scopes.entry(beginning).or_default().entry(rest).or_default().push(declared);
        }
        for (beginning, paths) in scopes {
            let resources = paths.into_iter().map(|(rest, declared)| resource(rest, declared));
            cfg.service(resources.fold(web::scope(beginning), Scope::service));
        }
    }

    fn document(self) -> Value {
        let mut schemas = Schemas::default();
        let describe = |Declared { mut operation, describe, .. }: Declared| {
            describe(&mut operation, &mut schemas);
            operation.refuses_dry_run();
            operation
        };
        let operations = self.declared.into_iter().map(describe).collect();
        document::assemble(operations, schemas)
    }
}

fn resource(path: &str, declared: Vec<Declared>) -> Resource {
    let mut resource = web::resource(path);
    for Declared { operation, route, .. } in declared {
        if let Some(most) = operation.most_bytes {
            resource = resource.app_data(PayloadConfig::new(most)).app_data(MostBytes(most));
        }
        resource = resource.route(route);
    }
    resource
}
