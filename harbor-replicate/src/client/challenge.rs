//! What `WWW-Authenticate` asks for: RFC 9110, section 11.6.1.

/// How much of a header is looked at, in bytes.
const HEADER_LIMIT: usize = 8 * 1024;

/// How many challenges of an answer are looked at.
const CHALLENGES: usize = 16;

/// How many parameters of a challenge are looked at.
const PARAMETERS: usize = 16;

/// One way to prove who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// Its name, in lower case.
    scheme: String,
    /// Its parameters, names in lower case, each once.
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The challenges of an answer's headers, in their order. What is malformed ends its header, and is left out together
    /// with the challenge that it stands in.
    pub(crate) fn read<'a>(headers: impl Iterator<Item = &'a str>) -> Vec<Self> {
        let mut found = Vec::new();
        for header in headers.filter(|header| header.len() <= HEADER_LIMIT) {
            Parser { rest: header }.challenges(&mut found);
        }
        found.truncate(CHALLENGES);
        found
    }

    /// Whether it is of this scheme.
    pub(crate) fn is(&self, scheme: &str) -> bool {
        self.scheme == scheme
    }

    /// A parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads from the front of what is left.
struct Parser<'a> {
    rest: &'a str,
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

const fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
}

/// What registries write without quotes, although addresses need them.
const fn is_bare(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b',' | b'"' | b'\\')
}

impl<'a> Parser<'a> {
    fn challenges(&mut self, found: &mut Vec<Challenge>) {
        loop {
            self.separators();
            if self.rest.is_empty() || found.len() >= CHALLENGES {
                return;
            }
            match self.challenge() {
                Some(challenge) => found.push(challenge),
                None => return,
            }
        }
    }

    fn challenge(&mut self) -> Option<Challenge> {
        let scheme = self.take(is_token)?.to_ascii_lowercase();
        let mut challenge = Challenge { scheme, parameters: Vec::new() };
        if !self.rest.is_empty() && !self.rest.starts_with([' ', '\t', ',']) {
            return None;
        }
        self.spaces();
        if self.token68() {
            return Some(challenge);
        }
        while let Some((name, value)) = self.parameter()? {
            if challenge.parameter(&name).is_some() || challenge.parameters.len() >= PARAMETERS {
                // Two readers of it would not agree on what it says.
                return None;
            }
            challenge.parameters.push((name, value));
        }
        Some(challenge)
    }

    /// A parameter; nothing where another challenge begins, or the end is; none at all where it is malformed.
    #[allow(clippy::option_option, reason = "malformed, absent and present are three")]
    fn parameter(&mut self) -> Option<Option<(String, String)>> {
        let before = self.rest;
        self.separators();
        if self.rest.is_empty() {
            return Some(None);
        }
        let name = self.take(is_token)?.to_ascii_lowercase();
        self.spaces();
        let Some(rest) = self.rest.strip_prefix('=') else {
            self.rest = before;
            return Some(None);
        };
        self.rest = rest;
        self.spaces();
        let value = if self.rest.starts_with('"') { self.quoted()? } else { self.take(is_bare)?.to_owned() };
        self.spaces();
        (self.rest.is_empty() || self.rest.starts_with(',')).then_some(Some((name, value)))
    }

    /// A quoted string, without its quotes and escapes.
    fn quoted(&mut self) -> Option<String> {
        let mut value = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((place, char)) = chars.next() {
            match char {
                '"' => {
                    self.rest = self.rest.get(place + 1..)?;
                    return Some(value);
                }
                '\\' => value.push(chars.next()?.1),
                char if char.is_control() => return None,
                char => value.push(char),
            }
        }
        None
    }

