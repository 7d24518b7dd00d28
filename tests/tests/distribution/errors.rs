//! Refusals: each has the code of the specification, and the same one for HEAD by status.

use harbor_core::StoreError;
use harbor_core::access::{Actor, RepositoryTarget};
use harbor_core::oci::Algorithm;
use harbor_core::policy::{Policy, Step, Verdict};
use harbor_tests::content::{self, Piece};
use harbor_tests::{RegistryBuilder, TestRegistry};

use super::REPO;

super::on_every_store! {
    every_refusal_has_its_code;
    head_is_refused_as_get_is;
    a_method_that_a_path_does_not_have_is_refused_with_those_that_it_has;
    what_is_only_read_takes_nothing_else;
    a_policys_reason_reaches_the_client with no_latest;
    a_user_is_denied_what_they_may_not_do with bob;
}

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const SESSION: &str = "00000000-0000-4000-8000-000000000000";

async fn every_refusal_has_its_code(registry: &TestRegistry) {
    registry.admin().push_blob(REPO, &Piece::blob(Algorithm::Sha256, 1)).await;
    for (method, target, status, code) in [
        ("GET", "/v2/UPPER/app/tags/list".to_owned(), 400, "NAME_INVALID"),
        ("GET", "/v2/single/tags/list".to_owned(), 400, "NAME_INVALID"),
        ("POST", "/v2/library/-app/blobs/uploads/".to_owned(), 400, "NAME_INVALID"),
        ("GET", format!("/v2/{REPO}/manifests/.dot"), 400, "TAG_INVALID"),
        ("GET", format!("/v2/{REPO}/manifests/{}", "x".repeat(129)), 400, "TAG_INVALID"),
        ("GET", format!("/v2/{REPO}/blobs/sha256:x"), 400, "DIGEST_INVALID"),
        ("GET", format!("/v2/{REPO}/blobs/latest"), 400, "DIGEST_INVALID"),
        ("GET", format!("/v2/{REPO}/blobs/{DIGEST}"), 404, "BLOB_UNKNOWN"),
        ("GET", format!("/v2/{REPO}/manifests/none"), 404, "MANIFEST_UNKNOWN"),
        ("GET", format!("/v2/{REPO}/manifests/{DIGEST}"), 404, "MANIFEST_UNKNOWN"),
        ("GET", "/v2/library/none/tags/list".to_owned(), 404, "NAME_UNKNOWN"),
        ("POST", "/v2/none/none/blobs/uploads/".to_owned(), 404, "NAME_UNKNOWN"),
        ("PUT", "/v2/none/none/manifests/latest".to_owned(), 404, "NAME_UNKNOWN"),
        ("GET", format!("/v2/{REPO}/blobs/uploads/{SESSION}"), 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PATCH", format!("/v2/{REPO}/blobs/uploads/{SESSION}"), 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PUT", format!("/v2/{REPO}/blobs/uploads/{SESSION}?digest={DIGEST}"), 404, "BLOB_UPLOAD_UNKNOWN"),
        ("DELETE", format!("/v2/{REPO}/blobs/uploads/{SESSION}"), 404, "BLOB_UPLOAD_UNKNOWN"),
        ("GET", format!("/v2/{REPO}/blobs/uploads/not-a-session"), 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PUT", format!("/v2/{REPO}/manifests/empty"), 400, "MANIFEST_INVALID"),
        ("GET", format!("/v2/{REPO}/unknown/thing"), 404, "UNSUPPORTED"),
        ("GET", "/v2/_unknown".to_owned(), 404, "UNSUPPORTED"),
    ] {
        registry.admin().call(method, &target).await.expect_error(status, code);
    }
}

async fn head_is_refused_as_get_is(registry: &TestRegistry) {
    registry.admin().push_blob(REPO, &Piece::blob(Algorithm::Sha256, 1)).await;
    for target in [
        format!("/v2/{REPO}/blobs/{DIGEST}"),
        format!("/v2/{REPO}/blobs/sha256:x"),
        format!("/v2/{REPO}/manifests/none"),
        format!("/v2/{REPO}/manifests/.dot"),
        format!("/v2/{REPO}/blobs/uploads/{SESSION}"),
        "/v2/UPPER/app/manifests/latest".to_owned(),
        "/v2/none/none/manifests/latest".to_owned(),
    ] {
        for client in [registry.admin(), registry.anon(), registry.anon().basic("admin", "wrong")] {
            let get = client.get(&target).await;
            let head = client.head(&target).await.expect_status(get.status);
            assert_eq!(head.header("Content-Type"), get.header("Content-Type"), "{target}");
        }
    }
}

async fn a_method_that_a_path_does_not_have_is_refused_with_those_that_it_has(registry: &TestRegistry) {
    for (target, allowed) in [
        ("/v2/".to_owned(), "GET, HEAD"),
        ("/v2/_catalog".to_owned(), "GET"),
        (format!("/v2/{REPO}/tags/list"), "GET"),
        (format!("/v2/{REPO}/referrers/{DIGEST}"), "GET"),
        (format!("/v2/{REPO}/manifests/latest"), "GET, HEAD, PUT, DELETE"),
        (format!("/v2/{REPO}/blobs/{DIGEST}"), "GET, HEAD, DELETE"),
        (format!("/v2/{REPO}/blobs/uploads/"), "POST"),
        (format!("/v2/{REPO}/blobs/uploads/{SESSION}"), "GET, HEAD, PATCH, PUT, DELETE"),
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get"] {
            if allowed.split(", ").any(|known| known == method) {
                continue;
            }
            let answer = registry.admin().call(method, &target).await.expect_error(405, "UNSUPPORTED");
            assert_eq!(answer.need("Allow"), allowed, "{target}");
        }
    }
}

