//! Tar archives, entry by entry: POSIX ustar and pax, and what GNU adds to them. Whoever wrote an archive may have wanted it to
//! be read wrongly, so what a header makes us keep is bounded, and every checksum is looked at.

use std::io::{self, Read};

use harbor_core::blob::Hasher;
use harbor_core::oci::{Algorithm, Digest};
use tar::{Header, PaxExtensions};

/// The unit of an archive, in bytes.
pub(crate) const BLOCK: u64 = 512;

/// How long a name may be, in bytes.
const NAME: u64 = 4096;

/// How long a name may be in a header itself, in bytes.
const SHORT: usize = 100;

/// How long all names of an archive may be together, in bytes: they are kept.
const NAMES: usize = 256 * 1024 * 1024;

/// How long a pax header may be, in bytes.
const PAX: u64 = 1024 * 1024;

/// What the key of an extended attribute begins with in a pax header.
const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";

/// What entries are read from.
pub(crate) trait Input: Read {
    /// Goes so many bytes on; an error when there are not so many.
    fn skip(&mut self, bytes: u64) -> io::Result<()>;
}

/// An input that comes once, such as a layer that is being pulled.
pub(crate) struct Once<R>(pub(crate) R);

impl<R: Read> Read for Once<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Input for Once<R> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.0.by_ref().take(bytes), &mut io::sink())?;
        if skipped == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    /// To a path, from where the link is.
    Symlink(String),
    /// To a name within the archive.
    Hardlink(String),
    /// A device, a pipe, or what only some know; and the numbers of the device.
    Other(u8, (u32, u32)),
}

/// What a header says.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// As it stands there.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// How many bytes of content stand behind the header.
    pub(crate) size: u64,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    /// Its extended attributes by name, each with the digest of what it has: what a file may do is among them (`security.capability`).
    pub(crate) attributes: Vec<(String, Digest)>,
}

/// What headers ahead of an entry's own say of it.
#[derive(Default)]
struct Ahead {
    name: Option<String>,
    link: Option<String>,
    size: Option<u64>,
    owner: (Option<u64>, Option<u64>),
    attributes: Vec<(String, Digest)>,
}

impl Ahead {
    /// Reads the records of a pax header that matter here.
    fn read(&mut self, bytes: &[u8]) -> io::Result<()> {
        for extension in PaxExtensions::new(bytes) {
            let extension = extension?;
            let value = extension.value_bytes();
            match extension.key_bytes() {
                b"path" => self.name = Some(text(value)?),
                b"linkpath" => self.link = Some(text(value)?),
                b"size" => self.size = Some(number(value)?),
                b"uid" => self.owner.0 = Some(number(value)?),
                b"gid" => self.owner.1 = Some(number(value)?),
                key => {
                    if let Some(name) = key.strip_prefix(ATTRIBUTE) {
                        let mut hasher = Hasher::new(Algorithm::Sha256);
                        hasher.update(value);
                        self.attributes.push((text(name)?, hasher.finish()));
                    }
                }
            }
        }
        Ok(())
    }
}

/// The entries of an archive.
pub(crate) struct Entries<R> {
    input: R,
    /// How much of the content of the last entry was not read, with what fills it up.
    left: u64,
    fill: u64,
    /// How many there were.
    count: usize,
    limit: usize,
    /// How long their names were together.
    names: usize,
}

impl<R: Input> Entries<R> {
    /// At most `limit` entries of `input`.
    pub(crate) const fn new(input: R, limit: usize) -> Self {
        Self { input, left: 0, fill: 0, count: 0, limit, names: 0 }
    }

    /// What they are read from: it stands at the content of the entry that came last.
    pub(crate) const fn input(&self) -> &R {
        &self.input
    }

    /// The next entry; nothing behind the last.
    pub(crate) fn next(&mut self) -> io::Result<Option<Entry>> {
        let mut ahead = Ahead::default();
        loop {
            self.input.skip(self.left + self.fill)?;
            (self.left, self.fill) = (0, 0);
            let Some(header) = self.header()? else { return Ok(None) };
            let own = header.entry_size()?;
            let kind = header.entry_type();
            if kind.is_gnu_longname() {
                ahead.name = Some(text(&self.kept(own, NAME)?)?);
            } else if kind.is_gnu_longlink() {
                ahead.link = Some(text(&self.kept(own, NAME)?)?);
            } else if kind.is_pax_local_extensions() {
                ahead.read(&self.kept(own, PAX)?)?;
            } else if kind.is_pax_global_extensions() {
                self.lies(own)?;
            } else {
                return self.entry(&header, ahead, own).map(Some);
            }
        }
    }

