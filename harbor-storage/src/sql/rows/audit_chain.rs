use async_trait::async_trait;
use harbor_core::meta::{AuditChainRows, AuditChainRowsMut, AuditHead, AuditId, AuditLink, AuditRow};
use harbor_core::{StoreError, Timestamp};

use super::audit::{audited, columns};
use super::{Rows, first, piece, piece_of, rows_of};
use crate::sql::session::Row;
use crate::sql::statement::{Value, sql, values};

fn link(row: &Row) -> Result<AuditLink, StoreError> {
    Ok(AuditLink {
        seq: row.int(0)?,
        line: AuditId::new(row.int(1)?),
        content: row.text(2)?,
        hash: row.text(3)?,
        purged: row.text(4)?,
    })
}

fn head(row: &Row) -> Result<AuditHead, StoreError> {
    Ok(AuditHead {
        seq: row.int(0)?,
        hash: row.text(1)?,
        at: Timestamp::from_micros(row.int(2)?),
        key: row.text(3)?,
        signature: row.text(4)?,
    })
}

#[async_trait]
impl AuditChainRows for Rows {
    async fn audit_last_link(&mut self) -> Result<Option<AuditLink>, StoreError> {
        let find =
            sql!("SELECT seq, line_id, content, hash, purged FROM audit_chain ORDER BY seq DESC LIMIT 1");
        first(self.session.fetch(find, values![]).await?).as_ref().map(link).transpose()
    }

    async fn audit_links(&mut self, after: i64, limit: u32) -> Result<Vec<AuditLink>, StoreError> {
        let list = sql!(
            "SELECT seq, line_id, content, hash, purged FROM audit_chain WHERE seq > ? ORDER BY seq LIMIT ?"
        );
        self.session.fetch(list, values![after, limit]).await?.iter().map(link).collect()
    }

    async fn audit_links_of(&mut self, lines: &[AuditId]) -> Result<Vec<AuditLink>, StoreError> {
        let list = sql!(concat!(
            "SELECT seq, line_id, content, hash, purged FROM audit_chain WHERE purged = '' AND line_id IN (",
            piece!(),
            ") ORDER BY seq"
        ));
        let mut links = Vec::new();
        for parameters in rows_of(lines, |line| [Value::Int(line.get())]) {
            for row in self.session.fetch(list, parameters).await? {
                links.push(link(&row)?);
            }
        }
        links.sort_by_key(|link| link.seq);
        Ok(links)
    }

    async fn audit_between(
        &mut self,
        after: AuditId,
        to: AuditId,
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let list = sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM audit_log a WHERE a.id > ? AND a.id <= ? ORDER BY a.id LIMIT ?"
        ));
        let found = self.session.fetch(list, values![after.get(), to.get(), limit]).await?;
        found.iter().map(audited).collect()
    }

    async fn audit_last_head(&mut self) -> Result<Option<AuditHead>, StoreError> {
        let find =
            sql!("SELECT seq, hash, signed_at, key_id, signature FROM audit_heads ORDER BY seq DESC LIMIT 1");
        first(self.session.fetch(find, values![]).await?).as_ref().map(head).transpose()
    }

    async fn audit_heads(&mut self, after: i64, limit: u32) -> Result<Vec<AuditHead>, StoreError> {
        let list = sql!(
            "SELECT seq, hash, signed_at, key_id, signature FROM audit_heads WHERE seq > ? \
             ORDER BY seq LIMIT ?"
        );
        self.session.fetch(list, values![after, limit]).await?.iter().map(head).collect()
    }
}

#[async_trait]
impl AuditChainRowsMut for Rows {
    async fn audit_link(&mut self, links: &[AuditLink]) -> Result<(), StoreError> {
        let insert = sql!(concat!(
            "INSERT INTO audit_chain (seq, line_id, content, hash) VALUES ",
            piece_of!("(?, ?, ?, ?)"),
            " ON CONFLICT (seq) DO NOTHING"
        ));
        let row = |link: &AuditLink| {
            [
                Value::Int(link.seq),
                Value::Int(link.line.get()),
                Value::Text(link.content.clone()),
                Value::Text(link.hash.clone()),
            ]
        };
        for parameters in rows_of(links, row) {
            self.session.execute(insert, parameters).await?;
        }
        Ok(())
    }

    async fn audit_links_purge(&mut self, links: &[i64], purged: &str) -> Result<(), StoreError> {
        let update = sql!(concat!("UPDATE audit_chain SET purged = ? WHERE seq IN (", piece!(), ")"));
        for mut parameters in rows_of(links, |seq| [Value::Int(*seq)]) {
            parameters.insert(0, Value::from(purged));
            self.session.execute(update, parameters).await?;
        }
        Ok(())
    }

    async fn audit_links_cut(&mut self, to: i64) -> Result<(), StoreError> {
        self.session.execute(sql!("DELETE FROM audit_chain WHERE seq <= ?"), values![to]).await?;
        self.session.execute(sql!("DELETE FROM audit_heads WHERE seq < ?"), values![to]).await.map(drop)
    }

    async fn audit_head(&mut self, head: &AuditHead, forget: i64) -> Result<(), StoreError> {
        let delete = sql!("DELETE FROM audit_heads WHERE seq <= ?");
        self.session.execute(delete, values![forget]).await?;
        let put = sql!(
            "INSERT INTO audit_heads (seq, hash, signed_at, key_id, signature) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (seq) DO UPDATE SET hash = excluded.hash, signed_at = excluded.signed_at, \
             key_id = excluded.key_id, signature = excluded.signature"
        );
        let parameters = values![
            head.seq,
            head.hash.as_str(),
            head.at.micros(),
            head.key.as_str(),
            head.signature.as_str()
        ];
        self.session.execute(put, parameters).await.map(drop)
    }
}
