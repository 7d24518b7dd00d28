//! `harborctl tree`.

use clap::Args;
use harbor_core::oci::{Descriptor, Digest, ManifestKind, ManifestView};
use harbor_replicate::client::place::Source;
use harbor_replicate::client::{Manifest, cosign_tags};
use serde_json::{Value, json};
use std::collections::HashSet;

use super::place::{PLACES, PlaceArg};
use crate::failure::{Failure, Kind, Outcome};
use crate::output::{Format, bytes};
use crate::session::Session;

/// How many manifests are looked at.
const MANIFESTS: usize = 5_000;

/// How deep manifests list each other, or refer to each other.
const DEPTH: usize = 16;

/// Show an artifact with what belongs to it: members of an index, signatures, SBOMs, attestations.
#[derive(Debug, Args)]
#[command(after_help = format!("{PLACES}\n\nExample:\n  harborctl tree team/web:1.0"))]
pub(crate) struct Tree {
    place: PlaceArg,
    /// With the config and the layers of each image
    #[arg(long)]
    layers: bool,
}

impl Tree {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let opened = self.place.open(session).await?;
        let name = opened.full.clone().or(opened.tag.clone()).unwrap_or_else(|| self.place.to_string());
        let mut walk = Walk { source: &*opened.source, layers: self.layers, seen: HashSet::new() };
        let value = walk.node(opened.top, name, 0).await?;
        match session.output.format {
            Format::Table | Format::Wide => {
                let mut lines = String::new();
                draw(&value, "", "", session.output.format == Format::Wide, &mut lines);
                session.output.text(&lines)
            }
            _ => session.output.one(&value, &crate::output::Shape { name: "/digest", columns: &[] }),
        }
    }
}

struct Walk<'a> {
    source: &'a dyn Source,
    layers: bool,
    seen: HashSet<Digest>,
}

impl Walk<'_> {
    /// A manifest with all that belongs to it.
    async fn node(&mut self, manifest: Manifest, what: String, depth: usize) -> Outcome<Value> {
        let view = view(&manifest)?;
        let mut children = Vec::new();
        let is_new = self.seen.insert(manifest.digest);
        if self.seen.len() > MANIFESTS {
            return Err(Failure::new(Kind::Broken, format!("more than {MANIFESTS} manifests belong to it")));
        }
        if is_new && depth < DEPTH {
            self.members(&view, depth, &mut children).await?;
            self.referrers(&manifest.digest, depth, &mut children).await?;
        }
        if self.layers {
            let blobs = view.config.iter().map(|config| ("config", config));
            let blobs = blobs.chain(view.layers.iter().map(|layer| ("layer", layer)));
            children.extend(blobs.map(|(what, blob)| {
                json!({ "what": what, "digest": blob.digest, "size": blob.size, "mediaType": blob.media_type })
            }));
        }
        Ok(json!({
            "what": what, "digest": manifest.digest, "mediaType": view.media_type.as_str(),
            "artifactType": view.artifact_type, "size": size(&view, manifest.bytes.len()), "children": children,
        }))
    }

    async fn members(&mut self, view: &ManifestView, depth: usize, children: &mut Vec<Value>) -> Outcome {
        for entry in &view.manifests {
            let what = platform(entry).unwrap_or_else(|| "member".to_owned());
            children.push(match self.source.read_manifest(entry).await {
                Err(error) if error.is_absent() => {
                    json!({ "what": format!("{what} (is not there)"), "digest": entry.digest })
                }
                manifest => Box::pin(self.node(manifest?, what, depth + 1)).await?,
            });
        }
        Ok(())
    }

    async fn referrers(&mut self, subject: &Digest, depth: usize, children: &mut Vec<Value>) -> Outcome {
        let mut listed = self.source.list_referrers(subject);
        while let Some(entry) = listed.next().await {
            let entry = entry?;
            let what = kind(entry.artifact_type.as_deref().unwrap_or_default());
            match self.source.read_manifest(&entry).await {
                // Lists that clients keep may have what is gone.
                Err(error) if error.is_absent() => {}
                manifest => children.push(Box::pin(self.node(manifest?, what, depth + 1)).await?),
            }
        }
        for tag in cosign_tags(subject) {
            if let Some(manifest) = self.source.read_tag(&tag).await? {
                let what = match tag.as_str().rsplit_once('.') {
                    Some((_, "sig")) => "signature (by tag)",
                    Some((_, "att")) => "attestation (by tag)",
                    _ => "SBOM (by tag)",
                };
                children.push(Box::pin(self.node(manifest, what.to_owned(), depth + 1)).await?);
            }
        }
        Ok(())
    }
}

/// What refers to something, by its type, for people.
fn kind(artifact_type: &str) -> String {
    let kinds = [
        ("sigstore.bundle", "signature"),
        ("cosign", "signature"),
        ("notary.signature", "signature"),
        ("spdx", "SBOM"),
        ("cyclonedx", "SBOM"),
        ("in-toto", "attestation"),
    ];
    let found = kinds.iter().find(|(part, _)| artifact_type.contains(part)).map(|(_, kind)| *kind);
    match found {
        Some(kind) => format!("{kind} {artifact_type}"),
        None if artifact_type.is_empty() => "referrer".to_owned(),
        None => artifact_type.to_owned(),
    }
}

pub(super) fn view(manifest: &Manifest) -> Outcome<ManifestView> {
    let view = manifest.view();
    view.map_err(|error| Failure::new(Kind::Broken, format!("{} does not read: {error}", manifest.digest)))
}

/// How many bytes there are of an image, or of the index alone.
pub(super) fn size(view: &ManifestView, own: usize) -> u64 {
    let blobs = view.required_blobs().into_values().fold(0, u64::saturating_add);
    if view.kind == ManifestKind::Index { own as u64 } else { blobs.saturating_add(own as u64) }
}

/// The platform that an index has a manifest for.
pub(super) fn platform(entry: &Descriptor) -> Option<String> {
    let platform = entry.platform.as_ref()?;
    let part = |key: &str| platform[key].as_str().filter(|part| !part.is_empty());
    let parts: Vec<&str> = ["os", "architecture", "variant"].into_iter().filter_map(part).collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn draw(node: &Value, first: &str, rest: &str, wide: bool, lines: &mut String) {
    let text = |key: &str| node[key].as_str().unwrap_or_default();
    let digest = if wide { text("digest").to_owned() } else { text("digest").chars().take(19).collect() };
    let size = node["size"].as_i64().map(bytes).unwrap_or_default();
    let line = format!("{first}{}  {digest}  {size}", text("what"));
    lines.extend(line.trim_end().chars().map(|char| if char.is_control() { ' ' } else { char }));
    lines.push('\n');
    let children = node["children"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (place, child) in children.iter().enumerate() {
        let (own, below) =
            if place + 1 == children.len() { ("└── ", "    ") } else { ("├── ", "│   ") };
        draw(child, &format!("{rest}{own}"), &format!("{rest}{below}"), wide, lines);
    }
}
