//! The authorizer for as long as there is one administrator and no other accounts.

use async_trait::async_trait;
use harbor_core::StoreError;
use harbor_core::access::permission::{ProjectRead, RepositoryPull};
use harbor_core::access::{Action, Actor, Authorizer, Decision, Identity, Permission, ProjectFilter, Target};

/// The administrator may do everything; everybody may read public projects and pull from them.
#[derive(Clone, Copy, Debug, Default)]
pub struct PublicPull;

fn rules_all(actor: &Actor) -> bool {
    matches!(actor.identity(), Identity::Administrator(_) | Identity::System)
}

fn is_public(permission: Permission) -> bool {
    permission == RepositoryPull::PERMISSION || permission == ProjectRead::PERMISSION
}

#[async_trait]
impl Authorizer for PublicPull {
    async fn decide(
        &self,
        actor: &Actor,
        permission: Permission,
        target: Target<'_>,
    ) -> Result<Decision, StoreError> {
        let in_public = target.project().is_some_and(|project| project.public);
        let allowed = rules_all(actor) || (in_public && is_public(permission));
        Ok(if allowed { Decision::Allow } else { Decision::Deny })
    }

    async fn projects(&self, actor: &Actor, permission: Permission) -> Result<ProjectFilter, StoreError> {
        Ok(if rules_all(actor) {
            ProjectFilter::All
        } else {
            ProjectFilter::Within { public: is_public(permission), projects: Vec::new() }
        })
    }
}
