//! The bucket as who maintains it sees it.

use std::future::ready;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use harbor_core::blob::{Location, UploadId};
use harbor_core::{StoreError, Timestamp};

use super::ObjectBlobs;
use super::backend::Listed;
use super::keys::Place;
use crate::blobs::shelf::{Shelf, Shelved};

#[async_trait]
impl Shelf for ObjectBlobs {
    async fn list(&self) -> Result<BoxStream<'static, Result<Shelved, StoreError>>, StoreError> {
        let blobs = self.bucket.list("blobs").try_filter_map(|object| ready(Ok(shelved(&object, true))));
        let parked = self.bucket.list("parked").try_filter_map(|object| ready(Ok(shelved(&object, false))));
        Ok(blobs.chain(parked).boxed())
    }

    fn place(&self, upload: UploadId) -> Location {
        Place::of(upload).location()
    }

    async fn set_aside(&self, location: &Location) -> Result<Option<String>, StoreError> {
        let place = Place::parse(location)?;
        let to = place.quarantine_key();
        Ok(self.bucket.rename(&place.key(), &to).await?.then_some(to))
    }

    async fn settle(&self) -> Result<(), StoreError> {
        // What a store has acknowledged is there.
        Ok(())
    }
}

/// What is of an upload: a blob, or a remainder, whose name has a number behind it.
fn shelved(object: &Listed, is_whole: bool) -> Option<Shelved> {
    let name = if is_whole { object.name.as_str() } else { object.name.split_once('.')?.0 };
    let upload: UploadId = name.parse().ok()?;
    let location = is_whole.then(|| Place::of(upload).location());
    Some(Shelved { upload, location, size: object.size, modified: Timestamp::from_micros(object.modified) })
}
