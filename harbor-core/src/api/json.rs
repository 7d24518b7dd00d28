//! JSON as Harbor and its clients write it.
//!
//! Harbor reads with Go's `encoding/json`, to which a member that is `null` is one that is not there: scripts send it. It answers `null`
//! for a list that is empty, and leaves out what is zero (`omitempty`). And serde reads a struct also from a list of its fields,
//! which nobody means: `["app"]` is no project.

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Value};

/// How a member is read that the value lacks, or has as `null`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// As its type says: by its default, as nothing, or with an error. For what clients send.
    AsTyped,
    /// As zero: 0, false, empty, nothing. For what Harbor answers. Members of structs that are flattened are read as typed.
    Zero,
}

/// Reads a value, of which only an object is a struct, and members that are `null` are not there. Entries of lists are what they are,
/// as is the content of an enum's variant.
///
/// # Errors
/// When it is not of this form.
pub fn from_json<T: DeserializeOwned>(value: Value, absent: Absent) -> Result<T, Error> {
    T::deserialize(Meant { value, absent })
}

/// A value, and how it is meant.
struct Meant {
    value: Value,
    absent: Absent,
}

/// Forwards what is in a value, whose parts are meant as it is.
fn forward<'de, V: Visitor<'de>>(Meant { value, absent }: Meant, visitor: V) -> Result<V::Value, Error> {
    match value {
        Value::Array(items) => {
            let mut items = SeqDeserializer::new(items.into_iter().map(|value| Meant { value, absent }));
            let read = visitor.visit_seq(&mut items)?;
            items.end()?;
            Ok(read)
        }
        Value::Object(members) => {
            let mut members = MapDeserializer::new(present(members, absent));
            let read = visitor.visit_map(&mut members)?;
            members.end()?;
            Ok(read)
        }
        value => value.deserialize_any(visitor),
    }
}

fn present(members: Map<String, Value>, absent: Absent) -> impl Iterator<Item = (String, Meant)> {
    let present = members.into_iter().filter(|(_, value)| !value.is_null());
    present.map(move |(name, value)| (name, Meant { value, absent }))
}

impl IntoDeserializer<'_, Error> for Meant {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Meant {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        forward(self, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.absent {
            Absent::Zero if self.value.is_null() => Zero.deserialize_seq(visitor),
            _ => forward(self, visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match (self.value, self.absent) {
            (Value::Object(members), Absent::Zero) => visitor.visit_map(Members::new(members, fields)),
            (value @ Value::Object(_), absent) => forward(Self { value, absent }, visitor),
            // Refuses it.
            (value, _) => value.deserialize_map(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.value.deserialize_enum(name, variants, visitor)
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
    value: Option<Meant>,
}

impl Members<()> {
    fn new(
        members: Map<String, Value>,
        fields: &'static [&'static str],
    ) -> Members<impl Iterator<Item = (String, Meant)>> {
        let is_absent = |field: &&&str| members.get(**field).is_none_or(Value::is_null);
        let absent: Vec<_> = fields.iter().filter(is_absent).copied().collect();
        Members { present: present(members, Absent::Zero), absent: absent.into_iter(), value: None }
    }

    /// Of a value that is not there.
    fn absent(fields: &'static [&'static str]) -> Members<impl Iterator<Item = (String, Meant)>> {
        Self::new(Map::new(), fields)
    }
}

impl<'de, I: Iterator<Item = (String, Meant)>> MapAccess<'de> for Members<I> {
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
        visitor.visit_map(Members::absent(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Members::absent(fields))
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

    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::api::{self, Configurations, RobotCreate, UserProfile};

    fn typed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
        from_json(serde_json::from_slice(body)?, Absent::AsTyped)
    }

    fn read<T: DeserializeOwned>(value: Value) -> T {
        from_json(value, Absent::Zero).unwrap()
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        #[serde(default)]
        text: String,
        inner: Vec<Inner>,
        #[serde(default)]
        map: BTreeMap<String, Option<i64>>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        number: Option<u64>,
        #[serde(default)]
        flag: bool,
    }

    #[test]
    fn null_is_what_is_not_there() {
        let text = r#"{"text":null,"inner":[{"number":null,"flag":null},{"number":7,"flag":true}],"map":{"a":null,"b":1},"x":null}"#;
        let inner = vec![Inner { number: None, flag: false }, Inner { number: Some(7), flag: true }];
        let map = BTreeMap::from([("b".to_owned(), Some(1))]);
        assert_eq!(typed::<Outer>(text.as_bytes()).unwrap(), Outer { text: String::new(), inner, map });
        let robot: RobotCreate =
            typed(br#"{"name":"ci","description":null,"secret":null,"permissions":null}"#).unwrap();
        assert_eq!((robot.name.as_str(), robot.description.as_str()), ("ci", ""));
        let Configurations(values) = typed(br#"{"read_only":null,"banner_message":"x"}"#).unwrap();
        assert_eq!(values.into_keys().collect::<Vec<_>>(), ["banner_message"]);
    }

    #[test]
    fn a_list_is_no_struct() {
        for body in ["[]", r#"["e@example.com","name"]"#, "null", r#""x""#, "1", "true"] {
            typed::<UserProfile>(body.as_bytes()).unwrap_err();
        }
        for body in [r#"{"inner":[[7,true]]}"#, r#"{"inner":{"number":7}}"#, r#"{"inner":[null]}"#] {
            typed::<Outer>(body.as_bytes()).unwrap_err();
        }
        typed::<UserProfile>(b"{}").unwrap();
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
        assert!(from_json::<api::Label>(json!({"id": "seven"}), Absent::Zero).is_err());
        assert!(from_json::<api::Label>(json!([1]), Absent::Zero).is_err());
    }
}
