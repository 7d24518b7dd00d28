//! What to try, where a failure does not say it itself: by what it says, and by the command that was typed.

use clap::{ArgMatches, Command};

use crate::failure::Kind;

/// What servers say that there is none of, and the command that shows those that there are. What is longer comes first.
const NOUNS: &[(&str, &str)] = &[
    ("deleted artifact", "artifact deleted"),
    ("artifact", "artifact list"),
    ("manifest", "artifact list"),
    ("job queue", "job queues"),
    ("job", "job list"),
    ("label", "label list"),
    ("member", "member list"),
    ("metadata", "project setting list"),
    ("project", "project list"),
    ("quota", "quota list"),
    ("repository", "repository list"),
    ("retention policy", "retention get"),
    ("robot", "robot list"),
    ("role", "role list"),
    ("rule of immutable tags", "immutable list"),
    ("tag", "tag list"),
    ("token", "token list"),
    ("user group", "group list"),
    ("user", "user list"),
    ("webhook policy", "webhook list"),
    ("worker pool", "job pools"),
];

/// The same of what nouns have that are not called so: runs of retention, and deliveries of webhooks.
const RUNS: &[(&str, &str)] = &[("retention", "retention runs"), ("webhook", "webhook deliveries")];

/// What there is none of, where it is one of [`RUNS`].
const OF_RUNS: [&str; 3] = ["execution", "task", "log"];

/// What servers say, and the command that helps then.
const SAID: &[(&str, &str)] = &[
    ("make a personal access token instead", "harborctl token create NAME"),
    ("the template of a rule is one of", "harborctl retention templates"),
    ("there is no permission", "harborctl role permissions [--system]"),
];

/// The names of the command that was typed: `project`, `get`.
pub(crate) fn typed(matches: &ArgMatches) -> Vec<String> {
    let mut names = Vec::new();
    let mut at = matches.subcommand();
    while let Some((name, below)) = at {
        names.push(name.to_owned());
        at = below.subcommand();
    }
    names
}

/// What to try when a command of these names fails so.
pub(crate) fn of(kind: Kind, what: &str, names: &[String]) -> String {
    let root = crate::command_line();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if let Some((_, hint)) = SAID.iter().find(|(said, _)| what.contains(said)) {
        return (*hint).to_owned();
    }
    let shown = match kind {
        Kind::NotFound => {
            named(what, &names).and_then(|path| usage(&root, &path)).or_else(|| list(&root, &names))
        }
        Kind::Conflict => list(&root, &names),
        _ => None,
    };
    shown.unwrap_or_else(|| format!("{} --help", [&["harborctl"], &*names].concat().join(" ")))
}

/// The command that shows what there is, by what there is none of.
fn named(what: &str, names: &[&str]) -> Option<Vec<&'static str>> {
    let (_, absent) = what.split_once("no such ")?;
    let is_run = OF_RUNS.iter().any(|one| absent.starts_with(one));
    let by_name = || RUNS.iter().find(|(noun, _)| names.first() == Some(noun));
    let found = if is_run { by_name() } else { NOUNS.iter().find(|(one, _)| absent.starts_with(one)) };
    found.map(|(_, path)| path.split(' ').collect())
}

/// The command beside this one, or beside its group, that shows what there is.
fn list(root: &Command, names: &[&str]) -> Option<String> {
    (1..names.len()).rev().find_map(|depth| {
        let group = names.get(..depth)?;
        ["list", "get"].iter().find_map(|verb| usage(root, &[group, &[*verb]].concat()))
    })
}

/// How a command is written, with what it must be told and the project that it may be told; nothing when there is none of that name.
fn usage(root: &Command, path: &[&str]) -> Option<String> {
    let command = path.iter().try_fold(root, |command, name| command.find_subcommand(name))?;
    let mut words = vec!["harborctl".to_owned()];
    words.extend(path.iter().map(|name| (*name).to_owned()));
    let wanted = command.get_positionals().filter(|argument| argument.is_required_set());
    let named = |argument: &clap::Arg| match argument.get_value_names() {
        Some([name, ..]) => name.to_string(),
        _ => argument.get_id().as_str().to_uppercase(),
    };
    words.extend(wanted.map(named));
    if command.get_opts().any(|option| option.get_long() == Some("project")) {
        let is_wanted = command.get_groups().any(clap::ArgGroup::is_required_set);
        words.push(if is_wanted { "--project PROJECT" } else { "[--project PROJECT]" }.to_owned());
    }
    Some(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(kind: Kind, what: &str, typed: &str) -> String {
        let names: Vec<String> = typed.split(' ').map(ToOwned::to_owned).collect();
        of(kind, what, &names)
    }

    #[test]
    fn what_shows_things_is_there() {
        let root = crate::command_line();
        for (noun, path) in NOUNS.iter().chain(RUNS) {
            let path: Vec<&str> = path.split(' ').collect();
            assert!(usage(&root, &path).is_some(), "{noun}: {path:?}");
        }
        for (place, (noun, _)) in NOUNS.iter().enumerate() {
            let hidden = NOUNS[..place].iter().find(|(before, _)| noun.starts_with(before));
            assert_eq!(hidden, None, "{noun} is never found");
        }
    }

    #[test]
    fn hints_name_the_noun() {
        let absent = |what: &str, typed: &str| tried(Kind::NotFound, what, typed);
        assert_eq!(absent("404: NOT_FOUND: no such user (request 1)", "member add"), "harborctl user list");
        assert_eq!(absent("no such execution", "audit purge get"), "harborctl audit purge list");
        assert_eq!(
            absent("no such task", "webhook log"),
            "harborctl webhook deliveries WEBHOOK [--project PROJECT]"
        );
        assert_eq!(
            absent("no such execution", "retention stop"),
            "harborctl retention runs --project PROJECT"
        );
        // What another server says.
        assert_eq!(
            absent("404: NOT_FOUND: nothing", "immutable disable"),
            "harborctl immutable list PROJECT"
        );
        assert_eq!(absent("404: NOT_FOUND: nothing", "push"), "harborctl push --help");
        let there = tried(Kind::Conflict, "tag stable exists already", "tag create");
        assert_eq!(there, "harborctl tag list ARTIFACT");
        assert_eq!(tried(Kind::Usage, "it is wrong", "audit purge run"), "harborctl audit purge run --help");
    }
}
