//! Quotas: their use cases, and what keeps a project within its own.
//!
//! The store counts what each transaction adds ([`QuotaRowsMut::growth`](crate::meta::QuotaRowsMut::growth)). The gate asks
//! here before it commits, so no use case can forget to.

use super::Harbor;
use super::gate::contended;
use crate::access::permission::{QuotaList, QuotaRead, QuotaUpdate, SystemQuotaRead};
use crate::access::{Action, Actor, Authorized, Target};
use crate::meta::{
    CLAIMS, Growth, Listed, ProjectId, Quota, QuotaId, QuotaKey, Sharing, Transaction, UNLIMITED, Usage,
};
use crate::oci::Digest;
use crate::query::Query;
use crate::{ConfigKey, Configuration, Error, Result, StoreError, StoreErrorKind};

/// From so many announced bytes on, it is asked whether there is room for them before they come. For fewer it is not worth
/// asking.
const WORTH_ASKING: u64 = 1024 * 1024;

/// Use cases of quotas: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Quotas<'a> {
    harbor: &'a Harbor,
}

impl<'a> Quotas<'a> {
    pub(super) const fn new(harbor: &'a Harbor) -> Self {
        Self { harbor }
    }

    /// A page of the quotas of all projects.
    ///
    /// # Errors
    /// As the metadata store fails.
    pub async fn list(
        &self,
        _proof: &Authorized<QuotaList>,
        query: &Query<QuotaKey>,
    ) -> Result<Listed<Quota>> {
        Ok(self.harbor.read().await?.quotas(query).await?)
    }

    /// A quota.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none of that key.
    pub async fn get(&self, _proof: &Authorized<SystemQuotaRead>, id: QuotaId) -> Result<Quota> {
        self.harbor.read().await?.quota(id).await?.ok_or(Error::NotFound("quota"))
    }

    /// The quota of the project that the proof is for.
    ///
    /// # Errors
    /// [`Error::NotFound`] when somebody deleted the project.
    pub async fn of_project(&self, proof: &Authorized<QuotaRead>) -> Result<Quota> {
        self.harbor.read().await?.quota_of(proof.target().id).await?.ok_or(Error::NotFound("quota"))
    }

    /// Sets what a project may hold, in bytes, or [`UNLIMITED`]. It may be less than what the project holds: then nothing
    /// can be added until enough is gone.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a limit that is none; [`Error::NotFound`] when there is no quota of that key.
    pub async fn set(&self, proof: Authorized<QuotaUpdate>, id: QuotaId, hard: i64) -> Result<()> {
        check_limit(hard)?;
        contended!(self.try_set(&proof, id, hard))
    }

    async fn try_set(&self, proof: &Authorized<QuotaUpdate>, id: QuotaId, hard: i64) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        let now = write.now();
        if !write.rows().quota_set(id, hard, now).await? {
            return Err(Error::NotFound("quota"));
        }
        write.audit(format!("quota {}: {hard}", id.get())).await?;
        write.commit().await
    }
}

/// Refuses a limit that is neither a number of bytes above 0 nor none.
pub(super) fn check_limit(hard: i64) -> Result<()> {
    if hard > 0 || hard == UNLIMITED {
        return Ok(());
    }
    Err(Error::BadRequest(format!("a limit is a number of bytes above 0, or -1 for none, and not {hard}")))
}

impl Harbor {
    /// What a new project may hold: what its maker asks for, which may be above the default only where the maker may change
    /// quotas. Everybody else gets the default then, as with Harbor.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a limit that is none.
    pub(super) async fn first_limit(&self, maker: &Actor, asked: Option<i64>) -> Result<i64> {
        let default = self.configuration().await?.number(ConfigKey::StoragePerProject);
        // As with Harbor, whose clients say 0 for what they do not care about.
        let Some(asked) = asked.filter(|asked| *asked != 0) else { return Ok(default) };
        check_limit(asked)?;
        let within = default == UNLIMITED || (asked != UNLIMITED && asked <= default);
        let granted = within || self.may(maker, QuotaUpdate::PERMISSION, Target::System).await?;
        Ok(if granted { asked } else { default })
    }

