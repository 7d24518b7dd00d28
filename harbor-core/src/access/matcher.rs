//! Matching the names of many repositories with the patterns of a filter.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ProjectFilter;
use crate::meta::{Candidate, ProjectId};
use crate::pattern::Pattern;

/// How much is matched before others have their turn, in bytes of patterns times bytes of names: less than a millisecond.
const SLICE: usize = 256 * 1024;

/// How many match at a time.
const AT_ONCE: usize = 2;

/// What matching costs beside the bytes, as if it were so many more of them.
const BESIDE: usize = 16;

/// A filter, put in order by project: what somebody has in one is not looked for among what they have in a thousand others.
#[derive(Debug)]
pub(crate) struct Matcher<'a>(Node<'a>);

#[derive(Debug)]
enum Node<'a> {
    Any(Any<'a>),
    Both(Box<[Node<'a>; 2]>),
}

/// What any of several filters has.
#[derive(Debug, Default)]
struct Any<'a> {
    all: bool,
    public: bool,
    projects: HashSet<ProjectId>,
    everywhere: Vec<&'a Pattern>,
    within: HashMap<ProjectId, Vec<&'a Pattern>>,
    others: Vec<Node<'a>>,
}

impl<'a> Any<'a> {
    fn add(&mut self, filter: &'a ProjectFilter) {
        match filter {
            ProjectFilter::All => self.all = true,
            ProjectFilter::Within { public, projects } => {
                self.public |= public;
                self.projects.extend(projects);
            }
            ProjectFilter::Repositories(None, patterns) => self.everywhere.extend(patterns),
            ProjectFilter::Repositories(Some(id), patterns) => {
                self.within.entry(*id).or_default().extend(patterns);
            }
            ProjectFilter::Any(filters) => filters.iter().for_each(|filter| self.add(filter)),
            ProjectFilter::Both(_) => self.others.push(Node::of(filter)),
        }
    }

    async fn has(&self, one: &Candidate, turn: &mut Turn) -> bool {
        if self.all || (self.public && one.public) || self.projects.contains(&one.project) {
            return true;
        }
        let name = one.name.within_project();
        let here = self.within.get(&one.project);
        for pattern in here.into_iter().flatten().chain(&self.everywhere) {
            turn.work(pattern.as_str().len(), name.len()).await;
            if pattern.matches(name) {
                return true;
            }
        }
        for node in &self.others {
            if node.has(one, turn).await {
                return true;
            }
        }
        false
    }
}

impl<'a> Node<'a> {
    fn of(filter: &'a ProjectFilter) -> Self {
        match filter {
            ProjectFilter::Both(filters) => Self::Both(Box::new(filters.each_ref().map(Self::of))),
            filter => {
                let mut any = Any::default();
                any.add(filter);
                Self::Any(any)
            }
        }
    }

    fn has<'f>(
        &'f self,
        one: &'f Candidate,
        turn: &'f mut Turn,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'f>> {
        Box::pin(async move {
            match self {
                Self::Any(any) => any.has(one, turn).await,
                Self::Both(nodes) => nodes[0].has(one, turn).await && nodes[1].has(one, turn).await,
            }
        })
    }
}

impl<'a> Matcher<'a> {
    /// Of a filter.
    pub(crate) fn new(filter: &'a ProjectFilter) -> Self {
        Self(Node::of(filter))
    }

    /// Whether the filter has a repository. Now and then it lets others have their turn.
    pub(crate) async fn has(&self, one: &Candidate, turn: &mut Turn) -> bool {
        match &self.0 {
            Node::Any(any) => any.has(one, turn).await,
            both @ Node::Both(_) => both.has(one, turn).await,
        }
    }
}

/// Who matches at the moment: few at a time, each for a slice, in the order in which they came. So whoever has much to match
/// takes the time of who matches, and no more than a part of the time of others.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// What was matched since others had their turn.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Turns,
    mine: Option<OwnedSemaphorePermit>,
    work: usize,
}

impl Turn {
    pub(crate) const fn new(turns: Turns) -> Self {
        Self { turns, mine: None, work: 0 }
    }

    /// Leaves the turn to others, for there is something else to wait for.
    pub(crate) fn leave(&mut self) {
        self.mine = None;
    }

    /// To be told before a pattern is matched with a name, with the bytes of each.
    async fn work(&mut self, pattern: usize, name: usize) {
        let work = pattern.saturating_add(BESIDE).saturating_mul(name.saturating_add(BESIDE));
        self.work = self.work.saturating_add(work);
        if self.work > SLICE {
            self.leave();
            tokio::task::yield_now().await;
            self.work = work;
        }
        if self.mine.is_none() {
            // Nobody ever closes it.
            self.mine = Arc::clone(&self.turns.0).acquire_owned().await.ok();
        }
    }
}
