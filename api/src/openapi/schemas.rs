//! The schemas of bodies: those that we take, and those that we tell. A field that may be left out
//! when it is taken may always be there when it is told, so one type can have two schemas.

use std::collections::BTreeSet;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

const PATH: &str = "/components/schemas";

pub(crate) struct Schemas {
    taken: SchemaGenerator,
    told: SchemaGenerator,
}

impl Default for Schemas {
    fn default() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = PATH.into();
                settings.meta_schema = None;
                settings.transforms.push(Box::new(RecursiveTransform(left_out)));
            })
        };
        Schemas {
            taken: settings().for_deserialize().into_generator(),
            told: settings().for_serialize().into_generator(),
        }
    }
}

impl Schemas {
    /// What a request may hold.
    pub(crate) fn taken<T: JsonSchema>(&mut self) -> Value {
        self.taken.subschema_for::<T>().to_value()
    }

    /// The same without a name.
    pub(crate) fn inline<T: JsonSchema>(&mut self) -> Value {
        T::json_schema(&mut self.taken).to_value()
    }

    /// What an answer holds.
    pub(crate) fn told<T: JsonSchema>(&mut self) -> Value {
        self.told.subschema_for::<T>().to_value()
    }

    /// All named schemas. Where one that is taken is not the one of its name that is told, it gets
    /// a name of its own, and what refers to it in `taken` and in other schemas follows.
    pub(super) fn into_components<'a>(
        mut self,
        taken: impl IntoIterator<Item = &'a mut Value>,
    ) -> Map<String, Value> {
        let mut all = self.told.take_definitions(true);
        let mut ours = self.taken.take_definitions(true);
        let mut apart: BTreeSet<String> = BTreeSet::new();
        loop {
            let differs = |(name, schema): (&String, &Value)| {
                all.get(name).is_some_and(|told| told != schema).then(|| name.clone())
            };
            let found: BTreeSet<String> = ours.iter().filter_map(differs).collect();
            if found.is_subset(&apart) {
                break;
            }
            for schema in ours.values_mut() {
                rename(schema, &found);
            }
            apart.extend(found);
        }
        for schema in taken {
            rename(schema, &apart);
        }
        for (name, schema) in ours {
            let name = if apart.contains(&name) { own(&name) } else { name };
            all.insert(name, schema);
        }
        all
    }
}

/// That a field may be left out is said by its not being required. Null, which derives give such a
/// field as its default, is often none of its values, and seldom what leaving it out means.
fn left_out(schema: &mut Schema) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
}

fn own(name: &str) -> String {
    format!("{name}Input")
}

fn rename(schema: &mut Value, names: &BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                let name =
                    value.as_str().and_then(|path| path.strip_prefix("#/components/schemas/"));
                match name {
                    Some(name) if key == "$ref" && names.contains(name) => {
                        *value = format!("#{PATH}/{}", own(name)).into();
                    }
                    _ => rename(value, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        _ => {}
    }
}
