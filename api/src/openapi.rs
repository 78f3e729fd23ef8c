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
use actix_web::{FromRequest, Responder, Route};
use serde_json::Value;

pub(crate) use described::{Described, Text};
pub(crate) use operation::Operation;
pub(crate) use schemas::Schemas;

use crate::routes;

/// The document, as it is served at `/openapi.json`.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let mut api = Api::default();
        routes::declare(&mut api);
        api.document()
    });
    &DOCUMENT
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

impl Api {
    pub(crate) fn get<H: Handler<A>, A>(&mut self, path: &'static str, handler: H) -> &mut Operation
    where
        A: FromRequest + Described + 'static,
        H::Output: Responder + Described + 'static,
    {
        self.route(Method::GET, path, handler)
    }

    pub(crate) fn post<H: Handler<A>, A>(
        &mut self,
        path: &'static str,
        handler: H,
    ) -> &mut Operation
    where
        A: FromRequest + Described + 'static,
        H::Output: Responder + Described + 'static,
    {
        self.route(Method::POST, path, handler)
    }

    pub(crate) fn patch<H: Handler<A>, A>(
        &mut self,
        path: &'static str,
        handler: H,
    ) -> &mut Operation
    where
        A: FromRequest + Described + 'static,
        H::Output: Responder + Described + 'static,
    {
        self.route(Method::PATCH, path, handler)
    }

    pub(crate) fn put<H: Handler<A>, A>(&mut self, path: &'static str, handler: H) -> &mut Operation
    where
        A: FromRequest + Described + 'static,
        H::Output: Responder + Described + 'static,
    {
        self.route(Method::PUT, path, handler)
    }

    pub(crate) fn delete<H: Handler<A>, A>(
        &mut self,
        path: &'static str,
        handler: H,
    ) -> &mut Operation
    where
        A: FromRequest + Described + 'static,
        H::Output: Responder + Described + 'static,
    {
        self.route(Method::DELETE, path, handler)
    }

    fn route<H: Handler<A>, A>(
        &mut self,
        method: Method,
        path: &'static str,
        handler: H,
    ) -> &mut Operation
    where
        A: FromRequest + Described + 'static,
        H::Output: Responder + Described + 'static,
    {
        let describe = |operation: &mut Operation, schemas: &mut Schemas| {
            A::describe(operation, schemas);
            H::Output::describe(operation, schemas);
        };
        let route = web::method(method.clone()).to(handler);
        let at = self.declared.len();
        self.declared.push(Declared { operation: Operation::new(method, path), route, describe });
        &mut self.declared[at].operation
    }

    /// One resource for each path, so that a wrong method is told the right ones. In alphabetical
    /// order a word comes before a parameter in its place.
    pub(crate) fn serve(self, cfg: &mut ServiceConfig) {
        let mut paths: BTreeMap<&str, Vec<Declared>> = BTreeMap::new();
        for declared in self.declared {
            paths.entry(declared.operation.path).or_default().push(declared);
        }
        for (path, declared) in paths {
            let mut resource = web::resource(path);
            for Declared { operation, route, .. } in declared {
                if let Some(most) = operation.most_bytes {
                    resource = resource.app_data(PayloadConfig::new(most));
                }
                resource = resource.route(route);
            }
            cfg.service(resource);
        }
    }

    fn document(self) -> Value {
        let mut schemas = Schemas::default();
        let describe = |Declared { mut operation, describe, .. }: Declared| {
            describe(&mut operation, &mut schemas);
            operation
        };
        let operations = self.declared.into_iter().map(describe).collect();
        document::assemble(operations, schemas)
    }
}
