use std::collections::BTreeSet;

use async_trait::async_trait;
use harbor_core::meta::{
    Listed, ProjectId, WebhookId, WebhookKey, WebhookPolicy, WebhookRows, WebhookRowsMut,
};
use harbor_core::query::Query;
use harbor_core::webhook::Webhook;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::{Rows, first, piece, rows_of};
use crate::sql::listing::Listing;
use crate::sql::session::Row;
use crate::sql::statement::{Value, sql, values};

macro_rules! columns {
    () => {
        "id, project_id, name, description, is_enabled, creator, webhook, created_at, updated_at"
    };
}

fn policy(row: &Row) -> Result<WebhookPolicy, StoreError> {
    Ok(WebhookPolicy {
        id: WebhookId::new(row.int(0)?),
        project: Some(row.int(1)?).filter(|id| *id != 0).map(ProjectId::new),
        name: row.text(2)?,
        description: row.text(3)?,
        enabled: row.int(4)? != 0,
        creator: row.text(5)?,
        webhook: Webhook::read(&row.text(6)?)?,
        created_at: Timestamp::from_micros(row.int(7)?),
        updated_at: Timestamp::from_micros(row.int(8)?),
    })
}

const fn column(key: WebhookKey) -> &'static str {
    match key {
        WebhookKey::Id => "id",
        WebhookKey::Name => "name",
        WebhookKey::Enabled => "is_enabled",
        WebhookKey::CreatedAt => "created_at",
        WebhookKey::UpdatedAt => "updated_at",
    }
}

/// No project has the key 0.
fn of(project: Option<ProjectId>) -> i64 {
    project.map_or(0, ProjectId::get)
}

#[async_trait]
impl WebhookRows for Rows {
    async fn webhook(&mut self, id: WebhookId) -> Result<Option<WebhookPolicy>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM webhook_policies WHERE id = ?"));
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| policy(&row)).transpose()
    }

    async fn webhooks(
        &mut self,
        project: Option<ProjectId>,
        query: &Query<WebhookKey>,
    ) -> Result<Listed<WebhookPolicy>, StoreError> {
        let listing = Listing::new(columns!(), "webhook_policies", "id")
            .only("project_id = ?", values![of(project)])
            .query(query, column, "created_at DESC, id DESC");
        self.list(listing, policy).await
    }

    async fn webhooks_enabled(&mut self) -> Result<Vec<WebhookPolicy>, StoreError> {
        let list =
            sql!(concat!("SELECT ", columns!(), " FROM webhook_policies WHERE is_enabled = 1 ORDER BY id"));
        self.session.fetch(list, values![]).await?.iter().map(policy).collect()
    }

    async fn webhooks_telling(&mut self, projects: &[ProjectId]) -> Result<Vec<WebhookPolicy>, StoreError> {
        let list = sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM webhook_policies WHERE is_enabled = 1 AND project_id IN (",
            piece!(),
            ")"
        ));
        let of: BTreeSet<i64> = projects.iter().copied().map(Some).chain([None]).map(of).collect();
        let of: Vec<i64> = of.into_iter().collect();
        let mut policies = Vec::new();
        for parameters in rows_of(&of, |id| [Value::from(*id)]) {
            for row in self.session.fetch(list, parameters).await? {
                policies.push(policy(&row)?);
            }
        }
        policies.sort_by_key(|policy| policy.id);
        Ok(policies)
    }

    async fn webhook_triggers(&mut self, id: WebhookId) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let list = sql!(
            "SELECT event_type, triggered_at FROM webhook_triggers WHERE policy_id = ? ORDER BY event_type"
        );
        let rows = self.session.fetch(list, values![id.get()]).await?;
        rows.iter().map(|row| Ok((row.text(0)?, Timestamp::from_micros(row.int(1)?)))).collect()
    }
}

#[async_trait]
impl WebhookRowsMut for Rows {
    async fn webhook_insert(&mut self, policy: &WebhookPolicy) -> Result<WebhookId, StoreError> {
        let insert = sql!(
            "INSERT INTO webhook_policies (project_id, name, description, is_enabled, creator, webhook, created_at, \
             updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        );
        let parameters = values![
            of(policy.project),
            policy.name.as_str(),
            policy.description.as_str(),
            i64::from(policy.enabled),
            policy.creator.as_str(),
            policy.webhook.write()?,
            policy.created_at.micros(),
            policy.updated_at.micros(),
        ];
        self.session.execute(insert, parameters).await?;
        let find = sql!("SELECT id FROM webhook_policies WHERE project_id = ? AND name = ?");
        match first(self.session.fetch(find, values![of(policy.project), policy.name.as_str()]).await?) {
            Some(row) => Ok(WebhookId::new(row.int(0)?)),
            None => Err(StoreError::new(StoreErrorKind::Conflict, "making a policy of webhooks")),
        }
    }

    async fn webhook_lock(&mut self, id: WebhookId) -> Result<Option<WebhookPolicy>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM webhook_policies WHERE id = ? FOR UPDATE"));
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| policy(&row)).transpose()
    }

    async fn webhook_save(&mut self, policy: &WebhookPolicy) -> Result<(), StoreError> {
        let update = sql!(
            "UPDATE webhook_policies SET name = ?, description = ?, is_enabled = ?, webhook = ?, updated_at = ? \
             WHERE id = ?"
        );
        let parameters = values![
            policy.name.as_str(),
            policy.description.as_str(),
            i64::from(policy.enabled),
            policy.webhook.write()?,
            policy.updated_at.micros(),
            policy.id.get(),
        ];
        self.session.execute(update, parameters).await.map(|_| ())
    }

    async fn webhook_trigger_put(
        &mut self,
        id: WebhookId,
        event_type: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let put = sql!(
            "INSERT INTO webhook_triggers (policy_id, event_type, triggered_at) VALUES (?, ?, ?) \
             ON CONFLICT (policy_id, event_type) DO UPDATE SET triggered_at = excluded.triggered_at"
        );
        self.session.defer(put, values![id.get(), event_type, at.micros()]).await
    }

    async fn webhook_delete(&mut self, id: WebhookId) -> Result<bool, StoreError> {
        let triggers = sql!("DELETE FROM webhook_triggers WHERE policy_id = ?");
        self.session.defer(triggers, values![id.get()]).await?;
        let delete = sql!("DELETE FROM webhook_policies WHERE id = ?");
        Ok(self.session.execute(delete, values![id.get()]).await? == 1)
    }
}
