//! Roles that are made of permissions: what Harbor's users ask for and Harbor has not.

use axum::body::Body;
use harbor_auth::NewRole;
use harbor_core::Result;
use harbor_core::access::Authorized;
use harbor_core::access::permission::{RoleCreate, RoleDelete, RoleUpdate};
use harbor_core::api::{self, CustomRoleReq, PermissionEntry};
use harbor_core::meta::{CustomRole, RoleId};
use http::Response;

use super::answer::{Answered, created, done, ok};
use super::call::Call;

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "listRoles" => list(call).await?,
        "createRole" => create(call.system().await?, call).await?,
        "getRole" => get(call).await?,
        "updateRole" => update(call.system().await?, call).await?,
        "deleteRole" => delete(call.system().await?, call).await?,
        _ => return Ok(None),
    }))
}

fn role_id(call: &Call<'_>) -> Result<RoleId> {
    call.id("role_id", "role").map(RoleId::new)
}

async fn list(call: &Call<'_>) -> Result<Response<Body>> {
    let roles = call.accounts()?.roles(call.harbor()).list(&call.actor).await?;
    ok(&roles.iter().map(wire).collect::<Vec<_>>())
}

async fn get(call: &Call<'_>) -> Result<Response<Body>> {
    call.login()?;
    ok(&wire(&call.accounts()?.roles(call.harbor()).get(&call.actor, role_id(call)?).await?))
}

async fn create(proof: Authorized<RoleCreate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let new = read(call.json().await?);
    let id = call.accounts()?.roles(call.harbor()).create(proof, new).await?;
    Ok(created(call, &id.get().to_string()))
}

async fn update(proof: Authorized<RoleUpdate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let new = read(call.json().await?);
    call.accounts()?.roles(call.harbor()).update(proof, role_id(call)?, new).await?;
    Ok(done())
}

async fn delete(proof: Authorized<RoleDelete>, call: &Call<'_>) -> Result<Response<Body>> {
    call.accounts()?.roles(call.harbor()).delete(proof, role_id(call)?).await?;
    Ok(done())
}

fn read(body: CustomRoleReq) -> NewRole {
    let text = |entry: PermissionEntry| format!("{}:{}", entry.resource, entry.action);
    NewRole {
        name: body.name,
        description: body.description,
        permissions: body.permissions.into_iter().map(text).collect(),
    }
}

fn wire(role: &CustomRole) -> api::CustomRole {
    let entry = |text: &String| {
        let (resource, action) = text.split_once(':').unwrap_or((text, ""));
        PermissionEntry { resource: resource.to_owned(), action: action.to_owned() }
    };
    api::CustomRole {
        id: role.id.get(),
        name: role.name.clone(),
        description: role.description.clone(),
        permissions: role.permissions.iter().map(entry).collect(),
        creation_time: role.created_at,
        update_time: role.updated_at,
    }
}
