//! `harborctl export`, `import`.

use std::path::{Path, PathBuf};

use clap::Args;
use harbor_core::access::Secret;
use harbor_replicate::client::Error;
use harbor_replicate::client::bundle::{
    Bundle, Export as Exporting, Inventory, Loading, SigningKey, VerifyKey,
};
use serde_json::{Value, json};

use super::place::chosen;
use super::progress::progress;
use super::select::Selection;
use super::transfer::{Moving, Sending};
use crate::failure::{Failure, Kind, Outcome};
use crate::output::{bytes, counted};
use crate::session::Session;

/// What makes keys.
const KEYS: &str = "harborctl key create FILE, which makes a key, and FILE.pub to verify with";

/// Write images, with what refers to them, to one archive that is carried elsewhere.
///
/// The archive is an OCI layout in a tar, with a signed list of what is in it. What was cut off is gone on with by doing it again; the
/// file appears when it is whole.
#[derive(Debug, Args)]
#[command(after_help = "\
What to export is named by repository and tag, both with patterns: `team/web`, `team/web:1.0`, `team/web@sha256:…`, `'team/**:v1.*'`

Examples:
  harborctl key create export.pem
  harborctl export monday.tar 'team/**' library/debian:12 --referrers --key export.pem
  harborctl export tuesday.tar 'team/**' library/debian:12 --referrers --key export.pem --since monday.tar
  harborctl export tested.tar 'team/**' --label tested --key export.pem")]
pub(crate) struct Export {
    /// The archive, which must not be there yet
    file: PathBuf,
    /// What to export
    #[arg(required = true)]
    images: Vec<Selection>,
    /// Sign with this key: see `harborctl key create`
    #[arg(long, value_name = "FILE", env = "HARBORCTL_KEY")]
    key: PathBuf,
    /// Leave out the blobs that this earlier archive had, or knew of
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// The key of the earlier archive, where it is another
    #[arg(long, value_name = "FILE", requires = "since")]
    since_key: Option<PathBuf>,
    /// Only artifacts with this label, of their project or of everybody
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    #[command(flatten)]
    moving: Moving,
}

/// Load what `harborctl export` has written.
///
/// Nothing is loaded before all of it is verified: the signature, every digest, and that everything is there, also what an earlier archive
/// must have brought. What was cut off is gone on with by doing it again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  harborctl import monday.tar --verify-key export.pem.pub
  harborctl import tuesday.tar --verify-key export.pem.pub --check
  harborctl import tuesday.tar --verify-key export.pem.pub --base monday.tar --project mirror
  harborctl import tuesday.tar --verify-key new.pem.pub --base monday.tar --base-key export.pem.pub")]
pub(crate) struct Import {
    /// The archive
    file: PathBuf,
    /// The public key that it must be signed with
    #[arg(long, value_name = "FILE", env = "HARBORCTL_VERIFY_KEY", required_unless_present = "unverified")]
    verify_key: Option<PathBuf>,
    /// Load it whoever has signed it
    #[arg(long, conflicts_with = "verify_key")]
    unverified: bool,
    /// Take what it has left out from this earlier archive
    #[arg(long, value_name = "FILE")]
    base: Vec<PathBuf>,
    /// A public key that earlier archives are signed with, where it is another
    #[arg(long, value_name = "FILE", requires = "base")]
    base_key: Vec<PathBuf>,
    /// Load everything into this project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Verify it, and load nothing
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    sending: Sending,
}

