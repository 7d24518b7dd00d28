//! Lists that are limited to what somebody may see.
//!
//! Patterns of names of repositories cannot be told in SQL. So before a list is read, the engine asks for the names of those
//! repositories that only a pattern can tell about, of the projects, and no others, in which somebody is limited; it matches
//! them, and the list gets the keys of those that match. That makes the list, its order and its total exact, and costs reading
//! the names of those projects each time, and a number in the statement for each match.

use std::collections::BTreeSet;

use harbor_core::access::ProjectFilter;
use harbor_core::meta::{ProjectId, RepositoryFilter};

/// The condition that a column has one of these keys. Numbers only: nothing of a client's enters the text.
pub(super) fn any_of(column: &str, keys: impl Iterator<Item = i64>) -> String {
    let keys: Vec<String> = keys.map(|key| key.to_string()).collect();
    match &keys[..] {
        [] => "1 = 0".to_owned(),
        [key] => format!("{column} = {key}"),
        keys => format!("{column} IN ({})", keys.join(", ")),
    }
}

/// The condition that a row of projects (called `table`) lies within a filter as a whole.
pub(super) fn within(filter: &ProjectFilter, table: &str) -> Option<String> {
    (*filter != ProjectFilter::All).then(|| projects(filter, &Asked::whole(table)))
}

/// What is asked of a filter.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// What the table of projects is called.
    pub(super) table: &'a str,
    /// Whether it may have some repositories of a project; or else, whether it has all of it.
    pub(super) perhaps: bool,
    /// The projects that it is asked about, in the order of their keys, where not all: the condition is no longer than that.
    pub(super) among: Option<&'a [ProjectId]>,
}

impl<'a> Asked<'a> {
    const fn whole(table: &'a str) -> Self {
        Self { table, perhaps: false, among: None }
    }

    fn is_about(&self, id: ProjectId) -> bool {
        self.among.is_none_or(|among| among.binary_search(&id).is_ok())
    }
}

/// The condition that a filter has a project.
pub(super) fn projects(filter: &ProjectFilter, asked: &Asked<'_>) -> String {
    if let ProjectFilter::Both(filters) = filter {
        let [one, other] = filters.each_ref().map(|filter| projects(filter, asked));
        return format!("({one} AND {other})");
    }
    let mut any = Any::default();
    any.add(filter, asked);
    any.condition(asked.table)
}

/// What any of several filters has. Keys are collected, so that the condition is no deeper, however many filters there are:
/// SQLite takes a thousand of them one within the other.
#[derive(Default)]
struct Any {
    all: bool,
    public: bool,
    keys: BTreeSet<i64>,
    others: Vec<String>,
}

impl Any {
    fn add(&mut self, filter: &ProjectFilter, asked: &Asked<'_>) {
        match filter {
            ProjectFilter::All => self.all = true,
            ProjectFilter::Within { public, projects } => {
                self.public |= public;
                self.keys.extend(projects.iter().filter(|id| asked.is_about(**id)).map(|id| id.get()));
            }
            ProjectFilter::Repositories(..) if !asked.perhaps => {}
            ProjectFilter::Repositories(None, _) => self.all = true,
            ProjectFilter::Repositories(Some(id), _) => {
                self.keys.extend(asked.is_about(*id).then(|| id.get()));
            }
            ProjectFilter::Any(filters) => filters.iter().for_each(|one| self.add(one, asked)),
            ProjectFilter::Both(_) => self.others.push(projects(filter, asked)),
        }
    }

    fn condition(self, table: &str) -> String {
        if self.all {
            return "1 = 1".to_owned();
        }
        let public = self.public.then(|| format!("{table}.is_public = 1"));
        let keys = (!self.keys.is_empty()).then(|| any_of(&format!("{table}.id"), self.keys.into_iter()));
        let parts: Vec<String> = public.into_iter().chain(keys).chain(self.others).collect();
        match &parts[..] {
            [] => "1 = 0".to_owned(),
            [one] => one.clone(),
            parts => format!("({})", parts.join(" OR ")),
        }
    }
}

/// The condition that a repository `r` lies within a filter, as far as its project tells.
fn by_project(filter: &ProjectFilter) -> String {
    let of_project = || {
        let condition = projects(filter, &Asked::whole("p"));
        format!("EXISTS (SELECT 1 FROM projects p WHERE p.id = r.project_id AND {condition})")
    };
    let named = filter.named().map(|ids| ids.into_iter().map(|id| id.get()));
    match (filter, named) {
        // One project is told by its key, so that its repositories are read in their order.
        (ProjectFilter::Within { .. }, Some(ids)) => any_of("r.project_id", ids),
        (_, Some(ids)) => format!("{} AND {}", any_of("r.project_id", ids), of_project()),
        (_, None) => of_project(),
    }
}

/// The condition that a repository `r` lies within a filter; `None` when all do.
pub(super) fn lies_within(filter: &RepositoryFilter) -> Option<String> {
    if filter.projects == ProjectFilter::All {
        return None;
    }
    let by_project = by_project(&filter.projects);
    if filter.repositories.is_empty() {
        return Some(by_project);
    }
    let matching = any_of("r.id", filter.repositories.iter().map(|id| id.get()));
    Some(format!("({by_project}) OR {matching}"))
}
