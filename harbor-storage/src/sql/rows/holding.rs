//! What a project holds, counted by whoever links, stores, unlinks and deletes.
//!
//! Of each digest that a project has, a row of `project_content` tells how many links and manifests hold it. Who adds a
//! holder or takes one away locks that row until it commits, so one knows that it is the first, and one that it was the last;
//! only those two change the sum. The sum's row is written last of all, for everybody who pushes to the project wants one.

use std::collections::BTreeMap;

use harbor_core::StoreError;
use harbor_core::meta::{Growth, ProjectId, UNLIMITED, Usage};

use super::many::{OverList, many_of, over_list};
use super::{Rows, first, piece, piece_of};
use crate::sql::session::{Row, size};
use crate::sql::statement::{Value, sql, values};

/// What a transaction changes of what a project holds.
#[derive(Debug)]
pub(super) struct Change {
    bytes: i64,
    /// What of that is not in the sum's row yet.
    unwritten: i64,
    hard: i64,
    /// What the project holds with that, where only this transaction writes, and nothing changed since it was read.
    pub(super) sum: Option<i64>,
}

/// A number that no other call has: what it makes can be told from what was there.
pub(super) fn maker() -> i64 {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    i64::from_ne_bytes(random.to_ne_bytes())
}

/// Adds a holder of what a link of `maker`'s making, to a blob of that digest, brought to the repository.
macro_rules! count_link {
    () => {
        "INSERT INTO project_content (project_id, digest, size, holders) \
         SELECT r.project_id, b.digest, b.size, 1 FROM blobs b \
         JOIN blob_links l ON l.blob_id = b.id AND l.repository_id = ? AND l.maker = ? \
         JOIN repositories r ON r.id = l.repository_id WHERE "
    };
}
pub(super) use count_link;

/// The end of a statement that adds a holder.
macro_rules! one_more {
    () => {
        " ON CONFLICT (project_id, digest) DO UPDATE SET holders = project_content.holders + 1"
    };
}
pub(super) use one_more;

/// What [`Rows::came`] reads, of a blob `b` and a repository: the project, how many hold the blob when a link of `maker`'s
/// making does, and the limit. Takes the repository, the repository and the maker, and the repository.
macro_rules! holding {
    () => {
        "(SELECT r.project_id FROM repositories r WHERE r.id = ?), \
         (SELECT c.holders FROM blob_links l JOIN repositories r ON r.id = l.repository_id \
         JOIN project_content c ON c.project_id = r.project_id AND c.digest = b.digest \
         WHERE l.blob_id = b.id AND l.repository_id = ? AND l.maker = ?), \
         (SELECT q.hard FROM repositories r JOIN quotas q ON q.project_id = r.project_id WHERE r.id = ?)"
    };
}
pub(super) use holding;

impl Rows {
    /// Whether sums have one part only, for one transaction at a time may write them: then they can be written early.
    pub(super) const fn is_only_writer(&self) -> bool {
        self.stripes.is_none()
    }

    /// Notes that content of so many bytes came, when this transaction added the first holder of it, and yields what it changes
    /// then. The row has, from `at` on, the project, the holders, if one was added, and the limit.
    pub(super) fn came(
        &mut self,
        row: &Row,
        at: usize,
        bytes: u64,
        written: bool,
    ) -> Result<Option<&mut Change>, StoreError> {
        if row.optional_int(at + 1)? != Some(1) {
            return Ok(None);
        }
        let (project, hard) = (row.int(at)?, row.optional_int(at + 2)?.unwrap_or(UNLIMITED));
        let change = self.change(project, size(bytes)?, written);
        change.hard = hard;
        Ok(Some(change))
    }

    /// Takes away a holder of content.
    pub(super) async fn went(&mut self, project: i64, digest: &str) -> Result<(), StoreError> {
        let less =
            sql!("UPDATE project_content SET holders = holders - 1 WHERE project_id = ? AND digest = ?");
        self.session.defer(less, values![project, digest]).await?;
        let find = sql!("SELECT size, holders FROM project_content WHERE project_id = ? AND digest = ?");
        let Some(row) = first(self.session.fetch(find, values![project, digest]).await?) else {
            tracing::error!(project, digest, "content went that was not counted");
            return Ok(());
        };
        if row.int(1)? <= 0 {
            let delete = sql!("DELETE FROM project_content WHERE project_id = ? AND digest = ?");
            self.session.defer(delete, values![project, digest]).await?;
            self.change(project, -row.int(0)?, false);
        }
        Ok(())
    }

