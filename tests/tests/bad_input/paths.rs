//! Paths: malformed names, escapes, and tricks to be taken for another path. Sent raw, for client libraries tidy them up.

use harbor_core::oci::Algorithm;
use harbor_tests::content::{self, Piece};
use harbor_tests::{RawAnswer, TestRegistry};

use super::{DIGEST, REPO};

async fn get(registry: &TestRegistry, target: &str) -> RawAnswer {
    let authorization = format!("Authorization: {}", registry.admin().header());
    let mut raw = registry.raw().await;
    raw.ask(&format!("GET {target}"), &[&authorization])
        .await
        .unwrap_or_else(|| panic!("{target}: no answer"))
}

#[tokio::test]
async fn malformed_names_are_refused() {
    let registry = TestRegistry::in_memory().await;
    let long = format!("library/{}", "a".repeat(248));
    for name in [
        "UPPER/app",
        "library/App",
        "library//app",
        "/library/app",
        "library/app/",
        "library/-app",
        "library/app-",
        "library/.app",
        "library/a..b",
        "library/a___b",
        "library/a._b",
        "library/../app",
        "library/./app",
        "..",
        ".",
        "library/a%2fb",
        "library%2fapp",
        "library/a%00b",
        "library/%61pp",
        "library/a%20b",
        "library/a+b!",
        "library/a:b",
        "library/a@b",
        "library/a\\b",
        "library/~app",
        "library/*",
        "'%20OR%201=1--/x",
        "\u{e4}/b",
        "library/\u{e4}",
        "single",
        &long,
    ] {
        for tail in ["tags/list", "manifests/latest", "blobs/uploads/x"] {
            let target = format!("/v2/{name}/{tail}");
            let answer = get(&registry, &target).await;
            assert!([400, 404].contains(&answer.status), "{target}: {}", answer.status);
            let known = ["NAME_INVALID", "UNSUPPORTED", "NAME_UNKNOWN"].contains(&answer.code().as_str());
            // A target that is not ASCII is no request at all: the HTTP library answers.
            assert!(known || !name.is_ascii(), "{target}: {} {}", answer.status, answer.code());
        }
    }
    let longest = format!("library/{}", "a".repeat(247));
    registry.admin().push_blob(&longest, &Piece::blob(Algorithm::Sha256, 1)).await;
}

#[tokio::test]
async fn no_spelling_of_a_path_leads_where_another_is_guarded() {
    let registry = TestRegistry::in_memory().await;
    registry.project("secret", false).await;
    registry.admin().push("secret/app", Some("latest"), &content::image(Algorithm::Sha256)).await;
    for target in [
        "/v2/secret/app/manifests/latest",
        "//v2/secret/app/manifests/latest",
        "/v2//secret/app/manifests/latest",
        "/v2/secret//app/manifests/latest",
        "/v2/secret/app//manifests/latest",
        "/v2/secret/app/manifests//latest",
        "/v2/secret/app/manifests/latest/",
        "/V2/secret/app/manifests/latest",
        "/v2/SECRET/app/manifests/latest",
        "/v2/library/../secret/app/manifests/latest",
        "/v2/library/%2e%2e/secret/app/manifests/latest",
        "/v2/library%2f..%2fsecret/app/manifests/latest",
        "/v2/secret%2fapp/manifests/latest",
        "/v2/./secret/app/manifests/latest",
        "/v2/secret/app/manifests/l%61test",
        "/v2/secret/app/manifests/latest%00",
        "/v2/secret/app/manifests/latest%20",
        "/v2/secret/app;x/manifests/latest",
        "/v2/secret/app/manifests/latest?x",
        "/v2/secret/app/manifests/latest#x",
        "/%76%32/secret/app/manifests/latest",
        "http://registry/v2/secret/app/manifests/latest",
        "http://other:1/v2/secret/app/manifests/latest",
    ] {
        for method in ["GET", "HEAD"] {
            let mut raw = registry.raw().await;
            let answer = raw.ask(&format!("{method} {target}"), &[]).await;
            let status = answer.map_or(400, |answer| answer.status);
            assert!([400, 401, 404].contains(&status), "{method} {target}: {status}");
        }
    }
    // Nor does the catalogue open by another spelling.
    for target in [
        "/v2/_catalog/",
        "/v2//_catalog",
        "/v2/%5fcatalog",
        "//v2/_catalog",
        "/v2/_CATALOG",
        "/v2/./_catalog",
    ] {
        let answer = get(&registry, target).await;
        assert!([400, 404].contains(&answer.status), "{target}: {}", answer.status);
    }
}

