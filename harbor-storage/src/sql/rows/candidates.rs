//! The repositories whose names have to be matched with the patterns of a filter, a page at a time.

use std::collections::BTreeSet;

use harbor_core::access::ProjectFilter;
use harbor_core::meta::{Among, Candidate, ProjectId, RepositoryId};
use harbor_core::{StoreError, Timestamp};

use super::filter::{Asked, any_of, projects};
use crate::sql::session::Row;
use crate::sql::statement::{Value, values};

/// The statement that reads candidates, and its values. What goes on within one project has the order of the index
/// `repositories_of_project`, so a page costs what it has, however large the project.
pub(super) fn statement(filter: &ProjectFilter, among: Among<'_>, limit: u32) -> (String, Vec<Value>) {
    let of: Option<Vec<ProjectId>> = match among {
        Among::All(_) => None,
        Among::Projects(ids) => Some(BTreeSet::from_iter(ids.iter().copied()).into_iter().collect()),
        Among::RestAfter(last) => Some(vec![last.project]),
    };
    let (condition, order, values) = match among {
        Among::All(after) => ("r.id > ?".to_owned(), "r.id", values![after.get(), limit]),
        Among::Projects(ids) => {
            let of = any_of("r.project_id", ids.iter().map(|id| id.get()));
            (of, "r.project_id, r.created_at, r.id", values![limit])
        }
        Among::RestAfter(last) => {
            let rest = "r.project_id = ? AND r.created_at >= ? AND (r.created_at > ? OR r.id > ?)";
            let made = last.created_at.micros();
            let values = values![last.project.get(), made, made, last.id.get(), limit];
            (rest.to_owned(), "r.created_at, r.id", values)
        }
    };
    let asked = |perhaps| Asked { table: "p", perhaps, among: of.as_deref() };
    let (perhaps, surely) = (projects(filter, &asked(true)), projects(filter, &asked(false)));
    let statement = format!(
        "SELECT r.id, r.project_id, r.name, r.created_at, p.is_public FROM repositories r \
         JOIN projects p ON p.id = r.project_id WHERE {condition} AND {perhaps} AND NOT ({surely}) \
         ORDER BY {order} LIMIT ?"
    );
    (statement, values)
}

pub(super) fn candidate(row: &Row) -> Result<Candidate, StoreError> {
    Ok(Candidate {
        id: RepositoryId::new(row.int(0)?),
        project: ProjectId::new(row.int(1)?),
        name: row.parsed(2)?,
        created_at: Timestamp::from_micros(row.int(3)?),
        public: row.int(4)? != 0,
    })
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use harbor_core::pattern::Pattern;
    use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _, SqliteConnection};

    use super::*;
    use crate::sql::dialect::Dialect;

    /// No page of a large project, and none of all projects, is found by sorting what comes after it.
    #[tokio::test]
    async fn pages_are_read_in_the_order_of_an_index() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        crate::sql::migrate::run(Dialect::Sqlite, &mut connection).await.unwrap();
        let (project, patterns) = (ProjectId::new(7), vec![Pattern::parse("web/**").unwrap()]);
        let last = Candidate {
            id: RepositoryId::new(9),
            project,
            public: false,
            name: "team/web".parse().unwrap(),
            created_at: Timestamp::from_micros(5),
        };
        let here = ProjectFilter::Repositories(Some(project), patterns.clone());
        let everywhere = ProjectFilter::Repositories(None, patterns);
        for (filter, among, index) in [
            (&here, Among::RestAfter(&last), "repositories_of_project (project_id=? AND created_at>?)"),
            (&everywhere, Among::All(last.id), "INTEGER PRIMARY KEY (rowid>?)"),
        ] {
            let (statement, _) = statement(filter, among, 1000);
            let plan = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let steps = connection.fetch_all(sqlx::query(plan)).await.unwrap();
            let steps: Vec<String> = steps.iter().map(|row| row.get("detail")).collect();
            assert!(
                steps.iter().any(|step| step.starts_with("SEARCH r") && step.contains(index)),
                "{steps:?}"
            );
            assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:?}");
        }
    }
}
