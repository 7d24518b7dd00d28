//! Rules of immutable tags: their use cases, and what keeps a tag as it is.
//!
//! A rule is about tags that are there: a tag that it holds may be made, once, and can then be neither moved nor deleted. What
//! changes tags asks here within its transaction, once it has locked them, so that no rule and no tag slips in between.

use super::Harbor;
use super::gate::contended;
use crate::access::Authorized;
use crate::access::permission::{
    ImmutableTagCreate, ImmutableTagDelete, ImmutableTagList, ImmutableTagUpdate,
};
use crate::event::{Change, EventKind, Policy};
use crate::meta::{
    ImmutableRows, ImmutableRule, ImmutableRuleId, ImmutableRuleKey, ImmutableSelection, Listed, ProjectId,
    Repository,
};
use crate::oci::{RepositoryName, Tag};
use crate::pattern::LONGEST_TOGETHER;
use crate::query::Query;
use crate::{Error, Result};

/// How many rules a project has at most: they are looked through whenever a tag is moved or deleted.
const MOST: usize = 100;

/// After how many tags others have their turn: at most a few milliseconds.
const TURN: usize = 8;

/// How many selectors of tags, and of repositories, a rule has at most. Only the first of each means something.
const MOST_SELECTORS: usize = 16;

/// How many bytes the parameters of a rule have at most. They mean nothing.
const LONGEST_PARAMETERS: usize = 4096;

/// How many tags are looked through at a time.
const TAGS: u32 = 1000;

/// Use cases of rules of immutable tags: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct ImmutableRules<'a> {
    harbor: &'a Harbor,
}

/// What a rule of immutable tags shall be: all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewImmutableRule {
    /// A number that clients keep with it.
    pub priority: i64,
    /// Whether it is out of force.
    pub disabled: bool,
    /// Which tags of which repositories it is about: at least one selector of each.
    pub selection: ImmutableSelection,
}

impl NewImmutableRule {
    fn check(&self) -> Result<()> {
        let ImmutableSelection { tags, repositories, .. } = &self.selection;
        if tags.is_empty() || repositories.is_empty() {
            let rule = "a rule needs a selector of tags and a selector of repositories";
            return Err(Error::BadRequest(rule.to_owned()));
        }
        if tags.len().max(repositories.len()) > MOST_SELECTORS {
            let rule = format!("a rule has at most {MOST_SELECTORS} selectors of a kind");
            return Err(Error::BadRequest(rule));
        }
        let parameters = serde_json::to_string(&self.selection.parameters);
        if parameters.map_or(usize::MAX, |text| text.len()) > LONGEST_PARAMETERS {
            let rule = format!("the params of a rule have at most {LONGEST_PARAMETERS} bytes");
            return Err(Error::BadRequest(rule));
        }
        Ok(())
    }

    fn row(&self, project: ProjectId, id: ImmutableRuleId) -> ImmutableRule {
        let Self { priority, disabled, selection } = self.clone();
        ImmutableRule { id, project, priority, disabled, selection }
    }
}

impl<'a> ImmutableRules<'a> {
    pub(super) const fn new(harbor: &'a Harbor) -> Self {
        Self { harbor }
    }