#[tokio::test]
async fn malformed_digests_and_tags_are_refused() {
    let registry = TestRegistry::in_memory().await;
    let hex = &DIGEST["sha256:".len()..];
    for digest in [
        "sha256:",
        "sha256",
        ":",
        "sha256:short",
        "sha256:%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "sha256:../../x",
        &format!("sha256:{}", hex.to_uppercase()),
        &format!("SHA256:{hex}"),
        &format!("sha256:{hex}0"),
        &format!("sha512:{hex}"),
        &format!("sha384:{hex}"),
        &format!("md5:{}", &hex[..32]),
        &format!("sha256:{hex}%00"),
        &format!("sha256%3A{}%zz", &hex[..61]),
        &format!("sha256::{hex}"),
        &format!("sha256+b64:{hex}"),
        &"9".repeat(10_000),
    ] {
        for noun in ["blobs", "referrers"] {
            let answer = get(&registry, &format!("/v2/{REPO}/{noun}/{digest}")).await;
            assert!([400, 404].contains(&answer.status), "{digest}: {}", answer.status);
            assert!(
                ["DIGEST_INVALID", "UNSUPPORTED", "NAME_INVALID"].contains(&answer.code().as_str()),
                "{digest}"
            );
        }
    }
    for tag in
        [".x", "-x", "a%2fb", "a%20b", "%00", "a%0d%0aX-Evil:%201", "%ff", "%", "%4", "a!b", &"x".repeat(129)]
    {
        let answer = get(&registry, &format!("/v2/{REPO}/manifests/{tag}")).await;
        assert!([400, 404].contains(&answer.status), "{tag}: {}", answer.status);
        assert!(answer.headers.get("x-evil").is_none(), "{tag}");
        assert!(["TAG_INVALID", "UNSUPPORTED"].contains(&answer.code().as_str()), "{tag}: {}", answer.code());
    }
    // A digest whose colon is escaped is the same digest.
    let answer = get(&registry, &format!("/v2/{REPO}/blobs/sha256%3A{hex}")).await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "NAME_UNKNOWN"));
}

#[tokio::test]
async fn very_long_paths_are_refused() {
    let registry = TestRegistry::in_memory().await;
    for length in [300, 4000, 60_000, 250_000, 2_000_000] {
        let mut raw = registry.raw().await;
        let answer = raw.ask(&format!("GET /v2/library/{}/tags/list", "a".repeat(length)), &[]).await;
        let status = answer.map_or(431, |answer| answer.status);
        assert!([400, 401, 414, 431].contains(&status), "{length}: {status}");
    }
    registry.admin().get("/v2/").await.expect_status(200);
}

#[tokio::test]
async fn sessions_that_are_none_are_unknown() {
    let registry = TestRegistry::in_memory().await;
    let at = registry.admin().begin(REPO).await;
    let id = at.rsplit_once('/').unwrap().1.to_owned();
    let simple = id.replace('-', "");
    for other in [
        "x",
        "..%2f..%2fetc",
        "00000000-0000-0000-0000-000000000000",
        &id.to_uppercase(),
        &simple,
        &format!("{id}0"),
        &format!("%7b{id}%7d"),
        &format!("urn:uuid:{id}"),
        &id[1..],
        &"0".repeat(5000),
    ] {
        let answer = get(&registry, &format!("/v2/{REPO}/blobs/uploads/{other}")).await;
        let unknown = ["BLOB_UPLOAD_UNKNOWN", "UNSUPPORTED"].contains(&answer.code().as_str());
        assert!(answer.status == 404 && unknown, "{other}: {} {}", answer.status, answer.code());
    }
    registry.admin().get(&at).await.expect_status(204);
}

#[tokio::test]
async fn what_is_not_served_is_not_found() {
    let registry = TestRegistry::in_memory().await;
    for target in
        ["/", "/v1/", "/v2x", "/v2.0/", "/favicon.ico", "/../etc/passwd", "/api/v2.0/none", "*", "/v3/"]
    {
        let answer = get(&registry, target).await;
        assert!([400, 404].contains(&answer.status), "{target}: {}", answer.status);
    }
}
