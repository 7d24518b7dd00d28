use async_trait::async_trait;
use harbor_core::meta::{AuditRow, AuditRows, AuditRowsMut, ProjectId};
use harbor_core::{StoreError, Timestamp};

use super::Rows;
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

fn line(row: &Row) -> Result<(i64, AuditRow), StoreError> {
    let audit = AuditRow {
        at: Timestamp::from_micros(row.int(1)?),
        actor: row.text(2)?,
        operation: row.text(3)?,
        project: Some(row.int(4)?).filter(|id| *id != 0).map(ProjectId::new),
        resource: row.text(5)?,
    };
    Ok((row.int(0)?, audit))
}

#[async_trait]
impl AuditRows for Rows {
    async fn audit_rows(&mut self, after: i64, limit: u32) -> Result<Vec<(i64, AuditRow)>, StoreError> {
        let list = sql!(
            "SELECT id, happened_at, actor, operation, project_id, resource FROM audit_log \
             WHERE id > ? ORDER BY id LIMIT ?"
        );
        self.session.fetch(list, values![after, limit]).await?.iter().map(line).collect()
    }
}

#[async_trait]
impl AuditRowsMut for Rows {
    async fn audit_insert(&mut self, row: &AuditRow) -> Result<(), StoreError> {
        let insert = sql!(
            "INSERT INTO audit_log (happened_at, actor, operation, project_id, resource) VALUES (?, ?, ?, ?, ?)"
        );
        // Keys begin at 1: 0 is no project.
        let project = row.project.map_or(0, ProjectId::get);
        let parameters = values![
            row.at.micros(),
            row.actor.as_str(),
            row.operation.as_str(),
            project,
            row.resource.as_str(),
        ];
        self.session.defer(insert, parameters).await
    }
}
