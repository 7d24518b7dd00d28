//! Who is writing to which upload: two writers of one session would mix their bytes.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::AbortHandle;

use crate::blob::UploadId;
use crate::engine::Harbor;
use crate::{Error, Result};

/// The uploads that this process is writing to.
#[derive(Debug, Default)]
pub(in crate::engine) struct Leases {
    held: Arc<Mutex<HashSet<UploadId>>>,
}

/// The right to write to an upload, until it is dropped.
#[derive(Debug)]
pub(in crate::engine) struct Lease {
    held: Arc<Mutex<HashSet<UploadId>>>,
    id: UploadId,
    renewal: Option<AbortHandle>,
    holder: Option<String>,
    released: AtomicBool,
}

impl Lease {
    /// The name that the database knows the holder by; `None` on a store that this process has alone.
    pub(in crate::engine) fn holder(&self) -> Option<&str> {
        self.holder.as_deref()
    }

    /// The database has it that the lease was given back.
    pub(in crate::engine) fn released(&self) {
        self.released.store(true, Ordering::Relaxed);
    }

    /// Gives the lease back, unless that was done: the client's next request may come to another node. What fails here is
    /// left to the lease to run out.
    pub(in crate::engine) async fn release(self, harbor: &Harbor) {
        self.stop_renewal().await;
        if let Some(holder) = &self.holder
            && !self.released.load(Ordering::Relaxed)
            && let Err(error) = harbor.give_back(self.id, holder).await
        {
            tracing::warn!(upload = %self.id, %error, "the lease on an upload was left to run out");
        }
    }

    /// Ends the renewal, also one that is under way: it must not come after the lease was given back.
    pub(in crate::engine) async fn stop_renewal(&self) {
        let Some(renewal) = &self.renewal else { return };
        renewal.abort();
        while !renewal.is_finished() {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(renewal) = &self.renewal {
            renewal.abort();
        }
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Leases {
    fn hold(&self, id: UploadId) -> Option<Lease> {
        let inserted = self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        inserted.then(|| Lease {
            held: Arc::clone(&self.held),
            id,
            renewal: None,
            holder: None,
            released: AtomicBool::new(false),
        })
    }
}

impl Harbor {
    /// Takes the lease on an upload: in this process always, and in the database when other nodes share it, where it is
    /// renewed until it is dropped and runs out when the node dies.
    ///
    /// # Errors
    /// [`Error::UploadBusy`] when somebody else writes to it.
    pub(in crate::engine) async fn lease(&self, id: UploadId) -> Result<Lease> {
        let mut lease = self.inner.leases.hold(id).ok_or(Error::UploadBusy)?;
        if !self.inner.caches.is_exact() {
            let holder = UploadId::random().to_string();
            if !self.renew(id, &holder).await? {
                return Err(Error::UploadBusy);
            }
            lease.renewal = Some(tokio::spawn(keep(self.clone(), id, holder.clone())).abort_handle());
            lease.holder = Some(holder);
        }
        Ok(lease)
    }

    async fn give_back(&self, id: UploadId, holder: &str) -> Result<()> {
        let mut write = self.write_as_system().await?;
        write.rows().upload_release(id, holder).await?;
        write.commit().await
    }

    async fn renew(&self, id: UploadId, holder: &str) -> Result<bool> {
        let mut write = self.write_as_system().await?;
        let now = write.now();
        let until = now.plus(self.settings().upload_lease);
        let renewed = write.rows().upload_lease(id, holder, now, until).await?;
        write.commit().await?;
        Ok(renewed)
    }
}

async fn keep(harbor: Harbor, id: UploadId, holder: String) {
    loop {
        tokio::time::sleep(harbor.settings().upload_lease / 3).await;
        match harbor.renew(id, &holder).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(upload = %id, %error, "the lease on an upload was not renewed"),
        }
    }
}
