//! How many artifacts of a repository lists show, counted by whoever stores, deletes, hides and shows them; and what is hidden.
//!
//! As the sums of projects, these numbers are in parts, so that those who push to one repository do not wait for each other.

use std::collections::{BTreeMap, BTreeSet};

use harbor_core::{StoreError, StoreErrorKind};

use super::stripes::Turn;
use super::{Rows, first, piece, piece_of, rows_of};
use crate::sql::statement::{Value, sql, values};

/// The number of shown artifacts of a repository `r`.
macro_rules! shown {
    () => {
        "(SELECT COALESCE(CAST(SUM(n.number) AS BIGINT), 0) FROM artifact_counts n WHERE n.repository_id = r.id)"
    };
}
pub(super) use shown;

impl Rows {
    /// The part that this transaction writes to.
    pub(super) fn stripe(&mut self) -> u32 {
        if let (Some(stripes), None) = (&self.stripes, &self.turn) {
            self.turn = Some(stripes.take());
        }
        self.turn.as_ref().map_or(0, Turn::stripe)
    }

    /// Counts artifacts that lists show more, or fewer.
    pub(super) async fn count_shown(&mut self, repository: i64, more: i64) -> Result<(), StoreError> {
        if more == 0 {
            return Ok(());
        }
        let add = sql!(
            "INSERT INTO artifact_counts (repository_id, stripe, number) VALUES (?, ?, ?) \
             ON CONFLICT (repository_id, stripe) DO UPDATE SET number = artifact_counts.number + excluded.number"
        );
        let stripe = self.stripe();
        self.session.defer(add, values![repository, stripe, more]).await
    }

    /// Hides and shows these manifests as what lists them, and which tags name them, has become another: the caller has changed
    /// that already. `Conflict` when one of them is gone.
    ///
    /// Whoever changes what lists a manifest, or which tags name it, locks its row before looking whether it must be shown or
    /// hidden, so that the last of them sees what all of them did. Rows of manifests are locked in the order of keys, and ahead of
    /// the repository's and those of tags.
    pub(super) async fn show_or_hide(&mut self, repository: i64, ids: &[i64]) -> Result<(), StoreError> {
        let look = sql!(concat!(
            "SELECT id, hidden FROM manifests WHERE id IN (",
            piece!(),
            ") ORDER BY id FOR UPDATE"
        ));
        let update = sql!(concat!(
            "UPDATE manifests SET hidden = CASE WHEN accessory IS NOT NULL THEN 1 \
             WHEN EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = manifests.id) THEN 0 \
             WHEN EXISTS (SELECT 1 FROM manifest_children c WHERE c.repository_id = manifests.repository_id \
             AND c.digest = manifests.digest) THEN 1 ELSE 0 END WHERE id IN (",
            piece!(),
            ")"
        ));
        let ids = BTreeSet::from_iter(ids.iter().copied()).into_iter().collect::<Vec<i64>>();
        let (mut more, mut seen) = (0, 0);
        for piece in rows_of(&ids, |id| [Value::from(*id)]) {
            let before = self.session.fetch(look, piece.clone()).await?;
            seen += before.len();
            self.session.defer(update, piece.clone()).await?;
            let after = self.session.fetch(look, piece).await?;
            for row in before {
                more += row.int(1)?;
            }
            for row in after {
                more -= row.int(1)?;
            }
        }
        if seen < ids.len() {
            return Err(StoreError::new(
                StoreErrorKind::Conflict,
                "hiding a manifest that was deleted meanwhile",
            ));
        }
        self.count_shown(repository, more).await
    }

    /// Hides and shows what a repository has of these manifests, after an index that lists them was stored or deleted. Yields
    /// how many it has.
    pub(super) async fn show_or_hide_listed(
        &mut self,
        repository: i64,
        digests: &[String],
    ) -> Result<usize, StoreError> {
        let mut found = self.manifest_ids(repository, digests).await?;
        if found.len() == digests.len() || self.is_only_writer() {
            let ids: Vec<i64> = found.into_values().collect();
            self.show_or_hide(repository, &ids).await?;
            return Ok(ids.len());
        }
        let absent: Vec<&str> =
            digests.iter().map(String::as_str).filter(|digest| !found.contains_key(*digest)).collect();
        let project = self.claim_absent(repository, &absent).await?;
        found = self.manifest_ids(repository, digests).await?;
        self.release_absent(project, &absent).await?;
        let ids: Vec<i64> = found.into_values().collect();
        self.show_or_hide(repository, &ids).await?;
        Ok(ids.len())
    }

    /// Waits for those who are storing manifests of these digests, and keeps others from it until the commit, for they look
    /// whether they are listed. What there is to lock is the row that counts who holds the digest: each who stores it adds to that.
    async fn claim_absent(&mut self, repository: i64, digests: &[&str]) -> Result<i64, StoreError> {
        let find = sql!("SELECT project_id FROM repositories WHERE id = ?");
        let project = first(self.session.fetch(find, values![repository]).await?);
        let project = project.map_or(Ok(0), |row| row.int(0))?;
        let make = sql!(concat!(
            "INSERT INTO project_content (project_id, digest, size, holders) VALUES ",
            piece_of!("(?, ?, 0, 0)"),
            " ON CONFLICT (project_id, digest) DO NOTHING"
        ));
        let lock = sql!(concat!(
            "SELECT digest FROM project_content WHERE project_id = ? AND digest IN (",
            piece!(),
            ") ORDER BY digest FOR UPDATE"
        ));
        for piece in rows_of(digests, |digest| [project.into(), Value::from(*digest)]) {
            self.session.defer(make, piece).await?;
        }
        for piece in rows_of(digests, |digest| [Value::from(*digest)]) {
            self.session.fetch(lock, values![project].into_iter().chain(piece).collect()).await?;
        }
        Ok(project)
    }

    /// Deletes what [`Rows::claim_absent`] made: it locks all the same.
    async fn release_absent(&mut self, project: i64, digests: &[&str]) -> Result<(), StoreError> {
        let delete = sql!(concat!(
            "DELETE FROM project_content WHERE project_id = ? AND holders = 0 AND digest IN (",
            piece!(),
            ")"
        ));
        for piece in rows_of(digests, |digest| [Value::from(*digest)]) {
            let parameters = values![project].into_iter().chain(piece).collect();
            self.session.defer(delete, parameters).await?;
        }
        Ok(())
    }

    /// The manifests of these digests that the repository has: their keys, by their digests.
    async fn manifest_ids(
        &mut self,
        repository: i64,
        digests: &[String],
    ) -> Result<BTreeMap<String, i64>, StoreError> {
        let find = sql!(concat!(
            "SELECT digest, id FROM manifests WHERE repository_id = ? AND digest IN (",
            piece!(),
            ")"
        ));
        let mut ids = BTreeMap::new();
        for piece in rows_of(digests, |digest| [Value::from(digest.as_str())]) {
            let parameters = values![repository].into_iter().chain(piece).collect();
            for row in self.session.fetch(find, parameters).await? {
                ids.insert(row.text(0)?, row.int(1)?);
            }
        }
        Ok(ids)
    }
}
