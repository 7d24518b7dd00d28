//! `harborctl diff`.

use clap::Args;
use harbor_core::oci::{Descriptor, Digest, ManifestKind, ManifestView};
use harbor_replicate::client::{Contents, FileChange, FileKind, ImageFile, Platform};
use serde_json::{Value, json};

use super::place::{Opened, PLACES, PlaceArg};
use super::tree;
use crate::failure::{Failure, Kind, Outcome};
use crate::output::{Column, Shape};
use crate::session::Session;

static SHAPE: Shape = Shape {
    name: "/name",
    columns: &[
        Column::plain("WHAT", "/what"),
        Column::plain("CHANGE", "/change"),
        Column::plain("NAME", "/name"),
        Column::bytes("BEFORE", "/before/size"),
        Column::bytes("AFTER", "/after/size"),
        Column::plain("DIFFERS IN", "/differs"),
        Column::plain("DIGEST BEFORE", "/before/digest").wide(),
        Column::plain("DIGEST AFTER", "/after/digest").wide(),
    ],
};

/// Compare two images, by layer and by file.
#[derive(Debug, Args)]
#[command(after_help = format!("{PLACES}\n\nExamples:\n  harborctl diff team/web:1.0 team/web:1.1\n  harborctl diff team/web:1.0 oci:images:1.0 --exit-code && echo same"))]
pub(crate) struct Diff {
    /// The one
    before: PlaceArg,
    /// The other
    after: PlaceArg,
    /// Of indexes, the images for this platform
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// Compare layers alone, which reads none of them
    #[arg(long)]
    layers: bool,
    /// End with exit code 9 when they are not the same
    #[arg(long)]
    exit_code: bool,
}

impl Diff {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let (before, before_view) = self.image(session, &self.before).await?;
        let (after, after_view) = self.image(session, &self.after).await?;
        let layers = layers(&before_view.layers, &after_view.layers);
        let digests = |view: &ManifestView| view.layers.iter().map(|layer| layer.digest).collect::<Vec<_>>();
        let others = digests(&before_view) != digests(&after_view);
        let mut list = session.output.list(&SHAPE);
        for layer in &layers {
            list.entry(layer)?;
        }
        let said = said((&before, &before_view), (&after, &after_view), others);
        said.iter().try_for_each(|part| list.entry(part))?;
        let mut differs = !said.is_empty() || others;
        if !self.layers && others {
            let (one, other) = contents(&before, &before_view, &after, &after_view).await?;
            let mut changes = 0_u64;
            for (path, change) in one.compare(&other) {
                list.entry(&file(path, &change))?;
                changes += 1;
            }
            // The same files may be in other layers.
            differs = !said.is_empty() || changes > 0;
        }
        list.end()?;
        if self.exit_code && differs {
            return Err(Failure::told(Kind::Differs));
        }
        Ok(())
    }

    async fn image(&self, session: &Session, place: &PlaceArg) -> Outcome<(Opened, ManifestView)> {
        let mut opened = place.open(session).await?;
        if let Some(platform) = &self.platform {
            opened.top = platform.choose(&*opened.source, opened.top).await?;
        }
        let view = tree::view(&opened.top)?;
        if view.kind == ManifestKind::Index {
            let what = format!("{place} is an index of several images");
            return Err(Failure::usage(what).hint("--platform linux/amd64, or name one by its digest"));
        }
        Ok((opened, view))
    }
}

/// What images are said to be, where that differs: the config, with its environment, command and user; or, where it is the same, and so
/// are the layers, the rest of the manifest, which is media types and annotations.
fn said(before: (&Opened, &ManifestView), after: (&Opened, &ManifestView), others: bool) -> Vec<Value> {
    let changed = |what: &str, one: Value, other: Value| json!({ "what": what, "change": "changed", "name": what, "before": one, "after": other });
    let config = |view: &ManifestView| view.config.as_ref().map(|config| (config.digest, config.size));
    let told = |config: Option<(Digest, u64)>| match config {
        Some((digest, size)) => json!({ "size": size, "digest": digest }),
        None => Value::Null,
    };
    let (one, other) = (config(before.1), config(after.1));
    if one != other {
        return vec![changed("config", told(one), told(other))];
    }
    if others || before.0.top.digest == after.0.top.digest {
        return Vec::new();
    }
    let told = |opened: &Opened| json!({ "size": opened.top.bytes.len(), "digest": opened.top.digest });
    vec![changed("manifest", told(before.0), told(after.0))]
}

