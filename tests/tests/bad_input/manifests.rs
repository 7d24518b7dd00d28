//! Manifests that mean two things, or nothing.

use harbor_core::oci::{Algorithm, MANIFEST_LIMIT, MediaType};
use harbor_tests::content::{self, DataSet, Maker, Piece};
use harbor_tests::{Answer, BackEnd, TestRegistry};
use serde_json::{Value, json};

use super::{DIGEST, REPO};

async fn put(registry: &TestRegistry, kind: &str, bytes: impl Into<bytes::Bytes>) -> Answer {
    let call = registry.admin().put(&format!("/v2/{REPO}/manifests/bad")).header("Content-Type", kind);
    call.body(bytes).await
}

/// A registry with an image's blobs in it, and the image.
async fn registry() -> (TestRegistry, DataSet, Value) {
    let registry = TestRegistry::in_memory().await;
    let set = content::image(Algorithm::Sha256);
    registry.admin().push(REPO, None, &set).await;
    let members = serde_json::from_slice(&set.top().bytes).unwrap();
    (registry, set, members)
}

#[tokio::test]
async fn what_is_not_json_is_refused() {
    let (registry, _, _) = registry().await;
    for bytes in [
        &b""[..],
        b"{",
        b"}",
        b"null",
        b"[]",
        b"1",
        b"\"x\"",
        b"\xff\xfe",
        b"{}",
        b"{\"schemaVersion\":2}",
        b"\0\0\0\0",
        b"{\"schemaVersion\":2}garbage",
        b"\xef\xbb\xbf{\"schemaVersion\":2,\"manifests\":[]}",
        b"<html>",
        b"{\"schemaVersion\":NaN,\"manifests\":[]}",
        b"{'schemaVersion':2}",
        b"{\"schemaVersion\":2,\"manifests\":[],}",
    ] {
        put(&registry, MediaType::OCI_INDEX, bytes).await.expect_error(400, "MANIFEST_INVALID");
    }
}

#[tokio::test]
async fn one_document_is_not_both_an_image_and_an_index() {
    let (registry, _, image) = registry().await;
    let mut both = image.clone();
    both["manifests"] = json!([]);
    for kind in [MediaType::OCI_MANIFEST, MediaType::OCI_INDEX] {
        both["mediaType"] = kind.into();
        put(&registry, kind, both.to_string()).await.expect_error(400, "MANIFEST_INVALID");
        both.as_object_mut().unwrap().remove("mediaType");
        put(&registry, kind, both.to_string()).await.expect_error(400, "MANIFEST_INVALID");
    }
    let index = json!({ "schemaVersion": 2, "manifests": [] });
    put(&registry, MediaType::OCI_MANIFEST, index.to_string()).await.expect_error(400, "MANIFEST_INVALID");
    let mut bare = image;
    bare.as_object_mut().unwrap().remove("mediaType");
    put(&registry, MediaType::OCI_INDEX, bare.to_string()).await.expect_error(400, "MANIFEST_INVALID");
}

#[tokio::test]
async fn a_member_that_stands_twice_is_refused() {
    let (registry, _, image) = registry().await;
    for member in ["mediaType", "config", "layers", "schemaVersion"] {
        let first = format!("{{{:?}:{},", member, image[member]);
        let twice = image.to_string().replacen('{', &first, 1);
        assert!(serde_json::from_str::<Value>(&twice).is_ok());
        put(&registry, MediaType::OCI_MANIFEST, twice).await.expect_error(400, "MANIFEST_INVALID");
    }
    // Also within a descriptor, and whatever the letters are written as.
    let config = image["config"].to_string();
    let twice =
        image.to_string().replace(&config, &config.replacen('{', &format!("{{\"digest\":\"{DIGEST}\","), 1));
    put(&registry, MediaType::OCI_MANIFEST, twice).await.expect_error(400, "MANIFEST_INVALID");
    let escaped = image.to_string().replacen('{', "{\"\\u006dediaType\":\"x/y\",", 1);
    put(&registry, MediaType::OCI_MANIFEST, escaped).await.expect_error(400, "MANIFEST_INVALID");
}

