//! Names of objects.

use harbor_core::blob::{Location, UploadId};
use harbor_core::{StoreError, StoreErrorKind};

/// Stands behind a location whose remainders could not be removed when it was committed.
const REMAINDERS: &str = "+remainders";

/// The objects of one upload. Their names come from an [`UploadId`] alone, so they cannot lead anywhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    upload: UploadId,
    remainders: bool,
}

impl Place {
    pub(super) const fn of(upload: UploadId) -> Self {
        Self { upload, remainders: false }
    }

    /// The same, with remainders that `delete` must remove too.
    pub(super) const fn with_remainders(self) -> Self {
        Self { remainders: true, ..self }
    }

    pub(super) const fn has_remainders(&self) -> bool {
        self.remainders
    }

    /// # Errors
    /// `Other` for anything but what [`Self::location`] writes.
    pub(super) fn parse(location: &Location) -> Result<Self, StoreError> {
        let text = location.as_str();
        let (key, remainders) = text.strip_suffix(REMAINDERS).map_or((text, false), |key| (key, true));
        let upload = key.strip_prefix("blobs/").and_then(|name| name.parse().ok());
        upload.map(|upload| Self { upload, remainders }).ok_or_else(|| {
            StoreError::new(StoreErrorKind::Other, format!("{text:?} is not a location of the object driver"))
        })
    }

    pub(super) fn location(&self) -> Location {
        Location::new(format!("{}{}", self.key(), if self.remainders { REMAINDERS } else { "" }))
    }

    /// The blob's own key, below the prefix.
    pub(super) fn key(&self) -> String {
        format!("blobs/{}", self.upload)
    }

    /// The key of a remainder, below the prefix; there are two.
    pub(super) fn remainder_key(&self, second: bool) -> String {
        format!("blobs/{}.{}", self.upload, u8::from(second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_locations_are_taken() {
        let place = Place::of(UploadId::random());
        for place in [place, place.with_remainders()] {
            assert_eq!(Place::parse(&place.location()).unwrap(), place);
        }
        let name = place.upload;
        for text in
            [format!("blobs/{name}.0"), format!("{name}"), format!("/blobs/{name}"), "blobs/..".to_owned()]
        {
            assert!(Place::parse(&Location::new(text.clone())).is_err(), "{text}");
        }
    }
}
