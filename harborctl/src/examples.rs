//! Examples in the help of every command: those that have none of their own get one of their arguments, and groups that of their first
//! command.

use clap::Command;

/// What stands for an argument in an example, by its name.
const VALUES: &[(&str, &str)] = &[
    ("addition", "values.yaml"),
    ("artifact", "team/web:1.0"),
    ("code", "123456"),
    ("delivery", "12"),
    ("file", "values.yaml"),
    ("folder", "man"),
    ("group", "developers"),
    ("job", "1b4e28ba-2fa1-11d2-883f-0016d3cca427"),
    ("kind", "WEBHOOK"),
    ("label", "tested"),
    ("member", "grace"),
    ("name", "staging"),
    ("project", "team"),
    ("repository", "team/web"),
    ("robot", "ci"),
    ("role", "puller"),
    ("rule", "3"),
    ("run", "7"),
    ("shell", "bash"),
    ("tag", "stable"),
    ("task", "15"),
    ("text", "web"),
    ("to", "production"),
    ("token", "laptop"),
    ("user", "grace"),
    ("webhook", "ci"),
    ("when", "daily"),
];

/// The command line, with an example in the help of each command.
pub(crate) fn with_examples(command: Command) -> Command {
    let name = command.get_name().to_owned();
    below(command, &name)
}

fn below(mut command: Command, path: &str) -> Command {
    let names: Vec<_> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    for name in &names {
        let path = format!("{path} {name}");
        command = command.mut_subcommand(name, |command| below(command, &path));
    }
    if command.get_after_help().is_some() {
        return command;
    }
    let example = first_below(&command).unwrap_or_else(|| example(&command, path));
    command.after_help(format!("Example:\n  {example}"))
}

/// The first example of the first command of a group.
fn first_below(group: &Command) -> Option<String> {
    let help = group.get_subcommands().next()?.get_after_help()?.to_string();
    help.lines().map(str::trim).find(|line| line.starts_with("harborctl ")).map(ToOwned::to_owned)
}

fn example(command: &Command, path: &str) -> String {
    let wanted = command.get_arguments().filter(|argument| argument.is_required_set());
    let parts = wanted.map(|argument| {
        let name = argument.get_id().as_str();
        let value = VALUES.iter().find(|(known, _)| *known == name).map_or("…", |(_, value)| value);
        match (argument.is_positional(), argument.get_long()) {
            (false, Some(long)) => format!("--{long} {value}"),
            _ => value.to_owned(),
        }
    });
    std::iter::once(path.to_owned()).chain(parts).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::command::Cli;

    /// The examples of a help text, without what is behind a pipe.
    fn examples(help: &str) -> Vec<String> {
        let lines = help.lines().map(str::trim).filter(|line| line.starts_with("harborctl "));
        lines.map(str::to_owned).collect()
    }

    fn leaves(command: &Command, found: &mut Vec<(String, String)>, path: &str) {
        let path = format!("{path} {}", command.get_name());
        if command.get_name() != "harborctl" {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            found.push((path.clone(), help));
        }
        for below in command.get_subcommands() {
            leaves(below, found, &path);
        }
    }

    #[test]
    fn every_command_has_an_example_that_names_all_it_needs() {
        let command = with_examples(Cli::command());
        command.clone().debug_assert();
        let mut found = Vec::new();
        leaves(&command, &mut found, "");
        assert!(found.len() > 100, "{}", found.len());
        for (path, help) in found {
            assert!(help.contains("Example"), "{path}");
            assert!(!examples(&help).iter().any(|example| example.contains(" …")), "{path}: {help}");
        }
    }

    #[test]
    fn examples_that_are_made_are_understood() {
        let command = with_examples(Cli::command());
        let mut found = Vec::new();
        leaves(&command, &mut found, "");
        for (path, help) in found {
            // What a shell would do with quotes and pipes is not tried.
            let plain = |example: &&String| !example.contains(['\'', '|', '>', '<', '"', ';', '…', '$', '&']);
            for example in examples(&help).iter().filter(plain) {
                let parsed = command.clone().try_get_matches_from(example.split_whitespace());
                assert!(parsed.is_ok(), "{path}: {example}: {}", parsed.unwrap_err());
            }
        }
    }
}
