//! Labels: words that people put on artifacts.

use async_trait::async_trait;

use super::{LabelId, Listed, ManifestId, ProjectId, RowResult};
use crate::Timestamp;
use crate::query::{Query, keys};

/// A label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its key.
    pub id: LabelId,
    /// The project that may use it; `None` when all may.
    pub project: Option<ProjectId>,
    /// Its name, unlike that of any other label of the same project, or of all.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The colour that it is shown in, as whoever shows it has it.
    pub color: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

keys! {
    /// What lists of labels are filtered and sorted by.
    pub enum LabelKey {
        /// `id`.
        Id: Int, "id", "ID", filter, sort;
        /// `name`.
        Name: Text, "name", "Name", filter, sort;
        /// `color`.
        Color: Text, "color", "Color", filter, sort;
        /// `creation_time`.
        CreatedAt: Time, "creation_time", "CreationTime", filter, sort;
        /// `update_time`.
        UpdatedAt: Time, "update_time", "UpdateTime", filter, sort;
    }
}

/// Reads labels.
#[async_trait]
pub trait LabelRows {
    /// The label of that key.
    async fn label(&mut self, id: LabelId) -> RowResult<Option<Label>>;

    /// A page of the labels of a project, or of those that all may use; those that were made last first, unless the query has
    /// another order.
    async fn labels(
        &mut self,
        project: Option<ProjectId>,
        query: &Query<LabelKey>,
    ) -> RowResult<Listed<Label>>;

    /// The labels of these artifacts, each with the artifact, by key.
    async fn labels_of(&mut self, manifests: &[ManifestId]) -> RowResult<Vec<(ManifestId, Label)>>;
}

/// Changes labels.
#[async_trait]
pub trait LabelRowsMut {
    /// Makes a label; its `id` is of no account. `Conflict` when one has the name there.
    async fn label_insert(&mut self, label: &Label) -> RowResult<LabelId>;

    /// The label of that key, locked.
    async fn label_lock(&mut self, id: LabelId) -> RowResult<Option<Label>>;

    /// Stores a label that the caller has locked as it is now. Its project stays. `Conflict` when another has the name there.
    async fn label_save(&mut self, label: &Label) -> RowResult<()>;

    /// Deletes a label, and takes it off every artifact. False when it was not there.
    async fn label_delete(&mut self, id: LabelId) -> RowResult<bool>;

    /// Puts a label on an artifact; the caller has locked both. False when it was there.
    async fn label_put(&mut self, id: LabelId, manifest: ManifestId) -> RowResult<bool>;

    /// Takes a label off an artifact, which the caller has locked. False when it was not there.
    async fn label_take(&mut self, id: LabelId, manifest: ManifestId) -> RowResult<bool>;
}
