//! Everything that can be pushed makes the whole way: pushed, listed, looked at, pulled, deleted.

use harbor_core::oci::{Algorithm, Digest, MediaType};
use harbor_tests::content::{self, ALGORITHMS, DataSet, EMPTY, LAYER, Maker, Piece, random};
use harbor_tests::{Client, RegistryBuilder, TestRegistry};
use serde_json::json;

use super::REPO;

super::on_every_store! {
    an_image;
    an_image_of_uncompressed_layers;
    an_image_with_a_large_manifest;
    an_image_without_layers;
    an_image_with_data_in_descriptors;
    an_image_with_layers_that_may_not_be_distributed;
    an_image_with_a_config_of_another_type;
    an_index;
    an_index_of_indexes;
    an_index_of_nothing;
    an_index_with_an_artifact_type;
    an_artifact;
    an_artifact_without_content;
    an_artifact_with_a_subject;
    an_index_with_a_subject;
    an_artifact_whose_subject_is_missing;
    custom_members;
    a_sparse_image with sparse;
    a_sparse_index with sparse;
    a_docker_image;
    a_docker_list;
    an_artifact_manifest_of_a_withdrawn_draft;
}

fn sparse(builder: RegistryBuilder) -> RegistryBuilder {
    builder.settings(|settings| settings.sparse_manifests = true)
}

const TYPE: &str = "application/vnd.example.sbom.v1";

async fn whole_way(registry: &TestRegistry, make: impl Fn(Algorithm) -> DataSet) {
    for algorithm in ALGORITHMS {
        let (admin, set) = (registry.admin(), make(algorithm));
        push(&admin, &set).await;
        pull(&registry.anon(), &set).await;
        delete(&admin, &set).await;
    }
}

fn manifest(reference: impl std::fmt::Display) -> String {
    format!("/v2/{REPO}/manifests/{reference}")
}

/// Blobs, manifests by digest, and the last of them with a tag.
async fn push(admin: &Client, set: &DataSet) {
    for blob in &set.blobs {
        admin.push_blob(REPO, blob).await;
    }
    for piece in &set.manifests {
        let answer = admin.push_manifest(REPO, piece.digest, piece).await.expect_status(201);
        assert_eq!(answer.digest(), piece.digest);
        let document: serde_json::Value = serde_json::from_slice(&piece.bytes).unwrap();
        assert_eq!(answer.header("OCI-Subject"), document["subject"]["digest"].as_str());
        let read = admin.get(&answer.location()).await.expect_status(200);
        assert_eq!((read.need("Content-Type"), &read.body), (piece.media_type.as_str(), &piece.bytes));
    }
    let top = set.top();
    // A tag in the path has no algorithm: only the parameter tags content that is known by another digest.
    match top.digest.algorithm() {
        Algorithm::Sha256 => admin.push_manifest(REPO, "tag", top).await.expect_status(201),
        Algorithm::Sha512 => {
            admin.push_manifest(REPO, top.digest, top).query("tag", "tag").await.expect_status(201)
        }
    };
}

async fn pull(anyone: &Client, set: &DataSet) {
    let tags = anyone.get(&format!("/v2/{REPO}/tags/list")).await.expect_status(200).json();
    assert_eq!(tags, json!({ "name": REPO, "tags": ["tag"] }));
    let references = set.manifests.iter().map(|piece| (piece.digest.to_string(), piece));
    for (reference, piece) in references.chain([("tag".to_owned(), set.top())]) {
        for method in ["HEAD", "GET"] {
            let answer = anyone.call(method, &manifest(&reference)).await.expect_status(200);
            assert_eq!(answer.digest(), piece.digest);
            assert_eq!(answer.need("Content-Type"), piece.media_type);
            assert_eq!(answer.need("Content-Length"), piece.bytes.len().to_string());
            assert!(method == "HEAD" || answer.body == piece.bytes);
        }
    }
    for blob in &set.blobs {
        let path = format!("/v2/{REPO}/blobs/{}", blob.digest);
        assert_eq!(anyone.get(&path).await.expect_status(200).body, blob.bytes);
        assert_eq!(anyone.head(&path).await.expect_status(200).digest(), blob.digest);
    }
}

