//! Places by what people write, opened.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use harbor_core::oci::{Digest, Reference, Tag};
use harbor_replicate::client::docker::DockerConfig;
use harbor_replicate::client::place::{
    Destination, DockerArchive, Layout, LayoutArchive, LayoutFolder, PlaceName, Source,
};
use harbor_replicate::client::{ImageName, Manifest, Registry, Repository};

use crate::context::{Contexts, Server, host};
use crate::failure::{Failure, Outcome};
use crate::session::Session;

/// A place, as it was written.
#[derive(Clone, Debug)]
pub(super) struct PlaceArg(String);

/// How the names of archives end; those that are compressed are refused where one is to be written.
const ARCHIVES: [&str; 6] = [".tar", ".gz", ".tgz", ".zst", ".xz", ".bz2"];

/// What is said of places in helps.
pub(super) const PLACES: &str = "\
Places:
  project/repository:tag                the server that is chosen; a project with a dot needs the host ahead
  host/repository:tag, …@sha256:…       any registry; docker://… says so
  oci:FOLDER[:NAME]                     an OCI layout
  oci-archive:FILE.tar[:NAME]           an OCI layout in a tar
  docker-archive:FILE.tar[:REPO:TAG]    what `docker save` writes and `docker load` reads
  PATH                                  any of the last three, by what is there or ends with .tar";

impl FromStr for PlaceArg {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PlaceArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is read.
pub(super) struct Opened {
    pub(super) source: Box<dyn Source>,
    pub(super) top: Manifest,
    /// What it is called in a layout, and in an archive of docker's.
    pub(super) tag: Option<String>,
    pub(super) full: Option<String>,
}

impl PlaceArg {
    /// Whether it says what kind of place it is.
    fn is_explicit(&self) -> bool {
        let schemes = ["docker://", "oci:", "oci-archive:", "docker-archive:", "docker-dir:"];
        schemes.iter().any(|scheme| self.0.starts_with(scheme))
    }

    /// Whether it is a path, and what is there says what it is.
    fn is_path(&self) -> bool {
        if self.is_explicit() {
            return false;
        }
        self.0.starts_with(['.', '/', '~'])
            || self.0.starts_with('\\')
            || [".tar", ".tar.gz", ".tgz", "/"].iter().any(|end| self.0.ends_with(end))
    }

    /// The same, which is a path unless it says something else.
    pub(super) fn as_path(&self) -> Self {
        if self.is_explicit() || self.is_path() { self.clone() } else { Self(format!("./{self}")) }
    }

    /// What it names.
    fn name(&self, session: &Session) -> Outcome<PlaceName> {
        let wrong = |error: &dyn fmt::Display| {
            Failure::usage(format!("{self}: {error}")).hint("harborctl copy --help")
        };
        if self.is_of_server() {
            // Never a registry that nobody named.
            let server = session.server()?;
            let name = format!("{}/{}", host(&server.address), self.0);
            return name
                .parse()
                .map_err(|error: harbor_replicate::client::place::PlaceNameError| wrong(&error));
        }
        self.0.parse().map_err(|error: harbor_replicate::client::place::PlaceNameError| wrong(&error))
    }

    /// Whether it is a repository of a project, and says no host.
    fn is_of_server(&self) -> bool {
        let first = self.0.split_once('/').map(|(first, _)| first);
        let is_host = |first: &str| first.contains(['.', ':']) || first == "localhost";
        !self.is_explicit() && first.is_some_and(|first| !is_host(first))
    }

    /// What is there, to be read.
    pub(super) async fn open(&self, session: &Session) -> Outcome<Opened> {
        if self.is_path() {
            return read_path(Path::new(&self.0), None).await;
        }
        match self.name(session)? {
            PlaceName::Registry(image) => read_image(session, &image).await,
            PlaceName::Layout { path, name } | PlaceName::LayoutArchive { path, name } => {
                read_layout(&Layout::open(&path).await?, name).await
            }
            PlaceName::DockerArchive { path, name } => {
                read_docker(&DockerArchive::open(&path).await?, name).await
            }
            other => Err(Failure::usage(format!("{other} is no place that can be read"))),
        }
    }

    /// Whether what has a digest can be what this names: another digest cannot be its name.
    pub(super) fn takes(&self, session: &Session, digest: &Digest) -> Outcome {
        let PlaceName::Registry(image) = self.written(session)? else { return Ok(()) };
        match image.digest() {
            Some(named) if named != digest => {
                Err(Failure::usage(format!("{self} names another digest than what would be there: {digest}"))
                    .hint("a tag, or nothing, in place of the digest"))
            }
            _ => Ok(()),
        }
    }

    /// What it names, to be written.
    fn written(&self, session: &Session) -> Outcome<PlaceName> {
        Ok(match self.is_path() {
            false => self.name(session)?,
            true if ARCHIVES.iter().any(|end| self.0.ends_with(end)) => {
                PlaceName::LayoutArchive { path: (&self.0).into(), name: None }
            }
            true => PlaceName::Layout { path: (&self.0).into(), name: None },
        })
    }

