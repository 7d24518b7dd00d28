//! What one client did to its repository, and what must therefore be there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harbor_core::oci::{Algorithm, Digest};

use crate::client::{Client, Dead, Outcome};
use crate::content::{Blob, Numbers};

/// Layers that all repositories have in common come from this many.
const SHARED: u64 = 12;

/// Tags of a repository; they move all the time.
const TAGS: u64 = 6;

/// How many images a repository has at most, so that verifying them does not take ever longer.
const MOST: usize = 25;

/// Half of the grace of orphans, less what a busy machine takes: a blob that was acknowledged is there for so long.
const SAFE: Duration = Duration::from_millis(2_000);

#[derive(Clone, Debug)]
struct Image {
    payload: String,
    blobs: Vec<Blob>,
}

/// The request that was not answered: it happened, or it did not.
#[derive(Debug)]
enum Doubt {
    Nothing,
    Push(Blob),
    Put(String, Digest, Image),
    DeleteTag(String),
    DeleteManifest(Digest),
    DeleteBlob(Blob),
}

#[derive(Debug)]
pub(crate) struct Repository {
    name: String,
    numbers: Numbers,
    next: u64,
    images: BTreeMap<Digest, Image>,
    tags: BTreeMap<String, Digest>,
    /// Blobs that no manifest refers to, and when they were acknowledged.
    loose: Vec<(Blob, Instant)>,
    doubt: Doubt,
    pub(crate) answered: u64,
    pub(crate) doubts: u64,
}

impl Repository {
    pub(crate) fn new(number: u64, seed: u64) -> Self {
        Self {
            name: format!("library/r{number}"),
            numbers: Numbers::new(seed ^ (number + 1) << 48),
            next: number << 32,
            images: BTreeMap::new(),
            tags: BTreeMap::new(),
            loose: Vec::new(),
            doubt: Doubt::Nothing,
            answered: 0,
            doubts: 0,
        }
    }

    fn blob_path(&self, digest: &Digest) -> String {
        format!("/v2/{}/blobs/{digest}", self.name)
    }

    fn manifest_path(&self, reference: impl std::fmt::Display) -> String {
        format!("/v2/{}/manifests/{reference}", self.name)
    }

    /// Pushes and deletes until the server is dead.
    pub(crate) async fn work(&mut self, client: &Client) {
        loop {
            let done = match self.numbers.below(20) {
                0..=11 if self.images.len() >= MOST => self.delete_image(client).await,
                0..=11 => self.push_image(client).await,
                12 | 13 => self.delete_tag(client).await,
                14..=16 => self.delete_image(client).await,
                _ => self.push_loose(client).await,
            };
            if matches!(done, Err(Dead)) {
                self.doubts += 1;
                return;
            }
        }
    }

    /// Records that a request is under way; forgotten when it was answered.
    async fn doubting<T>(&mut self, doubt: Doubt, request: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        self.doubt = doubt;
        let answer = request.await?;
        self.doubt = Doubt::Nothing;
        self.answered += 1;
        Ok(answer)
    }

    async fn push(&mut self, client: &Client, blob: &Blob) -> Outcome<()> {
        let (name, mut numbers) = (self.name.clone(), self.numbers.clone());
        self.numbers.next();
        self.doubting(Doubt::Push(blob.clone()), client.push(&name, blob, &mut numbers)).await
    }

    /// A blob that nobody else has, or one that everybody has; and of those, only when it is not here.
    async fn provide(&mut self, client: &Client) -> Outcome<Blob> {
        if self.numbers.below(2) == 0 {
            self.next += 1;
            let blob = Blob::new(self.next);
            self.push(client, &blob).await?;
            return Ok(blob);
        }
        let blob = Blob::new(u64::MAX - self.numbers.below(SHARED));
        if !client.has(&self.blob_path(&blob.digest)).await? {
            self.push(client, &blob).await?;
        }
        Ok(blob)
    }

    async fn push_image(&mut self, client: &Client) -> Outcome<()> {
        let mut blobs = Vec::new();
        for _ in 0..2 + self.numbers.below(2) {
            let blob = self.provide(client).await?;
            if !blobs.iter().any(|other: &Blob| other.digest == blob.digest) {
                blobs.push(blob);
            }
        }
        self.next += 1;
        let payload = manifest(&blobs, self.next);
        let digest = Digest::of(Algorithm::Sha256, payload.as_bytes());
        let tag = format!("t{}", self.numbers.below(TAGS));
        let image = Image { payload: payload.clone(), blobs };
        let name = self.name.clone();
        let doubt = Doubt::Put(tag.clone(), digest, image.clone());
        self.doubting(doubt, client.put_manifest(&name, &tag, payload)).await?;
        self.images.insert(digest, image);
        self.tags.insert(tag, digest);
        Ok(())
    }

