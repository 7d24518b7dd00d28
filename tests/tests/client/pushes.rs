//! Pushes: end-4a, end-4b, end-5, end-6, end-13, end-14; what breaks is taken up where the registry has got to.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use harbor_core::oci::{Algorithm, Digest};
use harbor_replicate::client::{
    BlobSource, ByteStream, Credential, Error, FileSource, PushOptions, Pushed, Registry, Repository, Retry,
};
use harbor_tests::TestRegistry;
use harbor_tests::content::{ALGORITHMS, Piece, random};

use super::breaker::{Breaker, Way};
use super::double::{Came, Double, Reply};
use super::{REPO, admin, at, repository};

const SMALL: usize = 512 * 1024;
const LARGE: usize = 5_000_000;

async fn is_there(repository: &Repository, blob: &Piece) {
    let pulled = repository.blob(&blob.digest, Some(blob.bytes.len() as u64)).await.unwrap();
    assert!(pulled.bytes(LARGE * 2).await.unwrap() == blob.bytes);
}

#[tokio::test]
async fn all_sizes_by_all_ways() {
    let registry = TestRegistry::in_memory().await;
    let ours = at(registry.address(), admin(&registry));
    for algorithm in ALGORITHMS {
        for length in [0, 1, 999, 1000, 1001, SMALL, SMALL + 1, LARGE] {
            for chunk in [None, Some(1_000_000), Some(SMALL as u64 + 1)] {
                // A repository each: of blobs of one byte there are few.
                let name = format!("library/{algorithm}-{length}-{}", chunk.unwrap_or(0));
                let (app, blob) = (ours.repository(name.parse().unwrap()), Piece::blob(algorithm, length));
                let sent = Arc::new(AtomicU64::new(0));
                let count = Arc::clone(&sent);
                let mut options = PushOptions::default().sent(move |bytes| {
                    count.fetch_add(bytes, Ordering::SeqCst);
                });
                options = options.chunk(chunk);
                let pushed = app.blob_push(&blob.digest, &blob.bytes, &options).await.unwrap();
                assert_eq!(pushed, Pushed::Sent, "{length} {chunk:?}");
                assert_eq!(sent.load(Ordering::SeqCst), length as u64, "{length} {chunk:?}");
                is_there(&app, &blob).await;
                let again = app.blob_push(&blob.digest, &blob.bytes, &options).await.unwrap();
                assert_eq!(again, Pushed::Existed);
            }
        }
    }
    registry.close().await;
}

#[tokio::test]
async fn a_file_is_pushed() {
    let registry = TestRegistry::in_memory().await;
    let (app, blob) = (repository(&registry), Piece::blob(Algorithm::Sha256, LARGE));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layer");
    std::fs::write(&path, &blob.bytes).unwrap();
    let file = FileSource::open(&path).await.unwrap();
    assert_eq!(app.blob_push(&blob.digest, &file, &Default::default()).await.unwrap(), Pushed::Sent);
    is_there(&app, &blob).await;
    // Straight on to another repository, without a file.
    let other = app.registry().repository("library/other".parse().unwrap());
    let source = app.blob_source(&blob.digest, LARGE as u64);
    assert_eq!(other.blob_push(&blob.digest, &source, &Default::default()).await.unwrap(), Pushed::Sent);
    is_there(&other, &blob).await;
    registry.close().await;
}

#[tokio::test]
async fn a_push_goes_on_where_it_broke() {
    let registry = TestRegistry::in_memory().await;
    for chunk in [None, Some(900_000)] {
        let blob = Piece::blob(Algorithm::Sha256, LARGE);
        let breaker = Breaker::start(registry.address(), Way::Up, 700_000, 7).await;
        // With the waits that everybody has: a registry needs a moment to see that a connection is gone, and to put down what
        // came by it.
        let connection = super::quick().retry(Retry::default()).build().unwrap();
        let builder = Registry::builder(format!("http://{}", breaker.address)).connection(connection);
        let broken = builder.credentials(admin(&registry)).build().unwrap();
        let app = broken.repository(REPO.parse().unwrap());
        let options = PushOptions::default().chunk(chunk);
        assert_eq!(app.blob_push(&blob.digest, &blob.bytes, &options).await.unwrap(), Pushed::Sent);
        assert_eq!(breaker.left(), 0);
        let again = breaker.carried() - LARGE as u64;
        assert!(again < LARGE as u64 / 2, "{again} bytes went twice {chunk:?}");
        is_there(&app, &blob).await;
    }
    registry.close().await;
}