/// The files of both. Layers that both begin with are read once.
async fn contents(
    before: &Opened,
    before_view: &ManifestView,
    after: &Opened,
    after_view: &ManifestView,
) -> Outcome<(Contents, Contents)> {
    let pairs = before_view.layers.iter().zip(&after_view.layers);
    let common = pairs.take_while(|(one, other)| one.digest == other.digest).count();
    let mut base = Contents::default();
    for layer in &before_view.layers[..common] {
        base = base.with_layer(&*before.source, layer).await?;
    }
    let (mut one, mut other) = (base.clone(), base);
    for layer in &before_view.layers[common..] {
        one = one.with_layer(&*before.source, layer).await?;
    }
    for layer in &after_view.layers[common..] {
        other = other.with_layer(&*after.source, layer).await?;
    }
    Ok((one, other))
}

fn layers(before: &[Descriptor], after: &[Descriptor]) -> Vec<Value> {
    let has =
        |layers: &[Descriptor], layer: &Descriptor| layers.iter().any(|known| known.digest == layer.digest);
    let told = |change: &str, layer: &Descriptor| {
        let mut value = json!({ "what": "layer", "change": change, "name": layer.digest });
        let size = json!({ "size": layer.size, "digest": layer.digest });
        match change {
            "removed" => value["before"] = size,
            "added" => value["after"] = size,
            _ => (value["before"], value["after"]) = (size.clone(), size),
        }
        value
    };
    let old = before.iter().map(|layer| told(if has(after, layer) { "same" } else { "removed" }, layer));
    let new = after.iter().filter(|layer| !has(before, layer)).map(|layer| told("added", layer));
    old.chain(new).collect()
}

fn file(path: &str, change: &FileChange) -> Value {
    match change {
        FileChange::Added(file) => {
            json!({ "what": "file", "change": "added", "name": path, "after": told(file) })
        }
        FileChange::Removed(file) => {
            json!({ "what": "file", "change": "removed", "name": path, "before": told(file) })
        }
        FileChange::Changed(one, other) => json!({
            "what": "file", "change": "changed", "name": path, "before": told(one), "after": told(other),
            "differs": differs(one, other),
        }),
    }
}

fn differs(one: &ImageFile, other: &ImageFile) -> Vec<&'static str> {
    let parts = [
        ("content", one.kind != other.kind || one.size != other.size),
        ("mode", one.mode != other.mode),
        ("owner", one.owner != other.owner),
        ("attributes", one.attributes != other.attributes),
    ];
    parts.iter().filter(|(_, differs)| *differs).map(|(part, _)| *part).collect()
}

fn told(file: &ImageFile) -> Value {
    let mut value = json!({ "mode": format!("{:04o}", file.mode), "uid": file.owner.0, "gid": file.owner.1 });
    match &file.kind {
        FileKind::File(digest) => {
            (value["type"], value["digest"], value["size"]) =
                ("file".into(), digest.to_string().into(), file.size.into());
        }
        FileKind::Folder => value["type"] = "folder".into(),
        FileKind::Symlink(to) => (value["type"], value["target"]) = ("link".into(), to.as_str().into()),
        FileKind::Other { device: (major, minor), .. } => {
            (value["type"], value["device"]) = ("device".into(), format!("{major}:{minor}").into());
        }
        _ => value["type"] = "other".into(),
    }
    if !file.attributes.is_empty() {
        let attributes = file.attributes.iter().map(|(name, digest)| (name.clone(), json!(digest)));
        value["attributes"] = attributes.collect::<serde_json::Map<_, _>>().into();
    }
    value
}
