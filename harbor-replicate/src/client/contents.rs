//! The files of an image, as its layers come to: OCI Image Specification 1.1, `layer.md`.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read};

use futures_util::TryStreamExt as _;
use harbor_core::blob::Hasher;
use harbor_core::oci::{Algorithm, Descriptor, Digest};
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::error::harmless;
use super::place::Source;
use super::place::tar::{Entries, Entry, Kind, Once, normal};
use super::{Error, Manifest, Result};

/// How many files an image may have: more are kept in memory by nobody's choice but the image's.
const FILES: usize = 3_000_000;

/// How many bytes a layer may come to, so that one that is small and never ends is left.
const LAYER: u64 = 1 << 40;

/// In pieces of how many bytes layers are read.
const PIECE: usize = 64 * 1024;

/// What removes a file of the layers below.
const WHITEOUT: &str = ".wh.";

/// What removes all that the layers below have in a folder.
const OPAQUE: &str = ".wh..wh..opq";

/// A file of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageFile {
    /// What it is.
    pub kind: FileKind,
    /// Its permissions, as `chmod` has them.
    pub mode: u32,
    /// The numbers of its user and its group.
    pub owner: (u64, u64),
    /// How many bytes it has.
    pub size: u64,
    /// Its extended attributes by name, each with the digest of its value: what a program may do is among them
    /// (`security.capability`).
    pub attributes: Vec<(String, Digest)>,
}

/// What a file of an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A file with a content of this digest.
    File(Box<Digest>),
    /// A folder.
    Folder,
    /// A link to this path.
    Symlink(String),
    /// A device, a pipe or a socket.
    Other {
        /// The letter of its kind in a tar: `3` is a device of characters, `4` one of blocks, `6` a pipe.
        letter: u8,
        /// The numbers of the device, major and minor.
        device: (u32, u32),
    },
}

/// The files of an image by their paths, which have no `/` ahead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    files: BTreeMap<String, ImageFile>,
}

/// How a file of one image differs from that of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// The other alone has it.
    Added(ImageFile),
    /// The one alone has it.
    Removed(ImageFile),
    /// They have different ones: what the one has, and what the other has.
    Changed(ImageFile, ImageFile),
}

impl Contents {
    /// The files of an image. Layers are read one behind the other, and no file is ever whole in memory.
    ///
    /// # Errors
    /// Whatever ends reading a blob; [`Error::Unusable`] for a layer that is no tar.
    pub async fn of(from: &dyn Source, manifest: &Manifest) -> Result<Self> {
        let view = manifest.view();
        let view = view.map_err(|error| Error::bad_answer(from.told(), error.to_string()))?;
        let mut contents = Self::default();
        for layer in &view.layers {
            contents = contents.with_layer(from, layer).await?;
        }
        Ok(contents)
    }

    /// These files with a layer on top of them: gzip, zstd, or neither has compressed it.
    ///
    /// # Errors
    /// As [`Contents::of`].
    pub async fn with_layer(mut self, from: &dyn Source, layer: &Descriptor) -> Result<Self> {
        let blob = from.read_blob(&layer.digest, layer.size).await?;
        let stream = blob.open(0).await.map_err(Error::Source)?;
        let reader = SyncIoBridge::new(StreamReader::new(stream.map_err(io::Error::other)));
        let applied = tokio::task::spawn_blocking(move || {
            let mut reader = BufReader::with_capacity(PIECE, reader);
            apply(&mut self, &mut reader)?;
            // To its end, for only then it is known whether it was right.
            io::copy(&mut reader, &mut io::sink())?;
            Ok(self)
        });
        let applied: io::Result<Self> = applied.await.map_err(io::Error::other).flatten();
        applied.map_err(|error| of_layer(from, layer, error))
    }

    /// The files by their paths, in the order of those.
    pub fn files(&self) -> impl Iterator<Item = (&str, &ImageFile)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// How others differ from these, by their paths, in the order of those.
    pub fn compare<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'a str, FileChange)> {
        let gone = self.files.iter().filter_map(|(path, one)| {
            let change = match other.files.get(path) {
                None => FileChange::Removed(one.clone()),
                Some(two) if one == two => return None,
                Some(two) => FileChange::Changed(one.clone(), two.clone()),
            };
            Some((path.as_str(), change))
        });
        let new = other.files.iter().filter(|(path, _)| !self.files.contains_key(*path));
        let new = new.map(|(path, file)| (path.as_str(), FileChange::Added(file.clone())));
        let all: BTreeMap<&str, FileChange> = gone.chain(new).collect();
        all.into_iter()
    }

    /// Removes a path with all that is below it.
    fn remove(&mut self, path: &str) {
        self.files.remove(path);
        self.remove_below(path);
    }

    fn remove_below(&mut self, path: &str) {
        if path.is_empty() {
            return self.files.clear();
        }
        // What is below stands between these: '0' comes behind '/'.
        let mut rest = self.files.split_off(&format!("{path}/"));
        self.files.append(&mut rest.split_off(&format!("{path}0")));
    }
}

