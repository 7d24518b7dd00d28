//! No column that names another row is forgotten.

use std::collections::BTreeSet;

use super::questions;
use crate::sql::plain::Plain;

/// Columns that name rows which may be gone, or that something else than a question looks at.
const ELSEWHERE: &[(&str, &str)] = &[
    // What was done stays told when what it was done to is gone; the chain is verified by whoever has its keys.
    ("audit_log", "project_id"),
    ("audit_chain", "line_id"),
    // How far somebody has read: events go.
    ("event_cursors", "event_id"),
    // Of whatever is of that kind: the kinds that there are have questions of their own.
    ("executions", "subject_id"),
    ("schedules", "subject_id"),
    // Garbage collection drops what is gone.
    ("link_reviews", "link_id"),
    // Whoever made a project may be gone.
    ("projects", "owner_id"),
];

/// Columns, and their types.
type Columns = Vec<(String, String)>;

/// A registry in which every table has one row, all of whose keys are 1.
async fn with_rows() -> (Plain, Vec<(String, Columns)>) {
    let mut database = Plain::passing().await.unwrap();
    database.migrate(None).await.unwrap();
    database.run("PRAGMA foreign_keys = OFF").await.unwrap();
    let mut tables = Vec::new();
    for name in
        texts(&mut database, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid").await
    {
        if name.starts_with("sqlite") || name == "_sqlx_migrations" {
            continue;
        }
        let pairs = format!("SELECT name || ' ' || type FROM pragma_table_info('{name}')");
        let pairs = texts(&mut database, &pairs).await;
        let columns: Columns = pairs
            .iter()
            .map(|pair| pair.split_once(' ').map(|(name, kind)| (name.to_owned(), kind.to_owned())).unwrap())
            .collect();
        database.run(&format!("DELETE FROM {name}")).await.unwrap();
        let values = columns.iter().map(|(_, kind)| match kind.as_str() {
            "INTEGER" => "1",
            "TEXT" => "'x'",
            _ => "x''",
        });
        let values: Vec<_> = values.collect();
        let names: Vec<_> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let insert = format!("INSERT INTO {name} ({}) VALUES ({})", names.join(", "), values.join(", "));
        database.run(&insert).await.unwrap();
        tables.push((name, columns));
    }
    (database, tables)
}

async fn texts(database: &mut Plain, ask: &str) -> Vec<String> {
    let rows = database.fetch(ask, Vec::new()).await.unwrap();
    rows.iter().map(|row| row.text(0).unwrap()).collect()
}

/// What all questions find, by their numbers.
async fn asked(database: &mut Plain) -> BTreeSet<(usize, i64, Option<String>)> {
    let mut found = BTreeSet::new();
    for (number, question) in questions().enumerate() {
        found.extend(
            database.ask(question, 100).await.unwrap().into_iter().map(|(key, text)| (number, key, text)),
        );
    }
    found
}

#[tokio::test]
async fn every_column_that_names_a_row_is_asked_about() {
    let (mut database, tables) = with_rows().await;
    let before = asked(&mut database).await;
    assert_eq!(database.dangling().await.unwrap(), []);
    let mut seen = 0;
    for (table, columns) in &tables {
        let keys = format!("SELECT \"from\" FROM pragma_foreign_key_list('{table}')");
        let keys = texts(&mut database, &keys).await;
        for (column, kind) in columns {
            let names_a_row = column.ends_with("_id") && kind == "INTEGER";
            let elsewhere = ELSEWHERE.contains(&(table.as_str(), column.as_str()));
            if !(keys.contains(column) || names_a_row && !elsewhere) {
                continue;
            }
            assert!(names_a_row && !elsewhere, "{table}.{column}");
            seen += 1;
            database.run("BEGIN").await.unwrap();
            database.run(&format!("UPDATE {table} SET {column} = 99999")).await.unwrap();
            let found = asked(&mut database).await;
            assert!(found.difference(&before).next().is_some(), "no question is about {table}.{column}");
            assert_eq!(
                !database.dangling().await.unwrap().is_empty(),
                keys.contains(column),
                "{table}.{column}"
            );
            database.roll_back().await.unwrap();
        }
    }
    assert!(seen > 30, "{seen}");
}
