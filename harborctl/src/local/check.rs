//! `harborctl local check`.

use std::time::Duration;

use clap::Args;
use harbor_storage::check::{CheckOptions, Finding, check};
use serde_json::{Value, json};

use super::backup::size;
use super::failed;
use super::place::At;
use crate::failure::{Failure, Kind, Outcome};
use crate::output::{Column, Shape};
use crate::session::Session;

static FINDING: Shape = Shape {
    name: "/subject",
    columns: &[
        Column::plain("KIND", "/kind"),
        Column::plain("WHICH", "/subject"),
        Column::plain("IS WRONG", "/what"),
        Column::plain("MENDED", "/mended"),
    ],
};

/// Look whether everything in a registry is as it should be: rows, figures, manifests, blobs, files
///
/// It only reads, and the server may run, unless it is to mend what it finds. It fails when something is wrong, and when something
/// could not be mended.
///
/// Mending loses nothing that is whole: figures are counted again; rows that name nothing go; a lost or damaged blob is taken from its
/// repositories, so that it can be pushed again; damaged files, and those that no row names, are put into `quarantine` beside the blobs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  harborctl local check --data harbor-data
  harborctl local check --data harbor-data --content --repair")]
pub(crate) struct Check {
    /// Read every byte of every blob as well
    #[arg(long)]
    content: bool,
    /// Mend what can be mended; the server must not run
    #[arg(long)]
    repair: bool,
    /// Mend also where the database and the blob store do not look like those of one registry: where the store has none of the blobs
    /// that the database names, the database names none of the files that the store has, or more than a tenth (and more than ten) are
    /// lost or unknown. For a store of which much was lost, never for one that is not mounted: the rest goes from the repositories
    #[arg(long, requires = "repair")]
    force: bool,
    /// How old a file must be that no row names, in hours: a younger one may be of a push that is under way
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    orphans_after: u32,
    #[command(flatten)]
    at: At,
}

impl Check {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let mut options = CheckOptions::default();
        options.content = self.content;
        options.repair = self.repair;
        options.force = self.force;
        options.orphans_after = Duration::from_secs(u64::from(self.orphans_after) * 60 * 60);
        let checked = check(&self.at.place()?, &options).await.map_err(failed)?;
        let findings: Vec<_> = checked.findings.iter().map(entry).collect();
        session.entries(&findings, &FINDING)?;
        let read = if self.content { format!(", {} read", size(checked.bytes)) } else { String::new() };
        let seen = format!("{} manifests, {} blobs{read}", checked.manifests, checked.blobs);
        if checked.young > 0 {
            session.output.note(&format!("{} young files belong to no row, or not yet", checked.young));
        }
        match (checked.findings.len(), checked.left()) {
            (0, _) => session.output.note(&format!("{seen}: all is as it should be")),
            (found, 0) => session.output.note(&format!("{seen}: {found} things were wrong and are mended")),
            (found, left) if self.repair => {
                let what = format!("{seen}: {found} things were wrong, and {left} could not be mended");
                return Err(Failure::new(Kind::Broken, what));
            }
            (found, _) => {
                return Err(Failure::new(Kind::Broken, format!("{seen}: {found} things are wrong"))
                    .hint("--repair, which tells what it has mended; take a backup first"));
            }
        }
        Ok(())
    }
}

fn entry(finding: &Finding) -> Value {
    json!({
        "kind": finding.kind,
        "subject": finding.subject,
        "what": finding.what,
        "mended": finding.mended,
    })
}
