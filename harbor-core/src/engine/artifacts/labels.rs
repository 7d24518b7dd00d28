//! Labels on artifacts.

use super::Artifacts;
use crate::access::Authorized;
use crate::access::permission::{ArtifactLabelCreate, ArtifactLabelDelete};
use crate::engine::gate::contended;
use crate::meta::{LabelId, Repository};
use crate::oci::{Digest, Reference};
use crate::{Error, Result};

impl Artifacts<'_> {
    /// Puts a label on an artifact: one of its project, or one that all may use.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a label of another project; [`Error::Conflict`] when it is on it.
    pub async fn label_add(
        &self,
        proof: Authorized<ArtifactLabelCreate>,
        reference: &Reference,
        label: LabelId,
    ) -> Result<()> {
        let repository = self.existing(proof.target()).await?;
        let digest = self.read_named(&repository, reference).await?.digest;
        contended!(self.try_label_add(&proof, &repository, &digest, label))
    }

    async fn try_label_add(
        &self,
        proof: &Authorized<ArtifactLabelCreate>,
        repository: &Repository,
        digest: &Digest,
        label: LabelId,
    ) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        let rows = write.rows();
        let id = rows.manifest_lock(repository.id, digest).await?.ok_or(Error::NotFound("artifact"))?;
        let found = rows.label_lock(label).await?;
        let found = found.filter(|label| label.project.is_none_or(|project| project == repository.project));
        let found = found.ok_or(Error::NotFound("label"))?;
        if !rows.label_put(label, id).await? {
            return Err(Error::Conflict(format!("the label {:?} of this artifact", found.name)));
        }
        write.audit(format!("{}@{digest}: {}", repository.name, found.name)).await?;
        write.commit().await
    }

    /// Takes a label off an artifact.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a label that is not on it.
    pub async fn label_remove(
        &self,
        proof: Authorized<ArtifactLabelDelete>,
        reference: &Reference,
        label: LabelId,
    ) -> Result<()> {
        let repository = self.existing(proof.target()).await?;
        let digest = self.read_named(&repository, reference).await?.digest;
        contended!(self.try_label_remove(&proof, &repository, &digest, label))
    }

    async fn try_label_remove(
        &self,
        proof: &Authorized<ArtifactLabelDelete>,
        repository: &Repository,
        digest: &Digest,
        label: LabelId,
    ) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        let rows = write.rows();
        let id = rows.manifest_lock(repository.id, digest).await?.ok_or(Error::NotFound("artifact"))?;
        if !rows.label_take(label, id).await? {
            return Err(Error::NotFound("label"));
        }
        write.audit(format!("{}@{digest}: label {}", repository.name, label.get())).await?;
        write.commit().await
    }
}
