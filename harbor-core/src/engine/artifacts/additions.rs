//! What can be read out of an artifact's content: the history of an image, the files of a Helm chart.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use serde_json::Value;

use super::describe::{CHART, IMAGE, WASM};
use super::{Artifacts, Found};
use crate::access::Authorized;
use crate::access::permission::ArtifactAdditionRead;
use crate::meta::{Artifact, Repository};
use crate::oci::{Descriptor, ManifestView, MediaType, Reference};
use crate::{Error, Result};

/// The largest config that is read, in bytes.
const LARGEST_CONFIG: u64 = 4 * 1024 * 1024;

/// The largest chart that is looked into, in bytes.
const LARGEST_CHART: u64 = 16 * 1024 * 1024;

/// How many bytes of a chart are unpacked at most: what comes behind them is not found.
const LARGEST_UNPACKED: u64 = 32 * 1024 * 1024;

/// How many files of a chart are looked at.
const FILES: usize = 10_000;

/// The largest file of a chart that is shown, in bytes.
const LARGEST_FILE: u64 = 4 * 1024 * 1024;

/// Something that can be read out of an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdditionKind {
    /// `build_history`: how an image was built.
    BuildHistory,
    /// `values.yaml`: the settings of a Helm chart.
    Values,
    /// `readme.md`: what a Helm chart says of itself.
    Readme,
    /// `dependencies`: what a Helm chart needs.
    Dependencies,
}

impl AdditionKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::BuildHistory, Self::Values, Self::Readme, Self::Dependencies];

    /// Its name in Harbor's API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BuildHistory => "build_history",
            Self::Values => "values.yaml",
            Self::Readme => "readme.md",
            Self::Dependencies => "dependencies",
        }
    }

    /// The media type of what it reads out.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::BuildHistory | Self::Dependencies => "application/json; charset=utf-8",
            Self::Values => "text/plain; charset=utf-8",
            Self::Readme => "text/markdown; charset=utf-8",
        }
    }

    /// The one of that name, in whatever case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    fn is_of(self, artifact: &Artifact) -> bool {
        let kind = artifact.kind.as_str();
        match self {
            // An index has no config.
            Self::BuildHistory => [IMAGE, WASM].contains(&kind) && !is_index(artifact),
            Self::Values | Self::Readme | Self::Dependencies => kind == CHART,
        }
    }
}

fn is_index(artifact: &Artifact) -> bool {
    [MediaType::OCI_INDEX, MediaType::DOCKER_LIST].contains(&artifact.media_type.as_str())
}

/// Something that was read out of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes: whoever pushed the artifact wrote them.
    pub content: Bytes,
}

impl Found {
    /// What can be read out of it.
    pub fn additions(&self) -> impl Iterator<Item = AdditionKind> {
        AdditionKind::ALL.into_iter().filter(|kind| kind.is_of(&self.artifact))
    }
}

impl Artifacts<'_> {
    /// Reads something out of an artifact.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for what artifacts of that type do not have; [`Error::Unprocessable`] for content that does
    /// not read; [`Error::TooLarge`].
    pub async fn addition(
        &self,
        proof: &Authorized<ArtifactAdditionRead>,
        reference: &Reference,
        kind: AdditionKind,
    ) -> Result<Addition> {
        let repository = self.existing(proof.target()).await?;
        let artifact = {
            let mut rows = self.harbor.read().await?;
            self.named(&mut *rows, &repository, reference).await?
        };
        if !kind.is_of(&artifact) {
            return Err(Error::NotFound("addition"));
        }
        let manifest = self.content().manifest_by_digest(&repository, &artifact.digest).await?;
        let manifest = manifest.ok_or(Error::NotFound("artifact"))?;
        let view = ManifestView::parse(Some(&manifest.media_type), &manifest.payload)?;
        let content = match kind {
            AdditionKind::BuildHistory => self.member(&repository, &view, "history").await?,
            // Helm's config is what Chart.yaml says, as JSON.
            AdditionKind::Dependencies => self.member(&repository, &view, "dependencies").await?,
            AdditionKind::Values => self.file(&repository, &view, "values.yaml").await?,
            AdditionKind::Readme => self.file(&repository, &view, "readme.md").await?,
        };
        Ok(Addition { content_type: kind.content_type(), content })
    }

    /// A member of the config; null when it is not there.
    async fn member(&self, repository: &Repository, view: &ManifestView, name: &str) -> Result<Bytes> {
        let config = view.config.as_ref().ok_or(Error::NotFound("addition"))?;
        let bytes = self.content().blob_bytes(repository, &config.digest, LARGEST_CONFIG).await?;
        let unread = |_| Error::Unprocessable("the config of this artifact does not read".to_owned());
        let config: Value = serde_json::from_slice(&bytes).map_err(unread)?;
        Ok(config.get(name).unwrap_or(&Value::Null).to_string().into())
    }

    /// A file of a chart's topmost folder.
    async fn file(&self, repository: &Repository, view: &ManifestView, name: &'static str) -> Result<Bytes> {
        let layer = chart(view).ok_or(Error::NotFound("addition"))?;
        let packed = self.content().blob_bytes(repository, &layer.digest, LARGEST_CHART).await?;
        let found = tokio::task::spawn_blocking(move || unpack(&packed, name)).await;
        let found = found.map_err(|error| Error::Internal(error.to_string()))??;
        found.map(Bytes::from).ok_or(Error::NotFound("addition"))
    }
}

