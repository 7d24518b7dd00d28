//! The files of contexts and of secrets.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Contexts;
use crate::failure::{Failure, Kind, Outcome};

/// The folder: `HARBORCTL_CONFIG`, or `harborctl` of where programs keep what is set for them.
pub(super) fn folder() -> Outcome<PathBuf> {
    let path = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = path("HARBORCTL_CONFIG")
        .or_else(|| path("XDG_CONFIG_HOME").map(|folder| folder.join("harborctl")))
        .or_else(|| path("APPDATA").map(|folder| folder.join("harborctl")))
        .or_else(|| path("HOME").map(|folder| folder.join(".config/harborctl")));
    folder.ok_or_else(|| Failure::usage("there is no folder for contexts").hint("set HARBORCTL_CONFIG"))
}

/// Keeps other commands from changing the files, until it is dropped.
pub(super) fn lock() -> Outcome<fs::File> {
    let (folder, file) = (folder()?, folder()?.join(".lock"));
    let locked = fs::create_dir_all(folder)
        .and_then(|()| {
            let mut options = fs::File::options();
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.create(true).truncate(false).write(true).open(&file)
        })
        .and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| cannot(&file, "locked", &error))
}

pub(super) fn load() -> Outcome<Contexts> {
    read(&folder()?.join("config.toml"))
}

pub(super) fn save(contexts: &Contexts) -> Outcome {
    write(&folder()?.join("config.toml"), contexts)
}

/// What a file has; the default when there is none.
pub(super) fn read<T: DeserializeOwned + Default>(file: &Path) -> Outcome<T> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
        Err(error) => return Err(cannot(file, "read", &error)),
    };
    // What it says of a value may repeat it, and one of the files has secrets.
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start].lines().count().max(1));
        let line = line.map_or_else(String::new, |line| format!(", at line {line}"));
        Failure::usage(format!("{} has not the form that is wanted{line}", file.display()))
    })
}

/// Writes a file that nobody else may read, all or nothing.
pub(super) fn write<T: Serialize>(file: &Path, value: &T) -> Outcome {
    let text = toml::to_string(value);
    let text =
        text.map_err(|error| Failure::new(Kind::Failed, format!("this cannot be written: {error}")))?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let written = fs::create_dir_all(folder).and_then(|()| {
        // Made with 0600.
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        temporary.write_all(text.as_bytes())?;
        temporary.as_file().sync_all()?;
        temporary.persist(file).map_err(|error| error.error)
    });
    written.map(|_| ()).map_err(|error| cannot(file, "written", &error))
}

fn cannot(file: &Path, what: &str, error: &io::Error) -> Failure {
    Failure::new(Kind::Failed, format!("{} cannot be {what}: {error}", file.display()))
}