    /// Takes away holders of contents of a project, which are in their order and different: of each so many.
    pub(super) async fn all_went(&mut self, project: i64, gone: &[(String, i64)]) -> Result<(), StoreError> {
        let lock = over_list!(
            "SELECT digest, size, holders FROM project_content WHERE project_id = ? AND digest IN (",
            ") ORDER BY digest FOR UPDATE"
        );
        let project_id = values![project];
        let digests: Vec<Value> = gone.iter().map(|(digest, _)| Value::from(digest.as_str())).collect();
        let mut held = BTreeMap::new();
        for row in self.fetch_over(lock, &project_id, &digests).await? {
            held.insert(row.text(0)?, (row.int(1)?, row.int(2)?));
        }
        let (mut once, mut last) = (Vec::new(), Vec::new());
        for (digest, holders) in gone {
            match held.get(digest) {
                None => tracing::error!(project, digest, "content went that was not counted"),
                Some((size, held)) if held <= holders => {
                    self.change(project, -size, false);
                    last.push(Value::from(digest.as_str()));
                }
                Some(_) if *holders == 1 => once.push(Value::from(digest.as_str())),
                Some(_) => self.fewer(project, digest, *holders).await?,
            }
        }
        let less = over_list!(
            "UPDATE project_content SET holders = holders - 1 WHERE project_id = ? AND digest IN (",
            ")"
        );
        self.defer_over(less, &project_id, &once).await?;
        let delete = over_list!("DELETE FROM project_content WHERE project_id = ? AND digest IN (", ")");
        self.defer_over(delete, &project_id, &last).await
    }

    /// Takes away several holders of content that has more.
    async fn fewer(&mut self, project: i64, digest: &str, holders: i64) -> Result<(), StoreError> {
        let less =
            sql!("UPDATE project_content SET holders = holders - ? WHERE project_id = ? AND digest = ?");
        self.session.defer(less, values![holders, project, digest]).await
    }

    fn change(&mut self, project: i64, bytes: i64, written: bool) -> &mut Change {
        let none = Change { bytes: 0, unwritten: 0, hard: UNLIMITED, sum: None };
        let change = self.changes.entry(project).or_insert(none);
        change.bytes += bytes;
        change.unwritten += if written { 0 } else { bytes };
        change.sum = None;
        change
    }

    /// What a project may hold and holds, where this transaction knows that already.
    pub(super) fn known_usage(&self, project: ProjectId) -> Option<Usage> {
        let change = self.changes.get(&project.get()).filter(|change| change.unwritten == 0)?;
        Some(Usage { hard: change.hard, used: u64::try_from(change.sum?).unwrap_or_default() })
    }

    /// What this transaction changes.
    pub(super) fn grown(&self) -> Vec<Growth> {
        let growth = |(project, change): (&i64, &Change)| Growth {
            project: ProjectId::new(*project),
            bytes: change.bytes,
            hard: change.hard,
        };
        self.changes.iter().map(growth).collect()
    }

    /// What of that is not in the sum's row.
    pub(super) fn unwritten(&self, project: ProjectId) -> i64 {
        self.changes.get(&project.get()).map_or(0, |change| change.unwritten)
    }

    /// Adds what changed to the sums, in the order of keys, as everybody has it. What is locked here nearly everybody wants:
    /// nothing may come after it but the commit.
    pub(super) async fn write_usage(&mut self) -> Result<(), StoreError> {
        let changed: Vec<i64> = self.changes.keys().copied().collect();
        for project in changed {
            self.write_usage_of(project).await?;
        }
        Ok(())
    }

    /// Adds what changed to the sum of one project.
    pub(super) async fn write_usage_of(&mut self, project: i64) -> Result<(), StoreError> {
        let Some(change) = self.changes.get_mut(&project).filter(|change| change.unwritten != 0) else {
            return Ok(());
        };
        let bytes = std::mem::take(&mut change.unwritten);
        change.sum = None;
        let stripe = self.stripe();
        let add = sql!(
            "INSERT INTO project_usage (project_id, stripe, used) VALUES (?, ?, ?) \
             ON CONFLICT (project_id, stripe) DO UPDATE SET used = project_usage.used + excluded.used"
        );
        self.session.defer(add, values![project, stripe, bytes]).await
    }
}
