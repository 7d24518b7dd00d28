//! Transcripts of what moves images and looks at them: `push`, `pull`, `copy`, `inspect`, `tree`, `diff`, `delete`, `export`, `import`,
//! and the keys of these. The images are the same each time, so that their digests and sizes are part of what is compared.

use harbor_core::oci::{Algorithm, MediaType};
use harbor_tests::TestRegistry;
use harbor_tests::content::{CONFIG, DataSet, Maker, Piece};
use serde_json::json;

use crate::{Transcript, logged_in};

/// A layer with these files, as it is without compression: what compresses may do so in another way tomorrow.
fn layer(files: &[(&str, &str)]) -> Piece {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        builder.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    let layer = "application/vnd.oci.image.layer.v1.tar";
    Piece::new(Algorithm::Sha256, layer, builder.into_inner().unwrap())
}

/// An image of these layers, the same each time.
pub(crate) fn image(architecture: &str, layers: &[&[(&str, &str)]]) -> DataSet {
    let config =
        json!({ "architecture": architecture, "os": "linux", "config": { "Labels": { "team": "web" } } });
    let config = Piece::json(Algorithm::Sha256, CONFIG, &config);
    let maker = Maker::image_with(Algorithm::Sha256, MediaType::OCI_MANIFEST, config);
    layers.iter().fold(maker, |maker, files| maker.layer(layer(files))).done()
}

const BASE: &[(&str, &str)] = &[("etc/os", "1"), ("etc/gone", "x"), ("etc/same", "s")];
const MORE: &[(&str, &str)] = &[("etc/.wh.gone", ""), ("etc/os", "22"), ("new", "n")];

