//! What is made of the command line: completions and manual pages have every command.

use std::collections::BTreeSet;

use clap::Command;
use clap_complete::Shell;

/// The whole names of the commands, without the program's: groups, and what they have.
fn names(command: &Command, path: &[String], found: &mut Vec<Vec<String>>) {
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        let path = [path, &[below.get_name().to_owned()]].concat();
        names(below, &path, found);
        found.push(path);
    }
}

fn all() -> Vec<Vec<String>> {
    let mut found = Vec::new();
    names(&crate::command_line(), &[], &mut found);
    assert!(found.len() > 150, "{}", found.len());
    found
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    crate::completion::write_pages(&folder.path().join("man1")).unwrap();
    let made = std::fs::read_dir(folder.path().join("man1")).unwrap();
    let made: BTreeSet<String> = made.map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    let mut wanted: BTreeSet<String> =
        all().iter().map(|name| format!("harborctl-{}.1", name.join("-"))).collect();
    wanted.insert("harborctl.1".to_owned());
    assert_eq!(made, wanted);
    for page in &made {
        let text = std::fs::read_to_string(folder.path().join("man1").join(page)).unwrap();
        let title = format!("{} 1", page.trim_end_matches(".1"));
        assert!(text.contains(&format!(".TH {title}")), "{page}: {}", text.lines().nth(2).unwrap());
        assert!(text.contains(".SH SYNOPSIS") && text.contains("harborctl"), "{page}");
        // Pages refer to pages that there are.
        let named = text.lines().filter_map(|line| line.strip_suffix("(1)")?.strip_prefix("harborctl"));
        for named in named.map(|name| format!("harborctl{}.1", name.replace('\\', ""))) {
            assert!(made.contains(&named), "{page} refers to {named}");
        }
        // Of all but the whole, which has the exit codes there.
        assert!(page == "harborctl.1" || text.contains("Example"), "{page}");
    }
}

/// How a shell reads quotes: what takes the next character as it is, and whether it does so between single quotes as well.
#[derive(Clone, Copy)]
struct Quoting {
    escape: char,
    in_single: bool,
}

/// Whether strings and brackets of a script are closed. What is quoted is left out, and so are comments.
fn is_balanced(script: &str, quoting: Quoting, brackets: &[(char, char)]) -> bool {
    let (mut open, mut quote, mut before) = (Vec::new(), None, ' ');
    let mut chars = script.chars();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (quote, char) if char == quoting.escape && (quoting.in_single || quote != Some('\'')) => {
                chars.next();
            }
            (Some(begun), char) if begun == char => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(char),
            (None, '#') if before.is_whitespace() => _ = chars.by_ref().find(|char| *char == '\n'),
            (None, char) => {
                if let Some((_, close)) = brackets.iter().find(|(begin, _)| *begin == char) {
                    open.push(*close);
                } else if brackets.iter().any(|(_, close)| *close == char) && open.pop() != Some(char) {
                    return false;
                }
            }
        }
        before = char;
    }
    quote.is_none() && open.is_empty()
}

#[test]
fn what_is_not_closed_is_found() {
    let braces = [('{', '}'), ('(', ')')];
    let shell = Quoting { escape: '\\', in_single: false };
    assert!(is_balanced("a {b 'x}\\' # it's }\n \\' }", shell, &braces));
    assert!(is_balanced("'it\\'s'", Quoting { in_single: true, ..shell }, &braces));

    for wrong in ["{", "}", "{(})", "'x", "\"x", "a } {"] {
        assert!(!is_balanced(wrong, shell, &braces), "{wrong}");
    }
}

/// How the verbs of a group are called in a completion, in the words of the shell.
fn mentions(shell: Shell, script: &str, name: &[String]) -> bool {
    let (last, above) = name.split_last().unwrap();
    let above: Vec<&str> = above.iter().map(String::as_str).collect();
    let has = |text: String| script.contains(&text);
    match shell {
        Shell::Bash => has(format!(
            "{},{last})\n",
            ["harborctl"].into_iter().chain(above.iter().copied()).collect::<Vec<_>>().join("__subcmd__")
        )),
        Shell::Zsh => has(format!("'{last}:")) && has(format!("({last})\n")),
        Shell::Fish => {
            let first =
                above.first().is_none_or(|group| has(format!("__fish_harborctl_using_subcommand {group};")));
            first
                && above.iter().skip(1).all(|group| has(format!("and __fish_seen_subcommand_from {group}\"")))
                && has(format!("-a \"{last}\" -d "))
        }
        _ => has(format!("'harborctl;{}' {{", name.join(";"))),
    }
}

#[test]
fn completions_have_every_command_and_are_closed() {
    let brackets: &[(char, char)] = &[('{', '}'), ('(', ')'), ('[', ']')];
    let posix = Quoting { escape: '\\', in_single: false };
    let fish = Quoting { in_single: true, ..posix };
    let powershell = Quoting { escape: '`', ..posix };
    for (shell, quoting) in
        [(Shell::Bash, posix), (Shell::Zsh, posix), (Shell::Fish, fish), (Shell::PowerShell, powershell)]
    {
        let script = String::from_utf8(crate::completion::script(shell)).unwrap();
        // The alternatives of `case` end with a bracket that none has opened.
        let brackets = if matches!(shell, Shell::Bash | Shell::Zsh) { &brackets[..1] } else { brackets };
        assert!(is_balanced(&script, quoting, brackets), "{shell}");
        for name in all() {
            assert!(mentions(shell, &script, &name), "{shell}: {name:?}");
        }
    }
}
