//! Nouns and their verbs, made of lines that say what each operation takes and answers.

use harbor_core::operation::{EXTENSIONS, OPERATIONS, Operation};

/// The operation of that name. There is one: it is looked for when this program is compiled.
pub(super) const fn operation(id: &str) -> &'static Operation {
    let mut number = 0;
    while number < OPERATIONS.len() {
        if same(OPERATIONS[number].id, id) {
            return &OPERATIONS[number];
        }
        number += 1;
    }
    number = 0;
    while number < EXTENSIONS.len() {
        if same(EXTENSIONS[number].id, id) {
            return &EXTENSIONS[number];
        }
        number += 1;
    }
    #[expect(clippy::panic, reason = "while it is compiled, and never afterwards")]
    {
        panic!("there is no operation of that name")
    }
}

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut number = 0;
    while number < one.len() && number < other.len() && one[number] == other[number] {
        number += 1;
    }
    number == one.len() && number == other.len()
}

/// Makes nouns of a file, and the list of their operations. A line is a verb, its operation, what fills the places of the path, what it
/// sends if something, and what it answers: `Nothing`, `Created` (somewhere), `One[T]`, `Many[T]` (all of a list), `Pages[T]`, `Text`, or
/// `Pieces`. One with `asks` takes a query; pages always do.
macro_rules! nouns {
    ($(
        $(#[$doc:meta])*
        $by:ident $noun:ident {
            $(
                $(#[$says:meta])*
                $verb:ident $id:literal ($($place:ident: $kind:ty),*) $(with $body:ty)? => $answer:ident $([$of:ty])? $($asks:ident)?;
            )*
        }
    )*) => {
        pub(super) const VERBS: &[&str] = &[$($($id),*),*];

        impl $crate::client::api::Api {
            $(
                $(#[$doc])*
                ///
                #[doc = concat!("Its runnable example, with a registry in memory: `cargo run --bin api -- ", stringify!($by), "`.")]
                #[must_use]
                pub const fn $by(&self) -> $noun<'_> {
                    $noun { api: self }
                }
            )*
        }

        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $noun<'a> {
                api: &'a $crate::client::api::Api,
            }

            impl $noun<'_> {
                $(
                    $crate::client::api::noun::verb! {
                        [$(#[$says])*] $verb $id ($($place: $kind),*) [$($body)?] $answer [$($of)?] [$($asks)?]
                    }
                )*
            }
        )*
    };
}

/// One verb of a noun.
macro_rules! verb {
    ([$($says:tt)*] $verb:ident $id:literal ($($place:ident: $kind:ty),*) [$($body:ty)?] Nothing [] []) => {
        $($says)*
        ///
        /// # Errors
        /// As every call: see the [module](super).
        pub async fn $verb(&self $(, $place: $kind)* $(, body: &$body)?) -> $crate::client::Result<()> {
            $crate::client::api::noun::call!(self, $id $(, $place)*)$(.json::<$body>(body))?.nothing().await
        }
    };
    ([$($says:tt)*] $verb:ident $id:literal ($($place:ident: $kind:ty),*) [] Nothing [] [asks]) => {
        $($says)*
        ///
        /// # Errors
        /// As every call: see the [module](super).
        pub async fn $verb(
            &self $(, $place: $kind)*, query: &$crate::client::api::Query
        ) -> $crate::client::Result<()> {
            $crate::client::api::noun::call!(self, $id $(, $place)*).query(query).nothing().await
        }
    };
    ([$($says:tt)*] $verb:ident $id:literal ($($place:ident: $kind:ty),*) [$($body:ty)?] Created [] []) => {
        $($says)*
        ///
        /// # Errors
        /// As every call: see the [module](super).
        pub async fn $verb(
            &self $(, $place: $kind)* $(, body: &$body)?
        ) -> $crate::client::Result<$crate::client::api::Created> {
            $crate::client::api::noun::call!(self, $id $(, $place)*)$(.json::<$body>(body))?.created().await
        }
    };
    ([$($says:tt)*] $verb:ident $id:literal ($($place:ident: $kind:ty),*) [$($body:ty)?] Created [] [asks]) => {
        $($says)*
        ///
        /// # Errors
        /// As every call: see the [module](super).
        pub async fn $verb(
            &self $(, $place: $kind)* $(, body: &$body)?, query: &$crate::client::api::Query
        ) -> $crate::client::Result<$crate::client::api::Created> {
            let call = $crate::client::api::noun::call!(self, $id $(, $place)*)$(.json::<$body>(body))?;
            call.query(query).created().await
        }
    };
    ([$($says:tt)*] $verb:ident $id:literal ($($place:ident: $kind:ty),*) [$($body:ty)?] One [$of:ty] []) => {
        $($says)*
        ///
        /// # Errors
        /// As every call: see the [module](super).
        pub async fn $verb(&self $(, $place: $kind)* $(, body: &$body)?) -> $crate::client::Result<$of> {
            $crate::client::api::noun::call!(self, $id $(, $place)*)$(.json::<$body>(body))?.one().await
        }
    };
    ([$($says:tt)*] $verb:ident $id:literal ($($place:ident: $kind:ty),*) [] One [$of:ty] [asks]) => {
        $($says)*
        ///
        /// # Errors
        /// As every call: see the [module](super).
        pub async fn $verb(
            &self $(, $place: $kind)*, query: &$crate::client::api::Query
        ) -> $crate::client::Result<$of> {
            $crate::client::api::noun::call!(self, $id $(, $place)*).query(query).one().await
        }
    };
    ([$($says:tt)*] $verb:ident $id:literal ($($place:ident: $kind:ty),*) [] Text [] []) => {
        $($says)*
        ///
        /// # Errors
        /// As every call: see the [module](super).
        pub async fn $verb(&self $(, $place: $kind)*) -> $crate::client::Result<String> {
            $crate::client::api::noun::call!(self, $id $(, $place)*).text().await
        }
    };
    ([$($says:tt)*] $verb:ident $id:literal ($($place:ident: $kind:ty),*) [] Pieces [] [asks]) => {
        $($says)*
        #[must_use]
        pub fn $verb(
            &self $(, $place: $kind)*, query: &$crate::client::api::Query
        ) -> $crate::client::Listing<bytes::Bytes> {
            $crate::client::api::noun::call!(self, $id $(, $place)*).query(query).pieces()
        }
    };
    ([$($says:tt)*] $verb:ident $id:literal ($($place:ident: $kind:ty),*) [$($body:ty)?] Pages [$of:ty] []) => {
        $($says)*
        #[must_use]
        pub fn $verb(
            &self $(, $place: $kind)* $(, body: &$body)?, query: &$crate::client::api::Query
        ) -> $crate::client::Listing<$of> {
            let call = $crate::client::api::noun::call!(self, $id $(, $place)*)$(.json::<$body>(body))?;
            call.query(query).pages()
        }
    };
}

/// The call of an operation with its places filled: that it has these, and no others, is found when this program is compiled.
macro_rules! call {
    ($noun:expr, $id:literal $(, $place:ident)*) => {{
        const OPERATION: &harbor_core::operation::Operation = $crate::client::api::noun::operation($id);
        const { $crate::client::api::noun::check(OPERATION.path, &[$(stringify!($place)),*]) };
        $crate::client::api::Call::new($noun.api.clone(), OPERATION)$(.at(stringify!($place), $place))*
    }};
}

pub(super) use {call, nouns, verb};

/// That a path has places of these names, in this order, and no others.
pub(super) const fn check(path: &str, places: &[&str]) {
    let path = path.as_bytes();
    let (mut byte, mut number) = (0, 0);
    while byte < path.len() {
        if path[byte] == b'{' {
            assert!(number < places.len(), "a place of the path is not filled");
            let place = places[number].as_bytes();
            let mut letter = 0;
            while letter < place.len() {
                assert!(path[byte + 1 + letter] == place[letter], "a place of the path has another name");
                letter += 1;
            }
            assert!(path[byte + 1 + letter] == b'}', "a place of the path has a longer name");
            number += 1;
        }
        byte += 1;
    }
    assert!(number == places.len(), "the path has fewer places");
}
