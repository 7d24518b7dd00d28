//! Copies: images, indexes and what refers to them, from registry to registry.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use harbor_core::oci::{Algorithm, Digest, Tag};
use harbor_replicate::client::{CopyOptions, CopyProgress, Credential, Error, Pushed, Repository};
use harbor_tests::TestRegistry;
use harbor_tests::content::{self, DataSet, Maker, Piece};

use super::breaker::{Breaker, Way};
use super::double::{Double, Reply};
use super::{REPO, admin, at, by, media_type, push, repository, tag};

fn latest() -> Tag {
    "latest".parse().unwrap()
}

/// An image of layers that are large enough to be streamed.
fn large(layers: usize) -> DataSet {
    let maker = Maker::image(Algorithm::Sha256);
    (0..layers).fold(maker, |maker, _| maker.layer(Piece::blob(Algorithm::Sha256, 1_500_000))).done()
}

async fn is_there(to: &Repository, set: &DataSet) {
    for manifest in &set.manifests {
        assert_eq!(to.manifest(&by(manifest.digest)).await.unwrap().bytes, manifest.bytes);
    }
    for blob in &set.blobs {
        let pulled = to.blob(&blob.digest, Some(blob.bytes.len() as u64)).await.unwrap();
        assert!(pulled.bytes(2_000_000).await.unwrap() == blob.bytes);
    }
}

async fn two() -> (TestRegistry, TestRegistry) {
    (TestRegistry::in_memory().await, TestRegistry::in_memory().await)
}

