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
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut crate::command_line(), "harborctl", &mut text);
        io::Write::write_all(&mut io::stdout().lock(), &text)?;
        Ok(())
    }
}

/// Write manual pages, one for each command, to a folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  harborctl man /usr/local/share/man/man1")]
pub(crate) struct Man {
    folder: PathBuf,
}

impl Man {
    pub(crate) fn run(&self) -> Outcome {
        let wrong = |error: io::Error| {
            Failure::new(Kind::Failed, format!("{} cannot be written: {error}", self.folder.display()))
        };
        std::fs::create_dir_all(&self.folder).map_err(wrong)?;
        let mut command = crate::command_line();
        command.build();
        pages(&command, &self.folder).map_err(wrong)
    }
}

fn pages(command: &clap::Command, folder: &Path) -> io::Result<()> {
    clap_mangen::Man::new(command.clone()).generate_to(folder)?;
    let visible =
        command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    for below in visible {
        pages(below, folder)?;
    }
    Ok(())
}