#[tokio::test]
async fn wrong_content_is_refused_and_leaves_nothing() {
    let registry = TestRegistry::in_memory().await;
    let app = repository(&registry);
    for length in [100, SMALL + 1] {
        let (blob, other) = (Piece::blob(Algorithm::Sha256, length), Piece::blob(Algorithm::Sha256, length));
        let error = app.blob_push(&blob.digest, &other.bytes, &Default::default()).await.unwrap_err();
        assert!(error.refusal().unwrap().has_code("DIGEST_INVALID"), "{error}");
        assert_eq!(app.blob_head(&blob.digest).await.unwrap(), None);
    }
    registry.close().await;
}

#[tokio::test]
async fn sessions_by_hand() {
    let registry = TestRegistry::in_memory().await;
    let app = repository(&registry);
    let upload = app.upload_begin().await.unwrap();
    assert_eq!(app.upload_status(&upload).await.unwrap().unwrap().offset(), 0);
    app.upload_cancel(upload.clone()).await.unwrap();
    assert_eq!(app.upload_status(&upload).await.unwrap(), None);
    app.upload_cancel(upload).await.unwrap();
    registry.close().await;
}

/// A source that yields less than it says, or fails.
struct Bad {
    says: u64,
    yields: usize,
    fails: bool,
}

#[async_trait]
impl BlobSource for Bad {
    fn size(&self) -> u64 {
        self.says
    }

    async fn open(&self, _offset: u64) -> io::Result<ByteStream> {
        let failure = self.fails.then(|| Err(io::Error::other("the disk is gone")));
        let pieces = [Ok(random(self.yields))].into_iter().chain(failure);
        Ok(Box::pin(futures_util::stream::iter(pieces)))
    }
}

#[tokio::test]
async fn a_source_that_fails_is_told_and_nothing_is_left() {
    let registry = TestRegistry::in_memory().await;
    let (app, digest) = (repository(&registry), Digest::of(Algorithm::Sha256, b"never"));
    for (says, yields) in [(1000, 10), (LARGE, LARGE / 2)] {
        for fails in [true, false] {
            let source = Bad { says: says as u64, yields, fails };
            let error = app.blob_push(&digest, &source, &Default::default()).await.unwrap_err();
            let Error::Source(cause) = &error else { panic!("{error}") };
            assert!(!fails || cause.to_string().contains("the disk is gone"), "{cause}");
        }
    }
    registry.close().await;
}

/// A registry of one upload at a time, which keeps what comes; a function answers before it does.
struct Kept {
    bytes: Mutex<Vec<u8>>,
    sessions: AtomicU64,
}

type Before = dyn Fn(&Kept, &Came) -> Option<Reply> + Send + Sync;

impl Kept {
    /// Nothing is kept of what a function answers.
    async fn start(before: Box<Before>) -> (Double, Arc<Self>) {
        Self::taking(|_| None, before).await
    }

    async fn taking(
        takes: impl Fn(&Came) -> Option<usize> + Send + Sync + 'static,
        before: Box<Before>,
    ) -> (Double, Arc<Self>) {
        let kept = Arc::new(Self { bytes: Mutex::default(), sessions: AtomicU64::new(0) });
        let shared = Arc::clone(&kept);
        let answers = move |came: &Came| before(&shared, came).unwrap_or_else(|| shared.answer(came));
        (Double::taking(takes, answers).await, kept)
    }

    fn length(&self) -> usize {
        self.bytes.lock().unwrap().len()
    }

    fn location(&self) -> String {
        format!("/uploads/{}?state={}", self.sessions.load(Ordering::SeqCst), self.length())
    }

    fn keep(&self, came: &Came) {
        self.bytes.lock().unwrap().extend_from_slice(&came.body);
    }

    /// Where an upload stands; nothing of nothing.
    fn standing(&self, status: u16) -> Reply {
        let reply = Reply::status(status).header("Location", self.location());
        match self.length() {
            0 => reply,
            length => reply.header("Range", format!("0-{}", length - 1)),
        }
    }

