//! Reviews of links, many in a transaction: what one costs beside the transaction is little.

use super::pace::{AFTER_ROWS, Pace};
use super::{GcReport, Look};
use crate::engine::Harbor;
use crate::engine::gate::contended;
use crate::meta::{LinkId, LinkReview};
use crate::{Result, Timestamp};

impl Harbor {
    /// Removes those of these links that are due and that no manifest refers to, and with the last link to a blob its row. The report
    /// has what was done, also where this fails.
    pub(super) async fn review_links(
        &self,
        links: &[LinkId],
        look: Look<'_>,
        report: &mut GcReport,
    ) -> Result<()> {
        let (mut pace, mut left) = (Pace::new(self, look), links);
        while let Some(links) = pace.rows(&mut left) {
            report.links += contended!(self.review_links_once(links, &mut pace))?;
            pace.rest(AFTER_ROWS).await?;
        }
        Ok(())
    }

    async fn review_links_once(&self, links: &[LinkId], pace: &mut Pace<'_>) -> Result<u64> {
        let mut write = self.write_as_system().await?;
        pace.begin();
        let rows = write.rows();
        let due = rows.links_review(links, pace.look.as_of).await?;
        let (gone, settled): (Vec<_>, Vec<_>) =
            due.iter().partition(|due| due.repository.is_some() && !due.referenced);
        let links = |of: Vec<&LinkReview>| of.into_iter().map(|due| due.link).collect::<Vec<_>>();
        let (gone, settled) = (links(gone), links(settled));
        rows.reviews_delete(&settled).await?;
        // Whoever sweeps next deletes the bytes, also a run that began before this.
        rows.links_delete(&gone, Timestamp::default()).await?;
        let mut repositories: Vec<_> = due.iter().filter_map(|due| due.repository).collect();
        repositories.sort_unstable();
        repositories.dedup();
        // Also of links that stay: their review is over, and the cache shall know.
        repositories.into_iter().for_each(|repository| write.changed_blobs(repository));
        write.commit().await?;
        pace.end();
        Ok(gone.len() as u64)
    }
}
