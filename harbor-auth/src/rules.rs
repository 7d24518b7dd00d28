//! What names, passwords and addresses must look like: Harbor's rules.

use std::fmt;

use harbor_core::StoreError;
use harbor_core::access::Secret;

use crate::opaque;

/// How many characters a password has at least and at most.
const PASSWORD: (usize, usize) = (8, 128);

/// The most characters of a user's name and of an e-mail address.
const LONGEST: usize = 255;

/// What a user's name may not contain, besides control characters.
const FORBIDDEN: [char; 7] = [',', '"', '~', '#', '%', '$', ':'];

/// How many characters a secret has that is made for a robot.
const SECRET: usize = 32;

/// What is wrong with a name, a password or an address: a text for the one who chose it. It never quotes what was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleError(String);

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RuleError {}

fn broken(text: impl Into<String>) -> RuleError {
    RuleError(text.into())
}

/// Checks a password or secret that somebody chose.
///
/// # Errors
/// Tells all that it lacks.
pub(crate) fn password(password: &Secret) -> Result<(), RuleError> {
    let (least, most) = PASSWORD;
    let text = password.expose();
    let has = |kind: fn(&char) -> bool| text.chars().any(|character| kind(&character));
    let length = text.chars().count();
    let lacks: Vec<&str> = [
        (length < least, "more characters"),
        (length > most, "fewer characters"),
        (!has(char::is_ascii_uppercase), "an upper-case letter"),
        (!has(char::is_ascii_lowercase), "a lower-case letter"),
        (!has(char::is_ascii_digit), "a digit"),
    ]
    .into_iter()
    .filter_map(|(lacks, what)| lacks.then_some(what))
    .collect();
    if lacks.is_empty() {
        return Ok(());
    }
    Err(broken(format!(
        "a password has {least} to {most} characters, among them an upper-case letter, a lower-case letter and a digit; \
         this one needs {}",
        lacks.join(", ")
    )))
}

/// Checks the name of a new user.
///
/// # Errors
/// Tells the first fault.
pub(crate) fn user_name(name: &str) -> Result<(), RuleError> {
    if name.is_empty() || name.chars().count() > LONGEST {
        return Err(broken(format!("a user's name has 1 to {LONGEST} characters")));
    }
    if name.contains(FORBIDDEN) {
        return Err(broken("a user's name has none of , \" ~ # % $ :"));
    }
    if name.contains(char::is_control) {
        return Err(broken("a user's name has no control characters"));
    }
    if name.trim() != name {
        return Err(broken("a user's name neither begins nor ends with a blank"));
    }
    Ok(())
}

/// Checks an e-mail address, which may be absent. Only sending to it tells whether it works: this is about what would do
/// harm in a list or a header.
///
/// # Errors
/// Tells the first fault.
pub(crate) fn email(address: Option<&str>) -> Result<(), RuleError> {
    let Some(address) = address else { return Ok(()) };
    if address.chars().count() > LONGEST {
        return Err(broken(format!("an e-mail address has at most {LONGEST} characters")));
    }
    if address.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Err(broken("an e-mail address has no blanks and no control characters"));
    }
    match address.split_once('@') {
        Some((user, host)) if !user.is_empty() && !host.is_empty() && !host.contains('@') => Ok(()),
        _ => Err(broken("an e-mail address has one @, and something before and after it")),
    }
}

/// Checks a text that people write for people: of at most 4096 characters, and without NUL, which not every database stores.
///
/// # Errors
/// Tells which text it is.
pub(crate) fn text(what: &str, text: &str) -> Result<(), RuleError> {
    if text.chars().count() > 4096 || text.contains('\0') {
        return Err(broken(format!("{what} has at most 4096 characters, and no NUL among them")));
    }
    Ok(())
}

/// A secret for a robot: 32 letters and digits that satisfy [`password`].
///
/// # Errors
/// When the system has no random bytes.
pub(crate) fn make_secret() -> Result<Secret, StoreError> {
    loop {
        // One in 270 lacks something, mostly a digit. Drawing again, unlike mending, keeps all that satisfy equally likely.
        let secret = Secret::new(opaque::characters(SECRET)?);
        if password(&secret).is_ok() {
            return Ok(secret);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(rule: Result<(), RuleError>) -> String {
        rule.unwrap_err().to_string()
    }

    #[test]
    fn passwords_need_three_kinds_of_characters() {
        let check = |text: &str| password(&Secret::new(text));
        for good in
            ["Harbor12345", "aA345678", &"aA1".repeat(42), "Aa1 éü漢字€", &format!("aA1{}", "é".repeat(125))]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert!(said(check("aA34567")).ends_with("this one needs more characters"));
        assert!(said(check(&"aA1".repeat(43))).ends_with("this one needs fewer characters"));
        assert!(said(check("harbor12345")).ends_with("this one needs an upper-case letter"));
        assert!(said(check("HARBOR12345")).ends_with("this one needs a lower-case letter"));
        assert!(said(check("HarborHarbor")).ends_with("this one needs a digit"));
        let all = "needs more characters, an upper-case letter, a lower-case letter, a digit";
        assert!(said(check("")).ends_with(all));
        assert!(!said(check("hunter2")).contains("hunter2"), "what was chosen is not repeated");
    }

    #[test]
    fn names_are_harmless() {
        for good in ["a", "admin", "grace.hopper@navy.example", "José", "a b", &"é".repeat(255)] {
            assert_eq!(user_name(good), Ok(()), "{good}");
        }
        let bad = [
            "", "a,b", "a\"b", "a~b", "a#b", "a%b", "robot$x", "a\nb", "a\u{0}", "a\u{85}b", "\u{7f}", " a",
            "a ", "\u{a0}a",
        ];
        for bad in bad.into_iter().chain([&*"a".repeat(256)]) {
            assert!(user_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_are_plain() {
        let longest = format!("{}@b.c", "a".repeat(251));
        for good in [None, Some("a@b"), Some("grace@navy.example"), Some("o'neil+x@b.c"), Some(&*longest)] {
            assert_eq!(email(good), Ok(()), "{good:?}");
        }
        for bad in
            ["", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\r\nBcc: x", "a@\u{a0}b", &format!("a{longest}")]
        {
            assert!(email(Some(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn made_secrets_satisfy_the_rule() {
        let made: std::collections::HashSet<_> =
            (0..500).map(|_| make_secret().unwrap().expose().to_owned()).collect();
        assert_eq!(made.len(), 500);
        for secret in made {
            assert_eq!(secret.len(), 32);
            assert_eq!(password(&Secret::new(secret)), Ok(()));
        }
    }
}