    /// A page of the rules of a project.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn list(
        &self,
        proof: &Authorized<ImmutableTagList>,
        query: &Query<ImmutableRuleKey>,
    ) -> Result<Listed<ImmutableRule>> {
        Ok(self.harbor.read().await?.immutable_rules(proof.target().id, query).await?)
    }

    /// Makes a rule.
    ///
    /// # Errors
    /// [`Error::BadRequest`]; [`Error::Conflict`] when the project has one of the same tags; [`Error::Precondition`] when it has as
    /// many as there may be; [`Error::NameUnknown`] when somebody deleted the project.
    pub async fn create(
        &self,
        proof: Authorized<ImmutableTagCreate>,
        new: &NewImmutableRule,
    ) -> Result<ImmutableRuleId> {
        new.check()?;
        contended!(self.try_create(&proof, new))
    }

    async fn try_create(
        &self,
        proof: &Authorized<ImmutableTagCreate>,
        new: &NewImmutableRule,
    ) -> Result<ImmutableRuleId> {
        let mut write = self.harbor.write(proof).await?;
        let project = proof.target().id;
        let rows = write.rows();
        // Whoever makes another one waits, and then finds this one.
        rows.project_lock(project).await?.ok_or(Error::NameUnknown)?;
        let others = rows.immutable_rules_of(project).await?;
        check_beside(&others, new)?;
        if others.len() >= MOST {
            let rule = format!("a project has at most {MOST} rules of immutable tags: delete or join some");
            return Err(Error::Precondition(rule));
        }
        check_length(&others, new, 0)?;
        let id = rows.immutable_rule_insert(&new.row(project, ImmutableRuleId::new(0))).await?;
        write.audit(audited(project, id)).await?;
        write.event(changed(id, Change::Created));
        write.commit().await?;
        Ok(id)
    }

    /// Changes a rule.
    ///
    /// # Errors
    /// As [`ImmutableRules::create`]; [`Error::NotFound`], also for a rule of another project.
    pub async fn update(
        &self,
        proof: Authorized<ImmutableTagUpdate>,
        id: ImmutableRuleId,
        change: &NewImmutableRule,
    ) -> Result<()> {
        change.check()?;
        contended!(self.try_update(&proof, id, change))
    }

    async fn try_update(
        &self,
        proof: &Authorized<ImmutableTagUpdate>,
        id: ImmutableRuleId,
        change: &NewImmutableRule,
    ) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        let project = proof.target().id;
        let rows = write.rows();
        rows.project_lock(project).await?.ok_or(Error::NameUnknown)?;
        let mut others = rows.immutable_rules_of(project).await?;
        let replaced = others.iter().find(|rule| rule.id == id).map_or(0, |rule| rule.selection.length());
        others.retain(|rule| rule.id != id);
        if !rows.immutable_rule_save(&change.row(project, id)).await? {
            return Err(not_found());
        }
        check_beside(&others, change)?;
        check_length(&others, change, replaced)?;
        write.audit(audited(project, id)).await?;
        write.event(changed(id, Change::Updated));
        write.commit().await
    }

    /// Puts a rule out of force, or into force again; the rest of it stays.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a rule of another project.
    pub async fn set_disabled(
        &self,
        proof: Authorized<ImmutableTagUpdate>,
        id: ImmutableRuleId,
        disabled: bool,
    ) -> Result<()> {
        contended!(self.try_set_disabled(&proof, id, disabled))
    }

    async fn try_set_disabled(
        &self,
        proof: &Authorized<ImmutableTagUpdate>,
        id: ImmutableRuleId,
        disabled: bool,
    ) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        let project = proof.target().id;
        let rows = write.rows();
        rows.project_lock(project).await?.ok_or(Error::NameUnknown)?;
        let rules = rows.immutable_rules_of(project).await?;
        let rule = rules.into_iter().find(|rule| rule.id == id).ok_or_else(not_found)?;
        rows.immutable_rule_save(&ImmutableRule { disabled, ..rule }).await?;
        write.audit(audited(project, id)).await?;
        write.event(changed(id, Change::Updated));
        write.commit().await
    }

    /// Deletes a rule.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a rule of another project.
    pub async fn delete(&self, proof: Authorized<ImmutableTagDelete>, id: ImmutableRuleId) -> Result<()> {
        contended!(self.try_delete(&proof, id))
    }

    async fn try_delete(&self, proof: &Authorized<ImmutableTagDelete>, id: ImmutableRuleId) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        let project = proof.target().id;
        if !write.rows().immutable_rule_delete(project, id).await? {
            return Err(not_found());
        }
        write.audit(audited(project, id)).await?;
        write.event(changed(id, Change::Deleted));
        write.commit().await
    }
}

/// What is told of a rule.
const fn changed(id: ImmutableRuleId, change: Change) -> EventKind {
    EventKind::PolicyChanged { policy: Policy::Immutable, policy_id: id.get(), change }
}

