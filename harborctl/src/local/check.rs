//! `harborctl local check`.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use harbor_auth::AuditKeys;
use harbor_core::audit::{AuditFinding, AuditSigner, verify_audit};
use harbor_core::meta::MetadataStore;
use harbor_core::{StoreError, StoreErrorKind};
use harbor_storage::check::{CheckOptions, Checked, Finding, check};
use harbor_storage::sql::SqlMetadata;
use serde_json::{Value, json};

use super::backup::size;
use super::failed;
use super::gc::wrong;
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

/// Look whether everything in a registry is as it should be: rows, figures, manifests, blobs, files, the audit log
///
/// It only reads, and the server may run, unless it is to mend what it finds. It fails when something is wrong, and when something
/// could not be mended.
///
/// Mending loses nothing that is whole: figures are counted again; rows that name nothing go; a lost or damaged blob is taken from its
/// repositories, so that it can be pushed again; damaged files, and those that no row names, are put into `quarantine` beside the blobs.
/// The audit log is verified against its chain and never mended: what is wrong with it is evidence.
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
    /// lost or unknown; and where as many rows of a table would go. For a store of which much was lost, never for one that is not
    /// mounted: the rest goes from the repositories
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
        let place = self.at.place()?;
        let mut checked = check(&place, &options).await.map_err(failed)?;
        let mut verified = Ok(());
        if checked.cut_short {
            session.output.note("the file of the database is damaged: nothing else was looked at");
        } else {
            verified = audit(&place.database, &mut checked).await;
        }
        let findings: Vec<_> = checked.findings.iter().map(entry).collect();
        session.entries(&findings, &FINDING)?;
        // Not before: what was found, and what was mended, is told whatever becomes of the audit log.
        verified?;
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

/// Verifies the audit log.
async fn audit(database: &str, checked: &mut Checked) -> Outcome {
    let metadata: Arc<dyn MetadataStore> = Arc::new(SqlMetadata::beside(database).await.map_err(failed)?);
    let verified = verify(&metadata, checked).await;
    metadata.close().await;
    verified
}

/// Whether there is something that keys have signed.
async fn is_signed(metadata: &dyn MetadataStore) -> Result<bool, StoreError> {
    Ok(!metadata.read().await?.audit_heads(0, 1).await?.is_empty())
}

async fn verify(metadata: &Arc<dyn MetadataStore>, checked: &mut Checked) -> Outcome {
    let keys = match AuditKeys::known(Arc::clone(metadata)).await {
        Err(error) if error.kind() == StoreErrorKind::Corrupt => {
            checked.add("audit", "keys", format!("{error}, so no signature is verified: {EVIDENCE}"));
            None
        }
        keys => {
            let keys = keys.map_err(failed)?;
            if keys.is_none() && is_signed(&**metadata).await.map_err(failed)? {
                let what = format!("its keys are not there, so no signature is verified: {EVIDENCE}");
                checked.add("audit", "keys", what);
            }
            keys
        }
    };
    let signer = keys.as_ref().map(|keys| keys as &dyn AuditSigner);
    let report = verify_audit(&**metadata, signer, &[]).await.map_err(wrong)?;
    for finding in report.findings {
        checked.add("audit", which(&finding), format!("{finding}: {EVIDENCE}"));
    }
    Ok(())
}

/// What is done about an audit log that is not as it was sealed.
const EVIDENCE: &str = "keep a copy of the database, and compare a backup, or what was forwarded";

fn which(finding: &AuditFinding) -> String {
    match (finding.line(), finding.seq()) {
        (Some(line), _) => format!("line #{}", line.get()),
        (None, Some(seq)) => format!("link #{seq}"),
        (None, None) => finding.kind().to_owned(),
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
