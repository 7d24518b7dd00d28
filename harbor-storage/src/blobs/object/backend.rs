//! One bucket: every request to the store goes through here, with its time limit.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use harbor_core::{StoreError, StoreErrorKind};
use http::Method;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig,
};

use super::fault::{fault, timed_out};
use super::keys::Place;

/// How long a request without a large body may take, retries included.
const ANSWER: Duration = Duration::from_secs(10);

/// The slowest connection that an upload may have, in bytes per second, on top of [`ANSWER`].
const SLOWEST: u64 = 512 * 1024;

/// What all three clients can do.
pub(super) trait Backend: ObjectStore + MultipartStore + Signer {}
impl<T: ObjectStore + MultipartStore + Signer> Backend for T {}

/// A bucket, and the prefix below which everything is.
pub(super) struct Bucket {
    name: &'static str,
    backend: Box<dyn Backend>,
    prefix: Path,
    signs: bool,
}

impl Bucket {
    /// # Errors
    /// `Other` when the prefix cannot be one.
    pub(super) fn new(
        name: &'static str,
        backend: impl Backend,
        prefix: &str,
        signs: bool,
    ) -> Result<Self, StoreError> {
        let prefix = Path::parse(prefix.trim_matches('/')).map_err(|error| {
            StoreError::new(StoreErrorKind::Other, format!("{prefix:?} cannot be a prefix"))
                .with_source(error)
        })?;
        Ok(Self { name, backend: Box::new(backend), prefix, signs })
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    fn path(&self, key: &str) -> Path {
        Path::from_iter(self.prefix.parts().chain(Path::from(key).parts()))
    }

    /// Puts a whole object; returns its tag, if the store has such.
    pub(super) async fn put(&self, key: &str, pieces: Vec<Bytes>) -> Result<Option<String>, StoreError> {
        let (path, payload) = (self.path(key), PutPayload::from_iter(pieces));
        let limit = time_to_send(payload.content_length());
        let put = within(limit, "putting", key, self.backend.put(&path, payload)).await?;
        Ok(put.e_tag)
    }

    /// An object's size.
    pub(super) async fn look(&self, key: &str) -> Result<u64, StoreError> {
        let path = self.path(key);
        Ok(within(ANSWER, "looking for", key, self.backend.head(&path)).await?.size)
    }

    /// The objects below a part of the prefix, with their keys' last parts, sizes and times. The stream has no time limit.
    #[cfg(feature = "backup")]
    pub(super) fn list(&self, below: &str) -> BoxStream<'static, Result<Listed, StoreError>> {
        let named = below.to_owned();
        let objects = self.backend.list(Some(&self.path(below)));
        objects
            .map_ok(|object| Listed {
                name: object.location.filename().unwrap_or_default().to_owned(),
                size: object.size,
                modified: object.last_modified.timestamp_micros(),
            })
            .map_err(move |error| fault("listing", &named, error))
            .boxed()
    }

