use async_trait::async_trait;
use harbor_core::meta::{
    CLAIMS, Growth, Listed, ProjectId, Quota, QuotaId, QuotaKey, QuotaRows, QuotaRowsMut, UNLIMITED, Usage,
    UserId,
};
use harbor_core::oci::Digest;
use harbor_core::query::Query;
use harbor_core::{StoreError, Timestamp};

use super::{Rows, first, piece_of};
use crate::sql::listing::Listing;
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

macro_rules! columns {
    () => {
        "q.id, q.project_id, p.name, p.owner_id, o.name, q.hard, CAST(COALESCE(s.used, 0) AS BIGINT), \
         q.created_at, q.updated_at"
    };
}

macro_rules! from {
    () => {
        "quotas q JOIN projects p ON p.id = q.project_id LEFT JOIN users o ON o.id = p.owner_id \
         LEFT JOIN (SELECT u.project_id AS project_id, SUM(u.used) AS used FROM project_usage u \
         GROUP BY u.project_id) s ON s.project_id = q.project_id"
    };
}

fn quota(row: &Row) -> Result<Quota, StoreError> {
    Ok(Quota {
        id: QuotaId::new(row.int(0)?),
        project: ProjectId::new(row.int(1)?),
        project_name: row.parsed(2)?,
        owner: Some(row.int(3)?).filter(|id| *id != 0).map(UserId::new),
        owner_name: row.optional_text(4)?,
        hard: row.int(5)?,
        used: row.count(6)?,
        created_at: Timestamp::from_micros(row.int(7)?),
        updated_at: Timestamp::from_micros(row.int(8)?),
    })
}

fn column(key: QuotaKey) -> &'static str {
    match key {
        QuotaKey::Id => "q.id",
        QuotaKey::Project => "q.project_id",
        QuotaKey::Hard => "CASE WHEN q.hard < 0 THEN 9223372036854775807 ELSE q.hard END",
        QuotaKey::Used => "COALESCE(s.used, 0)",
        QuotaKey::CreatedAt => "q.created_at",
        QuotaKey::UpdatedAt => "q.updated_at",
    }
}

#[async_trait]
impl QuotaRows for Rows {
    async fn quota(&mut self, id: QuotaId) -> Result<Option<Quota>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM ", from!(), " WHERE q.id = ?"));
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| quota(&row)).transpose()
    }

    async fn quota_of(&mut self, project: ProjectId) -> Result<Option<Quota>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM ", from!(), " WHERE q.project_id = ?"));
        first(self.session.fetch(find, values![project.get()]).await?).map(|row| quota(&row)).transpose()
    }

    async fn quotas(&mut self, query: &Query<QuotaKey>) -> Result<Listed<Quota>, StoreError> {
        let listing = Listing::new(columns!(), from!(), "q.id").query(query, column, "q.created_at DESC");
        self.list(listing, quota).await
    }

    async fn usage(&mut self, project: ProjectId) -> Result<Usage, StoreError> {
        let find = sql!(
            "SELECT COALESCE((SELECT q.hard FROM quotas q WHERE q.project_id = ?), -1), \
             CAST(COALESCE((SELECT SUM(u.used) FROM project_usage u WHERE u.project_id = ?), 0) AS BIGINT)"
        );
        let row = first(self.session.fetch(find, values![project.get(), project.get()]).await?);
        let (hard, stored) = row.map_or(Ok((UNLIMITED, 0)), |row| Ok((row.int(0)?, row.int(1)?)))?;
        let used = stored.saturating_add(self.unwritten(project));
        Ok(Usage { hard, used: u64::try_from(used).unwrap_or_default() })
    }

    async fn content_is_held(&mut self, project: ProjectId, digest: &Digest) -> Result<bool, StoreError> {
        let find = sql!("SELECT size FROM project_content WHERE project_id = ? AND digest = ?");
        let rows = self.session.fetch(find, values![project.get(), digest.to_string()]).await?;
        Ok(!rows.is_empty())
    }
}

#[async_trait]
impl QuotaRowsMut for Rows {
    async fn quota_set(&mut self, id: QuotaId, hard: i64, now: Timestamp) -> Result<bool, StoreError> {
        let update = sql!("UPDATE quotas SET hard = ?, updated_at = ? WHERE id = ?");
        Ok(self.session.execute(update, values![hard, now.micros(), id.get()]).await? == 1)
    }

    async fn growth(&mut self) -> Result<Vec<Growth>, StoreError> {
        Ok(self.grown())
    }

    async fn usage_claim(&mut self, project: ProjectId, alone: bool) -> Result<Usage, StoreError> {
        if let Some(usage) = self.known_usage(project) {
            return Ok(usage);
        }
        if alone {
            self.lock_stripes(project).await?;
        }
        // Its own stripe is locked by writing it, and only then is the sum read: whoever claims alone has all of them.
        self.write_usage_of(project.get()).await?;
        self.usage(project).await
    }
}

impl Rows {
    /// Locks every stripe of a project, each in its turn.
    async fn lock_stripes(&mut self, project: ProjectId) -> Result<(), StoreError> {
        if self.stripes.is_none() {
            return Ok(());
        }
        // One at a time, for two that lock many rows had better not meet in the midst of them.
        let turn = sql!("SELECT id FROM quotas WHERE project_id = ? FOR UPDATE");
        self.session.fetch(turn, values![project.get()]).await?;
        let lock = sql!("SELECT stripe FROM project_usage WHERE project_id = ? ORDER BY stripe FOR UPDATE");
        let locked = self.session.fetch(lock, values![project.get()]).await?;
        if locked.len() as u64 >= CLAIMS {
            return Ok(());
        }
        // A row that is not there cannot be locked, and somebody could make it: so they are made, or locked by writing them.
        let make = sql!(concat!(
            "INSERT INTO project_usage (project_id, stripe, used) VALUES ",
            piece_of!("(?, ?, 0)"),
            " ON CONFLICT (project_id, stripe) DO UPDATE SET used = project_usage.used"
        ));
        let stripes: Vec<i64> = (0..).take(super::stripes::STRIPES as usize).collect();
        for piece in super::rows_of(&stripes, |stripe| [project.get().into(), (*stripe).into()]) {
            self.session.execute(make, piece).await?;
        }
        Ok(())
    }
}
