//! Rows against rows.

use std::collections::HashMap;

use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::{Checked, Wrong};
use crate::sql::plain::Plain;
use crate::sql::rows::check::QUESTIONS;

/// How many of a kind are named.
const NAMED: usize = 1000;

/// Asks all questions.
pub(super) async fn look(
    database: &mut Plain,
    checked: &mut Checked,
    wrong: &mut Vec<Wrong>,
) -> Result<(), StoreError> {
    for fault in database.faults_of_file().await? {
        checked.find("database", "SQLite", fault);
    }
    for (number, question) in QUESTIONS.iter().enumerate() {
        for (key, text) in database.ask(question, NAMED).await? {
            let subject = text.map_or_else(|| format!("#{key}"), |text| format!("{text} (#{key})"));
            let finding = checked.find(question.kind, subject, question.what);
            if !question.mend.is_empty() {
                wrong.push(Wrong::Rows(finding, number));
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
    for (number, question) in QUESTIONS.iter().enumerate() {
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