/// The layer that has a chart's files.
fn chart(view: &ManifestView) -> Option<&Descriptor> {
    let packed =
        |layer: &&Descriptor| layer.media_type.starts_with("application/vnd.cncf.helm.chart.content.");
    let others =
        |layer: &&Descriptor| view.config.as_ref().is_none_or(|config| config.digest != layer.digest);
    view.layers.iter().find(packed).or_else(|| view.layers.iter().find(others))
}

/// A file of the topmost folder of a packed chart, whose name is that in whatever case. Anybody may call anything a chart, so
/// what is unpacked is bounded.
fn unpack(packed: &[u8], name: &str) -> Result<Option<Vec<u8>>> {
    let unread = |_| Error::Unprocessable("the chart does not read".to_owned());
    let mut archive = tar::Archive::new(GzDecoder::new(packed).take(LARGEST_UNPACKED));
    for entry in archive.entries().map_err(unread)?.take(FILES) {
        let entry = entry.map_err(unread)?;
        let path = entry.path_bytes();
        let within = path.strip_prefix(b"./").unwrap_or(&path).splitn(2, |byte| *byte == b'/').nth(1);
        if !entry.header().entry_type().is_file()
            || !within.is_some_and(|within| within.eq_ignore_ascii_case(name.as_bytes()))
        {
            continue;
        }
        if entry.size() > LARGEST_FILE {
            return Err(Error::TooLarge { limit: LARGEST_FILE });
        }
        let mut content = Vec::new();
        entry.take(LARGEST_FILE).read_to_end(&mut content).map_err(unread)?;
        return Ok(Some(content));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, *content).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn a_file_of_the_topmost_folder() {
        let chart = packed(&[
            ("app/Chart.yaml", b"name: app"),
            ("app/charts/other/README.md", b"of another"),
            ("app/README.md", b"# App"),
        ]);
        assert_eq!(unpack(&chart, "readme.md").unwrap().as_deref(), Some(&b"# App"[..]));
        assert_eq!(unpack(&chart, "values.yaml").unwrap(), None);
    }

    #[test]
    fn what_is_no_chart_is_told() {
        for wrong in [&b""[..], b"no gzip at all", &packed(&[("a/b", b"c")])[..20]] {
            assert!(matches!(unpack(wrong, "readme.md"), Err(Error::Unprocessable(_)) | Ok(None)));
        }
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let mut header = tar::Header::new_gnu();
        header.set_path("app/filler").unwrap();
        header.set_size(LARGEST_UNPACKED * 4);
        header.set_cksum();
        encoder.write_all(header.as_bytes()).unwrap();
        let zeroes = vec![0; 1024 * 1024];
        for _ in 0..LARGEST_UNPACKED * 4 / zeroes.len() as u64 {
            encoder.write_all(&zeroes).unwrap();
        }
        let bomb = encoder.finish().unwrap();
        assert!(bomb.len() < 1024 * 1024);
        assert!(!matches!(unpack(&bomb, "readme.md"), Ok(Some(_))));
        let large = packed(&[("app/values.yaml", &vec![b'a'; 5 * 1024 * 1024])]);
        assert!(matches!(unpack(&large, "values.yaml"), Err(Error::TooLarge { .. })));
    }
}