const fn not_found() -> Error {
    Error::NotFound("rule of immutable tags")
}

/// Refuses a rule that means the same as one that is there.
fn check_beside(others: &[ImmutableRule], new: &NewImmutableRule) -> Result<()> {
    match others.iter().find(|other| other.selection.is_same(&new.selection)) {
        Some(other) => {
            Err(Error::Conflict(format!("rule {}, which is about the same tags,", other.id.get())))
        }
        None => Ok(()),
    }
}

/// Refuses a rule with which matching would take too long, unless it is no longer than what it replaces: rules from before there was a
/// bound can be changed and shortened one by one.
fn check_length(others: &[ImmutableRule], new: &NewImmutableRule, replaced: usize) -> Result<()> {
    let theirs: usize = others.iter().map(|rule| rule.selection.length()).sum();
    let length = new.selection.length();
    if length > replaced && theirs.saturating_add(length) > LONGEST_TOGETHER {
        return Err(Error::Precondition(format!(
            "the patterns of a project's rules of immutable tags have at most {LONGEST_TOGETHER} bytes together: shorten, \
             join or delete some"
        )));
    }
    Ok(())
}

/// What the audit log has of a rule.
fn audited(project: ProjectId, id: ImmutableRuleId) -> String {
    format!("rule {} of project {}", id.get(), project.get())
}

/// What is about to become of a tag that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is set anew.
    Moved,
    /// It is deleted: some rules allow that.
    Deleted,
}

/// The rules that keep some tags of one repository from a fate.
pub(super) struct Held(Vec<ImmutableRule>);

impl Held {
    /// The rules of a project that are about one of its repositories, as they are now.
    pub(super) async fn of<R: ImmutableRows + Send + ?Sized>(
        rows: &mut R,
        project: ProjectId,
        repository: &RepositoryName,
        fate: Fate,
    ) -> Result<Self> {
        let mut rules = rows.immutable_rules_of(project).await?;
        let allows = |rule: &ImmutableRule| fate == Fate::Deleted && rule.selection.allow_deletion;
        rules.retain(|rule| rule.is_about(repository) && !allows(rule));
        Ok(Self(rules))
    }

    /// Whether a tag of that repository is kept from it.
    pub(super) fn holds(&self, tag: &Tag) -> bool {
        self.0.iter().any(|rule| rule.selects(tag))
    }

    /// Refuses to move or delete tags of that repository of which one is immutable.
    pub(super) async fn refuse(&self, repository: &RepositoryName, tags: &[Tag]) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        for some in tags.chunks(TURN) {
            if let Some(tag) = some.iter().find(|tag| self.holds(tag)) {
                let (repository, tag) = (repository.within_project().to_owned(), tag.to_string());
                return Err(Error::Immutable { repository, tag });
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// Refuses to move or delete some tags, which the caller has locked, when one of them is immutable.
pub(super) async fn refuse_immutable<R: ImmutableRows + Send + ?Sized>(
    rows: &mut R,
    project: ProjectId,
    repository: &RepositoryName,
    tags: &[Tag],
    fate: Fate,
) -> Result<()> {
    if tags.is_empty() {
        return Ok(());
    }
    Held::of(rows, project, repository, fate).await?.refuse(repository, tags).await
}

impl Harbor {
    /// Refuses to delete a repository that has an immutable tag, before any of it is done. That none slips in between is asked
    /// again within each transaction.
    pub(super) async fn refuse_any_immutable(&self, repository: &Repository) -> Result<()> {
        let mut rows = self.read().await?;
        let held = Held::of(&mut *rows, repository.project, &repository.name, Fate::Deleted).await?;
        let mut after: Option<Tag> = None;
        while !held.0.is_empty() {
            let tags = rows.tags(repository.id, after.as_ref().map(Tag::as_str), TAGS).await?;
            held.refuse(&repository.name, &tags).await?;
            let Some(last) = tags.into_iter().next_back() else { break };
            after = Some(last);
        }
        Ok(())
    }
}