    /// Credentials in the place of parameters, which no scheme that is understood here has.
    fn token68(&mut self) -> bool {
        let end = self.rest.bytes().take_while(|byte| is_token68(*byte)).count();
        let rest = self.rest[end..].trim_start_matches('=').trim_start_matches([' ', '\t']);
        let ends = end > 0 && (rest.is_empty() || rest.starts_with(','));
        // Without padding, `Basic, Bearer realm=…` has a scheme here and not credentials: the comma came first.
        if ends {
            self.rest = rest;
        }
        ends
    }

    fn take(&mut self, is_part: impl Fn(u8) -> bool) -> Option<&'a str> {
        let end = self.rest.bytes().take_while(|byte| is_part(*byte)).count();
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!taken.is_empty()).then_some(taken)
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn separators(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(headers: &[&str]) -> Vec<String> {
        let told = |challenge: &Challenge| {
            let parameters: Vec<_> =
                challenge.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{} {}", challenge.scheme, parameters.join("|")).trim().to_owned()
        };
        Challenge::read(headers.iter().copied()).iter().map(told).collect()
    }

    #[test]
    fn what_registries_send() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull""#;
        assert_eq!(
            read(&[hub]),
            [
                "bearer realm=https://auth.docker.io/token|service=registry.docker.io|scope=repository:library/alpine:pull"
            ]
        );
        let commas = r#"Bearer realm="https://a/t",scope="repository:a/b:pull,push repository:c/d:pull""#;
        assert_eq!(
            read(&[commas]),
            ["bearer realm=https://a/t|scope=repository:a/b:pull,push repository:c/d:pull"]
        );
        assert_eq!(read(&["Basic realm=\"harbor\""]), ["basic realm=harbor"]);
        assert_eq!(
            read(&["bearer Realm = https://a/token?x=y , service = s"]),
            ["bearer realm=https://a/token?x=y|service=s"]
        );
    }

    #[test]
    fn several_in_one_header_and_in_several() {
        let one = r#"Negotiate, Basic realm="a\"b, c", Bearer realm="https://a/t",error="invalid_token""#;
        let expected = ["negotiate", r#"basic realm=a"b, c"#, "bearer realm=https://a/t|error=invalid_token"];
        assert_eq!(read(&[one]), expected);
        assert_eq!(
            read(&["NTLM TlRMTVNTUAAB==, Basic realm=x", "", "Bearer realm=y"]),
            ["ntlm", "basic realm=x", "bearer realm=y"]
        );
        assert_eq!(read(&[",, Basic ,, realm=x ,"]), ["basic realm=x"]);
    }

    #[test]
    fn what_is_malformed_is_left_out() {
        for bad in [
            "",
            "\"",
            "Bearer realm=\"open",
            "Bearer realm=\"a\"b",
            "Bearer realm=\"a\",realm=\"b\"",
            "Bearer realm=\"a\\",
            "Bearer =x",
            "Bearer realm=",
            "Bearer\u{0}realm=x",
            "é realm=x",
        ] {
            assert!(read(&[bad]).iter().all(|told| !told.contains("realm=")), "{bad:?}: {:?}", read(&[bad]));
        }
        assert_eq!(read(&["Basic realm=x, Bearer realm=\"open"]), ["basic realm=x"]);
        assert!(read(&[&format!("Basic realm={}", "x".repeat(9000))]).is_empty());
        assert_eq!(read(&[&"Basic realm=x, ".repeat(100)]).len(), CHALLENGES);
    }

    proptest! {
        #[test]
        fn nothing_panics(header in "\\PC*", words in "([A-Za-z]{1,6}|[ ,=\"\\\\]){0,40}") {
            let _ = read(&[&header, &words]);
        }

        #[test]
        fn quoted_values_round_trip(realm in "[ -~]{0,40}", scope in "[ -~]{0,40}") {
            let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("Bearer realm=\"{}\", scope=\"{}\"", quote(&realm), quote(&scope));
            let found = Challenge::read(std::iter::once(header.as_str()));
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(found[0].parameter("realm"), Some(realm.as_str()));
            prop_assert_eq!(found[0].parameter("scope"), Some(scope.as_str()));
        }
    }
}