/// What came of a layer.
fn of_layer(from: &dyn Source, layer: &Descriptor, error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => match error.downcast::<io::Error>().map(io::Error::downcast::<Error>) {
            Ok(Ok(error)) => error,
            Ok(Err(error)) | Err(error) => Error::Unusable {
                place: from.told(),
                what: harmless(&format!("the layer {}: {error}", layer.digest)),
            },
        },
    }
}

/// Puts a layer on top.
fn apply(contents: &mut Contents, reader: &mut BufReader<impl Read>) -> io::Result<()> {
    let head = reader.fill_buf()?;
    let is_gzip = head.starts_with(&[0x1f, 0x8b]);
    let is_zstd = head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    let plain: Box<dyn Read> = if is_gzip {
        Box::new(flate2::bufread::MultiGzDecoder::new(reader))
    } else if is_zstd {
        Box::new(zstd::stream::read::Decoder::with_buffer(reader)?)
    } else {
        Box::new(reader)
    };
    let mut entries = Entries::new(Once(BufReader::with_capacity(PIECE, plain.take(LAYER))), FILES);
    let mut added = Contents::default();
    while let Some(entry) = entries.next()? {
        let name = normal(&entry.name).ok_or_else(|| wrong("a name that leads out of it"))?;
        if name.is_empty() {
            continue;
        }
        let (folder, own) = name.rsplit_once('/').unwrap_or(("", &name));
        // Whiteouts are about the layers below, wherever they stand in this one.
        if own == OPAQUE {
            contents.remove_below(folder);
        } else if let Some(gone) = own.strip_prefix(WHITEOUT) {
            contents.remove(&if folder.is_empty() { gone.to_owned() } else { format!("{folder}/{gone}") });
        } else {
            let file = file(&entry, &mut entries, contents, &added)?;
            added.files.insert(name, file);
        }
    }
    for (name, file) in added.files {
        // What was a folder and is none any more has nothing below it.
        if file.kind != FileKind::Folder {
            contents.remove_below(&name);
        }
        contents.files.insert(name, file);
    }
    if contents.files.len() > FILES {
        return Err(wrong("too many files"));
    }
    Ok(())
}