    fn entry(&mut self, header: &Header, ahead: Ahead, own: u64) -> io::Result<Entry> {
        let Ahead { name, link, size, owner, mut attributes } = ahead;
        let name = name.map_or_else(|| text(&header.path_bytes()), Ok)?;
        let target = || match (link, header.link_name_bytes()) {
            (Some(link), _) => Ok(link),
            (None, Some(link)) => text(&link),
            (None, None) => Err(wrong("a link to nothing")),
        };
        let kind = header.entry_type();
        let kind = match kind.as_byte() {
            b'2' => Kind::Symlink(target()?),
            b'1' => Kind::Hardlink(target()?),
            // In the oldest form, a folder is a file whose name ends so.
            b'5' => Kind::Folder,
            b'\0' | b'0' | b'7' if name.ends_with('/') => Kind::Folder,
            b'\0' | b'0' | b'7' => Kind::File,
            other => Kind::Other(other, device(header)),
        };
        self.count += 1;
        if self.count > self.limit {
            return Err(wrong(&format!("more than {} entries", self.limit)));
        }
        let target = if let Kind::Symlink(to) | Kind::Hardlink(to) = &kind { to.len() } else { 0 };
        let named =
            attributes.iter().map(|(name, _)| name.len() + size_of::<(String, Digest)>()).sum::<usize>();
        self.names += name.len() + target + named;
        if self.names > NAMES {
            return Err(wrong("names that are too long together"));
        }
        // Of a link the size is that of what it leads to, and nothing stands behind it.
        let is_link = matches!(kind, Kind::Symlink(_) | Kind::Hardlink(_));
        let size = if is_link { 0 } else { size.unwrap_or(own) };
        self.lies(size)?;
        let owner = (
            owner.0.unwrap_or_else(|| header.uid().unwrap_or(0)),
            owner.1.unwrap_or_else(|| header.gid().unwrap_or(0)),
        );
        attributes.sort();
        Ok(Entry { name, kind, size, mode: header.mode().unwrap_or(0), owner, attributes })
    }

    /// So many bytes of content stand ahead.
    fn lies(&mut self, size: u64) -> io::Result<()> {
        let fill = (BLOCK - size % BLOCK) % BLOCK;
        size.checked_add(fill).ok_or_else(|| wrong("a size that is none"))?;
        (self.left, self.fill) = (size, fill);
        Ok(())
    }

