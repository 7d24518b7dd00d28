//! What was typed and what came, without what differs between two runs.

use std::fmt::Write as _;

use harbor_tests::{Harborctl, Ran};

/// What differs between two runs, and what stands in its place. The widths of tables stay: what is replaced is as wide each time.
const FILTERS: &[(&str, &str)] = &[
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
    (r"request [0-9a-f]+-[0-9a-f]+", "request [id]"),
    (r"127\.0\.0\.1:\d{4,5}", "[server]"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[uuid]"),
    (r"hpat_\w+", "[token]"),
    (r"(SECRET +)\S.*", "$1[secret]"),
    (r"\b[0-9a-f]{16}-[0-9a-f]+\b", "[request]"),
    (r#""(secret|token|signature)": "[^"]+""#, r#""$1": "[secret]""#),
    (r"(expires_at.{1,3})\d{10}", "$1[seconds]"),
];

/// The same of digests, where content is not the same each time.
const DIGESTS: &[(&str, &str)] = &[
    (r"sha256:[0-9a-f]{64}", "[digest]"),
    (r"\b[0-9a-f]{64}\b", "[hash]"),
    (r"\b[0-9a-f]{12}\b", "[digest]"),
];

/// A session at a terminal.
pub(crate) struct Transcript<'a> {
    harborctl: &'a Harborctl,
    text: String,
    filters: Vec<(&'static str, &'static str)>,
}

impl<'a> Transcript<'a> {
    pub(crate) fn of(harborctl: &'a Harborctl) -> Self {
        Self { harborctl, text: String::new(), filters: [FILTERS, DIGESTS].concat() }
    }

    /// With digests as they are: of content that is the same each time.
    pub(crate) fn with_digests(harborctl: &'a Harborctl) -> Self {
        Self { filters: FILTERS.to_vec(), ..Self::of(harborctl) }
    }

    /// Something more that differs, and what stands in its place.
    pub(crate) fn but(mut self, pattern: &'static str, stands: &'static str) -> Self {
        self.filters.push((pattern, stands));
        self
    }

    /// Types commands, one a line, whose arguments have no spaces but within single quotes.
    pub(crate) async fn type_in(&mut self, lines: &str) {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.line(line, "").await;
        }
    }

    /// Types one command, which reads something from its standard input.
    pub(crate) async fn line(&mut self, line: &str, input: &str) -> Ran {
        self.shown_as(line, line, input, usize::MAX).await
    }

    /// Types one command of which the first lines matter.
    pub(crate) async fn head_of(&mut self, line: &str, lines: usize) -> Ran {
        self.shown_as(line, line, "", lines).await
    }

    /// Types one command that is shown as another line, for it has what differs, and of which so many lines are shown.
    pub(crate) async fn shown_as(&mut self, line: &str, shown: &str, input: &str, lines: usize) -> Ran {
        let arguments = split(line);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let ran = self.harborctl.told(&arguments, input).await;
        let _ = writeln!(self.text, "$ harborctl {shown}");
        for text in [&ran.out, &ran.told] {
            text.lines().take(lines).for_each(|line| self.text.extend([line, "\n"]));
            if text.lines().nth(lines).is_some() {
                self.text.push_str("[…]\n");
            }
        }
        if ran.code != Some(0) {
            let _ = writeln!(self.text, "[exit {:?}]", ran.code.expect("an exit code"));
        }
        ran
    }

    /// Compares all of it with what is kept.
    #[track_caller]
    pub(crate) fn check(self, name: &str) {
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        for (pattern, stands) in self.filters {
            settings.add_filter(pattern, stands);
        }
        // The folder that is its home is another one each time.
        let text = self.text.replace(&*self.harborctl.home().to_string_lossy(), "~");
        settings.bind(|| insta::assert_snapshot!(name, text));
    }
}

/// As a shell does it, as far as it is wanted here.
pub(crate) fn split(line: &str) -> Vec<String> {
    let (mut arguments, mut current, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for char in line.chars() {
        match char {
            '\'' => (quoted, begun) = (!quoted, true),
            ' ' if !quoted => {
                if begun {
                    arguments.push(std::mem::take(&mut current));
                }
                begun = false;
            }
            _ => {
                current.push(char);
                begun = true;
            }
        }
    }
    if begun {
        arguments.push(current);
    }
    arguments
}
