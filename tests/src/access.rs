//! People beside the administrator, for as long as the registry has no accounts of its own.

use async_trait::async_trait;
use harbor_auth::PublicPull;
use harbor_core::StoreError;
use harbor_core::access::{
    Actor, Authenticator, Authorizer, Credentials, Decision, Identity, Permission, ProjectFilter, Target,
};

/// Users, each with the projects in which they may do everything. Elsewhere they may do what everybody may.
#[derive(Clone, Debug, Default)]
pub(crate) struct People(Vec<(String, Vec<String>)>);

/// The password of a user.
pub(crate) fn password_of(user: &str) -> String {
    format!("password of {user}")
}

impl People {
    pub(crate) fn add(&mut self, user: &str, projects: &[&str]) {
        self.0.push((user.to_owned(), projects.iter().map(|project| (*project).to_owned()).collect()));
    }

    fn rules(&self, actor: &Actor, project: &str) -> bool {
        let Identity::User(name) = actor.identity() else { return false };
        self.0.iter().any(|(user, projects)| **user == **name && projects.iter().any(|own| own == project))
    }
}

#[async_trait]
impl Authenticator for People {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Option<Actor>, StoreError> {
        let Credentials::Basic { username, password } = credentials else { return Ok(None) };
        let known = self.0.iter().any(|(user, _)| user == username);
        Ok((known && password.expose() == password_of(username)).then(|| Actor::user(username)))
    }
}

#[async_trait]
impl Authorizer for People {
    async fn decide(
        &self,
        actor: &Actor,
        permission: Permission,
        target: Target<'_>,
    ) -> Result<Decision, StoreError> {
        if target.project().is_some_and(|project| self.rules(actor, project.name.as_str())) {
            return Ok(Decision::Allow);
        }
        PublicPull.decide(actor, permission, target).await
    }

    /// Lists show users what everybody sees: no test asks for more.
    async fn projects(&self, actor: &Actor, permission: Permission) -> Result<ProjectFilter, StoreError> {
        PublicPull.projects(actor, permission).await
    }
}
