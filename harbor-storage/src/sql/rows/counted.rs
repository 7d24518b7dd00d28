//! How many artifacts of a repository lists show, counted by whoever stores, deletes, hides and shows them; and what is hidden.
//!
//! As the sums of projects, these numbers are in parts, so that those who push to one repository do not wait for each other.

use harbor_core::StoreError;

use super::stripes::Turn;
use super::{Rows, piece, rows_of};
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

    /// Hides and shows these manifests as what lists them, and which tags name them, has become another.
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
        let mut more = 0;
        for piece in rows_of(ids, |id| [Value::from(*id)]) {
            let before = self.session.fetch(look, piece.clone()).await?;
            self.session.defer(update, piece.clone()).await?;
            let after = self.session.fetch(look, piece).await?;
            for row in before {
                more += row.int(1)?;
            }
            for row in after {
                more -= row.int(1)?;
            }
        }
        self.count_shown(repository, more).await
    }

    /// The manifests of these digests that the repository has.
    pub(super) async fn manifest_ids(
        &mut self,
        repository: i64,
        digests: &[String],
    ) -> Result<Vec<i64>, StoreError> {
        let find =
            sql!(concat!("SELECT id FROM manifests WHERE repository_id = ? AND digest IN (", piece!(), ")"));
        let mut ids = Vec::new();
        for piece in rows_of(digests, |digest| [Value::from(digest.as_str())]) {
            let parameters = values![repository].into_iter().chain(piece).collect();
            for row in self.session.fetch(find, parameters).await? {
                ids.push(row.int(0)?);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }
}