async fn what_is_only_read_takes_nothing_else(registry: &TestRegistry) {
    for (target, allowed) in [
        ("/metrics", "GET, HEAD"),
        ("/api/v2.0/ping", "GET, HEAD"),
        ("/api/v2.0/health", "GET, HEAD"),
        ("/service/token", "GET"),
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let answer = registry.admin().call(method, target).await.expect_status(405);
            assert_eq!(answer.need("Allow"), allowed, "{method} {target}");
        }
    }
    for read in ["GET", "HEAD"] {
        registry.anon().call(read, "/metrics").await.expect_status(200);
    }
}

#[derive(Debug)]
struct NoLatest;

#[async_trait::async_trait]
impl Policy for NoLatest {
    fn name(&self) -> &str {
        "no-latest"
    }

    async fn check(&self, _: &Actor, _: &RepositoryTarget, step: Step<'_>) -> Result<Verdict, StoreError> {
        Ok(match step {
            Step::ManifestPush { tags, .. } if tags.iter().any(|tag| tag.as_str() == "latest") => {
                Verdict::Deny("name a version, not latest".to_owned())
            }
            _ => Verdict::Allow,
        })
    }
}

fn no_latest(builder: RegistryBuilder) -> RegistryBuilder {
    builder.policy(NoLatest)
}

async fn a_policys_reason_reaches_the_client(registry: &TestRegistry) {
    let (admin, set) = (registry.admin(), content::image(Algorithm::Sha256));
    admin.push(REPO, Some("v1"), &set).await;
    let answer = admin.push_manifest(REPO, "latest", set.top()).await.expect_error(403, "DENIED");
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(body.contains("no-latest") && body.contains("name a version, not latest"), "{body}");
    let hidden =
        admin.push_manifest(REPO, set.top().digest, set.top()).query("tag", "v2").query("tag", "latest");
    hidden.await.expect_error(403, "DENIED");
    admin.get(&format!("/v2/{REPO}/manifests/v2")).await.expect_error(404, "MANIFEST_UNKNOWN");
}

fn bob(builder: RegistryBuilder) -> RegistryBuilder {
    builder.user("bob", &[])
}

async fn a_user_is_denied_what_they_may_not_do(registry: &TestRegistry) {
    let set = content::image(Algorithm::Sha256);
    registry.admin().push(REPO, Some("latest"), &set).await;
    let bob = registry.user("bob");
    bob.get(&format!("/v2/{REPO}/manifests/latest")).await.expect_status(200);
    bob.post(&format!("/v2/{REPO}/blobs/uploads/")).await.expect_error(403, "DENIED");
    bob.push_manifest(REPO, "latest", set.top()).await.expect_error(403, "DENIED");
    for reference in ["latest".to_owned(), set.top().digest.to_string()] {
        bob.delete(&format!("/v2/{REPO}/manifests/{reference}")).await.expect_error(403, "DENIED");
    }
    bob.delete(&format!("/v2/{REPO}/blobs/{}", set.blobs[0].digest)).await.expect_error(403, "DENIED");
}
