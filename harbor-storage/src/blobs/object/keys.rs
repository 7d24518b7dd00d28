//! Names of objects.

use harbor_core::blob::{Location, UploadId};
use harbor_core::{StoreError, StoreErrorKind};

/// The objects of one upload. Their names come from an [`UploadId`] alone, so they cannot lead anywhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(UploadId);

impl Place {
    pub(super) const fn of(upload: UploadId) -> Self {
        Self(upload)
    }

    /// # Errors
    /// `Other` for anything but what [`Self::location`] writes.
    pub(super) fn parse(location: &Location) -> Result<Self, StoreError> {
        let text = location.as_str();
        let upload = text.strip_prefix("blobs/").and_then(|name| name.parse().ok());
        upload.map(Self).ok_or_else(|| {
            StoreError::new(StoreErrorKind::Other, format!("{text:?} is not a location of the object driver"))
        })
    }

    pub(super) fn location(&self) -> Location {
        Location::new(self.key())
    }

    /// The blob's own key, below the prefix.
    pub(super) fn key(&self) -> String {
        format!("blobs/{}", self.0)
    }

    /// Where the blob is that was set aside.
    #[cfg(feature = "backup")]
    pub(super) fn quarantine_key(&self) -> String {
        format!("quarantine/{}", self.0)
    }

    /// The key of a remainder, below the prefix; there are two.
    pub(super) fn remainder_key(&self, second: bool) -> String {
        format!("parked/{}.{}", self.0, u8::from(second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_locations_are_taken() {
        let name = UploadId::random();
        let place = Place::of(name);
        assert_eq!(Place::parse(&place.location()).unwrap(), place);
        for text in [
            format!("blobs/{name}.0"),
            format!("parked/{name}.0"),
            format!("{name}"),
            format!("/blobs/{name}"),
            "blobs/..".to_owned(),
        ] {
            assert!(Place::parse(&Location::new(text.clone())).is_err(), "{text}");
        }
    }
}
