use async_trait::async_trait;
use harbor_core::access::ProjectFilter;
use harbor_core::meta::{
    AuditId, AuditKey, AuditLine, AuditRow, AuditRows, AuditRowsMut, AuditScope, Listed, ProjectId,
};
use harbor_core::query::Query;
use harbor_core::{StoreError, Timestamp};

use super::filter::{any_of, within};
use super::{Rows, piece, rows_of};
use crate::sql::listing::Listing;
use crate::sql::session::Row;
use crate::sql::statement::{Value, sql, values};

/// The columns of a line, as [`audited`] reads them.
macro_rules! columns {
    () => {
        "a.id, a.happened_at, a.actor, a.username, a.operation, a.resource_type, a.project_id, a.resource, a.description, \
         a.allowed, a.client_address, a.credential, a.request_id"
    };
}
pub(super) use columns;

pub(super) fn audited(row: &Row) -> Result<AuditRow, StoreError> {
    let line = AuditLine {
        at: Timestamp::from_micros(row.int(1)?),
        actor: row.text(2)?,
        username: row.text(3)?,
        operation: row.text(4)?,
        resource_type: row.text(5)?,
        project: Some(row.int(6)?).filter(|id| *id != 0).map(ProjectId::new),
        resource: row.text(7)?,
        // Of a node of an earlier version there is none.
        description: row.optional_text(8)?.unwrap_or_default(),
        allowed: row.int(9)? != 0,
        address: row.text(10)?,
        credential: row.text(11)?,
        request_id: row.text(12)?,
    };
    Ok(AuditRow { id: AuditId::new(row.int(0)?), line })
}

fn column(key: AuditKey) -> &'static str {
    match key {
        AuditKey::Id => "a.id",
        AuditKey::Project => "a.project_id",
        AuditKey::Username => "a.username",
        AuditKey::Operation => "a.operation",
        AuditKey::ResourceType => "a.resource_type",
        AuditKey::Resource => "a.resource",
        AuditKey::Description => "a.description",
        AuditKey::Time => "a.happened_at",
        AuditKey::Allowed => "a.allowed",
        AuditKey::Address => "a.client_address",
        AuditKey::Credential => "a.credential",
        AuditKey::Request => "a.request_id",
    }
}

/// The condition that a line is in a scope. Numbers only: nothing of a client's enters the text.
fn of(scope: &AuditScope) -> Option<String> {
    let AuditScope::Projects(filter) = scope else { return None };
    Some(match filter {
        ProjectFilter::All => "a.project_id <> 0".to_owned(),
        ProjectFilter::Within { public: false, projects } => {
            any_of("a.project_id", projects.iter().map(|id| id.get()))
        }
        filter => {
            let within = within(filter, "p").unwrap_or_else(|| "1 = 1".to_owned());
            format!("a.project_id IN (SELECT p.id FROM projects p WHERE {within})")
        }
    })
}

fn listing(scope: &AuditScope, query: &Query<AuditKey>) -> Listing {
    let listing = Listing::new(columns!(), "audit_log a", "a.id").query(query, column, "a.id DESC");
    match of(scope) {
        Some(condition) => listing.only(&condition, Vec::new()),
        None => listing,
    }
}

#[async_trait]
impl AuditRows for Rows {
    async fn audit_log(
        &mut self,
        scope: &AuditScope,
        query: &Query<AuditKey>,
    ) -> Result<Listed<AuditRow>, StoreError> {
        self.list(listing(scope, query), audited).await
    }

    async fn audit_lines(
        &mut self,
        scope: &AuditScope,
        query: &Query<AuditKey>,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let uncounted = listing(scope, query).counted("SELECT CAST(0 AS BIGINT)", Vec::new());
        Ok(self.list(uncounted, audited).await?.entries)
    }

    async fn audit_after(&mut self, after: AuditId, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let list =
            sql!(concat!("SELECT ", columns!(), " FROM audit_log a WHERE a.id > ? ORDER BY a.id LIMIT ?"));
        self.session.fetch(list, values![after.get(), limit]).await?.iter().map(audited).collect()
    }
}

#[async_trait]
impl AuditRowsMut for Rows {
    async fn audit_insert(&mut self, line: &AuditLine) -> Result<(), StoreError> {
        let insert = sql!(
            "INSERT INTO audit_log \
             (happened_at, actor, username, operation, resource_type, project_id, resource, description, \
             allowed, client_address, credential, request_id) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        );
        // Keys begin at 1: 0 is no project.
        let project = line.project.map_or(0, ProjectId::get);
        let parameters = values![
            line.at.micros(),
            line.actor.as_str(),
            line.username.as_str(),
            line.operation.as_str(),
            line.resource_type.as_str(),
            project,
            line.resource.as_str(),
            line.description.as_str(),
            i64::from(line.allowed),
            line.address.as_str(),
            line.credential.as_str(),
            line.request_id.as_str(),
        ];
        self.session.defer(insert, parameters).await
    }

    async fn audit_delete(&mut self, lines: &[AuditId]) -> Result<(), StoreError> {
        let delete = sql!(concat!("DELETE FROM audit_log WHERE id IN (", piece!(), ")"));
        for parameters in rows_of(lines, |line| [Value::Int(line.get())]) {
            self.session.execute(delete, parameters).await?;
        }
        Ok(())
    }
}
