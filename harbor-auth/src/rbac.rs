//! Who may do what: Harbor's roles, what was given to robots, and what everybody may do in public projects.

use std::sync::Arc;

use async_trait::async_trait;
use harbor_core::access::permission::{ProjectCreate, RepositoryPull, RepositoryPush, UserCreate};
use harbor_core::access::{
    Action as _, Actor, Authorizer, Decision, Identity, Level, Permission, ProjectFilter, Role, Target,
    within,
};
use harbor_core::meta::{Membership, Robot, RobotId, UserId};
use harbor_core::{ConfigKey, StoreError};

use crate::Accounts;
use crate::directory::KnownUser;
use crate::roles::RoleTable;

impl Accounts {
    /// Whether a user has a permission by what it is.
    async fn user_may(
        &self,
        id: UserId,
        permission: Permission,
        target: Target<'_>,
    ) -> Result<bool, StoreError> {
        let Some(known) = self.directory().user(id).await? else { return Ok(false) };
        match target {
            Target::Project(project) | Target::Repository(project, _) => {
                self.member_may(known.memberships(project.id), permission, target).await
            }
            // A user of itself.
            Target::User(of) => Ok(of == id),
            _ if permission == ProjectCreate::PERMISSION => {
                let restriction = self.configuration().await?.text(ConfigKey::ProjectCreationRestriction);
                Ok(restriction == "everyone")
            }
            _ => Ok(false),
        }
    }

    async fn member_may(
        &self,
        memberships: &[Membership],
        permission: Permission,
        target: Target<'_>,
    ) -> Result<bool, StoreError> {
        let here = memberships.iter().filter(|one| within(&one.repositories, permission, target));
        let having = self.having(permission, here.clone()).await?;
        Ok(here.into_iter().any(|membership| having.has(membership)))
    }

    /// Whether a robot was given a permission, and may use it now.
    async fn robot_may(
        &self,
        id: RobotId,
        permission: Permission,
        target: Target<'_>,
    ) -> Result<bool, StoreError> {
        let Some(known) = self.directory().robot(id).await? else { return Ok(false) };
        if !self.is_live(&known.robot) {
            return Ok(false);
        }
        Ok(implying(&known.robot, permission).iter().any(|one| known.limit.allows(*one, target)))
    }

    /// Where a member has a permission: in projects, and in repositories of those in which it is limited to some.
    async fn member_projects(
        &self,
        known: &KnownUser,
        permission: Permission,
    ) -> Result<ProjectFilter, StoreError> {
        let having =
            self.having(permission, known.projects().flat_map(|(_, memberships)| memberships)).await?;
        let granted = known.projects().flat_map(|(project, memberships)| {
            let granted = memberships.iter().filter(|membership| having.has(membership));
            granted.map(move |membership| (Some(project), &*membership.repositories))
        });
        Ok(ProjectFilter::granted(permission, permission.is_public(), granted))
    }

    /// The roles that have a permission. Those that were made are looked up once, and only where one of the memberships has such a
    /// role.
    async fn having<'m>(
        &self,
        permission: Permission,
        mut memberships: impl Iterator<Item = &'m Membership>,
    ) -> Result<Having, StoreError> {
        let made = match memberships.any(|membership| Role::of(membership.role.get()).is_none()) {
            true => Some(self.directory().roles().await?),
            false => None,
        };
        Ok(Having { permission, made })
    }
}

/// The roles that have a permission.
struct Having {
    permission: Permission,
    made: Option<Arc<RoleTable>>,
}

impl Having {
    fn has(&self, membership: &Membership) -> bool {
        match Role::of(membership.role.get()) {
            Some(role) => self.permission.has(role),
            None => self.made.as_ref().is_some_and(|made| made.has(membership.role, self.permission)),
        }
    }
}

/// The permissions that let a robot do what `permission` says. As Harbor has it: a robot of a project that may push may pull.
fn implying(robot: &Robot, permission: Permission) -> Vec<Permission> {
    match permission == RepositoryPull::PERMISSION && robot.project.is_some() {
        true => vec![permission, RepositoryPush::PERMISSION],
        false => vec![permission],
    }
}

#[async_trait]
impl Authorizer for Accounts {
    async fn decide(
        &self,
        actor: &Actor,
        permission: Permission,
        target: Target<'_>,
    ) -> Result<Decision, StoreError> {
        let here = target.project().is_none() == (permission.level == Level::System);
        let public = permission.is_public() && target.project().is_some_and(|project| project.public);
        let allowed = here
            && match actor.identity() {
                Identity::Administrator(_) | Identity::System => true,
                _ if public => true,
                Identity::Anonymous | Identity::User(_) if permission == UserCreate::PERMISSION => {
                    self.configuration().await?.flag(ConfigKey::SelfRegistration)
                }
                Identity::Anonymous => false,
                Identity::User(person) => match person.id {
                    Some(id) => self.user_may(id, permission, target).await?,
                    None => false,
                },
                Identity::Robot { id, .. } => self.robot_may(*id, permission, target).await?,
            };
        Ok(if allowed { Decision::Allow } else { Decision::Deny })
    }

    async fn projects(&self, actor: &Actor, permission: Permission) -> Result<ProjectFilter, StoreError> {
        let public = ProjectFilter::Within { public: permission.is_public(), projects: Vec::new() };
        match actor.identity() {
            Identity::Administrator(_) | Identity::System => Ok(ProjectFilter::All),
            Identity::Anonymous => Ok(public),
            Identity::User(person) => {
                let Some(id) = person.id else { return Ok(public) };
                match self.directory().user(id).await? {
                    Some(known) => self.member_projects(&known, permission).await,
                    None => Ok(public),
                }
            }
            Identity::Robot { id, .. } => match self.directory().robot(*id).await? {
                Some(known) if self.is_live(&known.robot) => {
                    Ok(known.grants.projects(&implying(&known.robot, permission)))
                }
                _ => Ok(public),
            },
        }
    }

    fn forget(&self) {
        self.directory().forget();
    }
}
