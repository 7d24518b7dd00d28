//! `Transaction::publish` in one visit to the database where that can be.

use harbor_core::meta::{LinkId, PUSHED, Publish, Published};
use harbor_core::{StoreError, StoreErrorKind};

use super::blob::blob;
use super::holding::{count_link, holding, maker, one_more};
use super::{Rows, first};
use crate::sql::session::size;
use crate::sql::statement::{sql, values};

/// What is asked when all is done, and what else.
macro_rules! found {
    ($($more:expr),*) => {
        concat!(
            "SELECT b.id, b.digest, b.size, b.location, (SELECT l.id FROM blob_links l \
             WHERE l.blob_id = b.id AND l.repository_id = ?), (SELECT COUNT(*) FROM uploads u WHERE u.id = ?), ",
            holding!(),
            $($more,)*
            " FROM blobs b WHERE b.digest = ? FOR UPDATE"
        )
    };
}

/// What the project of a repository holds. Takes the repository.
macro_rules! sum {
    () => {
        "(SELECT SUM(u.used) FROM repositories r JOIN project_usage u ON u.project_id = r.project_id WHERE r.id = ?)"
    };
}

impl Rows {
    /// None of the statements but the last needs to be told what the others found, so on SQLite all go together.
    pub(super) async fn publish_at_once(&mut self, publish: &Publish<'_>) -> Result<Published, StoreError> {
        let Publish { upload, repository, digest, size: bytes, location, due, now } = *publish;
        let (upload, digest, maker) = (upload.to_string(), digest.to_string(), maker());
        let only_writer = self.is_only_writer();
        let session = &mut self.session;
        let ensure = sql!(
            "INSERT INTO blobs (digest, size, location, created_at) VALUES (?, ?, ?, ?) \
             ON CONFLICT (digest) DO NOTHING"
        );
        let parameters = values![digest.as_str(), size(bytes)?, location.as_str(), now.micros()];
        session.defer(ensure, parameters).await?;
        // The lock is taken here already: a blob that is seen stays until its link is there.
        let link = sql!(
            "INSERT INTO blob_links (repository_id, blob_id, created_at, maker) \
             SELECT ?, b.id, ?, ? FROM blobs b WHERE b.digest = ? AND EXISTS (SELECT 1 FROM uploads u WHERE u.id = ?) FOR UPDATE \
             ON CONFLICT (repository_id, blob_id) DO NOTHING"
        );
        let parameters = values![repository.get(), now.micros(), maker, digest.as_str(), upload.as_str()];
        session.defer(link, parameters).await?;
        let review = sql!(
            "INSERT INTO link_reviews (link_id, due, attempts, reason) \
             SELECT l.id, ?, 0, ? FROM blob_links l JOIN blobs b ON b.id = l.blob_id \
             WHERE l.repository_id = ? AND b.digest = ? \
             ON CONFLICT (link_id) DO UPDATE SET due = excluded.due, attempts = 0, reason = excluded.reason"
        );
        let parameters = values![due.micros(), PUSHED, repository.get(), digest.as_str()];
        session.defer(review, parameters).await?;
        let end = sql!(
            "DELETE FROM uploads WHERE id = ? AND EXISTS \
             (SELECT 1 FROM blobs b WHERE b.digest = ? AND b.location = ?)"
        );
        session.defer(end, values![upload.as_str(), digest.as_str(), location.as_str()]).await?;
        // As late as can be, for who pushes the same to another repository of the project waits for it.
        let count = sql!(concat!(count_link!(), "b.digest = ?", one_more!()));
        session.defer(count, values![repository.get(), maker, digest.as_str()]).await?;
        if only_writer {
            // Nobody waits for the sum's row, so it goes along, and the commit needs no visit of its own.
            let add = sql!(
                "INSERT INTO project_usage (project_id, stripe, used) SELECT c.project_id, 0, c.size FROM blobs b \
                 JOIN blob_links l ON l.blob_id = b.id AND l.repository_id = ? AND l.maker = ? \
                 JOIN repositories r ON r.id = l.repository_id \
                 JOIN project_content c ON c.project_id = r.project_id AND c.digest = b.digest AND c.holders = 1 \
                 WHERE b.digest = ? \
                 ON CONFLICT (project_id, stripe) DO UPDATE SET used = project_usage.used + excluded.used"
            );
            session.defer(add, values![repository.get(), maker, digest.as_str()]).await?;
        }
        let to = repository.get();
        let mut parameters = values![to, upload, to, to, maker, to];
        let find = if only_writer {
            parameters.push(to.into());
            sql!(found!(", ", sum!()))
        } else {
            sql!(found!())
        };
        parameters.push(digest.into());
        let rows = session.fetch(find, parameters).await?;
        let lost = || StoreError::new(StoreErrorKind::Conflict, "publishing a blob");
        let row = first(rows).ok_or_else(lost)?;
        let came = self.came(&row, 6, row.count(2)?, only_writer)?;
        if let (true, Some(change)) = (only_writer, came) {
            change.sum = row.optional_int(9)?;
        }
        let (blob, link, still_there) = (blob(&row)?, row.optional_int(4)?.map(LinkId::new), row.int(5)? > 0);
        Ok(match link {
            // The blob, or its link, was collected, and that was over between the statements.
            None if still_there => return Err(lost()),
            None => Published::Gone,
            Some(_) if blob.location == *location => Published::Used,
            Some(_) if still_there => Published::Unused,
            Some(_) => Published::Gone,
        })
    }
}
