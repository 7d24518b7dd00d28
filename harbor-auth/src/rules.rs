//! What names, passwords and addresses must look like: Harbor's rules.

use std::fmt;

use harbor_core::access::Secret;
use harbor_core::{Error, StoreError};
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

use crate::opaque;

/// How many characters a password has at least and at most.
const PASSWORD: (usize, usize) = (8, 128);

/// The most characters of a user's name and of an e-mail address.
const LONGEST: usize = 255;

/// What a user's name may not contain, besides what nobody sees.
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

impl From<RuleError> for Error {
    fn from(rule: RuleError) -> Self {
        Self::BadRequest(rule.0)
    }
}

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
    if name.contains(is_unseen) {
        return Err(broken(format!("a user's name has {SEEN}")));
    }
    if name.trim() != name {
        return Err(broken("a user's name neither begins nor ends with a blank"));
    }
    Ok(())
}

/// Checks a name that people know something by in lists: a role, a token.
///
/// # Errors
/// Tells what its rule is.
pub(crate) fn listed_name(what: &str, name: &str, most: usize) -> Result<(), RuleError> {
    if !name.is_empty() && name.len() <= most && name.trim() == name && !name.contains(is_unseen) {
        return Ok(());
    }
    Err(broken(format!(
        "{what} needs a name of 1 to {most} bytes that neither begins nor ends with a blank, and has {SEEN}"
    )))
}

/// Checks a name that others gave, and that is compared with what they send: of a group of a directory, or of an identity provider. There,
/// characters may mean something that nobody sees.
///
/// # Errors
/// Tells what its rule is.
pub(crate) fn provided_name(what: &str, name: &str, most: usize) -> Result<(), RuleError> {
    if !name.is_empty() && name.len() <= most && name.trim() == name && !name.contains(char::is_control) {
        return Ok(());
    }
    Err(broken(format!(
        "{what} needs a name of 1 to {most} bytes that neither begins nor ends with a blank, and has no control characters"
    )))
}

/// What [`is_unseen`] refuses, for who sent it.
const SEEN: &str = "no control characters, none that nobody sees, none that look like a blank, and none that Unicode has not given a meaning";

/// The blank of Braille, and a note without a head: symbols to Unicode.
const BLANK_SYMBOLS: [char; 2] = ['\u{2800}', '\u{1d159}'];

/// Whether a character does not show, or shows as a blank and is none that people type: with it, a name looks like another one in lists
/// and logs. By Unicode's properties (The Unicode Standard, chapter 4.5 and 5.21): control and format characters, which are those
/// that turn the direction of the text as well, ends of lines and paragraphs, blanks but the plain one, and what is not shown by
/// default.
fn is_unseen(character: char) -> bool {
    use GeneralCategory as Category;
    let category = CodePointMapData::<Category>::new().get(character);
    let blank = category == Category::SpaceSeparator && character != ' ';
    let unseen = [
        Category::Control,
        Category::Format,
        Category::LineSeparator,
        Category::ParagraphSeparator,
        // Of which nobody knows how they show.
        Category::PrivateUse,
        Category::Unassigned,
    ]
    .contains(&category);
    blank
        || unseen
        || BLANK_SYMBOLS.contains(&character)
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
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
        let good = [
            "a",
            "admin",
            "grace.hopper@navy.example",
            "José",
            "Jose\u{301}",
            "a b",
            "漢字",
            "山田 太郎",
            "Ольга",
            "שרה",
        ];
        for good in good.into_iter().chain([&*"é".repeat(255)]) {
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
    fn names_are_seen() {
        // Soft hyphen, combining joiner, the fillers of Hangul, blanks, what has no width, marks of direction and those around text,
        // ends of lines and of paragraphs, a variation, the byte order mark, and tags.
        let unseen = [
            '\u{ad}',
            '\u{34f}',
            '\u{115f}',
            '\u{3164}',
            '\u{a0}',
            '\u{2003}',
            '\u{200a}',
            '\u{3000}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{61c}',
            '\u{202a}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{2028}',
            '\u{2029}',
            '\u{2060}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{e0061}',
            '\u{2800}',
            '\u{1d159}',
            '\u{e000}',
            '\u{378}',
        ];
        for unseen in unseen {
            for name in [format!("admin{unseen}"), format!("ad{unseen}min"), format!("{unseen}admin")] {
                assert!(user_name(&name).is_err(), "{}", name.escape_unicode());
            }
        }
        assert!(said(user_name("ad\u{200b}min")).contains("nobody sees"));
    }

    #[test]
    fn names_in_lists_are_told_apart() {
        for good in ["a", "my team", "Größe", &"x".repeat(8)] {
            assert_eq!(listed_name("a role", good, 8), Ok(()), "{good}");
        }
        for bad in ["", " ", "a ", " a", "a\u{200b}", "a\0", "a\nb", &"x".repeat(9)] {
            assert!(said(listed_name("a role", bad, 8)).starts_with("a role needs a name of 1 to 8 bytes"));
        }
    }

    #[test]
    fn names_of_others_are_as_they_give_them() {
        for good in ["a", "CN=Größe, OU=x", "نیم\u{200c}فاصله", "経理\u{3000}部"] {
            assert_eq!(provided_name("a group", good, 64), Ok(()), "{good}");
        }
        for bad in ["", " ", "a ", "a\0", "a\nb", &"x".repeat(65)] {
            assert!(
                said(provided_name("a group", bad, 64)).starts_with("a group needs a name of 1 to 64 bytes")
            );
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