    /// Content that belongs to the header of what comes next.
    fn kept(&mut self, size: u64, limit: u64) -> io::Result<Vec<u8>> {
        self.count += 1;
        if size > limit || self.count > self.limit {
            return Err(wrong("a header that is too long"));
        }
        self.lies(size)?;
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        if bytes.len() as u64 == size { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// The next header; nothing at the end, which some leave out.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        let bytes = header.as_mut_bytes();
        let mut filled = 0;
        while filled < bytes.len() {
            match self.input.read(&mut bytes[filled..])? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let sum = bytes.iter().enumerate();
        let sum: u32 =
            sum.map(|(place, byte)| u32::from(if (148..156).contains(&place) { b' ' } else { *byte })).sum();
        if header.cksum()? == sum { Ok(Some(header)) } else { Err(wrong("a header whose checksum is wrong")) }
    }
}

/// The content of the entry that came last.
impl<R: Input> Read for Entries<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let read = self.input.by_ref().take(self.left).read(buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

fn text(bytes: &[u8]) -> io::Result<String> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    if end as u64 > NAME {
        return Err(wrong("a name that is too long"));
    }
    // Names need not be UTF-8; what is not stands for itself, and is never opened by it.
    Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

fn number(bytes: &[u8]) -> io::Result<u64> {
    text(bytes)?.parse().map_err(|_| wrong("a number that is none"))
}

/// The numbers of a device; both are 0 of what is none.
fn device(header: &Header) -> (u32, u32) {
    let number = |read: io::Result<Option<u32>>| read.ok().flatten().unwrap_or(0);
    (number(header.device_major()), number(header.device_minor()))
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the archive has {what}"))
}

/// A name without what does not matter; nothing when it leads out of the archive, or names its root.
pub(crate) fn normal(name: &str) -> Option<String> {
    let mut parts = Vec::new();
    if name.starts_with('/') || name.contains('\0') {
        return None;
    }
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// What stands ahead of a file that is written. A name that is too long for a header has one of its own, in GNU's form, which
/// everybody reads.
pub(crate) fn header(name: &str, size: u64) -> io::Result<Vec<u8>> {
    let mut header = Header::new_gnu();
    let mut ahead = Vec::new();
    if name.len() <= SHORT {
        header.set_path(name)?;
    } else {
        let mut long = Header::new_gnu();
        long.set_path("././@LongLink")?;
        long.set_size(name.len() as u64 + 1);
        long.set_mode(0o644);
        long.set_entry_type(tar::EntryType::GNULongName);
        long.set_cksum();
        ahead.extend_from_slice(long.as_bytes());
        ahead.extend_from_slice(name.as_bytes());
        let padded = BLOCK + padded(name.len() as u64 + 1);
        ahead.resize(usize::try_from(padded).unwrap_or(usize::MAX), 0);
        header.set_path(&name[..SHORT])?;
    }
    // From 8 GiB on, its field has not the digits: then it is in GNU's form as well.
    header.set_size(size);
    header.set_mode(if name.ends_with('/') { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_entry_type(if name.ends_with('/') { tar::EntryType::dir() } else { tar::EntryType::file() });
    header.set_cksum();
    ahead.extend_from_slice(header.as_bytes());
    Ok(ahead)
}

/// How much room content takes, in bytes.
pub(crate) const fn padded(size: u64) -> u64 {
    size.div_ceil(BLOCK) * BLOCK
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(bytes: &[u8]) -> io::Result<Vec<(String, u64)>> {
        let mut entries = Entries::new(Once(bytes), 100);
        let mut names = Vec::new();
        while let Some(entry) = entries.next()? {
            names.push((entry.name, entry.size));
        }
        Ok(names)
    }

    #[test]
    fn what_others_write_is_read() {
        let long = "a/".repeat(90) + "name";
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_pax_extensions([("path", "pax/name".as_bytes()), ("size", b"3")]).unwrap();
        for (name, content) in [("plain", &b"abc"[..]), (&long, &[7; 1000]), ("empty", b"")] {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, content).unwrap();
        }
        let bytes = builder.into_inner().unwrap();
        let expected = [("pax/name".to_owned(), 3), (long, 1000), ("empty".to_owned(), 0)];
        assert_eq!(names(&bytes).unwrap(), expected);
        for cut in [100, 511, 600, 1100, 2000] {
            assert!(names(&bytes[..cut]).is_err(), "{cut}");
        }
        let mut other = bytes.clone();
        other[3] ^= 1;
        assert!(names(&other).is_err());
    }

    #[test]
    fn what_would_be_kept_is_bounded() {
        for kind in [b'L', b'K', b'x'] {
            let mut header = Header::new_gnu();
            header.set_entry_type(tar::EntryType::new(kind));
            header.set_size(1 << 40);
            header.set_cksum();
            assert!(names(header.as_bytes()).unwrap_err().to_string().contains("too long"));
        }
        let many: Vec<u8> = (0..101).flat_map(|_| header("a", 0).unwrap()).collect();
        assert!(names(&many).unwrap_err().to_string().contains("more than 100"));
        let mut huge = Header::new_gnu();
        huge.set_size(u64::MAX - 5);
        huge.set_cksum();
        assert!(names(huge.as_bytes()).is_err());
    }

    #[test]
    fn normal_names_stay_within() {
        for (name, expected) in
            [("a/b", "a/b"), ("./a//b/", "a/b"), ("a/../b", "b"), ("a/./..", ""), ("", "")]
        {
            assert_eq!(normal(name).as_deref(), Some(expected), "{name}");
        }
        for name in ["/a", "..", "a/../../b", "../a", "a\0b"] {
            assert_eq!(normal(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>) {
            let _ = names(&bytes);
        }

        #[test]
        fn our_headers_are_read(name in "[a-z]{1,200}", size in 0u64..(1 << 50)) {
            let written = header(&name, size).unwrap();
            let mut entries = Entries::new(Once(written.as_slice()), 2);
            let entry = entries.next().unwrap().unwrap();
            prop_assert_eq!((entry.name, entry.size, entry.kind), (name, size, Kind::File));
        }
    }
}
