//! What a body looks like, by the type that is read or written.

use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The schema of a type.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    name: fn() -> String,
    schemas: fn() -> Vec<(String, RefOr<Schema>)>,
}

/// The schema of a type.
pub(super) const fn of<T: ToSchema + PartialSchema>() -> Shape {
    Shape { name: || T::name().into_owned(), schemas: schemas::<T> }
}

fn schemas<T: ToSchema + PartialSchema>() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    schemas
}

impl Shape {
    /// A reference to it.
    pub(super) fn reference(&self) -> Value {
        json!({ "$ref": format!("#/components/schemas/{}", (self.name)()) })
    }

    /// Enters it, and what it is made of, among the schemas of a document.
    pub(super) fn collect(&self, schemas: &mut Map<String, Value>) {
        for (name, schema) in (self.schemas)() {
            if let Ok(schema) = serde_json::to_value(schema) {
                schemas.insert(name, schema);
            }
        }
    }
}
