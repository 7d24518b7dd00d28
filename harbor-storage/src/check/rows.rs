//! Rows against rows.

use std::collections::HashMap;

use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::guard::Going;
use super::{Checked, Wrong};
use crate::sql::plain::Plain;
use crate::sql::rows::check::{DOCUMENTS, questions};

/// How many of a kind are named.
const NAMED: usize = 1000;

/// Looks at SQLite's own file, and makes its indexes again where that is all that is wrong. False where nothing can be relied on that
/// is read of it.
pub(super) async fn file(
    database: &mut Plain,
    checked: &mut Checked,
    repair: bool,
) -> Result<bool, StoreError> {
    let faults = database.faults_of_file().await?;
    if faults.is_empty() {
        return Ok(true);
    }
    // Where it fails, more than indexes are damaged.
    let is_mended =
        repair && database.make_indexes().await.is_ok() && database.faults_of_file().await?.is_empty();
    for fault in faults {
        let finding = checked.find("database", "SQLite", format!("{fault}: {DAMAGED}"));
        if is_mended {
            checked.mended(finding, "its indexes were made again");
        }
    }
    Ok(is_mended)
}

/// What is done about a file that is damaged.
const DAMAGED: &str =
    "stop the server and try --repair, which makes indexes again; where that does not help, restore a backup";

/// Asks all questions.
pub(super) async fn look(
    database: &mut Plain,
    checked: &mut Checked,
    wrong: &mut Vec<Wrong>,
    going: &mut Vec<Going>,
) -> Result<(), StoreError> {
    for (number, question) in questions().enumerate() {
        let found = database.ask(question, NAMED).await?;
        if !found.is_empty()
            && let Some((found, of)) = database.going(question).await?
        {
            going.push(Going { table: question.from.unwrap_or_default(), what: question.what, found, of });
        }
        for (key, text) in found {
            let finding = checked.find(question.kind, subject(key, text), question.what);
            if !question.mend.is_empty() {
                wrong.push(Wrong::Rows(finding, number));
            }
        }
    }
    for (table, of, count) in database.dangling().await? {
        let finding = checked.find("database", &table, format!("{count} rows refer to none of {of}"));
        wrong.push(Wrong::Dangling(finding, (table, of)));
    }
    for document in DOCUMENTS {
        for (key, text) in database.unread(document, NAMED).await? {
            checked.find(document.kind, subject(key, text), document.what);
        }
    }
    Ok(())
}

fn subject(key: i64, text: Option<String>) -> String {
    match text {
        None => format!("#{key}"),
        Some(text) if key == 0 => text,
        Some(text) => format!("{text} (#{key})"),
    }
}

/// Whether what referred to nothing was mended with what the questions found.
pub(super) async fn still_dangling(
    database: &mut Plain,
    checked: &mut Checked,
    wrong: &[Wrong],
) -> Result<(), StoreError> {
    let left = database.dangling().await?;
    for one in wrong {
        if let Wrong::Dangling(finding, tables) = one {
            if left.iter().any(|(table, of, _)| (table, of) == (&tables.0, &tables.1)) {
                checked.note(*finding, "stop the server, and restore a backup");
            } else {
                checked.mended(*finding, "with those rows");
            }
        }
    }
    Ok(())
}

/// Mends what these questions found, in their order. With everything else, for it may have changed what is counted.
pub(super) async fn mend(
    database: &mut Plain,
    checked: &mut Checked,
    found: &[(usize, usize)],
    due: Timestamp,
) -> Result<(), StoreError> {
    let mut by_question: HashMap<usize, Vec<usize>> = HashMap::new();
    for (finding, question) in found {
        by_question.entry(*question).or_default().push(*finding);
    }
    for (number, question) in questions().enumerate() {
        let there = database.ask(question, 1).await?;
        if there.is_empty() && !by_question.contains_key(&number) {
            continue;
        }
        database.mend(question, due).await?;
        let left = if question.mend.is_empty() { 0 } else { database.ask(question, 1).await?.len() };
        if left > 0 {
            let what = format!("{} could not be mended: {}", question.kind, question.what);
            return Err(StoreError::new(StoreErrorKind::Other, what));
        }
        for finding in by_question.remove(&number).unwrap_or_default() {
            checked.mended(finding, question.done);
        }
    }
    Ok(())
}
