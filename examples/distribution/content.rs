//! What a registry has.

use std::time::{SystemTime, UNIX_EPOCH};

use harbor_core::oci::{Algorithm, Digest, MediaType, Reference};
use harbor_replicate::client::{FileSource, PushOptions, Registry};

use crate::{Outcome, described, image};

/// The repositories of a registry. A list is a stream over its pages: the next one is fetched when it is reached.
pub(crate) async fn catalog(registry: &Registry) -> Outcome {
    let mut catalog = registry.catalog(Some(100));
    while let Some(name) = catalog.next().await {
        println!("{}", name?);
    }
    Ok(())
}

/// The tags of a repository. Another one of an image is its manifest once more.
pub(crate) async fn tags(registry: &Registry) -> Outcome {
    let app = registry.repository("library/app".parse()?);
    let manifest = app.manifest(&Reference::Tag("v1".parse()?)).await?;
    app.manifest_put(&Reference::Tag("old".parse()?), &manifest.media_type, manifest.bytes).await?;
    println!("{:?}", app.tags(None).all().await?);
    app.tag_delete(&"old".parse()?).await?;
    println!("{:?}", app.tags(None).all().await?);
    Ok(())
}

/// A manifest by its tag, and by its digest; what it lists, and that there is none.
pub(crate) async fn manifests(registry: &Registry) -> Outcome {
    let app = registry.repository("library/app".parse()?);
    let manifest = app.manifest(&Reference::Tag("v1".parse()?)).await?;
    for layer in manifest.view()?.layers {
        println!("a layer of {} bytes, {}", layer.size, layer.media_type);
    }
    let head = app.manifest_head(&Reference::Digest(manifest.digest)).await?;
    println!("of {:?} bytes", head.and_then(|head| head.size));
    let absent = app.manifest(&Reference::Tag("absent".parse()?)).await;
    println!("{}", absent.is_err_and(|error| error.is_absent()));
    let pushed = image(&app, "short-lived").await?;
    app.manifest_delete(&Reference::Tag("short-lived".parse()?)).await?;
    println!("{} stays, for v1 names it too", pushed.digest);
    Ok(())
}

/// A blob from a file and back, into another repository without sending it again, and some of its bytes.
pub(crate) async fn blobs(registry: &Registry) -> Outcome {
    let folder = std::env::temp_dir().join(format!("harbor-example-{}", nanos()?));
    std::fs::create_dir(&folder)?;
    let path = folder.join("layer");
    std::fs::write(&path, "a layer in a file")?;
    let digest = Digest::of(Algorithm::Sha256, &std::fs::read(&path)?);
    let app = registry.repository("library/app".parse()?);
    // What breaks on the way is taken up where the registry says that it has got to.
    let options = PushOptions::default().sent(|bytes| println!("{bytes} bytes are there"));
    app.blob_push(&digest, &FileSource::open(&path).await?, &options).await?;
    std::fs::remove_dir_all(folder)?;
    // Piece by piece; the last one only when all of them have the digest that was asked for.
    let mut blob = app.blob(&digest, None).await?;
    while let Some(piece) = blob.next().await {
        println!("{}", String::from_utf8_lossy(&piece?));
    }
    let other = registry.repository("library/other".parse()?);
    assert!(other.blob_mount(&digest, app.name()).await?);
    let part = other.blob_range(&digest, 2..7).await?.bytes(100).await?;
    println!("{}", String::from_utf8_lossy(&part));
    other.blob_delete(&digest).await?;
    assert!(other.blob_head(&digest).await?.is_none());
    Ok(())
}

/// An upload by hand, for whoever sends the bytes by other means. `blob_push` does all of it.
pub(crate) async fn uploads(registry: &Registry) -> Outcome {
    let app = registry.repository("library/app".parse()?);
    let upload = app.upload_begin().await?;
    println!("the registry has {} bytes", upload.offset());
    assert!(app.upload_status(&upload).await?.is_some());
    app.upload_cancel(upload).await?;
    Ok(())
}

/// What refers to an image: signatures, SBOMs. A registry that keeps no such list has one by tag, which is read then.
pub(crate) async fn referrers(registry: &Registry) -> Outcome {
    let app = registry.repository("library/app".parse()?);
    let subject = app.manifest(&Reference::Tag("v1".parse()?)).await?;
    let config = described(&app, "application/vnd.oci.empty.v1+json", "{}").await?;
    let layer = described(&app, "text/plain", "looks good to me").await?;
    let note = format!(
        r#"{{"schemaVersion":2,"mediaType":"{kind}","artifactType":"application/vnd.example.review",
            "config":{config},"layers":[{layer}],
            "subject":{{"mediaType":"{kind}","digest":"{}","size":{}}}}}"#,
        subject.digest,
        subject.bytes.len(),
        kind = MediaType::OCI_MANIFEST,
    );
    let digest = Reference::Digest(Digest::of(Algorithm::Sha256, note.as_bytes()));
    app.manifest_put(&digest, &MediaType::OCI_MANIFEST.parse()?, note).await?;
    for referrer in app.referrers(&subject.digest, Some("application/vnd.example.review")).all().await? {
        println!("{:?}, {} bytes", referrer.artifact_type, referrer.size);
    }
    Ok(())
}

/// A number that no other run has.
fn nanos() -> Outcome<u128> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())
}