    /// What is there, to be written, and the name that the image gets.
    pub(super) async fn create(
        &self,
        session: &Session,
        from: &Opened,
    ) -> Outcome<(Box<dyn Destination>, Option<String>)> {
        let tag = || from.tag.clone();
        Ok(match self.written(session)? {
            PlaceName::Registry(image) => {
                let repository = repository(session, &image).await?;
                // By digest alone, it has no name.
                (Box::new(repository), image.tag().map(Tag::to_string))
            }
            PlaceName::Layout { path, name } => {
                (Box::new(LayoutFolder::create(&path).await?), name.or_else(tag))
            }
            PlaceName::LayoutArchive { path, name } => {
                let archive = LayoutArchive::create(&path).await?;
                // One of docker's stays one, and its images have whole names.
                let own = if archive.is_docker() { from.full.clone() } else { tag() };
                (Box::new(archive), name.or(own))
            }
            PlaceName::DockerArchive { path, name } => {
                let name = name.or_else(|| from.full.clone());
                let name = name.ok_or_else(|| {
                    Failure::usage("an image in an archive of docker's needs a name")
                        .hint(format!("docker-archive:{}:REPOSITORY:TAG", path.display()))
                })?;
                (Box::new(LayoutArchive::docker(&path).await?), Some(name))
            }
            other => return Err(Failure::usage(format!("{other} is no place that can be written"))),
        })
    }

    /// The image of a registry that it names.
    pub(super) async fn image(&self, session: &Session) -> Outcome<(Repository, ImageName)> {
        match self.name(session)? {
            PlaceName::Registry(image) => Ok((repository(session, &image).await?, image)),
            other => {
                Err(Failure::usage(format!("{other} is no image of a registry")).hint("HOST/REPOSITORY:TAG"))
            }
        }
    }
}

/// Gives an image of a registry other tags.
pub(crate) async fn put_tags(session: &Session, image: &str, tags: &[Tag]) -> Outcome<String> {
    let (repository, name) = PlaceArg(image.to_owned()).image(session).await?;
    let manifest = repository.manifest(&reference(&name)?).await?;
    for tag in tags {
        let reference = Reference::Tag(tag.clone());
        repository.manifest_put(&reference, &manifest.media_type, manifest.bytes.clone()).await?;
    }
    Ok(manifest.digest.to_string())
}

/// What names the manifest.
pub(super) fn reference(image: &ImageName) -> Outcome<Reference> {
    image.reference().ok_or_else(|| Failure::usage(format!("{image} has neither a tag nor a digest")))
}

async fn read_image(session: &Session, image: &ImageName) -> Outcome<Opened> {
    let repository = repository(session, image).await?;
    let top = repository.manifest(&reference(image)?).await?;
    let tag = image.tag().map(Tag::to_string);
    let full = tag.as_ref().map(|tag| format!("{}/{}:{tag}", image.registry(), image.repository()));
    Ok(Opened { source: Box::new(repository), top, tag, full })
}

async fn read_layout(layout: &Layout, name: Option<String>) -> Outcome<Opened> {
    let top = layout.find(name.as_deref()).await?;
    let own = layout.images().iter().find(|entry| entry.digest == top.digest).and_then(Layout::name_of);
    let tag = name.or_else(|| own.map(ToOwned::to_owned)).filter(|name| name.parse::<Tag>().is_ok());
    Ok(Opened { source: Box::new(layout.clone()), top, tag, full: None })
}

async fn read_docker(archive: &DockerArchive, name: Option<String>) -> Outcome<Opened> {
    let top = archive.find(name.as_deref()).await?;
    let full = name.or_else(|| archive.names().next().map(ToOwned::to_owned));
    let tag = full.as_ref().and_then(|full| full.parse::<ImageName>().ok());
    let tag = tag.and_then(|image| image.tag().map(Tag::to_string));
    Ok(Opened { source: Box::new(archive.clone()), top, tag, full })
}

/// Whatever is at a path.
async fn read_path(path: &Path, name: Option<String>) -> Outcome<Opened> {
    let layout = match Layout::open(path).await {
        Ok(layout) => return read_layout(&layout, name).await,
        Err(error) => error,
    };
    match DockerArchive::open(path).await {
        Ok(archive) => read_docker(&archive, name).await,
        // It is neither: what the first said is as good.
        Err(_) => Err(layout.into()),
    }
}

/// A repository, as whoever one is there.
async fn repository(session: &Session, image: &ImageName) -> Outcome<Repository> {
    let registry = registry(session, image.registry()).await?;
    Ok(registry.repository(image.repository().clone()))
}

/// The registry of the server that is chosen.
pub(super) async fn chosen(session: &Session) -> Outcome<Registry> {
    let server = session.server()?;
    known(session, &server, server.credential().await?)
}

/// The registry at a host: the server that was chosen, one that there is a context of, or another.
async fn registry(session: &Session, at: &str) -> Outcome<Registry> {
    let chosen = session.server().ok().filter(|server| host(&server.address) == at);
    if let Some(server) = chosen {
        return known(session, &server, server.credential().await?);
    }
    if let Some(server) = Contexts::load()?.of_host(at) {
        return known(session, &server, server.remembered().await?);
    }
    // As with docker: what is on this machine has no certificate.
    let is_here =
        ["localhost", "127.0.0.1", "[::1]"].contains(&at.rsplit_once(':').map_or(at, |(name, _)| name));
    let address = if is_here { format!("http://{at}") } else { at.to_owned() };
    let registry = Registry::builder(address).connection(session.connection_elsewhere()?);
    Ok(registry.credentials(DockerConfig::from_environment()?).build()?)
}

fn known(
    session: &Session,
    server: &Server,
    credential: harbor_replicate::client::Credential,
) -> Outcome<Registry> {
    let registry = Registry::builder(&server.address).connection(session.connection_of(server)?);
    Ok(registry.credentials(credential).build()?)
}