#[tokio::test]
async fn members_of_the_wrong_type_are_refused() {
    let (registry, _, image) = registry().await;
    let wrong: [(&str, Value); 22] = [
        ("/schemaVersion", json!(1)),
        ("/schemaVersion", json!("2")),
        ("/schemaVersion", json!(2.0)),
        ("/schemaVersion", Value::Null),
        ("/mediaType", json!(7)),
        ("/mediaType", json!("")),
        ("/config", json!([])),
        ("/config", Value::Null),
        ("/config/digest", json!("latest")),
        ("/config/digest", json!("sha256:../../etc/passwd")),
        ("/config/digest", Value::Null),
        ("/config/size", json!(-1)),
        ("/config/size", json!("10")),
        ("/config/size", json!(1e300)),
        ("/config/mediaType", json!("text")),
        ("/config/mediaType", json!("a/b\r\nX-Evil: 1")),
        ("/layers", json!({})),
        ("/layers", json!("none")),
        ("/layers/0", Value::Null),
        ("/layers/0/size", json!(18_446_744_073_709_551_615_u64)),
        ("/annotations", json!([1])),
        ("/annotations", json!({ "key": 1 })),
    ];
    for (at, value) in wrong {
        let mut bad = image.clone();
        match bad.pointer_mut(at) {
            Some(place) => *place = value.clone(),
            None => bad[at.trim_start_matches('/')] = value.clone(),
        }
        let answer = put(&registry, MediaType::OCI_MANIFEST, bad.to_string()).await;
        assert_eq!(
            (answer.status, answer.codes()),
            (400, vec!["MANIFEST_INVALID".to_owned()]),
            "{at} {value}: {answer}"
        );
    }
    for (member, value) in [("artifactType", json!("a b")), ("subject", json!("x")), ("subject", json!({}))] {
        let mut bad = image.clone();
        bad[member] = value;
        put(&registry, MediaType::OCI_MANIFEST, bad.to_string()).await.expect_error(400, "MANIFEST_INVALID");
    }
}

#[tokio::test]
async fn deep_nesting_does_no_harm() {
    let (registry, _, image) = registry().await;
    // What no reader of the registry looks into may be as deep as it likes; what one does may not.
    for depth in [100, 200, 10_000, 500_000] {
        let nested = format!("{{\"x\":{}1{},", "[".repeat(depth), "]".repeat(depth));
        let answer =
            put(&registry, MediaType::OCI_MANIFEST, image.to_string().replacen('{', &nested, 1)).await;
        assert!([201, 400].contains(&answer.status), "{depth}: {answer}");
        let within = format!("{{\"annotations\":{}1{},", "[".repeat(depth), "]".repeat(depth));
        let answer =
            put(&registry, MediaType::OCI_MANIFEST, image.to_string().replacen('{', &within, 1)).await;
        answer.expect_error(400, "MANIFEST_INVALID");
    }
    registry.admin().get("/v2/").await.expect_status(200);
}

#[tokio::test]
async fn media_types_that_are_no_manifests_are_refused() {
    let (registry, _, image) = registry().await;
    for kind in [
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.oci.image.config.v1+json",
        "application/json",
        "application/octet-stream",
        "text/html",
    ] {
        let mut other = image.clone();
        other["mediaType"] = kind.into();
        put(&registry, kind, other.to_string()).await.expect_error(400, "MANIFEST_INVALID");
    }
    let old = json!({ "schemaVersion": 1, "name": REPO, "tag": "x", "fsLayers": [], "history": [] });
    put(&registry, MediaType::DOCKER_MANIFEST, old.to_string()).await.expect_error(400, "MANIFEST_INVALID");
    let mut mixed = image;
    mixed["fsLayers"] = json!([]);
    put(&registry, MediaType::OCI_MANIFEST, mixed.to_string()).await.expect_error(400, "MANIFEST_INVALID");
}

