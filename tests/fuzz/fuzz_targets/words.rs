//! The small grammars: names, tags, digests, media types, ranges, sessions, paths of the management API. What parses prints
//! the same.
#![no_main]

use harbor_core::blob::{Hasher, UploadId};
use harbor_core::oci::{ByteRange, ChunkRange, Digest, MediaType, ProjectName, RepositoryName, Tag};
use harbor_core::operation::{Lookup, Method, find};
use libfuzzer_sys::fuzz_target;

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
