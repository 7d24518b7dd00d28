//! The small grammars: names, tags, digests, media types, ranges, sessions, paths of the management API, lists, patterns.
//! What parses prints the same.
#![no_main]

use harbor_core::blob::{Hasher, UploadId};
use harbor_core::oci::{ByteRange, ChunkRange, Digest, MediaType, ProjectName, RepositoryName, Tag};
use harbor_core::operation::{Lookup, Method, find};
use harbor_core::pattern::Pattern;
use harbor_core::query::{Query, keys};
use libfuzzer_sys::fuzz_target;

keys! {
    /// A key of each kind.
    enum Key {
        /// A number.
        Int: Int, "i", "", filter, sort;
        /// A text.
        Text: Text, "t", "", filter, sort;
        /// A time.
        Time: Time, "m", "", filter, sort;
        /// Yes or no.
        Bool: Bool, "b", "", filter, sort;
    }
}

fn same<T: std::str::FromStr + std::fmt::Display>(text: &str) {
    if let Ok(parsed) = text.parse::<T>() {
        assert_eq!(parsed.to_string(), text);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let _ = Hasher::restore(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    same::<Digest>(text);
    same::<RepositoryName>(text);
    same::<ProjectName>(text);
    same::<Tag>(text);
    same::<MediaType>(text);
    same::<UploadId>(text);
    let _ = MediaType::from_header(text);
    same::<Pattern>(text);
    let (pattern, name) = text.split_once('\n').unwrap_or((text, text));
    if let Ok(pattern) = Pattern::parse(pattern) {
        let _ = pattern.matches(name);
    }
    if let Ok(query) = Query::<Key>::parse(Some(pattern), Some(name), None, None) {
        assert!(query.filters().len() <= 32 && query.order().len() <= 4);
        let _ = query.links(name, u64::MAX);
    }
    if let Lookup::OtherMethod(methods) = find(Method::Head, text) {
        assert!(!methods.is_empty() && !methods.contains(&Method::Get));
    }
    if let Ok(chunk) = text.parse::<ChunkRange>() {
        assert!(chunk.first <= chunk.last && chunk.length() > 0);
    }
    if let Ok(Some(range)) = ByteRange::from_header(text) {
        for size in [0, 1, 77, u64::MAX] {
            if let Ok(span) = range.resolve(size) {
                assert!(span.start < span.end && span.end <= size);
            }
        }
    }
});
