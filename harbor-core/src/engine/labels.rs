//! The use cases of labels.

use super::Harbor;
use super::gate::{Write, contended};
use super::proof::EitherProof;
use crate::access::permission::{
    LabelCreate, LabelDelete, LabelList, LabelRead, LabelUpdate, SystemLabelCreate, SystemLabelDelete,
    SystemLabelRead, SystemLabelUpdate,
};
use crate::access::{Action, Actor, Authorized, InProject, InSystem};
use crate::meta::{Label, LabelId, LabelKey, Listed, ProjectId};
use crate::query::{Query, Test, Value};
use crate::{Error, Result};

/// How many characters a name may have.
const LONGEST_NAME: usize = 128;

/// How many characters a colour may have.
const LONGEST_COLOR: usize = 16;

/// How long a description may be, in bytes.
const LONGEST: usize = 4096;

/// Use cases of labels: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    harbor: &'a Harbor,
}

/// A label about to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewLabel {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The colour that it is shown in.
    pub color: String,
}

/// What a label shall be: all of it.
pub type LabelChange = NewLabel;

impl NewLabel {
    fn check(&self) -> Result<()> {
        let texts = [&self.name, &self.description, &self.color];
        let wrong = match () {
            () if self.name.trim().is_empty() => "a label has a name".to_owned(),
            () if self.name.chars().count() > LONGEST_NAME => {
                format!("the name of a label has at most {LONGEST_NAME} characters")
            }
            () if self.color.chars().count() > LONGEST_COLOR => {
                format!("the colour of a label has at most {LONGEST_COLOR} characters")
            }
            () if self.description.len() > LONGEST => {
                format!("the description of a label has at most {LONGEST} bytes")
            }
            () if texts.iter().any(|text| text.contains('\0')) => "a label has no NUL".to_owned(),
            () => return Ok(()),
        };
        Err(Error::BadRequest(wrong))
    }
}

impl<'a> Labels<'a> {
    pub(super) const fn new(harbor: &'a Harbor) -> Self {
        Self { harbor }
    }

    /// The proof for a label that is named by its key. Everybody may read those of a public project.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for nobody in particular; [`Error::NotFound`] for who may see every label; [`Error::Denied`] for others, whether there
    /// is such a label or not.
    pub async fn authorize<S: Action<Scope = InSystem>, P: Action<Scope = InProject>>(
        &self,
        actor: &Actor,
        id: LabelId,
    ) -> Result<EitherProof<S, P>> {
        let label = self.harbor.read().await?.label(id).await?;
        let owner = label.map(|label| label.project);
        self.harbor.authorize_either(actor, owner, Error::NotFound("label")).await
    }

    /// A page of the labels that all may use. Everybody may see them.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn list(&self, query: &Query<LabelKey>) -> Result<Listed<Label>> {
        Ok(self.harbor.read().await?.labels(None, query).await?)
    }

    /// A page of the labels of a project.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn list_of_project(
        &self,
        proof: &Authorized<LabelList>,
        query: &Query<LabelKey>,
    ) -> Result<Listed<Label>> {
        Ok(self.harbor.read().await?.labels(Some(proof.target().id), query).await?)
    }

    /// A label.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get(&self, proof: &EitherProof<SystemLabelRead, LabelRead>, id: LabelId) -> Result<Label> {
        let label = self.harbor.read().await?.label(id).await?;
        label.filter(|label| label.project == proof.project()).ok_or(Error::NotFound("label"))
    }

    /// Makes a label.
    ///
    /// # Errors
    /// [`Error::BadRequest`]; [`Error::Conflict`] when one has the name there.
    pub async fn create(
        &self,
        proof: EitherProof<SystemLabelCreate, LabelCreate>,
        new: &NewLabel,
    ) -> Result<LabelId> {
        new.check()?;
        contended!(self.try_create(&proof, new))
    }

    async fn try_create(
        &self,
        proof: &EitherProof<SystemLabelCreate, LabelCreate>,
        new: &NewLabel,
    ) -> Result<LabelId> {
        let mut write = proof.write(self.harbor).await?;
        let now = write.now();
        if let Some(project) = proof.project() {
            // It stays until the label is there.
            write.rows().project_lock(project).await?.ok_or(Error::NameUnknown)?;
        }
        check_free(&mut write, proof.project(), None, new).await?;
        let label = Label {
            id: LabelId::new(0),
            project: proof.project(),
            name: new.name.clone(),
            description: new.description.clone(),
            color: new.color.clone(),
            created_at: now,
            updated_at: now,
        };
        let id = write.rows().label_insert(&label).await?;
        write.audit(audited(proof.project(), &new.name)).await?;
        write.commit().await?;
        Ok(id)
    }

    /// Changes a label.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::BadRequest`]; [`Error::Conflict`] when another has the name there.
    pub async fn update(
        &self,
        proof: EitherProof<SystemLabelUpdate, LabelUpdate>,
        id: LabelId,
        change: &LabelChange,
    ) -> Result<()> {
        change.check()?;
        contended!(self.try_update(&proof, id, change))
    }

    async fn try_update(
        &self,
        proof: &EitherProof<SystemLabelUpdate, LabelUpdate>,
        id: LabelId,
        change: &LabelChange,
    ) -> Result<()> {
        let mut write = proof.write(self.harbor).await?;
        let now = write.now();
        let label = write.rows().label_lock(id).await?;
        let label = label.filter(|label| label.project == proof.project()).ok_or(Error::NotFound("label"))?;
        check_free(&mut write, proof.project(), Some(id), change).await?;
        let LabelChange { name, description, color } = change.clone();
        let label = Label { name, description, color, updated_at: now, ..label };
        write.rows().label_save(&label).await?;
        write.audit(audited(proof.project(), &label.name)).await?;
        write.commit().await
    }

    /// Deletes a label, and takes it off every artifact.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete(
        &self,
        proof: EitherProof<SystemLabelDelete, LabelDelete>,
        id: LabelId,
    ) -> Result<()> {
        contended!(self.try_delete(&proof, id))
    }

    async fn try_delete(
        &self,
        proof: &EitherProof<SystemLabelDelete, LabelDelete>,
        id: LabelId,
    ) -> Result<()> {
        let mut write = proof.write(self.harbor).await?;
        let label = write.rows().label_lock(id).await?;
        let label = label.filter(|label| label.project == proof.project()).ok_or(Error::NotFound("label"))?;
        write.rows().label_delete(id).await?;
        write.audit(audited(proof.project(), &label.name)).await?;
        write.commit().await
    }
}

/// Refuses the name of another label. Of two that come at once, one is tried again, and then finds the other.
async fn check_free(
    write: &mut Write<'_>,
    project: Option<ProjectId>,
    own: Option<LabelId>,
    label: &NewLabel,
) -> Result<()> {
    let named = Query::default().filter(LabelKey::Name, Test::Is(Value::Text(label.name.clone())));
    let there = write.rows().labels(project, &named).await?;
    match there.entries.iter().any(|other| Some(other.id) != own) {
        true => Err(Error::Conflict(format!("label {:?}", label.name))),
        false => Ok(()),
    }
}

/// What the audit log has of a label.
fn audited(project: Option<ProjectId>, name: &str) -> String {
    match project {
        Some(project) => format!("label {name:?} of project {}", project.get()),
        None => format!("label {name:?}"),
    }
}
