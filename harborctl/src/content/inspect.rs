//! `harborctl inspect`.

use std::io::Write as _;

use clap::Args;
use harbor_core::oci::{Descriptor, ManifestView};
use harbor_replicate::client::Error;
use harbor_replicate::client::Platform;
use serde_json::{Value, json};

use super::place::{Opened, PLACES, PlaceArg};
use super::tree;
use crate::failure::{Failure, Kind, Outcome};
use crate::output::{Column, Shape};
use crate::session::Session;

/// How large a config may be that is looked at, in bytes.
const CONFIG: u64 = 8 * 1024 * 1024;

static SHAPE: Shape = Shape {
    name: "/digest",
    columns: &[
        Column::plain("DIGEST", "/digest"),
        Column::plain("MEDIA TYPE", "/mediaType"),
        Column::plain("ARTIFACT TYPE", "/artifactType"),
        Column::bytes("SIZE", "/size"),
        Column::plain("PLATFORM", "/platform"),
        Column::plain("CREATED", "/created"),
        Column::each("LAYERS", "/layers", "digest"),
        Column::each("MEMBERS", "/manifests", "platform"),
        Column::plain("SUBJECT", "/subject/digest"),
        Column::plain("ANNOTATIONS", "/annotations"),
        Column::plain("LABELS", "/labels"),
    ],
};

/// Show what an image is: its manifest, its config, its members.
#[derive(Debug, Args)]
#[command(after_help = format!("{PLACES}\n\nExamples:\n  harborctl inspect team/web:1.0 -o json\n  harborctl inspect oci:images:1.0 --raw | sha256sum"))]
pub(crate) struct Inspect {
    place: PlaceArg,
    /// Print the manifest, byte for byte
    #[arg(long)]
    raw: bool,
    /// Print the config, byte for byte
    #[arg(long, conflicts_with = "raw")]
    config: bool,
    /// Of an index, the image for this platform
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
}

impl Inspect {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let mut opened = self.place.open(session).await?;
        if let Some(platform) = &self.platform {
            opened.top = platform.choose(&*opened.source, opened.top).await?;
        }
        if self.raw {
            return Ok(std::io::stdout().lock().write_all(&opened.top.bytes)?);
        }
        let view = tree::view(&opened.top)?;
        if self.config {
            let config = view.config.as_ref();
            let config = config.ok_or_else(|| {
                Failure::absent("an index has no config").hint("--platform OS/ARCH, for one of its images")
            })?;
            return Ok(std::io::stdout().lock().write_all(&read(&opened, config).await?)?);
        }
        let value = told(&opened, &view).await?;
        session.output.one(&value, &SHAPE)
    }
}

async fn told(opened: &Opened, view: &ManifestView) -> Outcome<Value> {
    let of = |entry: &Descriptor| json!({ "digest": entry.digest, "size": entry.size, "mediaType": entry.media_type });
    let mut value = json!({
        "name": opened.full.as_ref().or(opened.tag.as_ref()), "place": opened.source.told(),
        "digest": opened.top.digest, "mediaType": view.media_type.as_str(),
        "size": tree::size(view, opened.top.bytes.len()), "annotations": view.annotations,
        "artifactType": view.artifact_type,
    });
    if let Some(subject) = &view.subject {
        value["subject"] = of(subject);
    }
    match &view.config {
        None => {
            let member = |entry: &Descriptor| {
                let mut member = of(entry);
                member["platform"] = tree::platform(entry).into();
                member
            };
            value["manifests"] = view.manifests.iter().map(member).collect();
        }
        Some(config) => {
            value["config"] = of(config);
            value["layers"] = view.layers.iter().map(of).collect();
            // Configs of artifacts are anything at all.
            if let Ok(config) = serde_json::from_slice::<Value>(&read(opened, config).await?) {
                let part = |key: &str| config[key].as_str().filter(|part| !part.is_empty());
                let parts: Vec<&str> =
                    ["os", "architecture", "variant"].into_iter().filter_map(part).collect();
                value["platform"] = parts.join("/").into();
                value["created"] = config["created"].clone();
                value["labels"] = config["config"]["Labels"].clone();
            }
        }
    }
    Ok(value)
}

/// A blob that is small.
async fn read(opened: &Opened, entry: &Descriptor) -> Outcome<Vec<u8>> {
    use futures_util::StreamExt as _;
    if entry.size > CONFIG {
        return Err(Failure::new(Kind::Broken, format!("the config is larger than {CONFIG} bytes")));
    }
    let source = opened.source.read_blob(&entry.digest, entry.size).await?;
    let (mut pieces, mut all) = (source.open(0).await.map_err(Error::Source)?, Vec::new());
    while let Some(piece) = pieces.next().await {
        all.extend_from_slice(&piece.map_err(Error::Source)?);
    }
    Ok(all)
}
