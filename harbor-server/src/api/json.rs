//! Bodies in JSON, which have so many values at most.

use harbor_core::api::{Absent, from_json};
use serde::de::{DeserializeOwned, Error as _};
use serde_json::Error;

/// How many values a body has at most: in memory, one may take two hundred times as much as it is long.
const VALUES: usize = 32_768;

/// Reads a body.
///
/// # Errors
/// When it is no JSON, or not of this form, or of too many values.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    if values(body) > VALUES {
        return Err(Error::custom(format!("it has too many values: send {VALUES} at most")));
    }
    from_json(serde_json::from_slice(body)?, Absent::AsTyped)
}

/// How many values a text in JSON has at most: each but the first has one of three characters before it, outside of strings.
fn values(text: &[u8]) -> usize {
    let (mut count, mut is_within, mut is_escaped) = (1, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_within,
            b'"' => is_within = !is_within,
            b',' | b'[' | b'{' if !is_within => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use harbor_core::api::UserProfile;

    use super::*;

    #[test]
    fn what_is_no_json_is_refused() {
        for body in ["", "{", "{}{}", "{}]"] {
            read::<UserProfile>(body.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn values_are_counted_before_they_are_read() {
        let of = |count: usize| format!("{{\"x\":[{}]}}", vec!["0"; count].join(","));
        // With the object and the list.
        read::<UserProfile>(of(VALUES - 2).as_bytes()).unwrap();
        let refused = read::<UserProfile>(of(VALUES - 1).as_bytes()).unwrap_err();
        assert!(refused.to_string().contains("too many values"), "{refused}");
        // What stands in a string is none.
        let text = format!(r#"{{"comment":"\"{}\\"}}"#, ",[{".repeat(VALUES));
        read::<UserProfile>(text.as_bytes()).unwrap();
        assert_eq!(values(br#"{"a\",[":[1,"\\",7]}"#), 5);
    }
}