#[tokio::test]
async fn an_index_does_not_hold_itself_or_a_blob() {
    let (registry, set, _) = registry().await;
    let blob = Piece { media_type: MediaType::OCI_MANIFEST.to_owned(), ..set.blobs[0].clone() };
    let index = Maker::index(Algorithm::Sha256).absent_entry(blob.descriptor()).done();
    put(&registry, MediaType::OCI_INDEX, index.top().bytes.clone())
        .await
        .expect_error(400, "MANIFEST_BLOB_UNKNOWN");
}

#[tokio::test]
async fn an_image_of_very_many_layers_is_taken_or_refused() {
    let (registry, set, _) = registry().await;
    let layer = set.blobs[1].descriptor();
    // The same layer again and again is legal: layers may be empty.
    let many =
        (0..5000).fold(Maker::image(Algorithm::Sha256), |maker, _| maker.absent_layer(layer.clone())).done();
    registry.admin().push(REPO, Some("many"), &many).await;
    // As many as are taken, none of them here, and as many as fit: refused, and quickly.
    for (count, code) in
        [(8191, "MANIFEST_BLOB_UNKNOWN"), (8192, "MANIFEST_INVALID"), (15_000, "MANIFEST_INVALID")]
    {
        let hostile = (0..count).fold(Maker::image(Algorithm::Sha256), |maker, number: u64| {
            let digest = format!("sha256:{number:064x}");
            maker.absent_layer(json!({ "mediaType": content::LAYER, "digest": digest, "size": 1 }))
        });
        let hostile = hostile.done();
        assert!(hostile.top().bytes.len() < MANIFEST_LIMIT);
        let began = std::time::Instant::now();
        let answer = put(&registry, MediaType::OCI_MANIFEST, hostile.top().bytes.clone()).await;
        let answer = answer.expect_error(400, code);
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(text.contains("at most 8192"), code == "MANIFEST_INVALID", "{text}");
    }
}

#[tokio::test]
async fn an_index_has_no_more_entries_than_the_operator_allows() {
    let builder = TestRegistry::builder(BackEnd::Memory).settings(|settings| settings.manifest_entries = 5);
    let registry = builder.start().await;
    let set = content::image(Algorithm::Sha256);
    registry.admin().push(REPO, None, &set).await;
    for (count, code) in [(5, None), (6, Some("MANIFEST_INVALID"))] {
        let index = (0..count)
            .fold(Maker::index(Algorithm::Sha256), |maker, _| maker.absent_entry(set.top().descriptor()));
        let answer = put(&registry, MediaType::OCI_INDEX, index.done().top().bytes.clone()).await;
        match code {
            None => answer.expect_status(201),
            Some(code) => answer.expect_error(400, code),
        };
    }
}

#[tokio::test]
async fn a_manifest_over_the_limit_is_refused_before_it_is_read() {
    let (registry, _, _) = registry().await;
    let authorization = format!("Authorization: {}", registry.admin().header());
    for length in [(MANIFEST_LIMIT + 1).to_string(), u64::MAX.to_string()] {
        let mut raw = registry.raw().await;
        let length = format!("Content-Length: {length}");
        raw.head(&format!("PUT /v2/{REPO}/manifests/large"), &[&authorization, &length]).await;
        // Not a byte of the body was sent.
        let answer = raw.answer().await.expect("an answer");
        assert!([413, 431].contains(&answer.status), "{length}: {}", answer.status);
    }
    let mut raw = registry.raw().await;
    let chunked = "Transfer-Encoding: chunked";
    raw.head(&format!("PUT /v2/{REPO}/manifests/large"), &[&authorization, chunked]).await;
    let chunk = format!("100000\r\n{}\r\n", " ".repeat(1024 * 1024));
    for _ in 0..5 {
        raw.send(&chunk).await;
    }
    let answer = raw.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (413, "SIZE_INVALID"));
    registry.admin().get(&format!("/v2/{REPO}/manifests/large")).await.expect_error(404, "MANIFEST_UNKNOWN");
}
