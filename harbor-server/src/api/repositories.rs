//! Repositories.

use axum::body::Body;
use harbor_core::Result;
use harbor_core::access::Authorized;
use harbor_core::access::permission::{RepositoryDelete, RepositoryList, RepositoryRead, RepositoryUpdate};
use harbor_core::api;
use harbor_core::meta::{RepositoryEntry, RepositoryKey};
use harbor_core::query::Query;
use http::Response;

use super::answer::{Answered, done, ok, page};
use super::call::Call;

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "listAllRepositories" => list_all(call).await?,
        "listRepositories" => list(&call.project().await?, call).await?,
        "getRepository" => get(&call.repository().await?, call).await?,
        "updateRepository" => update(call.repository().await?, call).await?,
        "deleteRepository" => delete(call.repository().await?, call).await?,
        _ => return Ok(None),
    }))
}

async fn list_all(call: &Call<'_>) -> Result<Response<Body>> {
    let query: Query<RepositoryKey> = call.list()?;
    let listed = call.harbor().repositories().list_all(&call.actor, &query).await?;
    page(call, &query, listed, |entry| wire(&entry))
}

async fn list(proof: &Authorized<RepositoryList>, call: &Call<'_>) -> Result<Response<Body>> {
    let query: Query<RepositoryKey> = call.list()?;
    let listed = call.harbor().repositories().list(proof, &query).await?;
    page(call, &query, listed, |entry| wire(&entry))
}

async fn get(proof: &Authorized<RepositoryRead>, call: &Call<'_>) -> Result<Response<Body>> {
    ok(&wire(&call.harbor().repositories().get(proof).await?))
}

async fn update(proof: Authorized<RepositoryUpdate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: api::RepositoryUpdate = call.json().await?;
    call.harbor().repositories().describe(proof, &body.description).await?;
    Ok(done())
}

async fn delete(proof: Authorized<RepositoryDelete>, call: &Call<'_>) -> Result<Response<Body>> {
    call.harbor().repositories().delete(proof).await?;
    Ok(done())
}

fn wire(entry: &RepositoryEntry) -> api::Repository {
    api::Repository {
        id: entry.repository.id.get(),
        project_id: entry.repository.project.get(),
        name: entry.repository.name.to_string(),
        description: entry.description.clone(),
        artifact_count: entry.artifacts,
        pull_count: entry.pulls,
        creation_time: entry.created_at,
        update_time: entry.updated_at,
    }
}
