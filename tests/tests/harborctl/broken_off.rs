//! Content that is killed on its way, at any moment: nothing half-made is seen, and run again it completes.

use std::time::Instant;

use harbor_core::oci::Algorithm;
use harbor_tests::content::{DataSet, Maker, Piece};
use harbor_tests::{Harborctl, TestRegistry};

use crate::logged_in;
use crate::moments::{Moments, killed};

/// At how many moments each is killed.
const COUNT: u32 = 12;

/// One way to move content, to a place of its own.
struct Way {
    command: Vec<String>,
    /// What succeeds when all is there, and then prints this.
    look: Vec<String>,
    prints: String,
    /// What looks at every byte of it.
    whole: Vec<String>,
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

impl Way {
    /// To a place that images are in.
    fn to(command: &str, place: &str, set: &DataSet) -> Self {
        let look = words(&format!("inspect {place} -o name"));
        let file = place.replace([':', '/'], "-");
        let whole = words(&format!("copy {place} whole-{file}.tar"));
        Self { command: words(command), look, prints: set.top().digest.to_string(), whole }
    }

    /// To a bundle, which goes with others or not.
    fn export(command: &str, bundle: &str, base: &str) -> Self {
        let look = words(format!("import {bundle} --verify-key key.pem.pub --check {base}").trim_end());
        Self { command: words(command), whole: look.clone(), look, prints: String::new() }
    }
}

async fn ok(harborctl: &Harborctl, command: &[String]) -> String {
    harborctl.ok(&command.iter().map(String::as_str).collect::<Vec<_>>()).await
}

/// Whether all is there. There is nothing else, or it is told that it is none.
async fn is_there(harborctl: &Harborctl, way: &Way) -> bool {
    let ran = harborctl.run(&way.look.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert!(matches!(ran.code, Some(0 | 3 | 8)), "{:?}: {} {}", way.look, ran.out, ran.told);
    let is_there = ran.code == Some(0);
    assert!(!is_there || ran.out.contains(&way.prints), "{:?}: {}", way.look, ran.out);
    is_there
}

async fn broken_off(harborctl: &Harborctl, way: impl Fn(u32) -> Way) {
    let first = way(0);
    let began = Instant::now();
    ok(harborctl, &first.command).await;
    let mut moments = Moments::of(began.elapsed(), COUNT);
    assert!(is_there(harborctl, &first).await);
    let (mut number, mut broken_off) = (0, 0);
    while let Some(after) = moments.next() {
        number += 1;
        let way = way(number);
        let command: Vec<&str> = way.command.iter().map(String::as_str).collect();
        let ended = killed(harborctl, &command, after).await;
        match ended {
            Some(done) => {
                assert!(done, "{command:?}");
                moments.ended(after);
            }
            None => broken_off += 1,
        }
        let was_there = is_there(harborctl, &way).await;
        assert!(was_there || ended.is_none(), "{command:?}");
        if !was_there {
            ok(harborctl, &way.command).await;
            assert!(is_there(harborctl, &way).await, "{command:?}");
        }
        ok(harborctl, &way.whole).await;
    }
    assert!(broken_off > 0, "it was never broken off");
}

/// An image that is not moved at once.
fn image() -> DataSet {
    let maker = Maker::image(Algorithm::Sha256);
    (0..3).fold(maker, |maker, _| maker.layer(Piece::blob(Algorithm::Sha256, 2_000_000))).done()
}

/// A registry with `library/web:1`, an index of two images, one of which is `library/app:1`; and a command line that is logged in
/// there.
async fn made() -> (TestRegistry, Harborctl, [DataSet; 2]) {
    let registry = TestRegistry::in_memory().await;
    let images = [image(), image()];
    let index = Maker::index(Algorithm::Sha256).entry(&images[0]).entry(&images[1]).done();
    let [_, app] = images;
    registry.admin().push("library/web", Some("1"), &index).await;
    registry.admin().push("library/app", Some("1"), &app).await;
    let harborctl = logged_in(&registry).await;
    harborctl.ok(&["key", "create", "key.pem"]).await;
    (registry, harborctl, [index, app])
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn a_pull_to_a_folder() {
    let (registry, harborctl, [index, _]) = made().await;
    let way = |n| Way::to(&format!("pull library/web:1 oci:to-{n}:1"), &format!("oci:to-{n}:1"), &index);
    broken_off(&harborctl, way).await;
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn a_pull_to_an_archive() {
    let (registry, harborctl, [index, _]) = made().await;
    let way = |n| Way::to(&format!("pull library/web:1 to-{n}.tar"), &format!("to-{n}.tar"), &index);
    broken_off(&harborctl, way).await;
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn a_pull_to_an_archive_of_dockers() {
    let (registry, harborctl, [_, app]) = made().await;
    let place = |n| format!("docker-archive:to-{n}.tar");
    broken_off(&harborctl, |n| Way::to(&format!("pull library/app:1 {}", place(n)), &place(n), &app)).await;
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn a_push() {
    let (registry, harborctl, [index, _]) = made().await;
    let other = TestRegistry::in_memory().await;
    let there = logged_in(&other).await;
    let archive = harborctl.home().join("from.tar").display().to_string();
    harborctl.ok(&["pull", "library/web:1", &archive]).await;
    let way = |n| Way::to(&format!("push {archive} library/to-{n}:1"), &format!("library/to-{n}:1"), &index);
    broken_off(&there, way).await;
    registry.close().await;
    other.close().await;
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn a_copy_from_registry_to_registry() {
    let (registry, _harborctl, [index, _]) = made().await;
    let other = TestRegistry::in_memory().await;
    let there = logged_in(&other).await;
    let from = format!("docker://{}/library/web:1", registry.address());
    let way = |n| Way::to(&format!("copy {from} library/to-{n}:1"), &format!("library/to-{n}:1"), &index);
    broken_off(&there, way).await;
    registry.close().await;
    other.close().await;
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn an_export() {
    let (registry, harborctl, _) = made().await;
    let command = |n| format!("export to-{n}.tar library/web --key key.pem");
    broken_off(&harborctl, |n| Way::export(&command(n), &format!("to-{n}.tar"), "")).await;
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn an_export_of_what_came_since() {
    let (registry, harborctl, _) = made().await;
    harborctl.ok(&["export", "base.tar", "library/app", "--key", "key.pem"]).await;
    let command = |n| format!("export to-{n}.tar library/web --key key.pem --since base.tar");
    broken_off(&harborctl, |n| Way::export(&command(n), &format!("to-{n}.tar"), "--base base.tar")).await;
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn an_import() {
    let (registry, harborctl, [index, _]) = made().await;
    let file = |name: &str| harborctl.home().join(name).display().to_string();
    let (bundle, key) = (file("from.tar"), file("key.pem.pub"));
    harborctl.ok(&["export", &bundle, "library/web", "--key", "key.pem"]).await;
    let other = TestRegistry::in_memory().await;
    let there = logged_in(&other).await;
    for number in 0..=COUNT {
        there.ok(&["project", "create", &format!("to-{number}")]).await;
    }
    let command = |n| format!("import {bundle} --verify-key {key} --project to-{n}");
    broken_off(&there, |n| Way::to(&command(n), &format!("to-{n}/web:1"), &index)).await;
    registry.close().await;
    other.close().await;
}
