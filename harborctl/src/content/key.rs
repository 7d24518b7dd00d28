//! `harborctl key`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use harbor_replicate::client::bundle::{KeyKind, SigningKey, VerifyKey};
use serde_json::json;

use crate::failure::{Failure, Kind, Outcome};
use crate::session::Session;

/// Keys that exports are signed with.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key pair: FILE, which nobody else may read, and FILE.pub
    #[command(after_help = "Example:\n  harborctl key create export.pem")]
    Create {
        file: PathBuf,
        /// What it is
        #[arg(long, value_enum, default_value_t)]
        kind: KindArg,
    },
    /// Show the id of a public key, by which signatures name it
    #[command(after_help = "Example:\n  harborctl key id export.pem.pub")]
    Id { file: PathBuf },
}

/// What a key is.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum KindArg {
    /// Ed25519
    #[default]
    Ed25519,
    /// ECDSA on P-256
    EcdsaP256,
}

impl Key {
    pub(crate) fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Create { file, kind } => create(session, &file, kind),
            Self::Id { file } => {
                let pem = std::fs::read(&file);
                let public = "the FILE.pub of harborctl key create FILE";
                let pem = pem.map_err(|error| {
                    Failure::usage(format!("{} cannot be read: {error}", file.display())).hint(public)
                })?;
                let key = VerifyKey::from_pem(&pem).map_err(|error| Failure::from(error).hint(public))?;
                session.output.text(&key.id())
            }
        }
    }
}

fn create(session: &Session, file: &Path, kind: KindArg) -> Outcome {
    let kind = match kind {
        KindArg::Ed25519 => KeyKind::Ed25519,
        KindArg::EcdsaP256 => KeyKind::EcdsaP256,
    };
    let key = SigningKey::generate(kind)?;
    let mut public = file.as_os_str().to_owned();
    public.push(".pub");
    let public = PathBuf::from(public);
    write_both((file, key.to_pem()?.expose()), (&public, &key.public()?.to_pem()))?;
    let id = key.public()?.id();
    let value = json!({ "id": id, "key": file, "public": public });
    let text = format!("{} and {}: the key {id}", file.display(), public.display());
    session.output.done(&text, Some(&value), Some(&id))
}

/// Writes both halves, or none.
fn write_both(private: (&Path, &str), public: (&Path, &str)) -> Outcome {
    write(private.0, private.1, true)?;
    write(public.0, public.1, false).inspect_err(|_| {
        // It was made just now, and nobody has used it.
        let _ = std::fs::remove_file(private.0);
    })
}

/// Writes a file that is not there yet.
fn write(file: &Path, text: &str, is_private: bool) -> Outcome {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if is_private { 0o600 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = is_private;
    let written = options.open(file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let kind =
            if error.kind() == std::io::ErrorKind::AlreadyExists { Kind::Conflict } else { Kind::Usage };
        Failure::new(kind, format!("{} cannot be written: {error}", file.display()))
            .hint("another name: a key that is there stays")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let (private, public) = (folder.path().join("key"), folder.path().join("key.pub"));
        std::fs::write(&public, "another's").unwrap();
        let failure = write_both((&private, "1"), (&public, "2")).unwrap_err();
        assert_eq!(failure.kind(), Kind::Conflict);
        assert!(!private.exists());
        assert_eq!(std::fs::read_to_string(&public).unwrap(), "another's");
        std::fs::remove_file(&public).unwrap();
        write_both((&private, "1"), (&public, "2")).unwrap();
        // What was there stays.
        assert!(write_both((&private, "3"), (&public, "4")).is_err());
        assert_eq!(std::fs::read_to_string(&private).unwrap(), "1");
    }
}
