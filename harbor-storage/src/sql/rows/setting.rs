use async_trait::async_trait;
use harbor_core::meta::{SettingRows, SettingRowsMut};
use harbor_core::{StoreError, StoreErrorKind};

use super::{Rows, first};
use crate::sql::statement::{sql, values};

#[async_trait]
impl SettingRows for Rows {
    async fn setting(&mut self, key: &str) -> Result<Option<String>, StoreError> {
        let find = sql!("SELECT content FROM settings WHERE name = ?");
        first(self.session.fetch(find, values![key]).await?).map(|row| row.text(0)).transpose()
    }
}

#[async_trait]
impl SettingRowsMut for Rows {
    async fn setting_put(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        let put = sql!(
            "INSERT INTO settings (name, content) VALUES (?, ?) \
             ON CONFLICT (name) DO UPDATE SET content = excluded.content"
        );
        self.session.defer(put, values![key, value]).await
    }

    async fn setting_claim(&mut self, key: &str, value: &str) -> Result<String, StoreError> {
        let insert = sql!("INSERT INTO settings (name, content) VALUES (?, ?) ON CONFLICT (name) DO NOTHING");
        self.session.defer(insert, values![key, value]).await?;
        let missing = || StoreError::new(StoreErrorKind::Conflict, "claiming a setting");
        self.setting(key).await?.ok_or_else(missing)
    }
}
