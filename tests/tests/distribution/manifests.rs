//! end-3 and end-7: reading and pushing manifests.

use harbor_core::oci::{Algorithm, Digest, MANIFEST_LIMIT, MediaType};
use harbor_tests::TestRegistry;
use harbor_tests::content::{self, ALGORITHMS, Maker, Piece};
use serde_json::json;

use super::{REPO, REPO2};

super::on_every_store! {
    a_missing_manifest_is_unknown;
    a_digest_that_is_none_is_refused;
    a_digest_of_other_bytes_is_refused;
    tags_are_set_with_the_push_by_digest;
    the_tag_parameter_is_checked;
    many_tags_are_set_at_once;
    a_tag_moves;
    pushing_again_changes_nothing;
    a_client_that_has_the_manifest_is_told_so;
    a_manifest_just_within_the_limit_is_taken;
    a_manifest_over_the_limit_is_refused;
    every_blob_of_a_manifest_must_be_there;
    every_manifest_of_an_index_must_be_there;
    the_size_of_a_blob_must_be_right;
    the_media_types_of_header_and_body_must_agree;
    one_content_has_a_digest_of_each_algorithm;
    manifests_are_of_their_repository;
    what_is_accepted_does_not_change_what_is_served;
}

fn path(reference: impl std::fmt::Display) -> String {
    format!("/v2/{REPO}/manifests/{reference}")
}

async fn a_missing_manifest_is_unknown(registry: &TestRegistry) {
    let digest = Piece::blob(Algorithm::Sha256, 9).digest;
    registry.admin().get(&path("missing")).await.expect_error(404, "NAME_UNKNOWN");
    registry.admin().push(REPO, None, &content::image(Algorithm::Sha256)).await;
    for reference in [digest.to_string(), "missing".to_owned()] {
        registry.admin().get(&path(&reference)).await.expect_error(404, "MANIFEST_UNKNOWN");
        registry.admin().head(&path(&reference)).await.expect_status(404);
        registry.admin().delete(&path(&reference)).await.expect_error(404, "MANIFEST_UNKNOWN");
    }
}

async fn a_digest_that_is_none_is_refused(registry: &TestRegistry) {
    let image = content::image(Algorithm::Sha256);
    registry.admin().push(REPO, None, &image).await;
    for digest in ["sha256:baddigeststring", "sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e", "x:y"] {
        let put = registry.admin().push_manifest(REPO, digest, image.top());
        put.await.expect_error(400, "DIGEST_INVALID");
        registry.admin().get(&path(digest)).await.expect_error(400, "DIGEST_INVALID");
        registry.admin().head(&path(digest)).await.expect_status(400);
        registry.admin().delete(&path(digest)).await.expect_error(400, "DIGEST_INVALID");
    }
    let upper = image.top().digest.to_string().to_uppercase().replace("SHA", "sha");
    registry.admin().get(&path(upper)).await.expect_error(400, "DIGEST_INVALID");
}

async fn a_digest_of_other_bytes_is_refused(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let image = content::image(algorithm);
        for blob in &image.blobs {
            registry.admin().push_blob(REPO, blob).await;
        }
        let padded = Piece { bytes: [&image.top().bytes[..], b"  "].concat().into(), ..image.top().clone() };
        let put = registry.admin().push_manifest(REPO, padded.digest, &padded);
        put.await.expect_error(400, "DIGEST_INVALID");
        registry.admin().get(&path(padded.digest)).await.expect_error(404, "MANIFEST_UNKNOWN");
    }
}

async fn tags_are_set_with_the_push_by_digest(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let set = content::index(algorithm);
        registry.admin().push(REPO, None, &set).await;
        let put = registry.admin().push_manifest(REPO, set.top().digest, set.top());
        let answer = put.query("tag", "one").query("tag", "two").await.expect_status(201);
        let told: Vec<&str> = answer.all("OCI-Tag").iter().flat_map(|tags| tags.split(", ")).collect();
        assert_eq!(told, ["one", "two"]);
        assert_eq!(answer.digest(), set.top().digest);
        for tag in ["one", "two"] {
            assert_eq!(registry.anon().get(&path(tag)).await.expect_status(200).digest(), set.top().digest);
        }
    }
}

async fn the_tag_parameter_is_checked(registry: &TestRegistry) {
    let set = content::image(Algorithm::Sha256);
    registry.admin().push(REPO, None, &set).await;
    for tag in ["", ".dot", "a/b", "a b", &"x".repeat(129)] {
        let put = registry.admin().push_manifest(REPO, set.top().digest, set.top()).query("tag", tag);
        put.query("tag", "good").await.expect_error(400, "TAG_INVALID");
    }
    let both = registry.admin().push_manifest(REPO, "path", set.top()).query("tag", "parameter");
    both.await.expect_error(400, "UNSUPPORTED");
    let tags = registry.admin().get(&format!("/v2/{REPO}/tags/list")).await.json();
    assert_eq!(tags["tags"], json!([]), "a refused push sets no tag");
}