/// A registry with two versions of an image, and with an index that has a signature.
async fn registry() -> TestRegistry {
    let registry = TestRegistry::in_memory().await;
    let admin = registry.admin();
    admin.push("library/web", Some("1.0"), &image("amd64", &[BASE])).await;
    admin.push("library/web", Some("1.1"), &image("amd64", &[BASE, MORE])).await;
    let (amd, arm) = (image("amd64", &[BASE]), image("arm64", &[MORE]));
    let both = Maker::index(Algorithm::Sha256).entry(&amd).entry(&arm).change(|members| {
        members["manifests"][1]["platform"] = json!({ "os": "linux", "architecture": "arm64" });
    });
    let both = both.done();
    admin.push("library/both", Some("1.0"), &both).await;
    let signature = Maker::artifact(Algorithm::Sha256, "application/vnd.dev.cosign.artifact.sig.v1+json")
        .change(|members| {
            members["layers"] = json!([]);
        });
    let mut signature = signature.subject(both.top()).done();
    signature.blobs.truncate(1);
    admin.push("library/both", None, &signature).await;
    registry
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn images_are_looked_at() {
    let registry = registry().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::with_digests(&harborctl);
    told.type_in(
        "inspect library/web:1.1
         inspect library/both:1.0
         inspect library/both:1.0 --platform linux/arm64 -o yaml
         inspect library/web:1.0 --raw
         inspect library/web:1.0 --config
         inspect library/web:1.0 -o name
         inspect library/web:nope
         inspect library/nope:1.0
         inspect nope/web:1.0
         inspect nowhere.tar
         inspect library/both:1.0 --config
         inspect library/both:1.0 --platform linux/s390x
         inspect library/web
         tree library/both:1.0
         tree library/both:1.0 -o wide
         tree library/web:1.1 --layers
         tree library/web:1.0 -o json
         tree library/web:nope
         diff library/web:1.0 library/web:1.1
         diff library/web:1.0 library/web:1.1 --layers -o wide
         diff library/web:1.0 library/web:1.0 --exit-code
         diff library/web:1.0 library/web:1.1 --exit-code --layers -o name
         diff library/web:1.0 library/both:1.0
         diff library/web:1.0 library/web:nope",
    )
    .await;
    told.check("images");
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn images_move() {
    let registry = registry().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::with_digests(&harborctl);
    // One blob at a time, so that they are told in one order.
    told.type_in(
        "pull library/web:1.0 images/ -j 1
         pull library/web:1.1 images/ -j 1
         pull library/both:1.0 both.tar -j 1 --referrers
         pull library/both:1.0 docker-archive:docker.tar -j 1 --platform linux/arm64 -q
         pull library/web:1.0 web.tar -o json -q -j 1
         inspect docker.tar
         pull library/web:nope x/
         pull library/nope:1.0 x/
         pull library/both:1.0 x/ --platform linux/s390x
         pull library/both:1.0 docker-archive:x.tar:a:1
         pull library/web:1.0 x.tar.gz
         pull images/ x/
         push oci:images:1.1 library/back:1.1 -j 1
         push both.tar library/back:both -j 1 --referrers -o json
         push docker.tar library/back:docker -j 1 -o name
         push nowhere.tar library/back:1.0
         push images library/back:1.0
         push web.tar nope/back:1.0
         push web.tar images/
         copy library/web:1.0 library/other:1.0 -j 1
         copy library/web:1.0 library/other:1.0 -j 1
         copy oci:images:1.0 web.tar -j 1 -q
         copy library/web:1.0 library/other:1.0 --chunk 0
         copy library/web:1.0 'nowhere at all'
         tag add library/other:1.0 stable latest
         tag add library/other:nope stable
         tag list library/other:1.0 -o name
         delete library/other:latest
         delete library/other:latest --yes
         delete library/other:latest --yes
         delete library/other --yes
         repository list library --sort name -o name",
    )
    .await;
    told.check("moved");
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn bundles_are_carried_over() {
    let registry = registry().await;
    let harborctl = logged_in(&registry).await;
    // Keys are others each time, and so is what names them.
    let key = (r"(?m)(: the key |^)[0-9a-f]{64}$", "$1[key]");
    let keys =
        ("another key, [0-9a-f]{64}, and not with [0-9a-f]{64}", "another key, [key], and not with [key]");
    let mut told = Transcript::with_digests(&harborctl).but(key.0, key.1).but(keys.0, keys.1);
    let made = told.line("key create export.pem", "").await.out;
    let id = told.line("key id export.pem.pub", "").await.out;
    assert!(id.trim().len() == 64 && made.trim().ends_with(id.trim()), "{made}{id}");
    told.type_in(
        "key create export.pem
         key create other.pem --kind ecdsa-p256 -q
         key id export.pem
         key id nowhere.pem
         export first.tar 'library/web:1.*' --key export.pem -j 1
         export first.tar library/web:1.0 --key export.pem
         export all.tar 'library/**' --referrers --key export.pem --since first.tar -j 1 -o json
         export wrong.tar library/web:1.0 --key other.pem --since first.tar
         export none.tar 'library/nope*' --key export.pem
         export none.tar library/web:nope --key export.pem
         export none.tar library/web:1.0 --key nowhere.pem
         export none.tar library/web:1.0
         import first.tar
         import first.tar --verify-key other.pem.pub
         import nowhere.tar --verify-key export.pem.pub
         import first.tar --verify-key export.pem.pub --check",
    )
    .await;
    let there = TestRegistry::in_memory().await;
    // To another registry, by the same person.
    let login =
        format!("login http://{} -u admin --password-stdin --store file --name there", there.address());
    told.line(&login, &there.password("admin")).await;
    told.type_in(
        "import all.tar --verify-key export.pem.pub
         import first.tar --verify-key export.pem.pub -j 1
         import all.tar --verify-key export.pem.pub -j 1
         import all.tar --verify-key export.pem.pub -q
         import all.tar --verify-key export.pem.pub --project mirror
         repository list --sort name -o name
         artifact list library/web --sort -push_time
         tree library/both:1.0",
    )
    .await;
    told.check("bundles");
    there.close().await;
    registry.close().await;
}