    /// Refuses content of so many announced bytes that the project has no room for, before it comes. What comes without a
    /// digest may be here already, so it is refused only when it would not fit into the project all by itself.
    ///
    /// # Errors
    /// [`Error::QuotaExceeded`].
    pub(super) async fn check_room(
        &self,
        project: ProjectId,
        bytes: u64,
        digest: Option<&Digest>,
    ) -> Result<()> {
        if bytes < WORTH_ASKING {
            return Ok(());
        }
        // First: it may be read from the store, by a connection that this one would wait for.
        if !self.configuration().await?.flag(ConfigKey::QuotaPerProjectEnable) {
            return Ok(());
        }
        let mut rows = self.read().await?;
        let Usage { hard, used } = rows.usage(project).await?;
        let Ok(limit) = u64::try_from(hard) else { return Ok(()) };
        let fits = match digest {
            None => bytes <= limit,
            Some(digest) => {
                used.saturating_add(bytes) <= limit || rows.content_is_held(project, digest).await?
            }
        };
        if fits {
            return Ok(());
        }
        self.note_exceeded(project, hard, used, bytes);
        Err(Error::QuotaExceeded { adding: bytes, used, hard: limit })
    }

    /// Lets a transaction commit what it adds, or refuses it, by the configuration as it was before the transaction. Nothing may come
    /// after it but its events and the commit.
    pub(super) async fn admit(
        &self,
        rows: &mut dyn Transaction,
        configuration: &Configuration,
    ) -> Result<()> {
        if !configuration.flag(ConfigKey::QuotaPerProjectEnable) {
            return Ok(());
        }
        for growth in rows.growth().await? {
            if let (Ok(own), Ok(_)) = (u64::try_from(growth.bytes), u64::try_from(growth.hard))
                && own > 0
            {
                self.admit_one(rows, growth, own).await?;
            }
        }
        Ok(())
    }

    async fn admit_one(&self, rows: &mut dyn Transaction, growth: Growth, own: u64) -> Result<()> {
        let shared = self.inner.metadata.sharing() == Sharing::Shared;
        // Of an exclusive store, transactions take turns: each is alone from its beginning.
        let alone = shared && !may_be_beside(own, rows.usage(growth.project).await?);
        let Usage { hard, used } = rows.usage_claim(growth.project, alone).await?;
        let Ok(limit) = u64::try_from(hard) else { return Ok(()) };
        if used > limit {
            let before = used.saturating_sub(own);
            self.note_exceeded(growth.project, hard, before, own);
            return Err(Error::QuotaExceeded { adding: own, used: before, hard: limit });
        }
        self.note_usage(growth.project, hard, used);
        if shared && !alone && !may_be_beside(own, Usage { hard, used }) {
            // Others were quicker since it was asked. The next try sees them from the beginning.
            return Err(StoreError::new(StoreErrorKind::Conflict, "claiming room in a project").into());
        }
        Ok(())
    }
}

/// Whether a transaction that adds `own` bytes may claim room beside others that do so at the same time; `usage` has them
/// added already.
///
/// However it comes, a project then never holds more than it may. Take the commit of a transaction that claimed beside
/// others, and of all those that did and have committed by then, the one that read the sum last, at a time *t*: it read at
/// most 7/8 of the limit. What was committed after *t* had claimed before it, and so was between claim and commit at *t*:
/// at most `CLAIMS` transactions, of at most 1/8 of the limit together. Nobody who claims alone comes in between, for that
/// waits for all the others and lets none in; and who is alone knows the sum. A limit that is set meanwhile holds for those who ask after
/// that: what was admitted before counts as pushed before, also where it commits a moment later.
fn may_be_beside(own: u64, Usage { hard, used }: Usage) -> bool {
    u64::try_from(hard).is_ok_and(|hard| own <= hard / (8 * CLAIMS) && used <= hard - hard / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_others() {
        let hard = 1024 * 256;
        for (own, used, beside) in [
            (1, 1, true),
            (1024, 1024, true),
            (1025, 1025, false),
            (1, 7 * 1024 * 32, true),
            (1, 7 * 1024 * 32 + 1, false),
            (1, u64::MAX, false),
            (u64::MAX, u64::MAX, false),
        ] {
            assert_eq!(may_be_beside(own, Usage { hard, used }), beside, "{own} {used}");
        }
        assert!(!may_be_beside(1, Usage { hard: 255, used: 1 }), "a small limit has no room beside");
        assert!(!may_be_beside(1, Usage { hard: 0, used: 1 }));
    }

    /// What the argument needs: as many as can be at a time, each as large as can be, beside the most that may be read.
    #[test]
    fn the_most_beside_others_is_the_limit() {
        for hard in [1_u64, 255, 256, 257, 4095, 10_000_019, i64::MAX as u64] {
            let own = hard / (8 * CLAIMS);
            let read = hard - hard / 8;
            assert!(read + (CLAIMS - 1) * own <= hard, "{hard}");
        }
    }

    #[test]
    fn limits() {
        for (limit, good) in [(1, true), (i64::MAX, true), (-1, true), (0, false), (-2, false)] {
            assert_eq!(check_limit(limit).is_ok(), good, "{limit}");
        }
    }
}