async fn many_tags_are_set_at_once(registry: &TestRegistry) {
    let set = content::image(Algorithm::Sha256);
    registry.admin().push(REPO, None, &set).await;
    let tags: Vec<String> = (0..20).map(|number| format!("v{number:02}")).collect();
    // The same tag again is the same tag.
    let put = registry
        .admin()
        .push_manifest(REPO, set.top().digest, set.top())
        .query("tag", "v00")
        .query("tag", "v19");
    let put = tags.iter().fold(put, |put, tag| put.query("tag", tag));
    let answer = put.await.expect_status(201);
    let mut told = answer.all("OCI-Tag");
    told.sort_unstable();
    assert_eq!(told, tags);
    let listed = registry.admin().get(&format!("/v2/{REPO}/tags/list")).await.json();
    assert_eq!(listed["tags"], json!(tags));
}

async fn a_tag_moves(registry: &TestRegistry) {
    let sets = [content::image(Algorithm::Sha256), content::index(Algorithm::Sha256)];
    for set in &sets {
        registry.admin().push(REPO, Some("latest"), set).await;
        let answer = registry.anon().get(&path("latest")).await.expect_status(200);
        assert_eq!((answer.digest(), &answer.body), (set.top().digest, &set.top().bytes));
    }
    for set in &sets {
        registry.anon().get(&path(set.top().digest)).await.expect_status(200);
    }
}

async fn pushing_again_changes_nothing(registry: &TestRegistry) {
    let set = content::image(Algorithm::Sha256);
    for _ in 0..3 {
        registry.admin().push(REPO, Some("latest"), &set).await;
    }
    let listed = registry.admin().get(&format!("/v2/{REPO}/tags/list")).await.json();
    assert_eq!(listed["tags"], json!(["latest"]));
}

async fn a_client_that_has_the_manifest_is_told_so(registry: &TestRegistry) {
    let set = content::image(Algorithm::Sha256);
    registry.admin().push(REPO, Some("latest"), &set).await;
    let digest = set.top().digest;
    for reference in ["latest".to_owned(), digest.to_string()] {
        for method in ["GET", "HEAD"] {
            let call = || registry.anon().call(method, &path(&reference));
            let answer = call().header("If-None-Match", format!("\"{digest}\"")).await.expect_status(304);
            assert_eq!((answer.digest(), answer.need("ETag")), (digest, format!("\"{digest}\"").as_str()));
            assert!(answer.body.is_empty());
            call().header("If-None-Match", "\"other\"").await.expect_status(200);
        }
    }
}

/// An index of exactly `size` bytes.
fn sized(size: usize) -> Piece {
    let make =
        |padding: usize| Maker::index(Algorithm::Sha256).annotation("padding", &"x".repeat(padding)).done();
    let set = make(size - make(0).top().bytes.len());
    assert_eq!(set.top().bytes.len(), size);
    set.top().clone()
}

async fn a_manifest_just_within_the_limit_is_taken(registry: &TestRegistry) {
    let manifest = sized(MANIFEST_LIMIT);
    registry.admin().push_manifest(REPO, "large", &manifest).await.expect_status(201);
    assert_eq!(registry.anon().get(&path("large")).await.expect_status(200).body, manifest.bytes);
}

async fn a_manifest_over_the_limit_is_refused(registry: &TestRegistry) {
    let manifest = sized(MANIFEST_LIMIT + 1);
    registry.admin().push_manifest(REPO, "large", &manifest).await.expect_error(413, "SIZE_INVALID");
    let put = registry.admin().put(&path("large")).header("Content-Type", MediaType::OCI_INDEX);
    put.stream(vec![manifest.bytes.clone()]).await.expect_error(413, "SIZE_INVALID");
    registry.admin().get(&path("large")).await.expect_error(404, "NAME_UNKNOWN");
}

async fn every_blob_of_a_manifest_must_be_there(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let set = content::image(algorithm);
        for missing in 0..set.blobs.len() {
            let repository = format!("{REPO}/{algorithm}/{missing}");
            for (number, blob) in set.blobs.iter().enumerate() {
                // Another repository's blob is no blob here.
                let to = if number == missing { REPO2 } else { &repository };
                registry.admin().push_blob(to, blob).await;
            }
            let put = registry.admin().push_manifest(&repository, set.top().digest, set.top());
            let answer = put.await.expect_error(400, "MANIFEST_BLOB_UNKNOWN");
            assert!(String::from_utf8_lossy(&answer.body).contains(&set.blobs[missing].digest.to_string()));
        }
    }
}

