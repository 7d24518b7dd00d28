//! The settings of a project.

use std::collections::BTreeMap;

use axum::body::Body;
use harbor_core::access::Authorized;
use harbor_core::access::permission::{
    MetadataCreate, MetadataDelete, MetadataList, MetadataRead, MetadataUpdate,
};
use harbor_core::api::ProjectSetting;
use harbor_core::{Error, Result};
use http::Response;

use super::answer::{Answered, done, ok};
use super::call::Call;

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "listProjectMetadatas" => list(&call.project().await?, call)?,
        "addProjectMetadatas" => add(call.project().await?, call).await?,
        "getProjectMetadata" => get(&call.project().await?, call)?,
        "updateProjectMetadata" => update(call.project().await?, call).await?,
        "deleteProjectMetadata" => delete(call.project().await?, call).await?,
        _ => return Ok(None),
    }))
}

fn list(proof: &Authorized<MetadataList>, call: &Call<'_>) -> Result<Response<Body>> {
    ok(&call.harbor().projects().metadata(proof))
}

fn get(proof: &Authorized<MetadataRead>, call: &Call<'_>) -> Result<Response<Body>> {
    let name = call.path("meta_name");
    let value = call.harbor().projects().metadata_get(proof, name)?;
    ok(&BTreeMap::from([(name, value)]))
}

async fn add(proof: Authorized<MetadataCreate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let ProjectSetting(body) = call.json().await?;
    let (name, value) = one(&body)?;
    call.harbor().projects().metadata_add(proof, name, value).await?;
    Ok(done())
}

async fn update(proof: Authorized<MetadataUpdate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let ProjectSetting(body) = call.json().await?;
    let name = call.path("meta_name");
    let missing = || Error::BadRequest(format!("the body must have a value of {name}"));
    let value = body.get(name).ok_or_else(missing)?;
    call.harbor().projects().metadata_update(proof, name, value).await?;
    Ok(done())
}

async fn delete(proof: Authorized<MetadataDelete>, call: &Call<'_>) -> Result<Response<Body>> {
    call.harbor().projects().metadata_delete(proof, call.path("meta_name")).await?;
    Ok(done())
}

/// The one entry of a body.
fn one(body: &BTreeMap<String, String>) -> Result<(&str, &str)> {
    let mut entries = body.iter();
    match (entries.next(), entries.next()) {
        (Some((name, value)), None) => Ok((name, value)),
        _ => Err(Error::BadRequest("the body must have one key and its value".to_owned())),
    }
}
