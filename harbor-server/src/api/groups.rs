//! Groups of users.

use axum::body::Body;
use harbor_core::access::Authorized;
use harbor_core::access::permission::{
    UserGroupCreate, UserGroupDelete, UserGroupList, UserGroupRead, UserGroupUpdate,
};
use harbor_core::api::{UserGroup, UserGroupSearchItem};
use harbor_core::meta::{Group, GroupId, GroupKey, GroupKind};
use harbor_core::query::{Query, Test, Value};
use harbor_core::{Error, Result};
use http::Response;

use super::answer::{Answered, created, done, ok, page};
use super::call::Call;

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "listUserGroups" => list(&call.system().await?, call).await?,
        "createUserGroup" => create(call.system().await?, call).await?,
        "searchUserGroups" => search(call).await?,
        "getUserGroup" => get(&call.system().await?, call).await?,
        "updateUserGroup" => update(call.system().await?, call).await?,
        "deleteUserGroup" => delete(call.system().await?, call).await?,
        _ => return Ok(None),
    }))
}

fn group_id(call: &Call<'_>) -> Result<GroupId> {
    call.id("group_id", "user group").map(GroupId::new)
}

async fn list(proof: &Authorized<UserGroupList>, call: &Call<'_>) -> Result<Response<Body>> {
    let mut query: Query<GroupKey> = call.list()?;
    if let Some(dn) = call.parameter("ldap_group_dn") {
        query = query.filter(GroupKey::Dn, Test::Is(Value::Text(dn)));
    }
    if let Some(name) = call.parameter("group_name") {
        query = query.filter(GroupKey::Name, Test::Like(name));
    }
    let listed = call.accounts()?.groups(call.harbor()).list(proof, &query).await?;
    page(call, &query, listed, |group| wire(&group))
}

async fn search(call: &Call<'_>) -> Result<Response<Body>> {
    call.login()?;
    let missing = || Error::Unprocessable("groupname is needed".to_owned());
    let name = call.parameter("groupname").ok_or_else(missing)?;
    // By name and by nothing else: a filter tells what it filters by.
    let query = call.pages::<GroupKey>()?.filter(GroupKey::Name, Test::Like(name));
    let listed = call.accounts()?.groups(call.harbor()).search(&call.actor, &query).await?;
    page(call, &query, listed, |group| UserGroupSearchItem {
        id: group.id.get(),
        group_name: group.name,
        group_type: group.kind.id(),
    })
}

async fn get(proof: &Authorized<UserGroupRead>, call: &Call<'_>) -> Result<Response<Body>> {
    ok(&wire(&call.accounts()?.groups(call.harbor()).get(proof, group_id(call)?).await?))
}

async fn create(proof: Authorized<UserGroupCreate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: UserGroup = call.json().await?;
    let kind = GroupKind::of(body.group_type);
    let kind = kind.ok_or_else(|| Error::BadRequest("group_type is 1, 2 or 3".to_owned()))?;
    let groups = call.accounts()?.groups(call.harbor());
    let id = groups.create(proof, &body.group_name, kind, body.ldap_group_dn.as_deref()).await?;
    Ok(created(call, &id.get().to_string()))
}

async fn update(proof: Authorized<UserGroupUpdate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: UserGroup = call.json().await?;
    let id = group_id(call)?;
    call.accounts()?.groups(call.harbor()).rename(proof, id, &body.group_name).await?;
    Ok(done())
}

async fn delete(proof: Authorized<UserGroupDelete>, call: &Call<'_>) -> Result<Response<Body>> {
    call.accounts()?.groups(call.harbor()).delete(proof, group_id(call)?).await?;
    Ok(done())
}

fn wire(group: &Group) -> UserGroup {
    UserGroup {
        id: Some(group.id.get()),
        group_name: group.name.clone(),
        group_type: group.kind.id(),
        ldap_group_dn: group.dn.clone(),
    }
}
