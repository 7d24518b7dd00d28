//! What must be known to go on with an upload, and its stored form.

use harbor_core::blob::{DriverState, UploadId};
use harbor_core::{StoreError, StoreErrorKind};
use serde::{Deserialize, Serialize};

use super::parts;

/// The version of the stored form: its first byte. JSON follows.
const VERSION: u8 = 1;

/// Where an upload stands. Fields get short names because the whole is stored with every `PATCH`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The id of the multipart upload, once it has begun. (Azure's is empty, and still some.)
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub(super) multipart: Option<String>,
    /// What the store calls the parts that it has, in order. Their sizes follow from their numbers.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<String>,
    /// What comes after the parts.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(super) remainder: Option<Remainder>,
}

/// Bytes that are parked in an object of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remainder {
    #[serde(rename = "k")]
    pub(super) key: RemainderKey,
    /// How many bytes of the object count.
    #[serde(rename = "s")]
    pub(super) size: u64,
    /// The store's tag of it, if the store has such: what was put there by somebody else is not taken for ours.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub(super) tag: Option<String>,
}

/// Which object that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum RemainderKey {
    #[serde(rename = "0")]
    First,
    #[serde(rename = "1")]
    Second,
}

impl State {
    /// Reads a stored state for an upload that stands at `offset`.
    ///
    /// # Errors
    /// `TooNew` or `Corrupt`.
    pub(super) fn load(upload: UploadId, stored: &DriverState, offset: u64) -> Result<Self, StoreError> {
        let state = Self::load_any(upload, stored)?;
        if state.offset() == offset {
            return Ok(state);
        }
        let context =
            format!("upload {upload} stands at {offset}, but its state speaks of {}", state.offset());
        Err(StoreError::new(StoreErrorKind::Corrupt, context))
    }

    /// Reads a stored state.
    ///
    /// # Errors
    /// `TooNew` or `Corrupt`.
    pub(super) fn load_any(upload: UploadId, stored: &DriverState) -> Result<Self, StoreError> {
        let fault = |kind, what| StoreError::new(kind, format!("upload {upload}: its state {what}"));
        match stored.as_bytes() {
            [] => Ok(Self::default()),
            [VERSION, json @ ..] => serde_json::from_slice(json)
                .map_err(|error| fault(StoreErrorKind::Corrupt, "is broken").with_source(error)),
            [version, ..] if *version > VERSION => {
                Err(fault(StoreErrorKind::TooNew, "was written by a newer version"))
            }
            _ => Err(fault(StoreErrorKind::Corrupt, "is none")),
        }
    }

    /// The stored form.
    ///
    /// # Errors
    /// Never; the signature is that of the serialiser.
    pub(super) fn store(&self) -> Result<DriverState, StoreError> {
        let mut bytes = vec![VERSION];
        serde_json::to_writer(&mut bytes, self).map_err(|error| {
            StoreError::new(StoreErrorKind::Other, "storing an upload's state").with_source(error)
        })?;
        Ok(DriverState::new(bytes))
    }

    /// How many bytes it speaks of.
    pub(super) fn offset(&self) -> u64 {
        parts::total(self.parts.len()) + self.remainder.as_ref().map_or(0, |remainder| remainder.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every form that was ever written still loads. A new form is added; none is ever removed.
    #[test]
    fn every_state_still_loads() {
        let load = |bytes: &[u8]| State::load_any(UploadId::random(), &DriverState::new(bytes.to_vec()));
        let nothing = State::default();
        let remainder = |key, size, tag: Option<&str>| Remainder { key, size, tag: tag.map(str::to_owned) };
        let small =
            State { remainder: Some(remainder(RemainderKey::First, 5, Some("\"x\""))), ..State::default() };
        let large = State {
            multipart: Some("id".to_owned()),
            parts: vec!["a".to_owned(), "b".to_owned()],
            remainder: Some(remainder(RemainderKey::Second, 7, None)),
        };
        let azure = State {
            multipart: Some(String::new()),
            parts: vec!["a".to_owned()],
            remainder: Some(remainder(RemainderKey::First, 1, None)),
        };
        for (stored, state) in [
            (&b""[..], &nothing),
            (b"\x01{}", &nothing),
            (br#"_{"r":{"k":"0","s":5,"e":"\"x\""}}"#, &small),
            (br#"_{"m":"id","p":["a","b"],"r":{"k":"1","s":7}}"#, &large),
            (br#"_{"m":"","p":["a"],"r":{"k":"0","s":1}}"#, &azure),
        ] {
            let mut stored = stored.to_vec();
            if let Some(version) = stored.first_mut() {
                *version = 1;
            }
            assert_eq!(load(&stored).unwrap(), *state);
            assert_eq!(State::load_any(UploadId::random(), &state.store().unwrap()).unwrap(), *state);
        }
        assert_eq!(load(&[2]).unwrap_err().kind(), StoreErrorKind::TooNew);
        assert_eq!(load(b"\x01{").unwrap_err().kind(), StoreErrorKind::Corrupt);
        assert_eq!(load(&[0]).unwrap_err().kind(), StoreErrorKind::Corrupt);
    }

    #[test]
    fn the_offset_must_agree() {
        let upload = UploadId::random();
        let state = State {
            multipart: Some("id".to_owned()),
            parts: vec!["a".to_owned()],
            remainder: Some(Remainder { key: RemainderKey::First, size: 3, tag: None }),
        };
        let stored = state.store().unwrap();
        assert_eq!(State::load(upload, &stored, 8 * 1024 * 1024 + 3).unwrap(), state);
        assert_eq!(State::load(upload, &stored, 3).unwrap_err().kind(), StoreErrorKind::Corrupt);
    }
}
