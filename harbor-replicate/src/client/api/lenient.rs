//! Reads what Harbor answers: Go leaves out members that are zero (`omitempty`), and says `null` of lists that are empty.

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

type Error = serde_json::Error;

/// A value whose members that are `null`, or that a type has and the value has not, read as zero: 0, false, empty, nothing.
pub(super) struct Lenient(pub(super) Value);

/// Forwards what is in a value, whose parts are lenient as well.
fn forward<'de, V: Visitor<'de>>(value: Value, visitor: V) -> Result<V::Value, Error> {
    match value {
        Value::Array(entries) => {
            let mut entries = SeqDeserializer::new(entries.into_iter().map(Lenient));
            let read = visitor.visit_seq(&mut entries)?;
            entries.end()?;
            Ok(read)
        }
        Value::Object(members) => visitor.visit_map(MapDeserializer::new(present(members))),
        value => value.deserialize_any(visitor),
    }
}

fn present(members: Map<String, Value>) -> impl Iterator<Item = (String, Lenient)> {
    members.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name, Lenient(value)))
}

impl<'de> IntoDeserializer<'de, Error> for Lenient {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Lenient {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        forward(self.0, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { Zero.deserialize_seq(visitor) } else { forward(self.0, visitor) }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(members) => visitor.visit_map(Members::new(members, fields)),
            _ => Err(de::Error::custom(format_args!("{name} is no object"))),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct map identifier ignored_any
    }
}

/// The members that a value has, and then those that it has not.
struct Members<I> {
    present: I,
    absent: std::vec::IntoIter<&'static str>,
    value: Option<Lenient>,
}

impl Members<()> {
    fn new(
        members: Map<String, Value>,
        fields: &'static [&'static str],
    ) -> Members<impl Iterator<Item = (String, Lenient)>> {
        let is_absent = |field: &&&str| members.get(**field).is_none_or(Value::is_null);
        let absent: Vec<_> = fields.iter().filter(is_absent).copied().collect();
        Members { present: present(members), absent: absent.into_iter(), value: None }
    }
}

impl<'de, I: Iterator<Item = (String, Lenient)>> MapAccess<'de> for Members<I> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if let Some((name, value)) = self.present.next() {
            self.value = Some(value);
            return seed.deserialize(name.into_deserializer()).map(Some);
        }
        match self.absent.next() {
            Some(name) => seed.deserialize(StrDeserializer::new(name)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(value),
            None => seed.deserialize(Zero),
        }
    }
}

/// What Go leaves out.
struct Zero;

macro_rules! zero {
    ($($method:ident => $visit:ident($($value:expr)?);)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit($($value)?)
        })*
    };
}

impl<'de> Deserializer<'de> for Zero {
    type Error = Error;

    zero! {
        deserialize_any => visit_unit();
        deserialize_bool => visit_bool(false);
        deserialize_i8 => visit_i64(0);
        deserialize_i16 => visit_i64(0);
        deserialize_i32 => visit_i64(0);
        deserialize_i64 => visit_i64(0);
        deserialize_u8 => visit_u64(0);
        deserialize_u16 => visit_u64(0);
        deserialize_u32 => visit_u64(0);
        deserialize_u64 => visit_u64(0);
        deserialize_f32 => visit_f64(0.0);
        deserialize_f64 => visit_f64(0.0);
        deserialize_str => visit_str("");
        deserialize_string => visit_str("");
        deserialize_option => visit_none();
        deserialize_unit => visit_unit();
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(SeqDeserializer::<_, Error>::new(std::iter::empty::<u8>()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Members::new(Map::new(), &[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Members::new(Map::new(), fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _variants: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        Err(de::Error::custom(format_args!("there is no {name}")))
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit_struct tuple tuple_struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use harbor_core::api;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    fn read<T: for<'de> Deserialize<'de>>(value: Value) -> T {
        T::deserialize(Lenient(value)).unwrap()
    }

    #[test]
    fn what_go_leaves_out_is_zero() {
        let repository: api::Repository = read(json!({
            "id": 1, "name": "library/web", "project_id": 1, "artifact_count": null,
            "creation_time": "2026-01-01T00:00:00.000Z", "update_time": "2026-01-01T00:00:00.000Z", "another": {"x": null},
        }));
        assert_eq!((repository.artifact_count, repository.pull_count), (0, 0));
        let search: api::Search = read(json!({"repository": [{"repository_name": "a/b"}], "project": null}));
        assert_eq!((search.project.len(), search.repository[0].project_id), (0, 0));
        assert_eq!(search.repository[0].project_name, "");
        let quota: api::Quota = read(json!({
            "id": 1, "ref": null, "hard": {"storage": -1, "count": null},
            "creation_time": "2026-01-01T00:00:00.000Z", "update_time": "2026-01-01T00:00:00.000Z",
        }));
        assert_eq!((quota.reference.id, quota.used.len()), (0, 0));
        assert_eq!(quota.hard, BTreeMap::from([("storage".to_owned(), -1)]));
        let policy: api::RetentionPolicy = read(json!({"id": 3, "rules": null}));
        assert_eq!((policy.id, policy.rules.len(), policy.trigger), (3, 0, None));
    }

    #[test]
    fn what_is_there_stays_what_it_is() {
        let label = json!({"id": 7, "name": "x", "scope": "p", "project_id": 0, "color": "#fff"});
        let label: api::Label = read(label);
        assert_eq!((label.id, label.project_id, label.color.as_str()), (7, Some(0), "#fff"));
        assert_eq!(read::<Value>(json!({"a": [1, {"b": "c"}]})), json!({"a": [1, {"b": "c"}]}));
        assert_eq!(read::<Option<Vec<i64>>>(json!(null)), None);
        assert_eq!(read::<Vec<i64>>(json!(null)), Vec::<i64>::new());
        assert!(api::Label::deserialize(Lenient(json!({"id": "seven"}))).is_err());
        assert!(api::Label::deserialize(Lenient(json!([1]))).is_err());
    }
}
