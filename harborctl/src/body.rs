//! What is sent: from files, and from the standard input.

use std::io::Read as _;
use std::path::Path;

use clap::Args;
use harbor_core::access::Secret;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::terminal::typed;

/// How much of a file is read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// A body in a file.
#[derive(Clone, Debug, Args)]
pub(crate) struct Body {
    /// Read it from this file, in JSON or YAML as `-o json` and `-o yaml` print it; `-` for the standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: std::path::PathBuf,
}

impl Body {
    /// What the file has.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Outcome<T> {
        from_file(&self.file)
    }
}

/// Reads JSON or YAML out of a file; `-` is the standard input.
pub(crate) fn from_file<T: DeserializeOwned>(file: &Path) -> Outcome<T> {
    let text = text(file)?;
    // JSON is YAML, nearly; its errors are better when it is read as JSON.
    let begins = text.trim_start();
    let read = if begins.starts_with(['{', '[']) {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    } else {
        yaml_serde::from_str::<Value>(&text)
            .map_err(|error| error.to_string())
            .and_then(|value| T::deserialize(value).map_err(|error| error.to_string()))
    };
    read.map_err(|why| {
        Failure::usage(format!("{} has not the form that is wanted: {why}", file.display()))
            .hint("write it as `-o yaml` prints one")
    })
}

/// The text of a file; `-` is the standard input.
pub(crate) fn text(file: &Path) -> Outcome<String> {
    let wrong = |why: &dyn std::fmt::Display| Failure::usage(format!("{} {why}", file.display()));
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(LARGEST + 1).read_to_string(&mut text)
    } else {
        let opened = std::fs::File::open(file).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        opened.take(LARGEST + 1).read_to_string(&mut text)
    };
    match read {
        Ok(length) if length as u64 > LARGEST => Err(wrong(&format!("is larger than {LARGEST} bytes"))),
        Ok(_) => Ok(text),
        Err(error) => Err(wrong(&format!("cannot be read: {error}"))),
    }
}

/// How a secret is given: typed, or from the standard input; never as an argument, where everybody on the machine could read it.
#[derive(Clone, Debug, Args)]
pub(crate) struct SecretInput {
    /// Read the password or secret from the standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

impl SecretInput {
    /// The secret.
    pub(crate) async fn read(&self, prompt: &str) -> Outcome<Secret> {
        let secret = if self.password_stdin {
            text(Path::new("-"))?.trim_end_matches(['\r', '\n']).to_owned()
        } else {
            typed(prompt).await?
        };
        some(secret)
    }

    /// The secret, typed twice.
    pub(crate) async fn read_new(&self, prompt: &str) -> Outcome<Secret> {
        let secret = self.read(prompt).await?;
        if !self.password_stdin && typed("The same again: ").await? != secret.expose() {
            return Err(Failure::usage("the two are not the same"));
        }
        Ok(secret)
    }

    /// The secret as it is, and the new one: two lines of the standard input, or typed.
    pub(crate) async fn read_change(&self, old: &str, new: &str) -> Outcome<(Secret, Secret)> {
        if !self.password_stdin {
            return Ok((some(typed(old).await?)?, self.read_new(new).await?));
        }
        let text = text(Path::new("-"))?;
        let mut lines = text.lines().map(ToOwned::to_owned);
        match (lines.next(), lines.next(), lines.next()) {
            (Some(old), Some(new), None) => Ok((some(old)?, some(new)?)),
            _ => Err(Failure::usage(
                "the standard input has the password as it is in its first line, and the new one in its second",
            )),
        }
    }
}

fn some(secret: String) -> Outcome<Secret> {
    if secret.is_empty() {
        return Err(Failure::usage("the password is empty"));
    }
    Ok(Secret::new(secret))
}
