//! The folder as who maintains it sees it.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use harbor_core::blob::{Location, UploadId};
use harbor_core::{StoreError, Timestamp};

use super::FolderBlobs;
use super::root::{Entry, Place};
use crate::blobs::blocking;
use crate::blobs::shelf::{Shelf, Shelved};

#[async_trait]
impl Shelf for FolderBlobs {
    async fn list(&self) -> Result<BoxStream<'static, Result<Shelved, StoreError>>, StoreError> {
        let root = Arc::clone(&self.root);
        // A folder at a time, of 256.
        let folders = stream::iter(0..=u8::MAX).then(move |number| {
            let root = Arc::clone(&root);
            async move {
                match blocking(move || root.list(number)).await {
                    Ok(entries) => entries.into_iter().map(|entry| Ok(shelved(entry))).collect(),
                    Err(error) => vec![Err(error)],
                }
            }
        });
        Ok(folders.flat_map(stream::iter).boxed())
    }

    fn place(&self, upload: UploadId) -> Location {
        Place::of(upload).location()
    }

    async fn set_aside(&self, location: &Location) -> Result<Option<String>, StoreError> {
        let (root, place) = (Arc::clone(&self.root), Place::parse(location)?);
        blocking(move || root.set_aside(&place)).await
    }

    async fn settle(&self) -> Result<(), StoreError> {
        let root = Arc::clone(&self.root);
        blocking(move || root.settle()).await
    }
}

fn shelved(Entry { upload, is_whole, size, modified }: Entry) -> Shelved {
    let location = is_whole.then(|| Place::of(upload).location());
    Shelved { upload, location, size, modified: Timestamp::from_micros(modified) }
}
