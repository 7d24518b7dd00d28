use async_trait::async_trait;
use harbor_core::blob::{DriverState, UploadId};
use harbor_core::meta::{RepositoryId, Upload, UploadRows, UploadRowsMut};
use harbor_core::{StoreError, Timestamp};

use super::{Rows, first};
use crate::sql::session::{Row, size};
use crate::sql::statement::{sql, values};

fn upload(row: &Row) -> Result<Upload, StoreError> {
    Ok(Upload {
        id: row.parsed(0)?,
        repository: RepositoryId::new(row.int(1)?),
        principal: row.text(2)?,
        offset: row.count(3)?,
        hash_state: row.bytes(4)?,
        driver_state: DriverState::new(row.bytes(5)?),
    })
}

#[async_trait]
impl UploadRows for Rows {
    async fn upload(&mut self, id: UploadId) -> Result<Option<Upload>, StoreError> {
        let find = sql!(
            "SELECT id, repository_id, principal, received, hash_state, driver_state FROM uploads WHERE id = ?"
        );
        first(self.session.fetch(find, values![id.to_string()]).await?).map(|row| upload(&row)).transpose()
    }

    async fn uploads_idle(
        &mut self,
        before: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Upload>, StoreError> {
        let list = sql!(
            "SELECT id, repository_id, principal, received, hash_state, driver_state FROM uploads \
             WHERE touched_at < ? AND lease_until <= ? ORDER BY touched_at LIMIT ?"
        );
        let rows = self.session.fetch(list, values![before.micros(), now.micros(), limit]).await?;
        rows.iter().map(upload).collect()
    }
}

#[async_trait]
impl UploadRowsMut for Rows {
    async fn upload_insert(&mut self, upload: &Upload, now: Timestamp) -> Result<(), StoreError> {
        let insert = sql!(
            "INSERT INTO uploads (id, repository_id, principal, received, hash_state, driver_state, touched_at, \
             lease_until) VALUES (?, ?, ?, ?, ?, ?, ?, 0)"
        );
        let parameters = values![
            upload.id.to_string(),
            upload.repository.get(),
            upload.principal.as_str(),
            size(upload.offset)?,
            upload.hash_state.as_slice(),
            upload.driver_state.as_bytes(),
            now.micros(),
        ];
        self.session.defer(insert, parameters).await
    }

    async fn upload_save(&mut self, upload: &Upload, now: Timestamp) -> Result<bool, StoreError> {
        let update = sql!(
            "UPDATE uploads SET principal = ?, received = ?, hash_state = ?, driver_state = ?, touched_at = ? \
             WHERE id = ?"
        );
        let parameters = values![
            upload.principal.as_str(),
            size(upload.offset)?,
            upload.hash_state.as_slice(),
            upload.driver_state.as_bytes(),
            now.micros(),
            upload.id.to_string(),
        ];
        Ok(self.session.execute(update, parameters).await? == 1)
    }

    async fn upload_lease(
        &mut self,
        id: UploadId,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = sql!(
            "UPDATE uploads SET lease_holder = ?, lease_until = ?, touched_at = ? \
             WHERE id = ? AND (lease_holder = ? OR lease_until <= ?)"
        );
        let parameters = values![holder, until.micros(), now.micros(), id.to_string(), holder, now.micros()];
        Ok(self.session.execute(update, parameters).await? == 1)
    }

    async fn upload_release(&mut self, id: UploadId, holder: &str) -> Result<(), StoreError> {
        let update = sql!("UPDATE uploads SET lease_until = 0 WHERE id = ? AND lease_holder = ?");
        self.session.defer(update, values![id.to_string(), holder]).await
    }

    async fn upload_delete(&mut self, id: UploadId) -> Result<bool, StoreError> {
        let delete = sql!("DELETE FROM uploads WHERE id = ?");
        Ok(self.session.execute(delete, values![id.to_string()]).await? == 1)
    }
}
