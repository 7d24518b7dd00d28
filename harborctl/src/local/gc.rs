//! `harborctl local gc`.

use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use harbor_auth::AuditKeys;
use harbor_core::access::permission::GarbageCollectionCreate;
use harbor_core::access::{Actor, AllowAll, Attempt, AuthError, Authenticator};
use harbor_core::meta::MetadataStore;
use harbor_core::{Clock, CollectGarbage, Error, Freed, Harbor};
use harbor_storage::check::check_version;
use harbor_storage::sql::SqlMetadata;
use serde_json::json;

use super::backup::size;
use super::failed;
use super::place::At;
use crate::failure::{Failure, Kind, Outcome};
use crate::output::counted;
use crate::session::Session;

/// Delete what nothing refers to any more, or tell what that would be
///
/// As the server does it: what is due, and, when that is asked, artifacts without tags. Over SQLite the server must not run; ask it
/// with `harborctl gc run` then. Over a database server it may, and both make room for each other.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  harborctl local gc --dry-run --data harbor-data
  harborctl local gc --delete-untagged --data harbor-data")]
pub(crate) struct Gc {
    /// Tell what would go, and let it stay
    #[arg(long)]
    dry_run: bool,
    /// Delete artifacts without tags as well
    #[arg(long)]
    delete_untagged: bool,
    #[command(flatten)]
    at: At,
}

impl Gc {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let how = CollectGarbage {
            dry_run: self.dry_run,
            delete_untagged: self.delete_untagged,
            ..CollectGarbage::default()
        };
        let settings = self.at.engine()?;
        if !self.at.has_config() {
            let grace = settings.gc_grace.as_secs();
            session.output.note(&format!(
                "no configuration file is named: content is kept for {grace} s, whatever the server has set"
            ));
        }
        let place = self.at.place()?;
        check_version(&place).await.map_err(failed)?;
        let metadata = SqlMetadata::connect(&place.database).await;
        let metadata = metadata.map_err(|error| {
            failed(error).hint("harborctl gc run [--dry-run], which asks a server that runs")
        })?;
        let metadata: Arc<dyn MetadataStore> = Arc::new(metadata);
        // It seals the audit log as it ends, and an end that nobody signed looks like one that was put in.
        let keys = AuditKeys::load(Arc::clone(&metadata), Clock::System.now()).await.map_err(failed)?;
        let blobs = harbor_storage::blobs::open(&place.blobs).await.map_err(failed)?;
        let harbor = Harbor::builder()
            .metadata_arc(metadata)
            .blobs_arc(blobs)
            .authenticator(Nobody)
            .authorizer(AllowAll)
            .audit_signer(keys)
            .settings(settings)
            .build()
            .map_err(wrong)?;
        let freed = collect(&harbor, &how, session).await;
        harbor.shutdown().await;
        let freed = freed?;
        let would = if how.dry_run { "would be freed" } else { "freed" };
        let what = format!(
            "{} and {}, {} {would}",
            counted(freed.purged_blobs, "blob"),
            counted(freed.purged_manifests, "manifest"),
            size(freed.freed_space)
        );
        let told = json!({
            "purged_blobs": freed.purged_blobs,
            "purged_manifests": freed.purged_manifests,
            "freed_space": freed.freed_space,
        });
        session.output.done(&what, Some(&told), None)
    }
}

async fn collect(harbor: &Harbor, how: &CollectGarbage, session: &Session) -> Outcome<Freed> {
    // Who can open the stores can do everything.
    let proof = harbor.authorize::<GarbageCollectionCreate>(&Actor::user("harborctl"), ()).await;
    let output = session.output;
    let collected =
        harbor.collect_garbage_by_hand(&proof.map_err(wrong)?, how, &|line| output.note(line)).await;
    collected.map_err(wrong)
}

pub(super) fn wrong(error: Error) -> Failure {
    let kind = match &error {
        Error::ReadOnly | Error::Precondition(_) => Kind::Conflict,
        Error::BadRequest(_) => Kind::Usage,
        _ => Kind::Failed,
    };
    Failure::new(kind, error.to_string())
}

/// Nobody logs in here.
#[derive(Debug)]
struct Nobody;

#[async_trait]
impl Authenticator for Nobody {
    async fn authenticate(&self, _: Attempt<'_>) -> Result<Option<Actor>, AuthError> {
        Ok(None)
    }
}
