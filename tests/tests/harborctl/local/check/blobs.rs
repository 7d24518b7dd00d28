//! Blobs that are lost, damaged, or of nobody.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use harbor_tests::Client;
use harbor_tests::Database;
use harbor_tests::content::DataSet;

use super::{REPAIR, check, fill, is_mended, is_refused, nothing_is_wrong, rows};
use crate::local::place::{Place, content, files, local};
use crate::local::{API, PASSWORD};

/// The file of a blob.
async fn file_of(place: &Place, set: &DataSet, layer: usize) -> PathBuf {
    let size = set.blobs[layer].bytes.len() as u64;
    let root = place.data().join("blobs");
    let same = |path: &PathBuf| std::fs::read(path).unwrap() == set.blobs[layer].bytes;
    let paths = files(&root).into_iter().map(|path| root.join(path));
    paths.filter(|path| path.metadata().unwrap().len() == size).find(same).unwrap()
}

/// The blob cannot be pulled; who pushes it again has mended all.
async fn comes_again(place: &Place, set: &DataSet, layer: usize) {
    let server = place.calm_server().await;
    let admin: Client = server.anon().basic("admin", PASSWORD);
    let blob = &set.blobs[layer];
    admin.get(&format!("/v2/team/app/manifests/{}", set.top().digest)).await.expect_status(200);
    admin.head(&format!("/v2/team/app/blobs/{}", blob.digest)).await.expect_status(404);
    let used = async || {
        let quotas = admin.get(&format!("{API}/quotas")).await.expect_status(200).json();
        quotas.as_array().unwrap().iter().map(|one| one["used"]["storage"].as_i64().unwrap()).sum::<i64>()
    };
    let before = used().await;
    admin.push("team/app", None, set).await;
    admin.push("team/other", None, set).await;
    assert_eq!(used().await - before, i64::try_from(blob.bytes.len()).unwrap());
    content(&admin).await;
    assert!(server.stop().await);
    place.no_nodes().await;
    nothing_is_wrong(place).await;
}

