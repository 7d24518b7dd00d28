//! The other places that content lives in, and copies between any two of them.

use std::path::PathBuf;

use harbor_core::oci::Reference;
use harbor_replicate::client::bundle::{Bundle, Export, KeyKind, Loading, SigningKey};
use harbor_replicate::client::place::{Destination as _, DockerArchive, Layout, LayoutArchive, LayoutFolder};
use harbor_replicate::client::{CopyOptions, Registry, copy};

use crate::Outcome;

/// A folder that goes when the example ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Outcome<Self> {
        let path = std::env::temp_dir().join(format!("harbor-example-{name}-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// From one repository to another, of this registry or of another.
pub(crate) async fn copies(registry: &Registry) -> Outcome {
    let (from, to) =
        (registry.repository("library/app".parse()?), registry.repository("library/copy".parse()?));
    let options = CopyOptions::default().referrers(true);
    let copied = from.copy_to(&Reference::Tag("v1".parse()?), &to, Some(&"v1".parse()?), &options).await?;
    println!("{}: {} sent, {} linked", copied.digest, copied.sent, copied.mounted);
    Ok(())
}

/// An OCI image layout in a folder, written and read.
pub(crate) async fn layouts(registry: &Registry) -> Outcome {
    let folder = Folder::new("layout")?;
    let from = registry.repository("library/app".parse()?);
    let top = from.manifest(&Reference::Tag("v1".parse()?)).await?;
    let to = LayoutFolder::create(&folder.0).await?;
    copy(&from, top, &to, Some("v1"), &CopyOptions::default()).await?;
    // Nothing is seen before.
    to.commit().await?;
    for image in Layout::open(&folder.0).await?.images() {
        println!("{} {:?}", image.digest, Layout::name_of(image));
    }
    Ok(())
}

/// The same in one file, from which it goes into a registry again.
pub(crate) async fn archives(registry: &Registry) -> Outcome {
    let folder = Folder::new("archive")?;
    let path = folder.0.join("app.tar");
    let app = registry.repository("library/app".parse()?);
    let top = app.manifest(&Reference::Tag("v1".parse()?)).await?;
    let to = LayoutArchive::create(&path).await?;
    copy(&app, top, &to, Some("v1"), &CopyOptions::default()).await?;
    to.commit().await?;
    let from = Layout::open(&path).await?;
    let loaded = registry.repository("library/loaded".parse()?);
    let top = from.find(Some("v1")).await?;
    let copied = copy(&from, top, &loaded, Some("v1"), &CopyOptions::default()).await?;
    println!("{} with {} blobs", copied.digest, copied.sent + copied.mounted + copied.existed);
    Ok(())
}

/// What `docker load` reads and `docker save` writes.
pub(crate) async fn docker_archives(registry: &Registry) -> Outcome {
    let folder = Folder::new("docker")?;
    let path = folder.0.join("app.tar");
    let app = registry.repository("library/app".parse()?);
    let top = app.manifest(&Reference::Tag("v1".parse()?)).await?;
    let to = LayoutArchive::docker(&path).await?;
    copy(&app, top, &to, Some("app:v1"), &CopyOptions::default()).await?;
    to.commit().await?;
    let archive = DockerArchive::open(&path).await?;
    println!("{:?}", archive.names().collect::<Vec<_>>());
    Ok(())
}

/// A signed archive of several images, for a network that has no other way in.
pub(crate) async fn bundles(registry: &Registry) -> Outcome {
    let folder = Folder::new("bundle")?;
    let path = folder.0.join("monday.tar");
    let key = SigningKey::generate(KeyKind::Ed25519)?;
    let export = Export::create(&path, None).await?;
    let app = registry.repository("library/app".parse()?);
    export.add(&app, &Reference::Tag("v1".parse()?), &CopyOptions::default()).await?;
    export.finish(&key).await?;
    // On the other side.
    let bundle = Bundle::open_signed(&path, &[key.public()?]).await?;
    println!("it names {} images", bundle.inventory().images.len());
    let loading = Loading::to(registry.clone());
    // Every byte of it, before anything is loaded.
    let checked = bundle.check(&loading).await?;
    for image in checked.images() {
        let copied = checked.load(image, &CopyOptions::default()).await?;
        println!("{}: {} blobs were there", image.repository, copied.existed);
    }
    Ok(())
}
