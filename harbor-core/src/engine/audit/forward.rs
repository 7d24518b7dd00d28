//! Lines on their way to somebody else: a cursor over the log, which one node at a time has.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Audit;
use crate::engine::Harbor;
use crate::engine::configuration::ConfigKey;
use crate::engine::gate::contended;
use crate::meta::{AuditId, AuditRow, SettingRows};
use crate::{Error, Result, StoreError, StoreErrorKind, Timestamp};

/// How many lines are read at a time.
const BATCH: u32 = 200;

/// For how long a node has the cursor that does not say that it is alive.
const LEASE: Duration = Duration::from_secs(30);

/// The setting that has the cursor.
const CURSOR: &str = "audit.forward";

/// The setting that whoever changes the other one writes first, and has locked then.
const LOCK: &str = "audit.forwarding";

/// The cursor as it is stored, as JSON.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Stored {
    v: u32,
    /// The last line that went.
    line: i64,
    /// Who has the cursor.
    holder: String,
    /// Until when, in microseconds since the epoch.
    until: i64,
}

impl Stored {
    /// Whether somebody else has the cursor.
    fn is_of_another(&self, holder: &str, now: Timestamp) -> bool {
        self.holder != holder && now < Timestamp::from_micros(self.until)
    }
}

async fn stored<R: SettingRows + ?Sized>(rows: &mut R) -> Result<Stored> {
    let Some(text) = rows.setting(CURSOR).await? else { return Ok(Stored { v: 1, ..Stored::default() }) };
    let corrupt =
        |_| StoreError::new(StoreErrorKind::Corrupt, "how far the audit log was forwarded does not read");
    let stored: Stored = serde_json::from_str(&text).map_err(corrupt)?;
    match stored.v {
        1 => Ok(stored),
        _ => Err(StoreError::new(StoreErrorKind::TooNew, "a newer version forwards the audit log").into()),
    }
}

impl Harbor {
    /// The last line that went, where lines are forwarded: those behind it are kept until they went, too.
    pub(super) async fn unsent_after(&self) -> Result<Option<AuditId>> {
        if self.configuration().await?.text(ConfigKey::AuditLogForwardEndpoint).is_empty() {
            return Ok(None);
        }
        Ok(Some(AuditId::new(stored(&mut *self.read().await?).await?.line)))
    }
}

impl Audit<'_> {
    /// Takes the cursor for `holder`, or keeps it; `None` while somebody else has it, and otherwise the last line that went. It
    /// lasts for half a minute.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn forward_claim(&self, holder: &str) -> Result<Option<AuditId>> {
        // Without a transaction: of several nodes all but one only wait, and look every second.
        let known = stored(&mut *self.harbor.read().await?).await?;
        if known.is_of_another(holder, self.harbor.now()) {
            return Ok(None);
        }
        contended!(self.hold(holder, None, LEASE))
    }

    /// The next lines behind one, at most some hundred: those that are sealed, for none comes ahead of them any more.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn forward_next(&self, after: AuditId) -> Result<Vec<AuditRow>> {
        let mut rows = self.harbor.read().await?;
        let (_, last, _) = super::chain::end(&mut *rows).await?;
        Ok(rows.audit_between(after, last, BATCH).await?)
    }

    /// Says that these lines went, in the order in which [`Audit::forward_next`] has them. False when somebody else has the
    /// cursor now. Where the configuration says that the log is kept elsewhere (`skip_audit_log_database`), they go from here.
    ///
    /// # Errors
    /// As the stores fail: then they will go once more.
    pub async fn forwarded(&self, holder: &str, lines: &[AuditRow]) -> Result<bool> {
        let Some(last) = lines.last() else { return Ok(true) };
        if self.harbor.configuration().await?.flag(ConfigKey::SkipAuditLogDatabase) {
            if contended!(self.hold(holder, None, LEASE))?.is_none() {
                return Ok(false);
            }
            // Whoever gets the lines has what tells of them. Ahead of the cursor, behind which nobody looks again.
            self.harbor.purge(lines, None).await?;
        }
        Ok(contended!(self.hold(holder, Some(last.id), LEASE))?.is_some())
    }

    /// Gives the cursor away, for others to take it at once.
    ///
    /// # Errors
    /// As the stores fail: then others wait for half a minute.
    pub async fn forward_release(&self, holder: &str) -> Result<()> {
        contended!(self.hold(holder, None, Duration::ZERO)).map(drop)
    }

    async fn hold(&self, holder: &str, line: Option<AuditId>, lease: Duration) -> Result<Option<AuditId>> {
        let mut write = self.harbor.write_as_system().await?;
        let now = write.now();
        let rows = write.rows();
        rows.setting_put(LOCK, holder).await?;
        let known = stored(rows).await?;
        if known.is_of_another(holder, now) {
            return Ok(None);
        }
        let until = now.plus(lease).micros();
        let line = line.map_or(known.line, |line| line.get().max(known.line));
        let next = Stored { v: 1, line, holder: holder.to_owned(), until };
        let text = serde_json::to_string(&next).map_err(|error| Error::Internal(error.to_string()))?;
        rows.setting_put(CURSOR, &text).await?;
        write.commit().await?;
        Ok(Some(AuditId::new(line)))
    }
}