    fn answer(&self, came: &Came) -> Reply {
        match came.method.as_str() {
            "HEAD" => Reply::status(404),
            "POST" => {
                self.sessions.fetch_add(1, Ordering::SeqCst);
                self.bytes.lock().unwrap().clear();
                self.standing(202)
            }
            "GET" => self.standing(204),
            "PATCH" => {
                self.keep(came);
                self.standing(202)
            }
            "PUT" => {
                self.keep(came);
                let digest = Digest::of(Algorithm::Sha256, &self.bytes.lock().unwrap());
                match came.query("digest") == [digest.to_string()] {
                    true => Reply::status(201),
                    false => Reply::error(400, "DIGEST_INVALID"),
                }
            }
            _ => Reply::status(204),
        }
    }
}

fn on(double: &Double) -> Repository {
    at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap())
}

fn methods(double: &Double) -> Vec<String> {
    double.came().into_iter().map(|came| came.method).collect()
}

#[tokio::test]
async fn a_registry_that_takes_no_whole_blobs_is_asked_once() {
    let (double, _) = Kept::start(Box::new(|_, _| None)).await;
    let app = on(&double);
    for expected in [["HEAD", "POST", "PUT"]; 2] {
        let (before, blob) = (double.came().len(), Piece::blob(Algorithm::Sha256, 100));
        app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
        assert_eq!(methods(&double)[before..], expected);
    }
    let posts: Vec<_> = double.came().into_iter().filter(|came| came.method == "POST").collect();
    assert_eq!((posts[0].body.len(), posts[1].body.len()), (100, 0), "the second was not sent twice");
}

#[tokio::test]
async fn a_registry_that_refuses_whole_blobs_gets_them_otherwise() {
    for status in [400, 404, 405, 501] {
        let (double, _) = Kept::start(Box::new(move |_, came| {
            let whole = came.method == "POST" && !came.query("digest").is_empty();
            whole.then(|| Reply::error(status, "UNSUPPORTED"))
        }))
        .await;
        let blob = Piece::blob(Algorithm::Sha256, 100);
        on(&double).blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
        assert_eq!(methods(&double), ["HEAD", "POST", "POST", "PUT"]);
    }
}

#[tokio::test]
async fn a_body_that_breaks_goes_on_from_what_was_kept() {
    // Of the first PUT it takes 700000 bytes, and says nothing.
    let (double, _) = Kept::taking(
        |came| (came.method == "PUT" && came.header("content-range").is_none()).then_some(700_000),
        Box::new(|kept, came| {
            (came.method == "PUT" && came.header("content-range").is_none()).then(|| {
                kept.keep(came);
                Reply::none()
            })
        }),
    )
    .await;
    let (app, blob) = (on(&double), Piece::blob(Algorithm::Sha256, LARGE));
    app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    assert_eq!(methods(&double), ["HEAD", "POST", "PUT", "GET", "PUT"]);
    let last = double.came().pop().unwrap();
    assert_eq!(last.header("content-range").unwrap(), format!("700000-{}", LARGE - 1));
    // The session goes on at the place that its status told.
    assert_eq!(last.query("state"), ["700000"]);
}

/// What was kept after all would otherwise be appended to.
#[tokio::test]
async fn what_is_sent_again_from_the_beginning_says_so() {
    let (double, _) = Kept::start(Box::new(|_, came| {
        (came.method == "PUT" && came.header("content-range").is_none()).then(Reply::none)
    }))
    .await;
    let (app, blob) = (on(&double), Piece::blob(Algorithm::Sha256, SMALL + 1));
    app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    // It is asked twice: what it keeps it may still be putting down.
    assert_eq!(methods(&double), ["HEAD", "POST", "PUT", "GET", "GET", "PUT"]);
    assert_eq!(double.came().pop().unwrap().header("content-range"), Some(format!("0-{SMALL}").as_str()));
}

