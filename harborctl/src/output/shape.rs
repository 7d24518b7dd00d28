//! What of a noun is shown in tables.

/// What a noun's things are called by, and what of them is shown in tables.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Where its name is: a JSON pointer (RFC 6901).
    pub(crate) name: &'static str,
    /// The columns, from left to right.
    pub(crate) columns: &'static [Column],
}

/// A column of a table.
#[derive(Debug)]
pub(crate) struct Column {
    /// Its title.
    pub(crate) title: &'static str,
    /// Where the value is: a JSON pointer (RFC 6901).
    pub(crate) at: &'static str,
    /// How it is shown.
    pub(crate) kind: Kind,
    /// Whether it is shown in wide tables alone.
    pub(crate) wide: bool,
}

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As it is; lists with commas.
    Plain,
    /// A time: RFC 3339 in UTC, to the second; `-` for the year 1, which stands for never.
    Time,
    /// Bytes, in the units of IEC 80000-13; `-` for less than 0, which stands for no limit.
    Bytes,
    /// A digest, shortened to 12 digits but in wide tables.
    Digest,
    /// Seconds since 1970; `never` for less than 0.
    Seconds,
    /// The member of this name of each entry of a list, with commas.
    Each(&'static str),
}

impl Column {
    const fn new(title: &'static str, at: &'static str, kind: Kind) -> Self {
        Self { title, at, kind, wide: false }
    }

    pub(crate) const fn plain(title: &'static str, at: &'static str) -> Self {
        Self::new(title, at, Kind::Plain)
    }

    pub(crate) const fn time(title: &'static str, at: &'static str) -> Self {
        Self::new(title, at, Kind::Time)
    }

    pub(crate) const fn bytes(title: &'static str, at: &'static str) -> Self {
        Self::new(title, at, Kind::Bytes)
    }

    pub(crate) const fn digest(title: &'static str, at: &'static str) -> Self {
        Self::new(title, at, Kind::Digest)
    }

    pub(crate) const fn seconds(title: &'static str, at: &'static str) -> Self {
        Self::new(title, at, Kind::Seconds)
    }

    pub(crate) const fn each(title: &'static str, at: &'static str, member: &'static str) -> Self {
        Self::new(title, at, Kind::Each(member))
    }

    /// In wide tables alone.
    pub(crate) const fn wide(mut self) -> Self {
        self.wide = true;
        self
    }
}