async fn lost_and_damaged_blobs_can_be_pushed_again(place: Place) {
    let set = fill(&place).await;
    let object = async |layer: usize| place.object_of(set.blobs[layer].digest).await;

    object(1).await.remove().await;
    is_mended(&place, "blob", "not in the store").await;
    assert_eq!(place.quarantine().await, Vec::<String>::new());
    comes_again(&place, &set, 1).await;

    let cut = object(2).await;
    cut.put(set.blobs[2].bytes[1..].to_vec()).await;
    is_mended(&place, "blob", "should have").await;
    assert_eq!(cut.bytes().await, None);
    assert_eq!(place.quarantine().await.len(), 1);
    comes_again(&place, &set, 2).await;

    let flipped = object(1).await;
    let mut bytes = set.blobs[1].bytes.to_vec();
    bytes[0] ^= 1;
    flipped.put(bytes.clone()).await;
    let (code, findings, _) = check(&place, &["--orphans-after", "0"]).await;
    assert_eq!((code, findings), (Some(0), Vec::new()), "without reading it nobody sees it");
    let location =
        place.text(&format!("SELECT location FROM blobs WHERE digest = '{}'", set.blobs[1].digest)).await;
    is_mended(&place, "blob", "its digest is").await;
    let name = location.rsplit('/').next().unwrap();
    assert!(place.quarantine().await.iter().any(|one| one == name));
    assert_eq!(place.object(&format!("quarantine/{name}")).bytes().await, Some(bytes));
    comes_again(&place, &set, 1).await;

    // Of no row.
    let name = "0a1b2c3d-1111-4222-8333-444444444444";
    let orphan = place.object(&if place.bucket.is_some() {
        format!("blobs/{name}")
    } else {
        format!("blobs/0a/{name}")
    });
    orphan.put(b"bytes".to_vec()).await;
    let (code, findings, told) = check(&place, &[]).await;
    assert_eq!((code, findings), (Some(0), Vec::new()), "{told}");
    assert!(told.contains("1 young files"), "{told}");
    is_mended(&place, "file", "no row names it, and it has 5 bytes").await;
    assert_eq!(orphan.bytes().await, None);
    assert_eq!(place.object(&format!("quarantine/{name}")).bytes().await, Some(b"bytes".to_vec()));
    let part = match place.bucket {
        Some(_) => place.object(&format!("parked/{name}.0")),
        None => place.object(&format!("blobs/0a/{name}.part")),
    };
    part.put(b"bytes".to_vec()).await;
    is_mended(&place, "file", "left of an upload that is over").await;
    assert_eq!(part.bytes().await, None);
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn lost_and_damaged_blobs_can_be_pushed_again_in_a_folder() {
    lost_and_damaged_blobs_can_be_pushed_again(Place::folder()).await;
}

#[tokio::test]
#[ignore = "needs S3, the built harbor-server, and harborctl, built with the feature local"]
async fn lost_and_damaged_blobs_can_be_pushed_again_in_a_bucket() {
    lost_and_damaged_blobs_can_be_pushed_again(Place::folder().in_a_bucket()).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL, S3, the built harbor-server, and harborctl, built with the feature local"]
async fn lost_and_damaged_blobs_can_be_pushed_again_in_postgres_and_a_bucket() {
    lost_and_damaged_blobs_can_be_pushed_again(Place::with(Database::postgres()).in_a_bucket()).await;
}

/// A bucket that has nothing, or another registry's blobs, is not what the database is of.
#[tokio::test]
#[ignore = "needs S3, the built harbor-server, and harborctl, built with the feature local"]
async fn a_bucket_of_another_registry_is_not_mended() {
    let (place, other) = (Place::folder().in_a_bucket(), Place::folder().in_a_bucket());
    fill(&place).await;
    fill(&other).await;
    let swapped: Vec<String> =
        place.arguments().into_iter().take(2).chain(other.arguments().into_iter().skip(2)).collect();
    let before = rows(&place).await;
    let ran = local(&REPAIR, &swapped).await;
    assert_eq!(ran.code, Some(5), "{} {}", ran.out, ran.told);
    assert!(ran.told.contains("has none of the"), "{}", ran.told);
    assert_eq!(rows(&place).await, before);
    nothing_is_wrong(&place).await;
    nothing_is_wrong(&other).await;
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn what_cannot_be_read_is_not_lost() {
    let place = Place::folder();
    let set = fill(&place).await;
    let file = file_of(&place, &set, 1).await;
    let bytes = std::fs::read(&file).unwrap();
    // A fault of the file system that also meets who may read everything.
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(file.file_name().unwrap(), &file).unwrap();
    let length = i64::try_from(file.symlink_metadata().unwrap().len()).unwrap();
    place.sql(&format!("UPDATE blobs SET size = {length} WHERE digest = '{}'", set.blobs[1].digest)).await;
    let before = rows(&place).await;
    let ran = local(&REPAIR, &place.arguments()).await;
    assert_eq!(ran.code, Some(1), "{} {}", ran.out, ran.told);
    assert!(ran.told.contains(file.file_name().unwrap().to_str().unwrap()), "{}", ran.told);
    assert_eq!(rows(&place).await, before);
    assert!(!place.data().join("blobs/quarantine").exists());
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, &bytes).unwrap();
    place
        .sql(&format!("UPDATE blobs SET size = {} WHERE digest = '{}'", bytes.len(), set.blobs[1].digest))
        .await;
    nothing_is_wrong(&place).await;
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn what_is_no_place_of_the_store_is_not_in_it() {
    let place = Place::folder();
    let set = fill(&place).await;
    let digest = set.blobs[1].digest;
    // As a bucket has it.
    place
        .sql(&format!(
            "UPDATE blobs SET location = 'blobs/' || substr(location, 10) WHERE digest = '{digest}'"
        ))
        .await;
    let (code, findings, told) = check(&place, &[]).await;
    assert_eq!((code, findings.len()), (Some(8), 1), "{findings:?} {told}");
    assert!(findings[0]["what"].as_str().unwrap().contains("no place in a folder store"), "{findings:?}");
    // Its file has no row that names it: it goes aside, and comes again.
    is_mended(&place, "blob", "no place in a folder store").await;
    assert_eq!(files(&place.data().join("blobs/quarantine")).len(), 1);
    comes_again(&place, &set, 1).await;
    place.sql("UPDATE blobs SET location = 'blobs/' || substr(location, 10)").await;
    let all = place.number("SELECT COUNT(*) FROM blobs").await.unwrap();
    let (code, findings, told) = check(&place, &[]).await;
    assert_eq!(code, Some(8), "{told}");
    let missing = findings.iter().filter(|one| one["kind"] == "blob").count();
    assert_eq!(i64::try_from(missing).unwrap(), all, "{findings:?}");
    is_refused(&place, &REPAIR, 5, "has none of the").await;
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn what_cannot_be_put_aside_is_told_with_all_else() {
    let place = Place::folder();
    let set = fill(&place).await;
    let (cut, lost) = (file_of(&place, &set, 1).await, file_of(&place, &set, 2).await);
    std::fs::write(&cut, "").unwrap();
    std::fs::remove_file(&lost).unwrap();
    // Something else has its name there.
    let taken = place.data().join("blobs/quarantine").join(cut.file_name().unwrap());
    std::fs::create_dir_all(taken.join("x")).unwrap();
    let (code, findings, told) = check(&place, &["--repair"]).await;
    assert_eq!((code, findings.len()), (Some(8), 2), "{findings:?} {told}");
    let of = |layer: usize| {
        let digest = set.blobs[layer].digest.to_string();
        findings.iter().find(|one| one["subject"] == digest.as_str()).unwrap()
    };
    assert!(of(1)["mended"].is_null());
    assert!(of(1)["what"].as_str().unwrap().contains("but not put aside"), "{findings:?}");
    assert_eq!(of(2)["mended"], "taken from its repositories, to be pushed again");
    std::fs::remove_dir_all(&taken).unwrap();
    is_mended(&place, "file", "no row names it").await;
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn what_no_row_names_is_put_aside() {
    let place = Place::folder();
    fill(&place).await;
    let blobs = place.data().join("blobs/blobs");
    let old = SystemTime::now() - Duration::from_secs(30 * 60 * 60);
    let put = |name: &str| {
        let path = blobs.join(&name[..2]).join(name);
        std::fs::write(&path, "bytes").unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        path
    };
    let orphan = put("0a1b2c3d-1111-4222-8333-444444444444");
    let part = put("0a1b2c3d-1111-4222-8333-555555555555.part");
    let young = blobs.join("0a/0a1b2c3d-1111-4222-8333-666666666666");
    std::fs::write(&young, "bytes").unwrap();
    let (code, findings, told) = check(&place, &["--repair"]).await;
    assert_eq!((code, findings.len()), (Some(0), 2), "{findings:?} {told}");
    assert!(told.contains("1 young files"), "{told}");
    assert!(!orphan.exists() && !part.exists() && young.exists());
    assert!(place.data().join("blobs/quarantine/0a1b2c3d-1111-4222-8333-444444444444").exists());
    is_mended(&place, "file", "no row names it").await;
    assert!(!young.exists());
}