    async fn delete_tag(&mut self, client: &Client) -> Outcome<()> {
        let tag = format!("t{}", self.numbers.below(TAGS));
        if !self.tags.contains_key(&tag) {
            return Ok(());
        }
        let path = self.manifest_path(&tag);
        self.doubting(Doubt::DeleteTag(tag.clone()), client.delete(&path)).await?;
        self.tags.remove(&tag);
        Ok(())
    }

    async fn delete_image(&mut self, client: &Client) -> Outcome<()> {
        if self.images.len() < 4 {
            return Ok(());
        }
        let index = usize::try_from(self.numbers.below(self.images.len() as u64)).unwrap();
        let digest = *self.images.keys().nth(index).unwrap();
        let path = self.manifest_path(digest);
        self.doubting(Doubt::DeleteManifest(digest), client.delete(&path)).await?;
        self.forget(&digest);
        Ok(())
    }

    fn forget(&mut self, digest: &Digest) {
        self.images.remove(digest);
        self.tags.retain(|_, named| named != digest);
    }

    /// A blob without a manifest; some are deleted at once.
    async fn push_loose(&mut self, client: &Client) -> Outcome<()> {
        self.next += 1;
        let blob = Blob::new(self.next);
        self.push(client, &blob).await?;
        if self.numbers.below(2) == 0 {
            self.loose.push((blob, Instant::now()));
            return Ok(());
        }
        let path = self.blob_path(&blob.digest);
        self.doubting(Doubt::DeleteBlob(blob), client.delete(&path)).await
    }

    /// Everything that was acknowledged is there, byte for byte, and what is in doubt is there or not, but whole.
    pub(crate) async fn verify(&mut self, client: &Client, round: u64) {
        self.settle(client).await;
        self.verify_loose(client).await;
        for number in 0..TAGS {
            let tag = format!("t{number}");
            let found = client.get(&self.manifest_path(&tag)).await.unwrap();
            let expected = self.tags.get(&tag).map(|digest| &self.images[digest]);
            let wanted = expected.map(|image| image.payload.as_bytes());
            assert_eq!(found.as_deref(), wanted, "round {round}: {}:{tag}", self.name);
        }
        // All of them now and then: they are many.
        let thorough = round.is_multiple_of(20);
        for (digest, image) in &self.images {
            if thorough || self.tags.values().any(|named| named == digest) {
                self.verify_image(client, digest, image, round).await;
            }
        }
    }

    async fn verify_image(&self, client: &Client, digest: &Digest, image: &Image, round: u64) {
        let found = client.get(&self.manifest_path(digest)).await.unwrap();
        assert_eq!(found.as_deref(), Some(image.payload.as_bytes()), "round {round}: {}@{digest}", self.name);
        for blob in &image.blobs {
            let whole = self.blob_is_whole(client, blob).await;
            assert!(whole, "round {round}: {}@{digest} lacks blob {}", self.name, blob.digest);
        }
    }

    /// False when it is not there. Panics when it is there with other bytes.
    async fn blob_is_whole(&self, client: &Client, blob: &Blob) -> bool {
        let found = client.get(&self.blob_path(&blob.digest)).await.unwrap();
        assert!(
            found.as_ref().is_none_or(|bytes| Digest::of(Algorithm::Sha256, bytes) == blob.digest),
            "{} has other bytes",
            blob.digest
        );
        found.is_some()
    }

    async fn verify_loose(&mut self, client: &Client) {
        for (blob, since) in std::mem::take(&mut self.loose) {
            let there = self.blob_is_whole(client, &blob).await;
            assert!(there || since.elapsed() > SAFE, "{} was acknowledged and is gone", blob.digest);
        }
    }

    async fn settle(&mut self, client: &Client) {
        match std::mem::replace(&mut self.doubt, Doubt::Nothing) {
            Doubt::Nothing => {}
            Doubt::Push(blob) | Doubt::DeleteBlob(blob) => {
                self.blob_is_whole(client, &blob).await;
            }
            Doubt::Put(tag, digest, image) => {
                let stored = client.has(&self.manifest_path(digest)).await.unwrap();
                if stored {
                    // The tag with it, or neither.
                    self.tags.insert(tag, digest);
                    self.images.insert(digest, image);
                }
            }
            Doubt::DeleteTag(tag) => {
                if !client.has(&self.manifest_path(&tag)).await.unwrap() {
                    self.tags.remove(&tag);
                }
            }
            Doubt::DeleteManifest(digest) => {
                if !client.has(&self.manifest_path(digest)).await.unwrap() {
                    self.forget(&digest);
                }
            }
        }
    }
}

/// A manifest whose first blob is its config; `number` makes it another one.
fn manifest(blobs: &[Blob], number: u64) -> String {
    let describe = |kind: &str, blob: &Blob| {
        let (digest, size) = (blob.digest, blob.size);
        format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":{size}}}"#)
    };
    let layers: Vec<_> = blobs[1..].iter().map(|blob| describe("layer.v1.tar", blob)).collect();
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}],"annotations":{{"number":"{number}"}}}}"#,
        describe("config.v1+json", &blobs[0]),
        layers.join(",")
    )
}