#[tokio::test]
async fn a_session_that_is_lost_is_begun_anew() {
    for lost in [Reply::error(404, "BLOB_UPLOAD_UNKNOWN"), Reply::error(400, "BLOB_UPLOAD_INVALID")] {
        let (double, _) = Kept::start(Box::new(move |kept, came| {
            let first = kept.sessions.load(Ordering::SeqCst) == 1;
            match came.method.as_str() {
                "PUT" if first => Some(Reply::none()),
                "GET" if first => Some(lost.clone()),
                _ => None,
            }
        }))
        .await;
        let (app, blob) = (on(&double), Piece::blob(Algorithm::Sha256, SMALL + 1));
        app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
        assert_eq!(methods(&double), ["HEAD", "POST", "PUT", "GET", "HEAD", "POST", "PUT"]);
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_is_no_second_push() {
    // It takes everything, says nothing, and has the blob.
    let (double, _) = Kept::start(Box::new(|kept, came| {
        let whole = kept.length() > 0;
        match came.method.as_str() {
            "PUT" => {
                kept.keep(came);
                Some(Reply::none())
            }
            "GET" => Some(Reply::error(404, "BLOB_UPLOAD_UNKNOWN")),
            "HEAD" if whole => Some(Reply::status(200)),
            _ => None,
        }
    }))
    .await;
    let (app, blob) = (on(&double), Piece::blob(Algorithm::Sha256, SMALL + 1));
    assert_eq!(app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap(), Pushed::Sent);
    assert_eq!(methods(&double), ["HEAD", "POST", "PUT", "GET", "HEAD"]);
}

#[tokio::test]
async fn what_is_put_together_wrongly_is_sent_anew() {
    // Of a broken body it keeps more than it says: what follows is appended to that.
    let (double, _) = Kept::taking(
        |came| (came.method == "PUT" && came.header("content-range").is_none()).then_some(700_000),
        Box::new(|kept, came| {
            if kept.sessions.load(Ordering::SeqCst) != 1 {
                return None;
            }
            match came.method.as_str() {
                "PUT" if came.header("content-range").is_none() => {
                    kept.keep(came);
                    Some(Reply::none())
                }
                "GET" => Some(Reply::status(204).header("Location", kept.location()).header("Range", "0-9")),
                _ => None,
            }
        }),
    )
    .await;
    let app = on(&double);
    let blob = Piece::blob(Algorithm::Sha256, SMALL + 1);
    app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    assert_eq!(methods(&double), ["HEAD", "POST", "PUT", "GET", "PUT", "HEAD", "POST", "PUT"]);
}

#[tokio::test]
async fn chunks_are_as_large_as_the_registry_wants_them() {
    let (double, _) = Kept::start(Box::new(|kept, came| {
        (came.method == "POST").then(|| kept.answer(came).header("OCI-Chunk-Min-Length", 400_000))
    }))
    .await;
    let (app, blob) = (on(&double), Piece::blob(Algorithm::Sha256, 1_000_000));
    app.blob_push(&blob.digest, &blob.bytes, &PushOptions::default().chunk(1000)).await.unwrap();
    let ranges: Vec<_> = double
        .came()
        .iter()
        .filter(|came| ["PATCH", "PUT"].contains(&came.method.as_str()))
        .map(|came| came.header("content-range").unwrap().to_owned())
        .collect();
    assert_eq!(ranges, ["0-399999", "400000-799999", "800000-999999"]);
}

#[tokio::test]
async fn a_registry_that_is_elsewhere_than_was_thought_is_asked_where() {
    // It has kept half of the first chunk, and says so by 416.
    let (double, _) = Kept::start(Box::new(|kept, came| match (came.method.as_str(), kept.length()) {
        ("PATCH", 0) => {
            kept.bytes.lock().unwrap().extend_from_slice(&came.body[..200_000]);
            Some(Reply::error(416, "BLOB_UPLOAD_INVALID"))
        }
        _ => None,
    }))
    .await;
    let (app, blob) = (on(&double), Piece::blob(Algorithm::Sha256, 1_000_000));
    app.blob_push(&blob.digest, &blob.bytes, &PushOptions::default().chunk(400_000)).await.unwrap();
    assert_eq!(methods(&double), ["HEAD", "POST", "PATCH", "GET", "PATCH", "PUT"]);
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_a_body_is_told() {
    let (double, _) = Kept::taking(
        |came| (came.method == "PUT").then_some(1000),
        Box::new(|_, came| (came.method == "PUT").then(|| Reply::error(413, "SIZE_INVALID").lingers())),
    )
    .await;
    let blob = Piece::blob(Algorithm::Sha256, LARGE * 4);
    let error = on(&double).blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap_err();
    assert!(error.refusal().is_some_and(|refusal| refusal.has_code("SIZE_INVALID")), "{error}");
    // And the session is ended.
    assert_eq!(methods(&double), ["HEAD", "POST", "PUT", "DELETE"]);
}

#[tokio::test]
async fn a_registry_that_loses_what_it_had_is_left_in_the_end() {
    // It takes two chunks, and has forgotten both when the third comes.
    let (double, _) = Kept::start(Box::new(|kept, came| match (came.method.as_str(), kept.length()) {
        ("PATCH", 600_000..) => {
            kept.bytes.lock().unwrap().clear();
            Some(Reply::error(503, "UNAVAILABLE"))
        }
        _ => None,
    }))
    .await;
    let blob = Piece::blob(Algorithm::Sha256, 1_200_000);
    let options = PushOptions::default().chunk(300_000);
    let error = on(&double).blob_push(&blob.digest, &blob.bytes, &options).await.unwrap_err();
    assert_eq!(error.status(), Some(503), "{error}");
    assert!(methods(&double).len() < 40, "{}", methods(&double).len());
}

#[tokio::test]
async fn an_upload_that_does_not_move_is_left() {
    let (double, _) = Kept::start(Box::new(|kept, came| {
        (came.method == "PATCH")
            .then(|| Reply::status(202).header("Location", kept.location()).header("Range", "0-0"))
    }))
    .await;
    let blob = Piece::blob(Algorithm::Sha256, 1_200_000);
    let options = PushOptions::default().chunk(300_000);
    let error = on(&double).blob_push(&blob.digest, &blob.bytes, &options).await.unwrap_err();
    assert!(matches!(error, Error::BadAnswer { .. }), "{error}");
    assert_eq!(methods(&double), ["HEAD", "POST", "PATCH", "DELETE"]);
}

#[tokio::test]
async fn nobody_pushes_for_ever() {
    // Broken each time, with a status that never moves.
    let (double, _) = Kept::start(Box::new(|_, came| (came.method == "PUT").then(Reply::none))).await;
    let (app, blob) = (on(&double), Piece::blob(Algorithm::Sha256, SMALL + 1));
    let error = app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(methods(&double).iter().filter(|method| *method == "PUT").count(), 5);
    // Lost each time.
    let (double, _) = Kept::start(Box::new(|_, came| {
        (came.method == "PUT").then(|| Reply::error(404, "BLOB_UPLOAD_UNKNOWN"))
    }))
    .await;
    let error = on(&double).blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap_err();
    assert_eq!(error.status(), Some(404), "{error}");
    assert_eq!(methods(&double).iter().filter(|method| *method == "PUT").count(), 5);
    // A status that is ahead of what was sent is another's.
    let (double, _) = Kept::start(Box::new(|kept, came| match came.method.as_str() {
        "PUT" => Some(Reply::none()),
        "GET" => Some(Reply::status(204).header("Location", kept.location()).header("Range", "0-999999")),
        _ => None,
    }))
    .await;
    let error = on(&double).blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(methods(&double).iter().filter(|method| *method == "POST").count(), 5);
}

#[tokio::test]
async fn an_upload_is_not_led_astray() {
    for (location, why) in [
        ("https://user:password@127.0.0.1/x", "an address with a user"),
        ("ftp://127.0.0.1/x", "another scheme"),
        ("http://", "no address"),
    ] {
        let double = Double::start(move |came| match came.method.as_str() {
            "HEAD" => Reply::status(404),
            _ => Reply::status(202).header("Location", location),
        })
        .await;
        let blob = Bytes::from_static(b"x");
        let digest = Digest::of(Algorithm::Sha256, &blob);
        let error = on(&double).blob_push(&digest, &blob, &Default::default()).await.unwrap_err();
        assert!(matches!(error, Error::BadAnswer { .. }), "{why}: {error}");
        assert!(!error.to_string().contains("password"), "{error}");
    }
}
