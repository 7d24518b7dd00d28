use async_trait::async_trait;
use harbor_core::meta::{
    ImmutableRows, ImmutableRowsMut, ImmutableRule, ImmutableRuleId, ImmutableRuleKey, ImmutableSelection,
    Listed, ProjectId,
};
use harbor_core::query::Query;
use harbor_core::{StoreError, StoreErrorKind};

use super::{Rows, first};
use crate::sql::listing::Listing;
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

macro_rules! columns {
    () => {
        "id, project_id, priority, is_disabled, selection"
    };
}

fn rule(row: &Row) -> Result<ImmutableRule, StoreError> {
    Ok(ImmutableRule {
        id: ImmutableRuleId::new(row.int(0)?),
        project: ProjectId::new(row.int(1)?),
        priority: row.int(2)?,
        disabled: row.int(3)? != 0,
        selection: ImmutableSelection::read(&row.text(4)?)?,
    })
}

const fn column(key: ImmutableRuleKey) -> &'static str {
    match key {
        ImmutableRuleKey::Id => "id",
        ImmutableRuleKey::Priority => "priority",
        ImmutableRuleKey::Disabled => "is_disabled",
    }
}

#[async_trait]
impl ImmutableRows for Rows {
    async fn immutable_rules(
        &mut self,
        project: ProjectId,
        query: &Query<ImmutableRuleKey>,
    ) -> Result<Listed<ImmutableRule>, StoreError> {
        let listing = Listing::new(columns!(), "immutable_rules", "id")
            .only("project_id = ?", values![project.get()])
            .query(query, column, "");
        self.list(listing, rule).await
    }

    async fn immutable_rules_of(&mut self, project: ProjectId) -> Result<Vec<ImmutableRule>, StoreError> {
        let list =
            sql!(concat!("SELECT ", columns!(), " FROM immutable_rules WHERE project_id = ? ORDER BY id"));
        self.session.fetch(list, values![project.get()]).await?.iter().map(rule).collect()
    }
}

#[async_trait]
impl ImmutableRowsMut for Rows {
    async fn immutable_rule_insert(&mut self, rule: &ImmutableRule) -> Result<ImmutableRuleId, StoreError> {
        let insert = sql!(
            "INSERT INTO immutable_rules (project_id, priority, is_disabled, selection) VALUES (?, ?, ?, ?)"
        );
        let project = rule.project.get();
        let disabled = i64::from(rule.disabled);
        self.session
            .execute(insert, values![project, rule.priority, disabled, rule.selection.write()?])
            .await?;
        // The caller has locked the project, so nobody else has made one since.
        let find = sql!("SELECT id FROM immutable_rules WHERE project_id = ? ORDER BY id DESC LIMIT 1");
        match first(self.session.fetch(find, values![project]).await?) {
            Some(row) => Ok(ImmutableRuleId::new(row.int(0)?)),
            None => Err(StoreError::new(StoreErrorKind::Conflict, "making a rule of immutable tags")),
        }
    }

    async fn immutable_rule_save(&mut self, rule: &ImmutableRule) -> Result<bool, StoreError> {
        let update = sql!(
            "UPDATE immutable_rules SET priority = ?, is_disabled = ?, selection = ? \
             WHERE project_id = ? AND id = ?"
        );
        let parameters = values![
            rule.priority,
            i64::from(rule.disabled),
            rule.selection.write()?,
            rule.project.get(),
            rule.id.get(),
        ];
        Ok(self.session.execute(update, parameters).await? == 1)
    }

    async fn immutable_rule_delete(
        &mut self,
        project: ProjectId,
        id: ImmutableRuleId,
    ) -> Result<bool, StoreError> {
        let delete = sql!("DELETE FROM immutable_rules WHERE project_id = ? AND id = ?");
        Ok(self.session.execute(delete, values![project.get(), id.get()]).await? == 1)
    }
}
