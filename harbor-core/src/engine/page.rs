//! Lists, a page at a time.

/// The most entries on one page, whatever a client asks.
const LONGEST: u32 = 1000;

/// Which part of a list is wanted: `n` and `last` of the OCI Distribution Specification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PageRequest {
    /// How many entries; as many as a page holds when not stated.
    pub limit: Option<u32>,
    /// The entry that the page comes after. It need not exist.
    pub after: Option<String>,
}

/// No name is as long as this, in bytes: what a client writes beyond it changes nothing, and is not kept.
const LONGEST_NAME: usize = 256;

impl PageRequest {
    /// The same request, as short as it can be said.
    #[must_use]
    pub(super) fn shortened(mut self) -> Self {
        if let Some(after) = &mut self.after {
            let mut end = after.len().min(LONGEST_NAME);
            while !after.is_char_boundary(end) {
                end -= 1;
            }
            after.truncate(end);
            after.shrink_to_fit();
        }
        self
    }

    /// What the page comes after, as stores compare it. Names and tags are ASCII, and not every database compares them with
    /// what is not: that comes after everything that it begins like.
    pub(super) fn comes_after(&self) -> Option<std::borrow::Cow<'_, str>> {
        let after = self.after.as_deref()?;
        // Nothing lies between a text and the same text with NUL, which PostgreSQL does not take.
        Some(match after.find(|letter: char| letter == '\0' || !letter.is_ascii()) {
            None => after.into(),
            Some(end) if after[end..].starts_with('\0') => after[..end].into(),
            Some(end) => format!("{}\u{7f}", &after[..end]).into(),
        })
    }

    /// How many entries the page will have at most.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.limit.unwrap_or(LONGEST).min(LONGEST)
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries.
    pub entries: Vec<T>,
    /// Whether there are more after these.
    pub more: bool,
}

impl<T> Page<T> {
    /// A page from a read of one entry more than it holds.
    pub(super) fn cut(mut entries: Vec<T>, size: u32) -> Self {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = entries.len() > size;
        entries.truncate(size);
        Self { entries, more }
    }
}
