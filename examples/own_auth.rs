//! An authenticator and an authorizer of one's own: badges of a company instead of passwords.

use async_trait::async_trait;
use harbor_core::access::permission::{RepositoryPull, RepositoryPush};
use harbor_core::access::{
    Action, Actor, Attempt, AuthError, Authenticator, Authorizer, Credentials, Decision, Permission,
    ProjectFilter, Secret, Target,
};
use harbor_core::{Error, Harbor, StoreError};
use harbor_storage::blobs::MemoryBlobs;
use harbor_storage::sql::SqlMetadata;

/// A token that reads `badge:<name>` stands for a person. A real one would be verified.
#[derive(Debug)]
struct Badges;

#[async_trait]
impl Authenticator for Badges {
    async fn authenticate(&self, attempt: Attempt<'_>) -> Result<Option<Actor>, AuthError> {
        Ok(match attempt.credentials {
            Credentials::Bearer(token) => token.expose().strip_prefix("badge:").map(Actor::user),
            _ => None,
        })
    }
}

/// Who has a badge may pull; who is on the list may push.
#[derive(Debug)]
struct Staff(Vec<Actor>);

#[async_trait]
impl Authorizer for Staff {
    async fn decide(&self, actor: &Actor, wanted: Permission, _: Target<'_>) -> Result<Decision, StoreError> {
        let pull = !actor.is_anonymous() && wanted == RepositoryPull::PERMISSION;
        Ok(if pull || self.0.contains(actor) { Decision::Allow } else { Decision::Deny })
    }

    async fn projects(&self, actor: &Actor, _: Permission) -> Result<ProjectFilter, StoreError> {
        let none = ProjectFilter::Within { public: false, projects: Vec::new() };
        Ok(if actor.is_anonymous() { none } else { ProjectFilter::All })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let harbor = Harbor::builder()
        .metadata(SqlMetadata::in_memory().await?)
        .blobs(MemoryBlobs::default())
        .authenticator(Badges)
        .authorizer(Staff(vec![Actor::user("grace")]))
        .build()?;
    harbor.start().await?;

    let name = "library/tool".parse()?;
    let badge = |text: &str| Credentials::Bearer(Secret::new(text));
    let grace = harbor.authenticate(Some(Attempt::new(&badge("badge:grace")))).await?;
    let alan = harbor.authenticate(Some(Attempt::new(&badge("badge:alan")))).await?;
    assert!(harbor.authorize::<RepositoryPush>(&grace, &name).await.is_ok());
    assert!(harbor.authorize::<RepositoryPull>(&alan, &name).await.is_ok());
    assert!(matches!(harbor.authorize::<RepositoryPush>(&alan, &name).await, Err(Error::NameUnknown)));
    assert!(matches!(
        harbor.authenticate(Some((&badge("stolen")).into())).await,
        Err(Error::Unauthenticated)
    ));
    println!("{grace} may push, {alan} may not");
    Ok(())
}
