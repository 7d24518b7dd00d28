//! Lists that are limited to what somebody may see.
//!
//! Patterns of names of repositories cannot be told in SQL. So before a list is read, the names of those repositories are that
//! only a pattern can tell about: of the projects, and no others, in which somebody is limited. They are matched here, and the
//! list has the keys of those that match. That makes the list, its order and its total exact, and costs reading the names of
//! those projects each time (a thousand at a time), and a number in the statement for each match.

use std::collections::BTreeSet;

use harbor_core::StoreError;
use harbor_core::access::ProjectFilter;
use harbor_core::meta::ProjectId;
use harbor_core::oci::RepositoryName;

use super::Rows;
use crate::sql::statement::values;

/// How many names are read at a time.
const NAMES: u32 = 1000;

/// How many names are matched before others have their turn.
const TURN: usize = 50;

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
    (*filter != ProjectFilter::All).then(|| projects(filter, table, false))
}

/// The condition that a filter has all of a project; with `perhaps`, that it may have some of its repositories.
fn projects(filter: &ProjectFilter, table: &str, perhaps: bool) -> String {
    let joined = |filters: &[ProjectFilter], word: &str| {
        let parts: Vec<String> = filters.iter().map(|filter| projects(filter, table, perhaps)).collect();
        format!("({})", parts.join(word))
    };
    match filter {
        ProjectFilter::All => "1 = 1".to_owned(),
        ProjectFilter::Within { public, projects } => {
            let named = any_of(&format!("{table}.id"), projects.iter().map(|id| id.get()));
            if *public { format!("({table}.is_public = 1 OR {named})") } else { named }
        }
        ProjectFilter::Repositories(..) if !perhaps => "1 = 0".to_owned(),
        ProjectFilter::Repositories(None, _) => "1 = 1".to_owned(),
        ProjectFilter::Repositories(Some(id), _) => format!("{table}.id = {}", id.get()),
        ProjectFilter::Any(filters) => joined(filters, " OR "),
        ProjectFilter::Both(filters) => joined(&**filters, " AND "),
    }
}

/// The projects outside of which a filter has nothing, where it names them: a database finds their repositories by an index.
fn named(filter: &ProjectFilter) -> Option<BTreeSet<i64>> {
    match filter {
        ProjectFilter::All
        | ProjectFilter::Within { public: true, .. }
        | ProjectFilter::Repositories(None, _) => None,
        ProjectFilter::Within { public: false, projects } => {
            Some(projects.iter().map(|id| id.get()).collect())
        }
        ProjectFilter::Repositories(Some(id), _) => Some(BTreeSet::from([id.get()])),
        ProjectFilter::Any(filters) => {
            let all: Option<Vec<BTreeSet<i64>>> = filters.iter().map(named).collect();
            all.map(|all| all.into_iter().flatten().collect())
        }
        ProjectFilter::Both(filters) => match filters.each_ref().map(named) {
            [Some(one), Some(other)] => Some(one.intersection(&other).copied().collect()),
            [one, other] => one.or(other),
        },
    }
}

/// The condition that a repository `r` lies within a filter, as far as its project tells.
fn by_project(filter: &ProjectFilter) -> String {
    let of_project = || {
        let condition = projects(filter, "p", false);
        format!("EXISTS (SELECT 1 FROM projects p WHERE p.id = r.project_id AND {condition})")
    };
    match (filter, named(filter)) {
        // One project is told by its key, so that its repositories are read in their order.
        (ProjectFilter::Within { .. }, Some(ids)) => any_of("r.project_id", ids.into_iter()),
        (_, Some(ids)) => format!("{} AND {}", any_of("r.project_id", ids.into_iter()), of_project()),
        (_, None) => of_project(),
    }
}

impl Rows {
    /// The condition that a repository `r` lies within a filter; `None` when all do.
    pub(super) async fn lies_within(&mut self, filter: &ProjectFilter) -> Result<Option<String>, StoreError> {
        if *filter == ProjectFilter::All {
            return Ok(None);
        }
        let by_project = by_project(filter);
        if !filter.has_patterns() {
            return Ok(Some(by_project));
        }
        let matching = any_of("r.id", self.matching(filter).await?.into_iter());
        Ok(Some(format!("({by_project}) OR {matching}")))
    }

    /// The keys of the repositories that are within a filter by their names, while their projects as a whole are not.
    async fn matching(&mut self, filter: &ProjectFilter) -> Result<Vec<i64>, StoreError> {
        let of_named = named(filter).map(|ids| any_of("r.project_id", ids.into_iter()));
        let of_named = of_named.unwrap_or_else(|| "1 = 1".to_owned());
        let (perhaps, surely) = (projects(filter, "p", true), projects(filter, "p", false));
        let statement = format!(
            "SELECT r.id, r.name, r.project_id, p.is_public FROM repositories r JOIN projects p ON p.id = r.project_id \
             WHERE r.id > ? AND {of_named} AND {perhaps} AND NOT ({surely}) ORDER BY r.id LIMIT ?"
        );
        let (mut matching, mut last) = (Vec::new(), 0);
        loop {
            let rows = self.session.fetch_built(statement.clone(), values![last, NAMES]).await?;
            for (index, row) in rows.iter().enumerate() {
                last = row.int(0)?;
                let name: RepositoryName = row.parsed(1)?;
                let project = ProjectId::new(row.int(2)?);
                if filter.has_repository(project, row.int(3)? != 0, name.within_project()) {
                    matching.push(last);
                }
                if index % TURN == 0 {
                    tokio::task::yield_now().await;
                }
            }
            if rows.len() < NAMES as usize {
                return Ok(matching);
            }
        }
    }
}
