//! The use cases of members.

use harbor_core::access::permission::{
    self, MemberCreate, MemberDelete, MemberList, MemberRead, MemberUpdate, ProjectRead,
};
use harbor_core::access::{Actor, Authorized, Level, Permission, Role};
use harbor_core::event::{Change, EventKind};
use harbor_core::meta::{Listed, Member, MemberEntity, MemberId, MemberKey, NewMember, Project, RoleId};
use harbor_core::pattern::{self, Pattern};
use harbor_core::query::Query;
use harbor_core::{Error, Harbor, Result, StoreErrorKind};

use crate::grants::check_length;
use crate::{Accounts, giving};

/// Use cases of the members of projects: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Members<'a> {
    accounts: &'a Accounts,
    harbor: &'a Harbor,
}

impl Accounts {
    /// The use cases of members.
    #[must_use]
    pub const fn members<'a>(&'a self, harbor: &'a Harbor) -> Members<'a> {
        Members { accounts: self, harbor }
    }
}

impl Members<'_> {
    /// A page of the members.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn list(
        &self,
        proof: &Authorized<MemberList>,
        query: &Query<MemberKey>,
    ) -> Result<Listed<Member>> {
        Ok(self.accounts.directory().read().await?.members(proof.target().id, query).await?)
    }

    /// One member.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a member of another project.
    pub async fn get(&self, proof: &Authorized<MemberRead>, id: MemberId) -> Result<Member> {
        let found = self.accounts.directory().read().await?.member(proof.target().id, id).await?;
        found.ok_or(Error::NotFound("member"))
    }

    /// How many members have each of the built-in roles.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn by_role(&self, proof: &Authorized<ProjectRead>) -> Result<Vec<(RoleId, u64)>> {
        Ok(self.accounts.directory().read().await?.members_by_role(proof.target().id).await?)
    }

    /// What a role is called.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn role_name(&self, role: RoleId) -> Result<String> {
        if let Some(role) = Role::of(role.get()) {
            return Ok(role.name().to_owned());
        }
        let roles = self.accounts.directory().roles().await?;
        Ok(roles.get(role).map(|role| role.name.clone()).unwrap_or_default())
    }

    /// The roles that a user has in a project, the strongest first.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn roles_of(&self, actor: &Actor, project: &Project) -> Result<Vec<RoleId>> {
        let Some(id) = actor.user_id() else { return Ok(Vec::new()) };
        let Some(known) = self.accounts.directory().user(id).await? else { return Ok(Vec::new()) };
        let mut roles: Vec<RoleId> =
            known.memberships(project.id).iter().map(|membership| membership.role).collect();
        let strength = |role: &RoleId| Role::ALL.iter().position(|known| known.id() == role.get());
        roles.sort_by_key(|role| (strength(role).unwrap_or(Role::ALL.len()), *role));
        roles.dedup();
        Ok(roles)
    }

    /// Makes a user or a group a member.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a role that there is not, and for patterns that are too long together; [`Error::Forbidden`] for one that may do more than who gives it;
    /// [`Error::Conflict`] when it is a member; [`Error::NotFound`] when there is no such user or group.
    pub async fn create(
        &self,
        proof: Authorized<MemberCreate>,
        entity: MemberEntity,
        role: RoleId,
        repositories: &[Pattern],
    ) -> Result<MemberId> {
        check_length(pattern::length(repositories), 0)?;
        self.check_role(proof.actor(), proof.target(), role).await?;
        let mut write = self.harbor.write(&proof).await?;
        let there = match entity {
            MemberEntity::User(id) => write.rows().user_lock(id).await?.map(|user| user.name),
            MemberEntity::Group(id) => write.rows().group(id).await?.map(|group| group.name),
        };
        let name = there.ok_or(Error::NotFound("user or group"))?;
        let project = proof.target();
        let member = NewMember { project: project.id, entity, role, repositories, now: write.now() };
        let made = write.rows().member_insert(&member).await;
        let id = made.map_err(|error| match error.kind() {
            StoreErrorKind::Conflict => Error::Conflict(format!("the member {name}")),
            _ => Error::Store(error),
        })?;
        write.audit(format!("{}: {name}", project.name)).await?;
        write.event(changed(project, name, Change::Created));
        write.changed_access().await?;
        write.commit().await?;
        Ok(id)
    }

    /// Gives a member another role, and other repositories that it is limited to; without them the limit stays as it is.
    ///
    /// # Errors
    /// As [`Members::create`].
    pub async fn update(
        &self,
        proof: Authorized<MemberUpdate>,
        id: MemberId,
        role: RoleId,
        repositories: Option<&[Pattern]>,
    ) -> Result<()> {
        let project = proof.target();
        self.check_role(proof.actor(), project, role).await?;
        let mut write = self.harbor.write(&proof).await?;
        let now = write.now();
        let member = write.rows().member(project.id, id).await?.ok_or(Error::NotFound("member"))?;
        let repositories = repositories.unwrap_or(&member.repositories);
        check_length(pattern::length(repositories), pattern::length(&member.repositories))?;
        if !write.rows().member_update(project.id, id, role, repositories, now).await? {
            return Err(Error::NotFound("member"));
        }
        write.audit(format!("{}: {}", project.name, member.name)).await?;
        write.event(changed(project, member.name, Change::Updated));
        write.changed_access().await?;
        write.commit().await
    }

    /// Takes a member out of the project.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a member of another project.
    pub async fn delete(&self, proof: Authorized<MemberDelete>, id: MemberId) -> Result<()> {
        let project = proof.target();
        let mut write = self.harbor.write(&proof).await?;
        let member = write.rows().member(project.id, id).await?.ok_or(Error::NotFound("member"))?;
        if !write.rows().member_delete(project.id, id).await? {
            return Err(Error::NotFound("member"));
        }
        write.audit(format!("{}: {}", project.name, member.name)).await?;
        write.event(changed(project, member.name, Change::Deleted));
        write.changed_access().await?;
        write.commit().await
    }

    /// The role exists, and may do no more than who gives it.
    async fn check_role(&self, actor: &Actor, project: &Project, role: RoleId) -> Result<()> {
        let given: Vec<Permission> = match Role::of(role.get()) {
            Some(role) => permission::ALL.iter().filter(|known| known.has(role)).copied().collect(),
            None => {
                let roles = self.accounts.directory().roles().await?;
                let missing = || Error::BadRequest(format!("there is no role {}", role.get()));
                let named = &roles.get(role).ok_or_else(missing)?.permissions;
                named.iter().filter_map(|text| project_permission(text)).collect()
            }
        };
        giving::check(self.harbor, actor, project, &given).await
    }
}

/// What is told of a membership.
fn changed(project: &Project, member: String, change: Change) -> EventKind {
    EventKind::MemberChanged { project: project.name.to_string(), member, change }
}

/// The permission that a text such as `artifact:read` names.
pub(crate) fn project_permission(text: &str) -> Option<Permission> {
    let (resource, action) = text.split_once(':')?;
    Permission::find(Level::Project, resource, action)
}
