//! What blobs are pushed from.

use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use harbor_core::oci::Digest;
use tokio::fs::File;
use tokio::io::AsyncSeekExt as _;
use tokio_util::io::ReaderStream;

use super::Repository;
use crate::client::request::ByteStream;
use crate::client::{Error, Result};

/// In pieces of how many bytes files are read.
const PIECE: usize = 256 * 1024;

/// Content that can be read again from anywhere, so that a push that broke goes on where it did. Bytes are one; so is
/// [`FileSource`].
///
/// ```
/// use std::io;
///
/// use bytes::Bytes;
/// use futures_util::stream;
/// use harbor_replicate::client::{BlobSource, ByteStream};
///
/// /// So many zeros.
/// struct Zeros(u64);
///
/// #[async_trait::async_trait]
/// impl BlobSource for Zeros {
///     fn size(&self) -> u64 {
///         self.0
///     }
///
///     async fn open(&self, offset: u64) -> io::Result<ByteStream> {
///         let zeros = (offset..self.0).map(|_| Ok(Bytes::from_static(&[0])));
///         Ok(Box::pin(stream::iter(zeros)))
///     }
/// }
/// ```
#[async_trait]
pub trait BlobSource: Send + Sync {
    /// How many bytes there are.
    fn size(&self) -> u64;

    /// The bytes from `offset` to the end. It may be called any number of times, with any offset up to the size.
    ///
    /// # Errors
    /// When they cannot be read; the push ends with it.
    async fn open(&self, offset: u64) -> io::Result<ByteStream>;
}

#[async_trait]
impl BlobSource for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    async fn open(&self, offset: u64) -> io::Result<ByteStream> {
        let from = usize::try_from(offset).map_or(self.len(), |offset| offset.min(self.len()));
        let mut rest = self.slice(from..);
        // In pieces, so that it shows whether they move.
        let pieces = stream::iter(std::iter::from_fn(move || {
            (!rest.is_empty()).then(|| Ok(rest.split_to(rest.len().min(PIECE))))
        }));
        Ok(Box::pin(pieces))
    }
}

/// A file that does not change while it is pushed.
#[derive(Clone, Debug)]
pub struct FileSource {
    path: PathBuf,
    size: u64,
}

impl FileSource {
    /// The file at a path, as long as it is now.
    ///
    /// # Errors
    /// [`Error::Source`] when there is none.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let known = tokio::fs::metadata(&path).await.map_err(Error::Source)?;
        if !known.is_file() {
            return Err(Error::Source(io::Error::other("it is no file")));
        }
        Ok(Self { path, size: known.len() })
    }
}

#[async_trait]
impl BlobSource for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    async fn open(&self, offset: u64) -> io::Result<ByteStream> {
        let mut file = File::open(&self.path).await?;
        file.seek(SeekFrom::Start(offset)).await?;
        Ok(ReaderStream::with_capacity(file, PIECE).boxed())
    }
}

/// A blob of a repository, to be pushed to another without a file in between. Where it is read as a whole, it is checked on its
/// way; where a push goes on in its middle, the registry that gets it checks it.
#[derive(Clone, Debug)]
pub struct RemoteSource {
    repository: Repository,
    digest: Digest,
    size: u64,
}

impl Repository {
    /// A blob of this repository, as what another is pushed; its size is in the manifest.
    #[must_use]
    pub fn blob_source(&self, digest: &Digest, size: u64) -> RemoteSource {
        RemoteSource { repository: self.clone(), digest: *digest, size }
    }
}

#[async_trait]
impl BlobSource for RemoteSource {
    fn size(&self) -> u64 {
        self.size
    }

    async fn open(&self, offset: u64) -> io::Result<ByteStream> {
        let opened = match offset {
            0 => self.repository.blob(&self.digest, Some(self.size)).await,
            offset => self.repository.blob_range(&self.digest, offset..self.size).await,
        };
        Ok(opened.map_err(io::Error::other)?.map_err(io::Error::other).boxed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(source: &dyn BlobSource, offset: u64) -> Vec<u8> {
        let pieces: Vec<Bytes> = source.open(offset).await.unwrap().try_collect().await.unwrap();
        pieces.concat()
    }

    #[tokio::test]
    async fn sources_open_anywhere() {
        let content: Vec<u8> = (0..PIECE * 2 + 7).map(|number| u8::try_from(number % 251).unwrap()).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        std::fs::write(&path, &content).unwrap();
        let file = FileSource::open(&path).await.unwrap();
        let bytes = Bytes::from(content.clone());
        for source in [&file as &dyn BlobSource, &bytes] {
            assert_eq!(source.size(), content.len() as u64);
            for offset in [0, 1, PIECE, PIECE * 2 + 7] {
                assert!(read(source, offset as u64).await == content[offset..], "{offset}");
            }
        }
        assert!(FileSource::open(folder.path()).await.is_err());
    }
}