#[tokio::test]
async fn everything_goes_from_registry_to_registry_once() {
    let (one, other) = two().await;
    let (from, to) = (repository(&one), repository(&other));
    let nested =
        Maker::index(Algorithm::Sha256).entry(&content::index(Algorithm::Sha256)).entry(&large(2)).done();
    push(&from, "a", &nested).await;
    let copied = from.copy_to(&tag("a"), &to, Some(&latest()), &CopyOptions::default()).await.unwrap();
    assert_eq!(copied.digest, nested.top().digest);
    assert_eq!((copied.manifests, copied.sent, copied.existed), (5, nested.blobs.len(), 0));
    assert_eq!(copied.bytes, nested.blobs.iter().map(|blob| blob.bytes.len() as u64).sum::<u64>());
    assert_eq!(to.manifest(&tag("latest")).await.unwrap().bytes, nested.top().bytes);
    is_there(&to, &nested).await;
    let again = from.copy_to(&by(nested.top().digest), &to, None, &CopyOptions::default()).await.unwrap();
    assert_eq!((again.sent, again.existed, again.bytes), (0, nested.blobs.len(), 0));
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn within_a_registry_nothing_is_sent() {
    let registry = TestRegistry::in_memory().await;
    let (from, set) = (repository(&registry), large(2));
    push(&from, "a", &set).await;
    let to = from.registry().repository("library/copy".parse().unwrap());
    let copied = from.copy_to(&tag("a"), &to, Some(&latest()), &CopyOptions::default()).await.unwrap();
    assert_eq!((copied.mounted, copied.sent, copied.bytes), (3, 0, 0));
    is_there(&to, &set).await;
    // In the repository itself, a copy is a tag.
    from.copy_to(&tag("a"), &from, Some(&"b".parse().unwrap()), &CopyOptions::default()).await.unwrap();
    assert_eq!(from.manifest(&tag("b")).await.unwrap().digest, set.top().digest);
    registry.close().await;
}

#[tokio::test]
async fn what_refers_to_it_goes_along_when_it_is_to() {
    let (one, other) = two().await;
    let from = repository(&one);
    let set = content::index(Algorithm::Sha256);
    push(&from, "a", &set).await;
    // Of the index, of one of its images, and of a signature itself.
    let of = |subject: &Piece| {
        Maker::artifact(Algorithm::Sha256, "application/vnd.example").subject(subject).done()
    };
    let signature = of(set.top());
    let sets = [of(&set.manifests[0]), of(signature.top()), signature];
    for set in sets.iter().rev() {
        push(&from, "x", set).await;
    }
    let without = repository(&other);
    from.copy_to(&tag("a"), &without, None, &CopyOptions::default()).await.unwrap();
    assert_eq!(without.referrers(&set.top().digest, None).all().await.unwrap(), []);
    let options = CopyOptions::default().referrers(true);
    let copied = from.copy_to(&tag("a"), &without, None, &options).await.unwrap();
    assert_eq!(copied.manifests, 6);
    for set in &sets {
        is_there(&without, set).await;
    }
    assert_eq!(without.referrers(&sets[2].top().digest, None).all().await.unwrap().len(), 1);
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn both_ways_break_and_it_comes_through() {
    let (one, other) = two().await;
    let set = large(3);
    push(&repository(&one), "a", &set).await;
    let down = Breaker::start(one.address(), Way::Down, 400_000, 5).await;
    let up = Breaker::start(other.address(), Way::Up, 600_000, 5).await;
    let from = at(down.address, admin(&one)).repository(REPO.parse().unwrap());
    let to = at(up.address, admin(&other)).repository(REPO.parse().unwrap());
    from.copy_to(&tag("a"), &to, Some(&latest()), &CopyOptions::default()).await.unwrap();
    assert_eq!((down.left(), up.left()), (0, 0));
    is_there(&to, &set).await;
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn nothing_is_tagged_that_is_not_whole() {
    let other = TestRegistry::in_memory().await;
    let (to, set) = (repository(&other), large(2));
    // One layer is gone.
    let less = DataSet { blobs: vec![set.blobs[0].clone(), set.blobs[2].clone()], ..set.clone() };
    let double = having(&less, |piece| piece.bytes.to_vec()).await;
    let from = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    let image = by(set.top().digest);
    let error = from.copy_to(&image, &to, Some(&latest()), &CopyOptions::default()).await.unwrap_err();
    assert!(error.is_absent(), "{error}");
    assert_eq!(to.manifest_head(&tag("latest")).await.unwrap(), None);
    assert_eq!(to.manifest_head(&image).await.unwrap(), None);
    // It comes back, and what is there already is not sent.
    to.blob_push(&set.blobs[0].digest, &set.blobs[0].bytes, &Default::default()).await.unwrap();
    let double = having(&set, |piece| piece.bytes.to_vec()).await;
    let from = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    let copied = from.copy_to(&image, &to, Some(&latest()), &CopyOptions::default()).await.unwrap();
    assert!(copied.existed >= 1 && copied.sent == 3 - copied.existed, "{copied:?}");
    is_there(&to, &set).await;
    other.close().await;
}

/// A registry that has these manifests and blobs.
async fn having(set: &DataSet, change: impl Fn(&Piece) -> Vec<u8>) -> Double {
    let pieces = set.manifests.iter().chain(&set.blobs);
    let kept: BTreeMap<String, (String, Vec<u8>)> =
        pieces.map(|piece| (piece.digest.to_string(), (piece.media_type.clone(), change(piece)))).collect();
    Double::start(move |came| match kept.get(came.path().rsplit('/').next().unwrap()) {
        Some((kind, body)) => Reply::body(body.clone()).header("Content-Type", kind),
        None => Reply::error(404, "MANIFEST_UNKNOWN"),
    })
    .await
}

#[tokio::test]
async fn other_bytes_go_nowhere() {
    let other = TestRegistry::in_memory().await;
    let (to, set) = (repository(&other), large(1));
    let layer = set.blobs[1].clone();
    for length in [layer.bytes.len(), layer.bytes.len() - 1] {
        let wrong = layer.digest;
        let double = having(&set, |piece| {
            let mut bytes = piece.bytes.to_vec();
            if piece.digest == wrong {
                bytes[1000] ^= 1;
                bytes.truncate(length);
            }
            bytes
        })
        .await;
        let from = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
        let error = from.copy_to(&by(set.top().digest), &to, Some(&latest()), &CopyOptions::default()).await;
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Digest { .. } | Error::Size { .. }), "{error:?}");
        assert_eq!(to.blob_head(&layer.digest).await.unwrap(), None);
        assert_eq!(to.manifest_head(&tag("latest")).await.unwrap(), None);
    }
    other.close().await;
}

#[tokio::test]
async fn a_member_of_another_size_is_refused() {
    let other = TestRegistry::in_memory().await;
    let image = content::image(Algorithm::Sha256);
    let mut entry = image.top().descriptor();
    entry["size"] = 7.into();
    let index = Maker::index(Algorithm::Sha256).absent_entry(entry).done();
    let both = DataSet { manifests: vec![image.top().clone(), index.top().clone()], ..image.clone() };
    let double = having(&both, |piece| piece.bytes.to_vec()).await;
    let from = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    let to = repository(&other);
    let outcome = from.copy_to(&by(index.top().digest), &to, None, &CopyOptions::default()).await;
    assert!(matches!(outcome, Err(Error::Size { expected: 7, .. })), "{outcome:?}");
    // What does not read as a manifest has nothing that could be copied.
    let odd = Piece::new(Algorithm::Sha256, "application/vnd.oci.image.manifest.v1+json", "{}");
    let set = DataSet { blobs: Vec::new(), manifests: vec![odd.clone()] };
    let double = having(&set, |piece| piece.bytes.to_vec()).await;
    let from = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    let outcome = from.copy_to(&by(odd.digest), &to, None, &CopyOptions::default()).await;
    assert!(matches!(outcome, Err(Error::BadAnswer { .. })), "{outcome:?}");
    other.close().await;
}

/// However large what a stranger's index lists may be, it is not all kept.
#[tokio::test]
async fn what_lists_too_much_is_not_copied() {
    let other = TestRegistry::in_memory().await;
    let padded = |number: u32| {
        Maker::image(Algorithm::Sha256)
            .annotation("number", &number.to_string())
            .annotation("x", &"x".repeat(4_000_000))
            .done()
    };
    let sets: Vec<_> = (0..18).map(padded).collect();
    let index = sets.iter().fold(Maker::index(Algorithm::Sha256), |index, set| index.entry(set)).done();
    let double = having(&index, |piece| piece.bytes.to_vec()).await;
    let from = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    let to = repository(&other);
    let outcome = from.copy_to(&by(index.top().digest), &to, None, &CopyOptions::default()).await;
    assert!(matches!(outcome, Err(Error::TooLarge { .. })), "{outcome:?}");
    assert!(double.came().len() < 1 + 18 + 4);
    other.close().await;
}

#[tokio::test]
async fn referrers_that_are_listed_and_gone_are_left_out() {
    let (other, image) = (TestRegistry::in_memory().await, content::image(Algorithm::Sha256));
    let gone = Piece::blob(Algorithm::Sha256, 5).descriptor();
    let list = Maker::index(Algorithm::Sha256).absent_entry(gone).done();
    let name = Tag::of_referrers(&image.top().digest).to_string();
    let pieces: Vec<Piece> = image.manifests.iter().chain(&image.blobs).cloned().collect();
    let double = Double::start(move |came| {
        let last = came.path().rsplit('/').next().unwrap();
        let found = pieces
            .iter()
            .find(|piece| piece.digest.to_string() == last && !came.path().contains("referrers"));
        match found.or_else(|| (last == name).then(|| list.top())) {
            Some(piece) => Reply::body(piece.bytes.clone()).header("Content-Type", &piece.media_type),
            None => Reply::error(404, "MANIFEST_UNKNOWN"),
        }
    })
    .await;
    let from = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    let to = repository(&other);
    let options = CopyOptions::default().referrers(true);
    let copied = from.copy_to(&by(image.top().digest), &to, None, &options).await.unwrap();
    assert_eq!(copied.manifests, 1);
    other.close().await;
}

/// What a copy told.
#[derive(Default)]
struct Told(Mutex<State>);

#[derive(Default)]
struct State {
    under_way: usize,
    most: usize,
    moved: BTreeMap<Digest, u64>,
    stored: Vec<Digest>,
    ended: Vec<Pushed>,
}

impl CopyProgress for Told {
    fn begins(&self, digest: &Digest, _size: u64) {
        let mut state = self.0.lock().unwrap();
        state.moved.insert(*digest, 0);
        state.under_way += 1;
        state.most = state.most.max(state.under_way);
    }

    fn moves(&self, digest: &Digest, bytes: u64) {
        *self.0.lock().unwrap().moved.get_mut(digest).expect("it has begun") += bytes;
    }

    fn ends(&self, _digest: &Digest, pushed: Pushed) {
        let mut state = self.0.lock().unwrap();
        state.under_way -= 1;
        state.ended.push(pushed);
    }

    fn stored(&self, digest: &Digest) {
        self.0.lock().unwrap().stored.push(*digest);
    }
}

#[tokio::test]
async fn who_looks_on_sees_how_it_goes() {
    let (one, other) = two().await;
    let (from, set) = (repository(&one), large(5));
    push(&from, "a", &set).await;
    for jobs in [1, 3] {
        let to = repository(&other).registry().repository(format!("library/jobs{jobs}").parse().unwrap());
        let told = Arc::new(Told::default());
        let progress = Arc::<Told>::clone(&told);
        let options = CopyOptions::default().jobs(NonZeroUsize::new(jobs).unwrap()).progress(progress);
        from.copy_to(&tag("a"), &to, None, &options).await.unwrap();
        let state = told.0.lock().unwrap();
        assert_eq!((state.most, state.under_way), (jobs, 0));
        let sizes: BTreeMap<_, _> =
            set.blobs.iter().map(|blob| (blob.digest, blob.bytes.len() as u64)).collect();
        assert_eq!(state.moved, sizes);
        assert_eq!((state.stored.as_slice(), state.ended.len()), ([set.top().digest].as_slice(), 6));
    }
    one.close().await;
    other.close().await;
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn there_and_back_again() {
    let (registry, set) = (TestRegistry::in_memory().await, large(4));
    let both = Maker::index(Algorithm::Sha256).entry(&set).entry(&content::image(Algorithm::Sha256)).done();
    let ours = repository(&registry);
    push(&ours, "a", &both).await;
    let signature = Maker::artifact(Algorithm::Sha256, "application/vnd.example").subject(both.top()).done();
    for blob in &signature.blobs {
        ours.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    }
    let top = signature.top();
    ours.manifest_put(&by(top.digest), &media_type(top), top.bytes.clone()).await.unwrap();
    let theirs = super::foreign::repository();
    let options = CopyOptions::default().referrers(true);
    let copied = ours.copy_to(&tag("a"), &theirs, Some(&latest()), &options).await.unwrap();
    assert_eq!(copied.manifests, 4);
    is_there(&theirs, &both).await;
    // It has no list of referrers, so there they are kept by tag; here they are listed again.
    let back = ours.registry().repository("library/back".parse().unwrap());
    theirs.copy_to(&tag("latest"), &back, Some(&latest()), &options).await.unwrap();
    is_there(&back, &both).await;
    is_there(&back, &signature).await;
    assert_eq!(back.referrers(&both.top().digest, None).all().await.unwrap()[0].digest, top.digest);
    registry.close().await;
}
