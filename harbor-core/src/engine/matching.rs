//! Matching the patterns of a filter, before a list is read.
//!
//! Names are read a page at a time and matched when the connection that they were read with is free for others, with turns for
//! others in between: matching may take long, and nothing waits for it.

use super::Harbor;
use crate::Result;
use crate::access::{Actor, Matcher, ProjectFilter, Turn};
use crate::meta::{Among, Candidate, ProjectId, RepositoryFilter, RepositoryId};

/// How many names are read at a time.
const NAMES: u32 = 1000;

/// The names of how many projects are read at once, where they are few.
const PROJECTS: usize = 500;

impl Harbor {
    /// A filter with its patterns matched, for `actor`. Costs nothing where it has none.
    pub(super) async fn matched(&self, actor: &Actor, filter: ProjectFilter) -> Result<RepositoryFilter> {
        if !filter.has_patterns() {
            return Ok(filter.into());
        }
        let mut matching = Matching {
            harbor: self,
            filter: &filter,
            matcher: Matcher::new(&filter),
            turn: self.inner.matching.of(actor.principal()),
            found: Vec::new(),
        };
        match filter.named() {
            Some(ids) => matching.within(&ids.into_iter().collect::<Vec<_>>()).await?,
            None => matching.everywhere().await?,
        }
        let repositories = matching.found;
        Ok(RepositoryFilter { projects: filter, repositories })
    }
}

struct Matching<'a> {
    harbor: &'a Harbor,
    filter: &'a ProjectFilter,
    matcher: Matcher<'a>,
    turn: Turn,
    found: Vec<RepositoryId>,
}

impl Matching<'_> {
    async fn everywhere(&mut self) -> Result<()> {
        let mut last = RepositoryId::new(0);
        loop {
            let page = self.page(Among::All(last)).await?;
            match page.get(NAMES as usize - 1) {
                Some(one) => last = one.id,
                None => return Ok(()),
            }
        }
    }

    /// Small projects are read several at once, a large one by itself.
    async fn within(&mut self, projects: &[ProjectId]) -> Result<()> {
        let (mut rest, mut width) = (projects, PROJECTS);
        while !rest.is_empty() {
            let (some, others) = rest.split_at(width.min(rest.len()));
            let page = self.page(Among::Projects(some)).await?;
            match page.into_iter().nth(NAMES as usize - 1) {
                None => (rest, width) = (others, PROJECTS.min(width * 2)),
                Some(last) => {
                    let project = last.project;
                    self.rest_after(last).await?;
                    // Those before it were complete.
                    width = some.partition_point(|id| *id <= project).max(1);
                    rest = &rest[width..];
                }
            }
        }
        Ok(())
    }

    async fn rest_after(&mut self, mut last: Candidate) -> Result<()> {
        loop {
            let page = self.page(Among::RestAfter(&last)).await?;
            match page.into_iter().nth(NAMES as usize - 1) {
                Some(one) => last = one,
                None => return Ok(()),
            }
        }
    }

    /// Reads a page and matches it.
    async fn page(&mut self, among: Among<'_>) -> Result<Vec<Candidate>> {
        let mut rows = self.harbor.read().await?;
        let page = rows.candidates(self.filter, among, NAMES).await?;
        drop(rows);
        for one in &page {
            if self.matcher.has(one, &mut self.turn).await {
                self.found.push(one.id);
            }
        }
        self.turn.leave();
        Ok(page)
    }
}
