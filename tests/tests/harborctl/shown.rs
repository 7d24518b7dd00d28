//! The transcripts in `snapshots`, held against the command line: each command stands in one of them and did what it should, and each
//! error says what to try.

use std::collections::BTreeSet;
use std::path::Path;

use clap::{ArgMatches, Command};

use crate::transcript::split;

/// Commands that no transcript shows to do what they should: the server of the tests refuses them always. This list may only become
/// shorter.
const NOT_SHOWN: &[&str] = &[
    // There is no certificate that it would hand out.
    "system certificate",
    // Its users have personal access tokens instead.
    "user cli-secret",
];

/// One command of a transcript.
struct Typed {
    /// The transcript.
    file: String,
    /// What was typed behind `$ harborctl `.
    line: String,
    /// What came, on both outputs.
    came: String,
    /// The exit code.
    code: u8,
}

fn transcripts() -> Vec<Typed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/harborctl/snapshots");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "snap"))
        .flat_map(|file| read(file))
        .collect()
}

fn read(file: &Path) -> Vec<Typed> {
    let name = file.file_stem().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let mut typed: Vec<Typed> = Vec::new();
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("$ harborctl ") {
            let (file, line) = (name.to_owned(), line.to_owned());
            typed.push(Typed { file, line, came: String::new(), code: 0 });
            continue;
        }
        let Some(last) = typed.last_mut() else { continue };
        match line.strip_prefix("[exit ").and_then(|rest| rest.strip_suffix(']')) {
            Some(code) => last.code = code.parse().unwrap(),
            None => last.came.extend([line, "\n"]),
        }
    }
    typed
}

/// The commands that do something by themselves, by their whole names.
fn leaves(command: &Command, path: &str, found: &mut BTreeSet<String>) {
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    if !command.has_subcommands() || !command.is_subcommand_required_set() {
        found.insert(path.to_owned());
    }
    for below in below {
        leaves(below, format!("{path} {}", below.get_name()).trim(), found);
    }
}

/// The whole name of what was typed.
fn name(matches: &ArgMatches) -> String {
    let mut names = Vec::new();
    let mut at = matches.subcommand();
    while let Some((name, below)) = at {
        names.push(name);
        at = below.subcommand();
    }
    names.join(" ")
}

#[test]
fn each_command_is_shown_to_do_what_it_should() {
    let command = harborctl::command_line();
    let mut missing = BTreeSet::new();
    leaves(&command, "", &mut missing);
    assert!(missing.len() > 100, "{missing:?}");
    for typed in transcripts().iter().filter(|typed| typed.code == 0) {
        let arguments = std::iter::once("harborctl".to_owned()).chain(split(&typed.line));
        match command.clone().try_get_matches_from(arguments) {
            Ok(matches) => _ = missing.remove(&name(&matches)),
            // Help is no error.
            Err(error) => assert!(!error.use_stderr(), "{}: {}: {error}", typed.file, typed.line),
        }
    }
    let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
    assert_eq!(
        missing, NOT_SHOWN,
        "commands that are in no transcript, and those that are said to be in none"
    );
}

#[test]
fn each_exit_code_is_shown() {
    let shown: BTreeSet<u8> =
        transcripts().iter().filter(|typed| !is_anothers(typed)).map(|typed| typed.code).collect();
    // Who would interrupt what is typed here?
    let known: BTreeSet<u8> =
        harborctl::exit_codes().map(|(code, _)| code).filter(|code| *code != 130).collect();
    assert_eq!(shown, known);
}

/// Transcripts of commands of others: `harborctl run` ends as what it ran.
fn is_anothers(typed: &Typed) -> bool {
    typed.line.starts_with("run ") && typed.line.contains(" -- ")
}

#[test]
fn each_error_says_what_to_try() {
    let mut silent = Vec::new();
    for typed in transcripts().iter().filter(|typed| typed.code != 0) {
        let says = typed.came.lines().any(|line| line.starts_with("  try: "))
            // The command line's own errors, and a group that is named without a verb.
            || typed.came.contains("For more information, try '--help'.")
            || typed.came.contains("\nUsage: harborctl");
        let is_error = typed.came.lines().any(|line| line.starts_with("error: "));
        // What was compared is not the same: nothing went wrong.
        let is_answer = !is_error && (typed.code == 9 || is_anothers(typed));
        if !says && !is_answer {
            silent.push(format!("{}: harborctl {}\n{}", typed.file, typed.line, typed.came));
        }
    }
    assert!(silent.is_empty(), "errors that say nothing to try:\n{}", silent.join("\n"));
}