async fn delete(admin: &Client, set: &DataSet) {
    admin.delete(&manifest("tag")).await.expect_status(202);
    admin.head(&manifest("tag")).await.expect_status(404);
    for piece in set.manifests.iter().rev() {
        admin.delete(&manifest(piece.digest)).await.expect_status(202);
        admin.get(&manifest(piece.digest)).await.expect_error(404, "MANIFEST_UNKNOWN");
    }
    let mut digests: Vec<Digest> = set.blobs.iter().map(|blob| blob.digest).collect();
    digests.sort();
    digests.dedup();
    for digest in digests {
        let path = format!("/v2/{REPO}/blobs/{digest}");
        admin.delete(&path).await.expect_status(202);
        admin.get(&path).await.expect_error(404, "BLOB_UNKNOWN");
    }
}

async fn an_image(registry: &TestRegistry) {
    whole_way(registry, content::image).await;
}

async fn an_image_of_uncompressed_layers(registry: &TestRegistry) {
    whole_way(registry, |algorithm| {
        let layer = || Piece::new(algorithm, "application/vnd.oci.image.layer.v1.tar", random(1024));
        Maker::image(algorithm).layer(layer()).layer(layer()).done()
    })
    .await;
}

async fn an_image_with_a_large_manifest(registry: &TestRegistry) {
    whole_way(registry, |algorithm| {
        let text = "A".repeat(10_000);
        let image = Maker::image(algorithm).layers(1);
        (0..390).fold(image, |image, number| image.annotation(&format!("large-{number}"), &text)).done()
    })
    .await;
}

async fn an_image_without_layers(registry: &TestRegistry) {
    whole_way(registry, |algorithm| Maker::image(algorithm).done()).await;
}

async fn an_image_with_data_in_descriptors(registry: &TestRegistry) {
    whole_way(registry, |algorithm| {
        let config = Piece::new(algorithm, EMPTY, "{}");
        Maker::image_with(algorithm, MediaType::OCI_MANIFEST, config)
            .layers(1)
            .change(|members| members["config"]["data"] = "e30=".into())
            .done()
    })
    .await;
}

async fn an_image_with_layers_that_may_not_be_distributed(registry: &TestRegistry) {
    whole_way(registry, |algorithm| {
        let absent = |media_type: &str, size: u64| {
            let digest = Piece::blob(algorithm, 8).digest;
            let urls = [format!("https://store.example.org/blobs/{digest}")];
            json!({ "mediaType": media_type, "digest": digest, "size": size, "urls": urls })
        };
        Maker::image(algorithm)
            .absent_layer(absent("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", 123_456))
            .absent_layer(absent("application/vnd.oci.image.layer.nondistributable.v1.tar", 12_345))
            .absent_layer(absent("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", 1234))
            .layers(1)
            .done()
    })
    .await;
}

async fn an_image_with_a_config_of_another_type(registry: &TestRegistry) {
    whole_way(registry, |algorithm| {
        let config = Piece::new(algorithm, "application/vnd.cncf.helm.config.v1+json", random(99));
        Maker::image_with(algorithm, MediaType::OCI_MANIFEST, config).layers(1).done()
    })
    .await;
}

async fn an_index(registry: &TestRegistry) {
    whole_way(registry, content::index).await;
}

async fn an_index_of_indexes(registry: &TestRegistry) {
    whole_way(registry, |algorithm| {
        let index = || content::index(algorithm);
        Maker::index(algorithm).entry(&index()).entry(&index()).done()
    })
    .await;
}

async fn an_index_of_nothing(registry: &TestRegistry) {
    whole_way(registry, |algorithm| Maker::index(algorithm).done()).await;
}

async fn an_index_with_an_artifact_type(registry: &TestRegistry) {
    whole_way(registry, |algorithm| {
        let artifact = || Maker::artifact(algorithm, TYPE).done();
        Maker::index(algorithm).member("artifactType", TYPE).entry(&artifact()).entry(&artifact()).done()
    })
    .await;
}

async fn an_artifact(registry: &TestRegistry) {
    whole_way(registry, |algorithm| Maker::artifact(algorithm, TYPE).done()).await;
}