fn file(entry: &Entry, content: &mut impl Read, below: &Contents, added: &Contents) -> io::Result<ImageFile> {
    let mode = entry.mode & 0o7777;
    let kind = match &entry.kind {
        Kind::File => {
            let mut hasher = Hasher::new(Algorithm::Sha256);
            let mut buffer = vec![0; PIECE];
            loop {
                match content.read(&mut buffer)? {
                    0 => break,
                    read => hasher.update(&buffer[..read]),
                }
            }
            FileKind::File(Box::new(hasher.finish()))
        }
        Kind::Folder => FileKind::Folder,
        Kind::Symlink(to) => FileKind::Symlink(to.clone()),
        // It is the file that it leads to.
        Kind::Hardlink(to) => {
            let to = normal(to).ok_or_else(|| wrong("a link that leads out of it"))?;
            let file = added.files.get(&to).or_else(|| below.files.get(&to));
            return file.cloned().ok_or_else(|| wrong("a link to what is not there"));
        }
        Kind::Other(letter, device) => FileKind::Other { letter: *letter, device: *device },
    };
    let size = if entry.kind == Kind::File { entry.size } else { 0 };
    Ok(ImageFile { kind, mode, owner: entry.owner, size, attributes: entry.attributes.clone() })
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it has {what}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn tar(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            if name.ends_with('/') {
                header.set_entry_type(tar::EntryType::dir());
            }
            builder.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn layers(layers: &[Vec<u8>]) -> io::Result<Contents> {
        let mut contents = Contents::default();
        for layer in layers {
            apply(&mut contents, &mut BufReader::new(layer.as_slice()))?;
        }
        Ok(contents)
    }

    fn names(contents: &Contents) -> Vec<&str> {
        contents.files().map(|(name, _)| name).collect()
    }

    #[test]
    fn whiteouts_remove_what_is_below() {
        let base = tar(&[
            ("a/", ""),
            ("a/b", "1"),
            ("a/c/", ""),
            ("a/c/d", "2"),
            ("a0", "3"),
            ("a-", "4"),
            ("e", "5"),
        ]);
        let gone = tar(&[("a/.wh.c", ""), (".wh.e", "")]);
        let contents = layers(&[base.clone(), gone]).unwrap();
        assert_eq!(names(&contents), ["a", "a-", "a/b", "a0"]);
        // In whatever order they stand, those of a layer leave what it has itself.
        let opaque = tar(&[("a/new", "6"), ("a/.wh..wh..opq", "")]);
        let contents = layers(&[base.clone(), opaque]).unwrap();
        assert_eq!(names(&contents), ["a", "a-", "a/new", "a0", "e"]);
        // A file in the place of a folder.
        let contents = layers(&[base, tar(&[("a", "7")])]).unwrap();
        assert_eq!(names(&contents), ["a", "a-", "a0", "e"]);
    }

    #[test]
    fn compressed_or_not_it_is_the_same() {
        let plain = tar(&[("a", "content"), ("b", "")]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(plain.as_slice(), 1).unwrap();
        let expected = layers(std::slice::from_ref(&plain)).unwrap();
        assert_eq!(names(&expected), ["a", "b"]);
        for layer in [gzip.clone(), zstd] {
            assert_eq!(layers(&[layer]).unwrap(), expected);
        }
        assert!(layers(&[gzip[..gzip.len() - 20].to_vec()]).is_err());
        assert!(layers(&[plain[..700].to_vec()]).is_err());
        assert!(layers(&[vec![7; 600]]).is_err());
    }

    #[test]
    fn what_differs_is_told() {
        let one = layers(&[tar(&[("a", "1"), ("b", "2"), ("c", "3")])]).unwrap();
        let other = layers(&[tar(&[("a", "1"), ("b", "x"), ("d", "4")])]).unwrap();
        let told: Vec<(&str, FileChange)> = one.compare(&other).collect();
        let file = |of: &Contents, name: &str| of.files[name].clone();
        let expected = [
            ("b", FileChange::Changed(file(&one, "b"), file(&other, "b"))),
            ("c", FileChange::Removed(file(&one, "c"))),
            ("d", FileChange::Added(file(&other, "d"))),
        ];
        assert_eq!(told, expected);
        assert_eq!(one.compare(&one).count(), 0);
    }

    #[test]
    fn attributes_and_devices_differ_as_well() {
        let capable = |value: &[u8], minor: u32| {
            let mut builder = tar::Builder::new(Vec::new());
            let records: [(&str, &[u8]); 3] =
                [("SCHILY.xattr.security.capability", value), ("uid", b"5000000000"), ("mtime", b"7.5")];
            builder.append_pax_extensions(records).unwrap();
            let mut header = tar::Header::new_ustar();
            header.set_size(0);
            builder.append_data(&mut header, "ping", io::empty()).unwrap();
            header.set_entry_type(tar::EntryType::Char);
            header.set_device_major(1).unwrap();
            header.set_device_minor(minor).unwrap();
            builder.append_data(&mut header, "null", io::empty()).unwrap();
            layers(&[builder.into_inner().unwrap()]).unwrap()
        };
        let one = capable(b"\x01\0\0\x02", 3);
        let (ping, null) = (&one.files["ping"], &one.files["null"]);
        assert_eq!((ping.attributes.len(), ping.attributes[0].0.as_str()), (1, "security.capability"));
        assert_eq!(ping.owner.0, 5_000_000_000);
        assert_eq!(null.kind, FileKind::Other { letter: b'3', device: (1, 3) });
        assert!(null.attributes.is_empty(), "they are of what comes next and of nothing else");
        let changed =
            |other: &Contents| one.compare(other).map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(changed(&capable(b"\x01\0\0\x02", 3)), Vec::<String>::new());
        assert_eq!(changed(&capable(b"\x01\0\0\x03", 3)), ["ping"]);
        assert_eq!(changed(&capable(b"\x01\0\0\x02", 5)), ["null"]);
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>) {
            let _ = layers(&[bytes]);
        }
    }
}
