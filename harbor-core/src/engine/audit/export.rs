//! The whole log, piece by piece.

use super::Audit;
use crate::access::Actor;
use crate::engine::Harbor;
use crate::meta::{AuditId, AuditKey, AuditRow};
use crate::query::{Filter, Order, Query, Test, Value};
use crate::{Error, Result};

/// How many lines are read at a time.
const BATCH: u32 = 100;

/// The lines that somebody may see, the oldest first: read piece by piece, so that neither memory nor a transaction holds all. Which
/// those are is asked for each piece, for whoever reads slowly may have lost meanwhile what they had.
#[derive(Debug)]
pub struct AuditExport {
    harbor: Harbor,
    actor: Actor,
    filters: Vec<Filter<AuditKey>>,
    after: AuditId,
    over: bool,
}

impl Audit<'_> {
    /// Begins to read the lines that somebody may see, as [`Audit::list`] has it, and that a query filters; its order and its
    /// pages are of no account.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for nobody in particular.
    pub fn export(&self, actor: &Actor, query: &Query<AuditKey>) -> Result<AuditExport> {
        if actor.is_anonymous() {
            return Err(Error::Unauthenticated);
        }
        Ok(AuditExport {
            harbor: self.harbor.clone(),
            actor: actor.clone(),
            filters: query.filters().to_vec(),
            after: AuditId::new(i64::MIN),
            over: false,
        })
    }
}

impl AuditExport {
    /// The next lines; `None` when there are no more.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for who is not any more who it was; as the stores fail.
    pub async fn next(&mut self) -> Result<Option<Vec<AuditRow>>> {
        if self.over {
            return Ok(None);
        }
        if !self.harbor.is_still(&self.actor).await? {
            return Err(Error::Unauthenticated);
        }
        let scope = self.harbor.audit().scope_of(&self.actor).await?;
        let query = Query::default().page(1, BATCH).sort(AuditKey::Id, Order::Ascending);
        let query = query.filter(AuditKey::Id, Test::Above(Value::Int(self.after.get())));
        let query = self
            .filters
            .iter()
            .fold(query, |query, filter| query.filter(filter.key(), filter.test().clone()));
        let lines = self.harbor.read().await?.audit_lines(&scope, &query).await?;
        match lines.last() {
            Some(last) => {
                self.after = last.id;
                self.over = lines.len() < query.size() as usize;
                Ok(Some(lines))
            }
            None => {
                self.over = true;
                Ok(None)
            }
        }
    }
}