impl Export {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        if self.file.exists() {
            return Err(Failure::new(Kind::Conflict, format!("{} is there already", self.file.display()))
                .hint("another name: an archive stays as it was written"));
        }
        let key =
            SigningKey::from_pem(&private(&self.key)?).map_err(|error| Failure::from(error).hint(KEYS))?;
        let base = self.base(&key).await?;
        let mut options = self.moving.options();
        options.progress = progress(session.output);
        let registry = chosen(session).await?;
        let export = Exporting::create(&self.file, base.as_ref()).await?;
        let mut count = 0_usize;
        for selection in &self.images {
            let found = selection.find(session, &registry, self.label.as_deref()).await?;
            for (repository, reference) in found {
                export.add(&repository, &reference, &options).await?;
                count += 1;
            }
        }
        if count == 0 {
            return Err(Failure::absent("nothing is selected").hint("harborctl repository list"));
        }
        let inventory = export.finish(&key).await?;
        drop(options);
        let value = told(&inventory);
        let text = format!(
            "{}: {}, {} ({}), {} left out",
            self.file.display(),
            counted(inventory.images.len() as u64, "image"),
            counted(value["blobs"].as_u64().unwrap_or_default(), "blob"),
            bytes(value["bytes"].as_i64().unwrap_or(i64::MAX)),
            value["leftOut"],
        );
        session.output.done(&text, Some(&value), Some(&self.file.display().to_string()))
    }

    /// The earlier archive, which must be one of ours: what it claims to have is left out.
    async fn base(&self, key: &SigningKey) -> Outcome<Option<Bundle>> {
        let Some(since) = &self.since else { return Ok(None) };
        let key = match &self.since_key {
            Some(file) => public(file)?,
            None => key.public()?,
        };
        let bundle = Bundle::open_signed(since, &[key]).await;
        let bundle = bundle.map_err(|error| {
            let is_unsigned = matches!(error, Error::Unusable { .. });
            let failure = Failure::from(error);
            if is_unsigned {
                failure.hint("--since-key FILE, the public key that it is signed with")
            } else {
                failure
            }
        })?;
        Ok(Some(bundle))
    }
}

impl Import {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let mut loading = Loading::to(chosen(session).await?);
        loading.project.clone_from(&self.project);
        let bundle = opened(&self.file, &self.keys(&[])?).await?;
        for base in &self.base {
            loading.bases.push(opened(base, &self.keys(&self.base_key)?).await?);
        }
        session.output.note("verifying");
        let checked = bundle.check(&loading).await.map_err(|error| {
            let is_absent = matches!(error, Error::Absent { .. });
            let failure = Failure::from(error);
            if is_absent {
                failure.hint("--base FILE, the earlier archive; or import that first")
            } else {
                failure
            }
        })?;
        let mut value = told(bundle.inventory());
        let images = counted(bundle.inventory().images.len() as u64, "image");
        if self.check {
            let text = format!("{} can be loaded: {images}", self.file.display());
            return session.output.done(&text, Some(&value), None);
        }
        let mut options = self.sending.options();
        options.progress = progress(session.output);
        let (mut sent, mut size) = (0, 0);
        for image in checked.images() {
            let copied = checked.load(image, &options).await?;
            sent += copied.sent;
            size += copied.bytes;
        }
        drop(options);
        (value["sent"], value["bytes"]) = (sent.into(), size.into());
        let size = bytes(i64::try_from(size).unwrap_or(i64::MAX));
        let text = format!(
            "{} loaded: {images}, {} sent ({size})",
            self.file.display(),
            counted(sent as u64, "blob")
        );
        session.output.done(&text, Some(&value), None)
    }

    /// The keys that an archive may be signed with; none when it may be signed by anybody.
    fn keys(&self, more: &[PathBuf]) -> Outcome<Vec<VerifyKey>> {
        self.verify_key.iter().chain(more).map(|file| public(file)).collect()
    }
}

async fn opened(file: &Path, keys: &[VerifyKey]) -> Outcome<Bundle> {
    let opened = match keys {
        [] => Bundle::open(file).await,
        keys => Bundle::open_signed(file, keys).await,
    };
    opened.map_err(|error| {
        let is_unsigned = matches!(&error, Error::Unusable { what, .. } if what.contains("signed"));
        let failure = Failure::from(error);
        if is_unsigned {
            failure.hint(
                "--verify-key FILE, the public key that it is signed with; of a --base, --base-key FILE",
            )
        } else {
            failure
        }
    })
}

fn told(inventory: &Inventory) -> Value {
    let here = inventory.blobs.iter().filter(|blob| !blob.left_out);
    json!({
        "images": inventory.images.len(), "blobs": here.clone().count(),
        "bytes": here.map(|blob| blob.size).fold(0, u64::saturating_add),
        "leftOut": inventory.blobs.iter().filter(|blob| blob.left_out).count(),
    })
}

fn read(file: &Path) -> Outcome<String> {
    let read = std::fs::read_to_string(file);
    read.map_err(|error| Failure::usage(format!("{} cannot be read: {error}", file.display())).hint(KEYS))
}

fn private(file: &Path) -> Outcome<Secret> {
    read(file).map(Secret::new)
}

fn public(file: &Path) -> Outcome<VerifyKey> {
    VerifyKey::from_pem(read(file)?.as_bytes()).map_err(|error| Failure::from(error).hint(KEYS))
}
