//! What went wrong, what to try, and the exit code.

use std::io;
use std::process::ExitCode;

use harbor_replicate::client::Error;

use crate::output::harmless;

/// What verbs yield.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// What kind of failure it is: each has an exit code of its own, which stays what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Anything without a kind of its own: 1.
    Failed,
    /// The command line, or a file that it names, says what cannot be, by itself or by what the server says: 2.
    Usage,
    /// There is no such thing: 3.
    NotFound,
    /// Who asks is not known there, or may not do it: 4.
    Denied,
    /// It is there already, something holds it, or a rule forbids it: 5.
    Conflict,
    /// The server cannot be reached, or its certificate is not trusted: 6.
    Unreachable,
    /// The server could not do it (5xx), or asks to come back later (429): 7.
    Server,
    /// What was looked at is not as it should be: a digest, a signature, a part that is missing: 8.
    Broken,
    /// What was compared is not the same: 9.
    Differs,
    /// Ctrl-C: 130.
    Interrupted,
    /// The command that `harborctl run` ran ended with this exit code.
    Command(u8),
}

impl Kind {
    /// All that have an exit code of their own, in its order.
    const KNOWN: [Self; 10] = [
        Self::Failed,
        Self::Usage,
        Self::NotFound,
        Self::Denied,
        Self::Conflict,
        Self::Unreachable,
        Self::Server,
        Self::Broken,
        Self::Differs,
        Self::Interrupted,
    ];

    /// What it means, in a few words.
    const fn meaning(self) -> &'static str {
        match self {
            Self::Failed => "failed in another way",
            Self::Usage => "the command line, or a file that it names, is wrong",
            Self::NotFound => "there is no such thing",
            Self::Denied => "not logged in, or not allowed",
            Self::Conflict => "it is there already, something holds it, or a rule forbids it",
            Self::Unreachable => "the server cannot be reached or is not trusted",
            Self::Server => "the server could not do it, or asks to come back later",
            Self::Broken => "content is not what it should be",
            Self::Differs => "what was compared is not the same",
            Self::Interrupted => "interrupted",
            Self::Command(_) => "the command that was run ended so",
        }
    }

    /// The exit code.
    #[must_use]
    pub fn code(self) -> ExitCode {
        ExitCode::from(self.number())
    }

    /// The exit code as a number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Denied => 4,
            Self::Conflict => 5,
            Self::Unreachable => 6,
            Self::Server => 7,
            Self::Broken => 8,
            Self::Differs => 9,
            Self::Interrupted => 130,
            Self::Command(code) => code,
        }
    }
}

/// The exit codes, and what each means.
pub fn exit_codes() -> impl Iterator<Item = (u8, &'static str)> {
    std::iter::once((0, "done")).chain(Kind::KNOWN.iter().map(|kind| (kind.number(), kind.meaning())))
}

/// Exit codes, as the help tells them.
pub(crate) fn exit_code_help() -> String {
    let lines = exit_codes().map(|(code, meaning)| format!("\n  {code:<3}  {meaning}"));
    std::iter::once("Exit codes:".to_owned()).chain(lines).collect()
}

/// Why a command did not do what it should. It holds and prints no secret.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    what: Option<String>,
    hint: Option<String>,
}

impl Failure {
    /// With what went wrong.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: Some(what.into()), hint: None }
    }

    /// A wrong command line.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Kind::Usage, what)
    }

    /// Something that is not there.
    pub(crate) fn absent(what: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, what)
    }

    /// One that was told already.
    pub(crate) const fn told(kind: Kind) -> Self {
        Self { kind, what: None, hint: None }
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted")
    }

    /// With what to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With what to try, where it does not say that itself: of what kind it is, and what went wrong. Whoever interrupts knows what to do.
    pub(crate) fn or_try(mut self, hint: impl FnOnce(Kind, &str) -> String) -> Self {
        if let (Some(what), None) = (&self.what, &self.hint)
            && self.kind != Kind::Interrupted
        {
            self.hint = Some(hint(self.kind, what));
        }
        self
    }

    /// What kind it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The lines that tell of it; nothing when it was told already, or nobody listens any more.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let what = clean(self.what.as_ref()?);
        Some(match &self.hint {
            Some(hint) => format!("error: {what}\n  try: {}", clean(hint)),
            None => format!("error: {what}"),
        })
    }
}

/// Without what moves a terminal: errors repeat what servers and archives say.
fn clean(text: &str) -> String {
    text.lines().map(harmless).collect::<Vec<_>>().join("\n")
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = kind_of(&error);
        let hint = hint_of(kind, &error);
        Self { kind, what: Some(error.to_string()), hint: hint.map(str::to_owned) }
    }
}

fn kind_of(error: &Error) -> Kind {
    match error {
        Error::Unauthorized { .. } => Kind::Denied,
        Error::Unreachable { .. } | Error::Untrusted { .. } | Error::Forbidden { .. } => Kind::Unreachable,
        Error::Configuration(_) => Kind::Usage,
        Error::Digest { .. } | Error::Size { .. } | Error::Truncated { .. } | Error::Unusable { .. } => {
            Kind::Broken
        }
        Error::Absent { .. } => Kind::NotFound,
        Error::File { cause, .. } if cause.kind() == io::ErrorKind::NotFound => Kind::NotFound,
        Error::File { cause, .. } if cause.kind() == io::ErrorKind::ResourceBusy => Kind::Conflict,
        Error::Refused(refusal) => match refusal.status {
            400 | 422 => Kind::Usage,
            401 | 403 => Kind::Denied,
            404 => Kind::NotFound,
            409 | 412 => Kind::Conflict,
            429 | 500.. => Kind::Server,
            _ => Kind::Failed,
        },
        _ => Kind::Failed,
    }
}

/// What to try, where that has nothing to do with the command: see [`crate::hint`] for the rest.
fn hint_of(kind: Kind, error: &Error) -> Option<&'static str> {
    match (kind, error) {
        (_, Error::Unauthorized { .. }) => Some(
            "harborctl login SERVER; or look at the name, for what may not be seen is refused in the same way",
        ),
        (_, Error::Untrusted { .. }) => {
            Some("--ca FILE, with the certificate of the authority that signed it")
        }
        (_, Error::BadAnswer { .. }) => {
            Some("look whether a registry is there: harborctl context list tells the addresses")
        }
        (Kind::Denied, _) => Some("harborctl whoami tells who asks; another context is chosen by --context"),
        (Kind::Unreachable, _) => {
            Some("harborctl context list tells the addresses; HTTPS_PROXY and NO_PROXY count")
        }
        (Kind::Server, _) => Some("the same again later; the server's log has the request"),
        (_, Error::Absent { what, .. }) if what.starts_with("image for ") => {
            Some("--platform with one of those that there are; without it, all of them")
        }
        // They say themselves what is wrong with the file that was named.
        (Kind::Broken, Error::Unusable { .. }) => None,
        (Kind::Broken, _) => {
            Some("the same once more; if it comes again, bring it anew from where it was made")
        }
        _ => None,
    }
}

impl From<io::Error> for Failure {
    /// Of printing.
    fn from(error: io::Error) -> Self {
        // Who read it has enough, as `head` does.
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::told(Kind::Failed);
        }
        Self::new(Kind::Failed, format!("what came out cannot be written: {error}"))
    }
}
