//! What a noun is asked for by.

use std::fmt::Debug;

/// The keys of a noun. [`keys!`](crate::query::keys) declares them.
pub trait Key: Copy + Eq + Debug + Send + Sync + 'static {
    /// The table of all of them.
    fn keys() -> &'static [Named<Self>];

    /// The entry of the table that has this name, or this name of a field.
    #[must_use]
    fn named(name: &str) -> Option<&'static Named<Self>> {
        let has = |named: &&Named<Self>| named.name == name || named.alias.eq_ignore_ascii_case(name);
        // Some keys have no alias.
        Self::keys().iter().find(has).filter(|_| !name.is_empty())
    }

    /// The entry of the table for this key.
    #[must_use]
    fn entry(self) -> Option<&'static Named<Self>> {
        Self::keys().iter().find(|named| named.key == self)
    }
}

/// A key, and what it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<K> {
    /// The name of its column: `project_id`.
    pub name: &'static str,
    /// The name of its field in Harbor's models: `ProjectID`. Clients use it too, in whatever case. May be empty.
    pub alias: &'static str,
    /// The key.
    pub key: K,
    /// What its values are.
    pub kind: Kind,
    /// Whether a client may filter by it.
    pub filter: bool,
    /// Whether a client may sort by it.
    pub sort: bool,
}

impl<K> Named<K> {
    /// A key that a client can do nothing with yet.
    #[must_use]
    pub const fn new(key: K, kind: Kind, name: &'static str, alias: &'static str) -> Self {
        Self { name, alias, key, kind, filter: false, sort: false }
    }

    /// Lets clients filter by it.
    #[must_use]
    pub const fn filter(mut self) -> Self {
        self.filter = true;
        self
    }

    /// Lets clients sort by it.
    #[must_use]
    pub const fn sort(mut self) -> Self {
        self.sort = true;
        self
    }
}

/// What the values of a key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// A point in time.
    Time,
    /// Yes or no.
    Bool,
}

/// Declares an enum of keys with its table: of each key its kind, the name of its column, the name of its field, and what
/// clients may do with it (`filter`, `sort`).
#[doc(hidden)]
#[macro_export]
macro_rules! __query_keys {
    (
        $(#[$meta:meta])*
        $visible:vis enum $noun:ident {
            $($(#[$doc:meta])* $key:ident: $kind:ident, $name:literal, $alias:literal $(, $use:ident)*;)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $visible enum $noun {
            $($(#[$doc])* $key,)*
        }

        impl $crate::query::Key for $noun {
            fn keys() -> &'static [$crate::query::Named<Self>] {
                const KEYS: &[$crate::query::Named<$noun>] = &[
                    $($crate::query::Named::new($noun::$key, $crate::query::Kind::$kind, $name, $alias)$(.$use())*,)*
                ];
                KEYS
            }
        }
    };
}

#[doc(inline)]
pub use crate::__query_keys as keys;