async fn every_manifest_of_an_index_must_be_there(registry: &TestRegistry) {
    let set = content::index(Algorithm::Sha256);
    let [first, _, index] = &set.manifests[..] else { panic!() };
    for blob in &set.blobs {
        registry.admin().push_blob(REPO, blob).await;
    }
    registry.admin().push_manifest(REPO, first.digest, first).await.expect_status(201);
    let put = registry.admin().push_manifest(REPO, index.digest, index);
    put.await.expect_error(400, "MANIFEST_BLOB_UNKNOWN");
}

async fn the_size_of_a_blob_must_be_right(registry: &TestRegistry) {
    for size in [0, 199, 201, u64::MAX] {
        let set = Maker::image(Algorithm::Sha256).layers(1);
        let set = set.change(|members| members["layers"][0]["size"] = size.into()).done();
        for blob in &set.blobs {
            registry.admin().push_blob(REPO, blob).await;
        }
        registry.admin().push_manifest(REPO, "wrong", set.top()).await.expect_error(400, "MANIFEST_INVALID");
    }
}

async fn the_media_types_of_header_and_body_must_agree(registry: &TestRegistry) {
    let set = content::image(Algorithm::Sha256);
    registry.admin().push(REPO, None, &set).await;
    let put = |kind: &str| {
        registry.admin().put(&path("typed")).header("Content-Type", kind).body(set.top().bytes.clone())
    };
    for wrong in
        [MediaType::OCI_INDEX, MediaType::DOCKER_MANIFEST, "application/json", "nonsense", "text/plain"]
    {
        put(wrong).await.expect_error(400, "MANIFEST_INVALID");
    }
    put(&format!("{}; charset=utf-8", MediaType::OCI_MANIFEST)).await.expect_status(201);
    let read = registry.admin().get(&path("typed")).await;
    assert_eq!(read.need("Content-Type"), MediaType::OCI_MANIFEST);
    // The header alone tells, or the body alone.
    let silent = Maker::image(Algorithm::Sha256).done();
    registry.admin().push(REPO, None, &silent).await;
    let put = registry.admin().put(&path("body")).body(silent.top().bytes.clone());
    put.await.expect_status(201);
    let bare = json!({ "schemaVersion": 2, "manifests": [] });
    let put = registry.admin().put(&path("header")).header("Content-Type", MediaType::OCI_INDEX);
    put.body(bare.to_string()).await.expect_status(201);
    assert_eq!(registry.admin().get(&path("header")).await.need("Content-Type"), MediaType::OCI_INDEX);
}

async fn one_content_has_a_digest_of_each_algorithm(registry: &TestRegistry) {
    let set = content::image(Algorithm::Sha256);
    registry.admin().push(REPO, Some("short"), &set).await;
    let digest = Digest::of(Algorithm::Sha512, &set.top().bytes);
    registry.admin().get(&path(digest)).await.expect_error(404, "MANIFEST_UNKNOWN");
    let put = registry.admin().push_manifest(REPO, digest, set.top()).query("tag", "long");
    assert_eq!(put.await.expect_status(201).digest(), digest);
    assert_eq!(registry.anon().get(&path(digest)).await.digest(), digest);
    assert_eq!(registry.anon().get(&path("long")).await.digest(), digest);
    assert_eq!(registry.anon().get(&path("short")).await.digest(), set.top().digest);
}

async fn manifests_are_of_their_repository(registry: &TestRegistry) {
    let set = content::image(Algorithm::Sha256);
    registry.admin().push(REPO, Some("latest"), &set).await;
    registry.admin().push_blob(REPO2, &set.blobs[0]).await;
    for reference in ["latest".to_owned(), set.top().digest.to_string()] {
        let other = format!("/v2/{REPO2}/manifests/{reference}");
        registry.admin().get(&other).await.expect_error(404, "MANIFEST_UNKNOWN");
        registry.admin().delete(&other).await.expect_error(404, "MANIFEST_UNKNOWN");
    }
    registry.anon().get(&path("latest")).await.expect_status(200);
}

async fn what_is_accepted_does_not_change_what_is_served(registry: &TestRegistry) {
    let set = content::index(Algorithm::Sha256);
    registry.admin().push(REPO, Some("latest"), &set).await;
    for accept in ["*/*", MediaType::OCI_MANIFEST, MediaType::DOCKER_LIST, "text/html"] {
        let answer = registry.anon().get(&path("latest")).header("Accept", accept).await.expect_status(200);
        assert_eq!(answer.need("Content-Type"), MediaType::OCI_INDEX);
        assert_eq!(answer.body, set.top().bytes);
    }
}
