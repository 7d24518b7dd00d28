//! Matching the names of many repositories with the patterns of a filter.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ProjectFilter;
use crate::meta::{Candidate, ProjectId};
use crate::pattern::Pattern;

/// How much is matched before others have their turn, in bytes of patterns times bytes of names: less than a millisecond, which is
/// less of it where nothing is optimized.
const SLICE: usize = if cfg!(debug_assertions) { 16 * 1024 } else { 256 * 1024 };

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

/// Who matches at the moment: few at a time, each for a slice, in the order in which they came, and of each principal one. So whoever
/// has much to match takes the time of who matches, and no more than a part of the time of others; and asking many times at once
/// makes nobody's part larger.
#[derive(Debug)]
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    each: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(AT_ONCE)), each: Mutex::default() }
    }
}

impl Turns {
    /// Those of a principal.
    pub(crate) fn of(&self, principal: String) -> Turn {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if each.len() == each.capacity() {
            each.retain(|_, own| own.strong_count() > 0);
        }
        let entry = each.entry(principal).or_default();
        let own = entry.upgrade().unwrap_or_else(|| {
            let own = Arc::new(Semaphore::new(1));
            *entry = Arc::downgrade(&own);
            own
        });
        Turn { all: Arc::clone(&self.all), own, mine: None, work: 0 }
    }
}

/// What was matched since others had their turn.
#[derive(Debug)]
pub(crate) struct Turn {
    all: Arc<Semaphore>,
    own: Arc<Semaphore>,
    mine: Option<[OwnedSemaphorePermit; 2]>,
    work: usize,
}

impl Turn {
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
            // That of the principal first: where all wait, each principal waits once. Nobody ever closes them.
            let Ok(own) = Arc::clone(&self.own).acquire_owned().await else { return };
            let Ok(all) = Arc::clone(&self.all).acquire_owned().await else { return };
            self.mine = Some([own, all]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn a_principal_takes_one_turn_however_often_it_asks() {
        let turns = Turns::default();
        let of = |principal: &str| turns.of(principal.to_owned());
        let (mut first, mut second, mut third) = (of("greedy"), of("greedy"), of("greedy"));
        first.work(1, 1).await;
        let mut waiting = [Box::pin(second.work(1, 1)), Box::pin(third.work(1, 1))];
        for waiting in &mut waiting {
            assert!(poll!(waiting).is_pending());
        }
        let (mut grace, mut ada) = (of("grace"), of("ada"));
        assert!(poll!(pin!(grace.work(1, 1))).is_ready(), "there is room for somebody else");
        // Whoever comes next is ahead of those of the greedy one that are not there yet.
        let mut ada = Box::pin(ada.work(1, 1));
        assert!(poll!(&mut ada).is_pending());
        first.leave();
        assert!(poll!(&mut waiting[0]).is_pending());
        assert!(poll!(&mut ada).is_ready());
        grace.leave();
        assert!(poll!(&mut waiting[0]).is_ready() && poll!(&mut waiting[1]).is_pending());
    }

    #[test]
    fn who_left_is_forgotten() {
        let turns = Turns::default();
        for number in 0..10_000 {
            drop(turns.of(number.to_string()));
        }
        assert!(turns.each.lock().unwrap().len() < 100);
    }
}
