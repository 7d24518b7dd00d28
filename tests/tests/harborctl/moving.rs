//! Content that moves: `push`, `pull`, `copy`, `inspect`, `tree`, `diff`, `delete`, `export`, `import`.

use std::path::Path;
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;
use harbor_core::oci::Algorithm;
use harbor_tests::content::{self, CONFIG, DataSet, LAYER, Maker, Piece};
use harbor_tests::{Harborctl, TestRegistry};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{fails, logged_in};

async fn push(registry: &TestRegistry, name: &str, tag: &str, set: &DataSet) {
    registry.admin().push(name, Some(tag), set).await;
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A layer with these files.
fn layer(files: &[(&str, &str)]) -> Piece {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    Piece::new(Algorithm::Sha256, LAYER, builder.into_inner().unwrap().finish().unwrap())
}

fn image(architecture: &str, layers: &[Piece]) -> DataSet {
    let config = json!({ "architecture": architecture, "os": "linux", "config": { "Labels": { "a": "b" } } });
    let config = Piece::json(Algorithm::Sha256, CONFIG, &config);
    let maker = Maker::image_with(Algorithm::Sha256, harbor_core::oci::MediaType::OCI_MANIFEST, config);
    layers.iter().fold(maker, |maker, layer| maker.layer(layer.clone())).done()
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn an_image_goes_everywhere_and_back() {
    let registry = TestRegistry::in_memory().await;
    let set = content::image(Algorithm::Sha256);
    push(&registry, "library/web", "1.0", &set).await;
    let harborctl = logged_in(&registry).await;
    let digest = set.top().digest.to_string();
    let host = registry.address();
    let ways = [
        ("library/web:1.0", "images"),
        ("library/web:1.0", "image.tar"),
        ("library/web:1.0", "docker-archive:docker.tar"),
    ];
    for (from, to) in ways {
        let pulled = value(&harborctl.ok(&["pull", from, to, "-o", "json"]).await);
        assert_eq!(pulled["digest"], digest.as_str());
    }
    let back = [("images", "library/a:1"), ("image.tar", "library/b:1"), ("docker.tar", "library/c:1")];
    for (from, to) in back {
        harborctl.ok(&["push", from, to]).await;
        let told = harborctl.ok(&["inspect", to, "-o", "name"]).await;
        assert_eq!(told.trim(), digest, "{from}");
    }
    // By a host, a digest and a scheme it is the same; nothing is sent that is there.
    let full = format!("docker://{host}/library/web@{digest}");
    let copied = value(&harborctl.ok(&["copy", &full, "library/a:2", "-o", "json"]).await);
    assert_eq!((&copied["sent"], &copied["existed"]), (&json!(0), &json!(3)));
    assert_eq!(harborctl.ok(&["inspect", "--raw", "library/a:2"]).await.as_bytes(), set.top().bytes);
    // The names of images in archives are what they were called.
    let told = value(&harborctl.ok(&["inspect", "docker-archive:docker.tar", "-o", "json"]).await);
    assert_eq!(told["name"], format!("{host}/library/web:1.0").as_str());
    harborctl.ok(&["tag", "add", "library/a:2", "3", "4"]).await;
    harborctl.ok(&["delete", "library/a:4", "--yes"]).await;
    harborctl.ok(&["inspect", "library/a:3"]).await;
    fails(&harborctl, &["inspect", "library/a:4"], 3).await;
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn indexes_have_platforms_and_belongings() {
    let registry = TestRegistry::in_memory().await;
    let (amd, arm) = (image("amd64", &[layer(&[("a", "1")])]), image("arm64", &[layer(&[("a", "2")])]));
    let both = Maker::index(Algorithm::Sha256).entry(&amd).entry(&arm).change(|members| {
        members["manifests"][1]["platform"] = json!({"os": "linux", "architecture": "arm64"});
    });
    let both = both.done();
    push(&registry, "library/web", "1.0", &both).await;
    let signature = Maker::artifact(Algorithm::Sha256, "application/vnd.dev.cosign.artifact.sig.v1+json");
    let signature = signature.subject(both.top()).done();
    registry.admin().push("library/web", None, &signature).await;
    let tagged = format!("sha256-{}.sig", arm.top().digest.hex());
    push(&registry, "library/web", &tagged, &content::image(Algorithm::Sha256)).await;
    let harborctl = logged_in(&registry).await;
    // As a tree.
    let drawn = harborctl.ok(&["tree", "library/web:1.0"]).await;
    let lines: Vec<&str> = drawn.lines().collect();
    assert_eq!(lines.len(), 5, "{drawn}");
    for (line, part) in lines[1..].iter().zip([
        "├── linux/amd64",
        "├── linux/arm64",
        "│   └── signature (by tag)",
        "└── signature",
    ]) {
        assert!(line.starts_with(part), "{drawn}");
    }
    // One platform, with what belongs to it, and all of it.
    harborctl.ok(&["pull", "library/web:1.0", "one/", "--platform", "linux/arm64", "--referrers"]).await;
    let one = value(&harborctl.ok(&["inspect", "./one", "-o", "json"]).await);
    assert_eq!((&one["platform"], &one["labels"]), (&json!("linux/arm64"), &json!({"a": "b"})));
    assert_eq!(one["digest"], arm.top().digest.to_string().as_str());
    harborctl.ok(&["inspect", &format!("oci:one:{tagged}")]).await;
    harborctl.ok(&["pull", "library/web:1.0", "all.tar", "--referrers"]).await;
    harborctl.ok(&["push", "all.tar", "library/back:1.0", "--referrers"]).await;
    assert_eq!(harborctl.ok(&["tree", "library/back:1.0"]).await.lines().count(), 5);
    let ran = fails(&harborctl, &["pull", "library/web:1.0", "x/", "--platform", "linux/s390x"], 3).await;
    assert!(ran.told.contains("linux/amd64, linux/arm64"), "{}", ran.told);
    fails(&harborctl, &["pull", "library/web:1.0", "docker-archive:x.tar:a:1"], 2).await;
    assert!(!harborctl.home().join("x.tar").exists());
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn images_are_compared_by_layer_and_by_file() {
    let registry = TestRegistry::in_memory().await;
    let base = layer(&[("etc/os", "1"), ("etc/gone", "x"), ("etc/same", "s"), ("opt/a/b", "y")]);
    let more = layer(&[("etc/.wh.gone", ""), ("etc/os", "22"), ("new", "n"), ("opt/.wh.a", "")]);
    push(&registry, "library/web", "1", &image("amd64", std::slice::from_ref(&base))).await;
    push(&registry, "library/web", "2", &image("amd64", &[base.clone(), more])).await;
    let harborctl = logged_in(&registry).await;
    let told = value(&harborctl.ok(&["diff", "library/web:1", "library/web:2", "-o", "json"]).await);
    let told: Vec<String> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let name = entry["name"].as_str().unwrap().get(..10).unwrap_or(entry["name"].as_str().unwrap());
            format!("{} {} {name}", entry["what"].as_str().unwrap(), entry["change"].as_str().unwrap())
        })
        .collect();
    let digest = &base.digest.to_string()[..10];
    assert_eq!(told[0], format!("layer same {digest}"));
    assert!(told[1].starts_with("layer added"));
    assert_eq!(
        told[2..],
        ["file removed etc/gone", "file changed etc/os", "file added new", "file removed opt/a/b"]
    );
    assert_eq!(
        fails(&harborctl, &["diff", "library/web:1", "library/web:2", "--exit-code"], 9).await.told,
        ""
    );
    harborctl.ok(&["diff", "library/web:1", "library/web:1", "--exit-code"]).await;
    // The same layers, for another platform: it is the config that differs.
    push(&registry, "library/web", "arm", &image("arm64", std::slice::from_ref(&base))).await;
    let ran =
        fails(&harborctl, &["diff", "library/web:1", "library/web:arm", "--exit-code", "-o", "name"], 9)
            .await;
    assert!(ran.out.lines().any(|line| line == "config"), "{}", ran.out);
    let layers = harborctl.ok(&["diff", "library/web:1", "library/web:2", "--layers", "-o", "name"]).await;
    assert_eq!(layers.lines().count(), 2);
    registry.close().await;
}

/// Runs a command until it has told that a blob was sent, and kills it.
async fn killed(harborctl: &Harborctl, arguments: &[&str]) {
    let mut command = harborctl.command(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut told = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        let was_sent = line.ends_with(" sent");
        told.push(line);
        if was_sent {
            child.kill().await.unwrap();
            return;
        }
    }
    panic!("it ended before it was killed: {told:?}");
}

/// An image that is not moved at once.
fn large() -> DataSet {
    let maker = Maker::image(Algorithm::Sha256);
    (0..6).fold(maker, |maker, _| maker.layer(Piece::blob(Algorithm::Sha256, 12_000_000))).done()
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn what_was_killed_completes_and_shows_nothing_before() {
    let registry = TestRegistry::in_memory().await;
    let set = large();
    push(&registry, "library/web", "1.0", &set).await;
    let harborctl = logged_in(&registry).await;
    harborctl.ok(&["key", "create", "key.pem"]).await;
    let is_there = |name: &str| harborctl.home().join(name).exists();
    let digest = set.top().digest.to_string();
    let pulls: [(&[&str], &str, &str); 3] = [
        (&["pull", "library/web:1.0", "folder/", "-j", "1"], "folder/index.json", "./folder"),
        (&["pull", "library/web:1.0", "image.tar", "-j", "1"], "image.tar", "image.tar"),
        (&["export", "bundle.tar", "library/web", "--key", "key.pem", "-j", "1"], "bundle.tar", "bundle.tar"),
    ];
    for (command, file, place) in pulls {
        killed(&harborctl, command).await;
        assert!(!is_there(file), "{file}");
        fails(&harborctl, &["inspect", place], if file == "folder/index.json" { 8 } else { 3 }).await;
        let ran = harborctl.run(command).await;
        assert_eq!(ran.code, Some(0), "{}", ran.told);
        assert!(ran.told.contains(" was there"), "{}", ran.told);
        assert_eq!(harborctl.ok(&["inspect", place, "-o", "name"]).await.trim(), digest);
        assert!(!is_there(&format!("{file}.partial")) && !is_there("folder/.partial"));
    }
    let other = TestRegistry::in_memory().await;
    let there = logged_in(&other).await;
    let file = |name: &str| harborctl.home().join(name).to_str().unwrap().to_owned();
    let (image, bundle, key) = (file("image.tar"), file("bundle.tar"), file("key.pem.pub"));
    let pushes: [(&[&str], &str); 2] = [
        (&["push", &image, "library/a:1.0", "-j", "1"], "library/a:1.0"),
        (&["import", &bundle, "--verify-key", &key, "-j", "1"], "library/web:1.0"),
    ];
    for (command, name) in pushes {
        killed(&there, command).await;
        fails(&there, &["inspect", name], 3).await;
        let ran = there.run(command).await;
        assert_eq!(ran.code, Some(0), "{}", ran.told);
        assert!(ran.told.contains(" was there"), "{}", ran.told);
        assert_eq!(there.ok(&["inspect", name, "-o", "name"]).await.trim(), digest);
    }
    registry.close().await;
    other.close().await;
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn across_an_air_gap() {
    let registry = TestRegistry::in_memory().await;
    let sets = [
        content::image(Algorithm::Sha256),
        content::image(Algorithm::Sha256),
        content::image(Algorithm::Sha256),
    ];
    for (set, tag) in sets.iter().zip(["v1.0", "v1.1", "v2.0"]) {
        push(&registry, "library/team/web", tag, set).await;
    }
    push(&registry, "library/db", "15", &sets[0]).await;
    let harborctl = logged_in(&registry).await;
    for (name, kind) in [("a.pem", "ed25519"), ("b.pem", "ecdsa-p256")] {
        harborctl.ok(&["key", "create", name, "--kind", kind]).await;
        assert_eq!(mode(&harborctl.home().join(name)), 0o600);
        fails(&harborctl, &["key", "create", name], 5).await;
    }
    let export = async |file: &str, more: &[&str]| {
        let arguments = [&["export", file, "-o", "json", "--key", "a.pem"], more].concat();
        value(&harborctl.ok(&arguments).await)
    };
    assert_eq!(export("one.tar", &["library/team/*:v1.*"]).await["images"], 2);
    harborctl.ok(&["label", "create", "tested"]).await;
    harborctl.ok(&["artifact", "label", "library/team/web:v2.0", "tested"]).await;
    assert_eq!(export("labelled.tar", &["library/**", "--label", "tested"]).await["images"], 1);
    let all = export("all.tar", &["library/**", "--since", "one.tar"]).await;
    assert_eq!((&all["images"], &all["leftOut"]), (&json!(4), &json!(6)));
    fails(&harborctl, &["export", "none.tar", "library/nope*", "--key", "a.pem"], 3).await;
    fails(&harborctl, &["export", "one.tar", "library/db", "--key", "a.pem"], 5).await;
    let ran =
        fails(&harborctl, &["export", "x.tar", "library/db", "--key", "b.pem", "--since", "one.tar"], 8)
            .await;
    assert!(ran.told.contains("--since-key"), "{}", ran.told);
    // On the other side.
    let other = TestRegistry::in_memory().await;
    let there = logged_in(&other).await;
    let file = |name: &str| harborctl.home().join(name).to_str().unwrap().to_owned();
    let (one, all, key, wrong) = (file("one.tar"), file("all.tar"), file("a.pem.pub"), file("b.pem.pub"));
    fails(&there, &["import", &one], 2).await;
    fails(&there, &["import", &one, "--verify-key", &wrong], 8).await;
    let ran = fails(&there, &["import", &all, "--verify-key", &key], 3).await;
    assert!(ran.told.contains("load the earlier bundle first"), "{}", ran.told);
    there.ok(&["import", &one, "--verify-key", &key, "--check"]).await;
    assert_eq!(there.ok(&["repository", "list", "-o", "name"]).await, "", "nothing is loaded yet");
    there.ok(&["import", &one, "--verify-key", &key]).await;
    there.ok(&["import", &all, "--verify-key", &key]).await;
    for (name, set) in [
        ("library/db:15", &sets[0]),
        ("library/team/web:v1.1", &sets[1]),
        ("library/team/web:v2.0", &sets[2]),
    ] {
        assert_eq!(there.ok(&["inspect", name, "-o", "name"]).await.trim(), set.top().digest.to_string());
    }
    registry.close().await;
    other.close().await;
}

fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777
}
