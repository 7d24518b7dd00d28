//! What programs have in common that show one noun after another.

/// Runs the examples of the nouns that are asked for; of all of them, where none is. Each is a function of the noun's name, in a file.
macro_rules! examples {
    ($subject:expr, $asked:expr; $($file:ident: $($noun:ident)*;)*) => {{
        let (subject, asked): (_, &[String]) = ($subject, $asked);
        for noun in asked {
            if ![$($(stringify!($noun)),*),*].contains(&noun.as_str()) {
                return Err(format!("there is no noun {noun}").into());
            }
        }
        $($(
            if asked.is_empty() || asked.iter().any(|asked| asked == stringify!($noun)) {
                println!("-- {}", stringify!($noun));
                $file::$noun(subject).await?;
            }
        )*)*
    }};
}
