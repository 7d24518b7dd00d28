//! Folders that many write to at the same time, from several programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harbor_core::oci::Algorithm;
use harbor_replicate::client::copy;
use harbor_replicate::client::place::{Destination as _, Layout, LayoutFolder};
use harbor_tests::TestRegistry;
use harbor_tests::content::{DataSet, Maker, Piece};

use super::places::{is_at, plain};
use super::{push, repository, tag};

/// Where a writer reads from, where it writes to, and what it is called.
const FROM: &str = "HARBOR_TEST_FROM";
const TO: &str = "HARBOR_TEST_TO";
const CALLED: &str = "HARBOR_TEST_CALLED";

const IMAGES: usize = 3;
const PROCESSES: usize = 4;
const TASKS: usize = 6;
const ROUNDS: usize = 6;

/// A layout with images that share a layer.
async fn images(path: &Path) -> Vec<DataSet> {
    let registry = TestRegistry::in_memory().await;
    let from = repository(&registry);
    let shared = Piece::blob(Algorithm::Sha256, 1_500_000);
    let mut sets = Vec::new();
    let to = LayoutFolder::create(path).await.unwrap();
    for number in 0..IMAGES {
        let own = Piece::blob(Algorithm::Sha256, 400_000);
        let set = Maker::image(Algorithm::Sha256).layer(shared.clone()).layer(own).done();
        let name = number.to_string();
        push(&from, &name, &set).await;
        copy(&from, from.manifest(&tag(&name)).await.unwrap(), &to, Some(&name), &plain()).await.unwrap();
        sets.push(set);
    }
    to.commit().await.unwrap();
    registry.close().await;
    sets
}

/// Writes one image.
async fn write(from: PathBuf, to: PathBuf, number: usize, name: String) {
    let from = Layout::open(from).await.unwrap();
    let top = from.find(Some(&(number % IMAGES).to_string())).await.unwrap();
    let to = LayoutFolder::create(to).await.unwrap();
    copy(&from, top, &to, Some(&name), &plain()).await.unwrap();
    to.commit().await.unwrap();
}

/// Writes as many as one program does, all at once.
async fn write_all(from: &Path, to: &Path, called: &str) {
    let tasks = (0..TASKS).map(|task| {
        let name = format!("{called}-{task}");
        tokio::spawn(write(from.to_owned(), to.to_owned(), task, name))
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// One of the programs of the test behind it; alone, it writes to a folder of its own.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nobody: it is a part of many_programs_may_write_one_folder"]
async fn a_program_that_writes() {
    if let (Ok(from), Ok(to), Ok(called)) = (std::env::var(FROM), std::env::var(TO), std::env::var(CALLED)) {
        return write_all(Path::new(&from), Path::new(&to), &called).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    images(&from).await;
    write_all(&from, &folder.path().join("to"), "x").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_programs_may_write_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    let sets = images(&from).await;
    for round in 0..ROUNDS {
        let to = folder.path().join(format!("to-{round}"));
        let programs: Vec<_> = (0..PROCESSES)
            .map(|number| {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.args(["--ignored", "--exact", "folders::a_program_that_writes"]);
                command.env(FROM, &from).env(TO, &to).env(CALLED, number.to_string());
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for program in programs {
            let output = tokio::task::spawn_blocking(move || program.wait_with_output().unwrap());
            let output = output.await.unwrap();
            let told = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
            assert!(output.status.success() && told.contains("1 passed"), "{told}");
        }
        let layout = Layout::open(&to).await.unwrap();
        for program in 0..PROCESSES {
            for task in 0..TASKS {
                let name = format!("{program}-{task}");
                let found = layout.find(Some(&name)).await.unwrap();
                assert_eq!(found.digest, sets[task % IMAGES].top().digest, "{name}");
            }
        }
        assert_eq!(layout.images().len(), PROCESSES * TASKS);
        for set in &sets {
            is_at(&layout, set).await;
        }
        let mut names: Vec<_> =
            std::fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["blobs", "index.json", "oci-layout"], "nothing of the work is left");
    }
}

/// Who gives up takes away what is of no use to anybody, and what another one needs stays.
#[tokio::test]
async fn who_gives_up_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let partial = folder.path().join(".partial");
    let one = LayoutFolder::create(folder.path()).await.unwrap();
    let other = LayoutFolder::create(folder.path()).await.unwrap();
    drop(one);
    assert!(partial.exists());
    let blob = Piece::blob(Algorithm::Sha256, 1000);
    other.write_blob(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    drop(other);
    assert!(!partial.exists());
    // Another may begin while the last clears up.
    let tasks = (0..200).map(|_| {
        let path = folder.path().to_owned();
        tokio::spawn(async move { drop(LayoutFolder::create(path).await.unwrap()) })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert!(!partial.exists());
}

/// What is written is for whoever the program lets read what it makes.
#[cfg(unix)]
#[tokio::test]
async fn files_are_as_the_program_makes_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    images(&from).await;
    let mut command = Command::new("sh");
    command.args(["-c", "umask 027; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "folders::a_program_that_writes"]);
    command.env(FROM, &from).env(TO, &to).env(CALLED, "x");
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    for name in ["index.json", "oci-layout"] {
        let mode = std::fs::metadata(to.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{name}");
    }
}
