//! Ranges of bytes: RFC 9110, section 14, for reading, and the chunk ranges of pushes.

use std::str::FromStr;

/// Why a range cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Not of the form that the header's grammar asks.
    #[error("the range is malformed")]
    Malformed,
    /// Well-formed, but outside the content.
    #[error("the range lies outside the content")]
    Unsatisfiable,
}

/// One range of a `Range: bytes=…` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// `first-` or `first-last`, both inclusive.
    From {
        /// The first byte wanted.
        first: u64,
        /// The last byte wanted, when stated.
        last: Option<u64>,
    },
    /// `-length`: the last bytes.
    Suffix(u64),
}

impl ByteRange {
    /// Parses a header's value. `None` for units or lists of ranges that this registry does not serve: RFC 9110
    /// lets a server answer those with the whole content.
    ///
    /// # Errors
    /// [`RangeError::Malformed`] when the unit is `bytes` and the rest is no range.
    pub fn from_header(value: &str) -> Result<Option<Self>, RangeError> {
        let Some(spec) = value.trim().strip_prefix("bytes=") else { return Ok(None) };
        if spec.contains(',') {
            return Ok(None);
        }
        let (first, last) = spec.trim().split_once('-').ok_or(RangeError::Malformed)?;
        match (first, last) {
            ("", length) => Ok(Some(Self::Suffix(number(length)?))),
            (first, "") => Ok(Some(Self::From { first: number(first)?, last: None })),
            (first, last) => match (number(first)?, number(last)?) {
                (first, last) if last < first => Err(RangeError::Malformed),
                (first, last) => Ok(Some(Self::From { first, last: Some(last) })),
            },
        }
    }

    /// The half-open span of bytes that this range means in content of `size` bytes.
    ///
    /// # Errors
    /// [`RangeError::Unsatisfiable`] when no byte of the content is meant.
    pub fn resolve(self, size: u64) -> Result<std::ops::Range<u64>, RangeError> {
        let span = match self {
            Self::From { first, last } => first..last.map_or(size, |last| last.saturating_add(1).min(size)),
            Self::Suffix(length) => size.saturating_sub(length)..size,
        };
        if span.start < span.end { Ok(span) } else { Err(RangeError::Unsatisfiable) }
    }
}

/// The `Content-Range` of a pushed chunk: `first-last`, both inclusive, as the OCI Distribution Specification has
/// it; `bytes first-last/…`, as RFC 9110 has it, is understood too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRange {
    /// Offset of the chunk's first byte.
    pub first: u64,
    /// Offset of the chunk's last byte; never less than `first`.
    pub last: u64,
}

impl ChunkRange {
    /// The number of bytes that the chunk must have.
    #[must_use]
    pub const fn length(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

impl ChunkRange {
    /// Where the header's value says that a chunk begins. A chunk without bytes has no range that could be written, so of
    /// whatever a client writes for it only the beginning counts.
    ///
    /// # Errors
    /// [`RangeError::Malformed`] when it does not begin with a number.
    pub fn beginning(text: &str) -> Result<u64, RangeError> {
        number(ends(text)?.0)
    }
}

/// The two ends of a chunk's range.
fn ends(text: &str) -> Result<(&str, &str), RangeError> {
    let text = text.trim();
    let text = text.strip_prefix("bytes ").or_else(|| text.strip_prefix("bytes=")).unwrap_or(text);
    let text = text.split_once('/').map_or(text, |(range, _)| range);
    text.split_once('-').ok_or(RangeError::Malformed)
}

impl FromStr for ChunkRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let (first, last) = ends(text)?;
        let (first, last) = (number(first)?, number(last)?);
        if last < first { Err(RangeError::Malformed) } else { Ok(Self { first, last }) }
    }
}

/// Digits only: `u64::from_str` would take a plus sign.
fn number(text: &str) -> Result<u64, RangeError> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| RangeError::Malformed)
    } else {
        Err(RangeError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers() {
        assert_eq!(
            ByteRange::from_header("bytes=0-4"),
            Ok(Some(ByteRange::From { first: 0, last: Some(4) }))
        );
        assert_eq!(ByteRange::from_header("bytes=5-"), Ok(Some(ByteRange::From { first: 5, last: None })));
        assert_eq!(ByteRange::from_header("bytes=-5"), Ok(Some(ByteRange::Suffix(5))));
        assert_eq!(ByteRange::from_header("bytes=0-1,3-4"), Ok(None));
        assert_eq!(ByteRange::from_header("lines=0-1"), Ok(None));
        for bad in
            ["bytes=", "bytes=-", "bytes=a-b", "bytes=500-0", "bytes=+1-2", "bytes=1-99999999999999999999"]
        {
            assert_eq!(ByteRange::from_header(bad), Err(RangeError::Malformed), "{bad}");
        }
    }

    #[test]
    fn chunks() {
        assert_eq!("0-9".parse(), Ok(ChunkRange { first: 0, last: 9 }));
        assert_eq!("bytes 3-9/10".parse(), Ok(ChunkRange { first: 3, last: 9 }));
        for bad in ["", "9-0", "-1", "0-", "x-1"] {
            assert_eq!(bad.parse::<ChunkRange>(), Err(RangeError::Malformed), "{bad}");
        }
        for nothing in ["7-6", "7-7", "bytes 7-6/7", "7--1"] {
            assert_eq!(ChunkRange::beginning(nothing), Ok(7), "{nothing}");
        }
        for bad in ["", "-", "-1", "x-6", "7"] {
            assert_eq!(ChunkRange::beginning(bad), Err(RangeError::Malformed), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn resolved_span_lies_in_the_content(first: u64, last: Option<u64>, suffix: u64, size in 0u64..1 << 50) {
            for range in [ByteRange::From { first, last }, ByteRange::Suffix(suffix)] {
                if let Ok(span) = range.resolve(size) {
                    prop_assert!(span.start < span.end && span.end <= size);
                }
            }
        }

        #[test]
        fn header_round_trips(first in 0u64..1 << 40, length in 0u64..1 << 40) {
            let text = format!("bytes={first}-{}", first + length);
            let parsed = ByteRange::from_header(&text).unwrap().unwrap();
            prop_assert_eq!(parsed, ByteRange::From { first, last: Some(first + length) });
        }

        #[test]
        fn nothing_panics(text in "\\PC*") {
            let _ = ByteRange::from_header(&text);
            let _ = text.parse::<ChunkRange>();
        }
    }
}