    /// Gives an object another key; yields whether it was there.
    #[cfg(feature = "backup")]
    pub(super) async fn rename(&self, key: &str, to: &str) -> Result<bool, StoreError> {
        let renamed = self.backend.rename(&self.path(key), &self.path(to)).await;
        match renamed.map_err(|error| fault("setting aside", key, error)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == StoreErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Begins to read a range, which is not empty, of the object with that `tag`, or of whichever is there. The stream has
    /// no time limit.
    pub(super) async fn get(
        &self,
        key: &str,
        range: Range<u64>,
        tag: Option<&str>,
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        let path = self.path(key);
        let got = within(ANSWER, "getting", key, self.backend.get_opts(&path, options)).await?;
        if differ(tag, got.meta.e_tag.as_deref()) {
            let context = format!("{key}: another writer has put something there");
            return Err(StoreError::new(StoreErrorKind::Conflict, context));
        }
        if got.range != range {
            let context = format!("{key} has {} bytes, and {range:?} of them were asked for", got.meta.size);
            return Err(StoreError::new(StoreErrorKind::Corrupt, context));
        }
        let key = key.to_owned();
        Ok(got.into_stream().map_err(move |error| fault("reading", &key, error)).boxed())
    }

    /// Removes an object, if it is there.
    pub(super) async fn remove(&self, key: &str) -> Result<(), StoreError> {
        let path = self.path(key);
        absent_is_well(within(ANSWER, "removing", key, self.backend.delete(&path)).await)
    }

    /// Removes both remainders of an upload, if they are there.
    pub(super) async fn remove_remainders(&self, place: &Place) -> Result<(), StoreError> {
        let (first, second) = (place.remainder_key(false), place.remainder_key(true));
        futures_util::try_join!(self.remove(&first), self.remove(&second)).map(drop)
    }

    /// Removes an upload's blob and both its remainders, as far as they are there.
    pub(super) async fn remove_all(&self, place: &Place) -> Result<(), StoreError> {
        let key = place.key();
        futures_util::try_join!(self.remove(&key), self.remove_remainders(place)).map(drop)
    }

    /// Begins a multipart upload.
    pub(super) async fn begin(&self, place: &Place) -> Result<String, StoreError> {
        let (key, path) = (place.key(), self.path(&place.key()));
        within(ANSWER, "beginning a multipart upload of", &key, self.backend.create_multipart(&path)).await
    }

    /// Sends a part; returns what the store calls it.
    pub(super) async fn put_part(
        &self,
        place: &Place,
        multipart: &String,
        number: usize,
        pieces: Vec<Bytes>,
    ) -> Result<String, StoreError> {
        let (key, path, payload) = (place.key(), self.path(&place.key()), PutPayload::from_iter(pieces));
        let limit = time_to_send(payload.content_length());
        let sending = self.backend.put_part(&path, multipart, number, payload);
        Ok(within(limit, "putting a part of", &key, sending).await?.content_id)
    }

    /// Makes an object of the parts.
    pub(super) async fn complete(
        &self,
        place: &Place,
        multipart: &String,
        parts: Vec<String>,
    ) -> Result<(), StoreError> {
        let (key, path) = (place.key(), self.path(&place.key()));
        let parts = parts.into_iter().map(|content_id| PartId { content_id }).collect();
        // Joining thousands of parts takes some stores a while.
        let completing = self.backend.complete_multipart(&path, multipart, parts);
        within(ANSWER * 6, "completing", &key, completing).await.map(drop)
    }

    /// Gives up a multipart upload, if there is one.
    pub(super) async fn abort(&self, place: &Place, multipart: &String) -> Result<(), StoreError> {
        let (key, path) = (place.key(), self.path(&place.key()));
        absent_is_well(within(ANSWER, "aborting", &key, self.backend.abort_multipart(&path, multipart)).await)
    }

    /// An address for reading, when addresses are to be given away.
    pub(super) async fn sign(&self, key: &str, valid_for: Duration) -> Result<Option<String>, StoreError> {
        if !self.signs {
            return Ok(None);
        }
        let path = self.path(key);
        let signing = self.backend.signed_url(Method::GET, &path, valid_for);
        within(ANSWER, "signing an address of", key, signing).await.map(|url| Some(url.into()))
    }
}

/// An object that is there.
#[cfg(feature = "backup")]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) size: u64,
    /// In microseconds since the epoch.
    pub(super) modified: i64,
}

impl fmt::Debug for Bucket {
    /// The client is left out: it knows secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Bucket");
        debug.field("name", &self.name).field("prefix", &self.prefix.as_ref()).finish_non_exhaustive()
    }
}

/// Whether an object is certainly not the one that was put. Some proxies call a tag weak, or take its quotes away.
fn differ(put: Option<&str>, found: Option<&str>) -> bool {
    let bare = |tag: &str| tag.trim_start_matches("W/").trim_matches('"').to_owned();
    matches!((put, found), (Some(put), Some(found)) if bare(put) != bare(found))
}

fn time_to_send(bytes: usize) -> Duration {
    ANSWER + Duration::from_secs(bytes as u64 / SLOWEST)
}

async fn within<T>(
    limit: Duration,
    doing: &str,
    key: &str,
    request: impl Future<Output = object_store::Result<T>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, request).await {
        Ok(answer) => answer.map_err(|error| fault(doing, key, error)),
        Err(_) => Err(timed_out(doing, key)),
    }
}

fn absent_is_well(removed: Result<(), StoreError>) -> Result<(), StoreError> {
    removed.or_else(|error| if error.kind() == StoreErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// A few quick retries: the client that waits for us tries again too.
pub(super) fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
            base: 2.,
        },
        max_retries: 3,
        retry_timeout: Duration::from_secs(5),
    }
}

/// Plain HTTP only where the endpoint says so. The library's limit on a whole request would end every long download:
/// [`within`] sets ours.
pub(super) fn client_options(endpoint: Option<&str>) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")))
        .with_connect_timeout(Duration::from_secs(2))
        .with_timeout_disabled()
        .with_read_timeout_disabled()
}

/// A bucket for sharing.
pub(super) type SharedBucket = Arc<Bucket>;
