//! Completions for shells, and manual pages: made from the command line itself.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::Shell;

use crate::failure::{Failure, Kind, Outcome};

/// Print completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  harborctl completion bash > /etc/bash_completion.d/harborctl
  harborctl completion zsh > \"${fpath[1]}/_harborctl\"
  harborctl completion fish > ~/.config/fish/completions/harborctl.fish
  harborctl completion powershell >> $PROFILE")]
pub(crate) struct Completion {
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(&self) -> Outcome {
        io::Write::write_all(&mut io::stdout().lock(), &script(self.shell))?;
        Ok(())
    }
}

/// What a shell reads.
pub(crate) fn script(shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut crate::command_line(), "harborctl", &mut text);
    text
}

/// Write manual pages, one for each command, to a folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  harborctl man /usr/local/share/man/man1")]
pub(crate) struct Man {
    folder: PathBuf,
}

impl Man {
    pub(crate) fn run(&self) -> Outcome {
        write_pages(&self.folder).map_err(|error| {
            Failure::new(Kind::Failed, format!("{} cannot be written: {error}", self.folder.display()))
        })
    }
}

/// Writes all manual pages to a folder, which it makes.
pub(crate) fn write_pages(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    // The pages are the help.
    let mut command = without_help(crate::command_line());
    command.build();
    pages(&command, folder)
}

/// Without the commands that print help.
fn without_help(command: clap::Command) -> clap::Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

fn pages(command: &clap::Command, folder: &Path) -> io::Result<()> {
    clap_mangen::Man::new(command.clone()).generate_to(folder)?;
    for below in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        pages(below, folder)?;
    }
    Ok(())
}