async fn an_artifact_without_content(registry: &TestRegistry) {
    whole_way(registry, |algorithm| {
        let empty = Piece::new(algorithm, EMPTY, "{}");
        Maker::image_with(algorithm, MediaType::OCI_MANIFEST, empty.clone())
            .member("artifactType", TYPE)
            .layer(empty)
            .done()
    })
    .await;
}

fn with_subject(mut subject: DataSet, referrer: DataSet) -> DataSet {
    subject.blobs.extend(referrer.blobs);
    subject.manifests.extend(referrer.manifests);
    subject
}

async fn an_artifact_with_a_subject(registry: &TestRegistry) {
    whole_way(registry, |algorithm| {
        let image = content::image(algorithm);
        let artifact =
            Maker::artifact(algorithm, TYPE).subject(image.top()).annotation("key", "value").done();
        with_subject(image, artifact)
    })
    .await;
}

async fn an_index_with_a_subject(registry: &TestRegistry) {
    whole_way(registry, |algorithm| {
        let subject = content::index(algorithm);
        let entry = Maker::artifact(algorithm, TYPE).done();
        let index =
            Maker::index(algorithm).member("artifactType", TYPE).subject(subject.top()).entry(&entry).done();
        with_subject(subject, index)
    })
    .await;
}

async fn an_artifact_whose_subject_is_missing(registry: &TestRegistry) {
    whole_way(registry, |algorithm| {
        let missing = Piece::new(algorithm, MediaType::OCI_MANIFEST, random(123));
        Maker::artifact(algorithm, TYPE).subject(&missing).done()
    })
    .await;
}

async fn custom_members(registry: &TestRegistry) {
    whole_way(registry, |algorithm| {
        let value = json!({ "deep": [1, 2.5, null, "text", { "more": true }] });
        let image = Maker::image(algorithm)
            .layers(1)
            .member("org.example.custom", value.clone())
            .change(|members| members["layers"][0]["org.example.custom"] = "of a descriptor".into())
            .done();
        Maker::index(algorithm).entry(&image).member("org.example.custom", value).done()
    })
    .await;
}

fn absent(algorithm: Algorithm, media_type: &str) -> serde_json::Value {
    Piece::new(algorithm, media_type, random(1024)).descriptor()
}

async fn a_sparse_image(registry: &TestRegistry) {
    whole_way(registry, |algorithm| {
        Maker::image(algorithm).layers(1).absent_layer(absent(algorithm, LAYER)).done()
    })
    .await;
}

async fn a_sparse_index(registry: &TestRegistry) {
    whole_way(registry, |algorithm| {
        let missing = absent(algorithm, MediaType::OCI_MANIFEST);
        Maker::index(algorithm).entry(&content::image(algorithm)).absent_entry(missing).done()
    })
    .await;
}

fn docker_image(algorithm: Algorithm) -> DataSet {
    let config = Piece::new(algorithm, "application/vnd.docker.container.image.v1+json", random(77));
    let layer = Piece::new(algorithm, "application/vnd.docker.image.rootfs.diff.tar.gzip", random(300));
    Maker::image_with(algorithm, MediaType::DOCKER_MANIFEST, config).layer(layer).done()
}

async fn a_docker_image(registry: &TestRegistry) {
    whole_way(registry, docker_image).await;
}

async fn a_docker_list(registry: &TestRegistry) {
    whole_way(registry, |algorithm| {
        let image = || docker_image(algorithm);
        Maker::index_of(algorithm, MediaType::DOCKER_LIST).entry(&image()).entry(&image()).done()
    })
    .await;
}

async fn an_artifact_manifest_of_a_withdrawn_draft(registry: &TestRegistry) {
    whole_way(registry, |algorithm| {
        let (image, blob) = (content::image(algorithm), Piece::blob(algorithm, 64));
        let document = json!({
            "mediaType": MediaType::OCI_ARTIFACT, "schemaVersion": 2, "artifactType": TYPE,
            "blobs": [blob.descriptor()], "subject": image.top().descriptor(),
        });
        let artifact = Piece::json(algorithm, MediaType::OCI_ARTIFACT, &document);
        with_subject(image, DataSet { blobs: vec![blob], manifests: vec![artifact] })
    })
    .await;
}
