//! Members of projects.

use axum::body::Body;
use harbor_core::access::Authorized;
use harbor_core::access::permission::{MemberCreate, MemberDelete, MemberList, MemberRead, MemberUpdate};
use harbor_core::api::{ProjectMember, ProjectMemberEntity, RoleRequest};
use harbor_core::meta::{GroupId, GroupKind, Member, MemberEntity, MemberId, MemberKey, RoleId, UserId};
use harbor_core::pattern::Pattern;
use harbor_core::query::{Query, Test};
use harbor_core::{Error, Result};
use http::Response;

use super::answer::{Answered, created, done, ok, page};
use super::call::Call;

/// How many patterns somebody is limited by at most: they are looked through on each request.
const MOST_PATTERNS: usize = 100;

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "listProjectMembers" => list(&call.project().await?, call).await?,
        "createProjectMember" => create(call.project().await?, call).await?,
        "getProjectMember" => get(&call.project().await?, call).await?,
        "updateProjectMember" => update(call.project().await?, call).await?,
        "deleteProjectMember" => delete(call.project().await?, call).await?,
        _ => return Ok(None),
    }))
}

fn member_id(call: &Call<'_>) -> Result<MemberId> {
    call.id("mid", "member").map(MemberId::new)
}

async fn list(proof: &Authorized<MemberList>, call: &Call<'_>) -> Result<Response<Body>> {
    let mut query: Query<MemberKey> = call.list()?;
    if let Some(name) = call.parameter("entityname") {
        query = query.filter(MemberKey::Name, Test::Like(name));
    }
    let members = call.accounts()?.members(call.harbor());
    let listed = members.list(proof, &query).await?;
    let mut wires = Vec::with_capacity(listed.entries.len());
    for member in &listed.entries {
        wires.push(wire(member, members.role_name(member.role).await?));
    }
    let mut wires = wires.into_iter();
    page(call, &query, listed, |_| wires.next())
}

async fn get(proof: &Authorized<MemberRead>, call: &Call<'_>) -> Result<Response<Body>> {
    let members = call.accounts()?.members(call.harbor());
    let member = members.get(proof, member_id(call)?).await?;
    ok(&wire(&member, members.role_name(member.role).await?))
}

async fn create(proof: Authorized<MemberCreate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: ProjectMember = call.json().await?;
    let repositories = patterns(&body.repositories)?;
    let entity = entity(call, &body).await?;
    let members = call.accounts()?.members(call.harbor());
    let id = members.create(proof, entity, RoleId::new(body.role_id), &repositories).await?;
    Ok(created(call, &id.get().to_string()))
}

async fn update(proof: Authorized<MemberUpdate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: RoleRequest = call.json().await?;
    let id = member_id(call)?;
    let repositories = body.repositories.as_deref().map(patterns).transpose()?;
    let members = call.accounts()?.members(call.harbor());
    members.update(proof, id, RoleId::new(body.role_id), repositories.as_deref()).await?;
    Ok(done())
}

async fn delete(proof: Authorized<MemberDelete>, call: &Call<'_>) -> Result<Response<Body>> {
    call.accounts()?.members(call.harbor()).delete(proof, member_id(call)?).await?;
    Ok(done())
}

/// The patterns that texts are.
pub(super) fn patterns(texts: &[String]) -> Result<Vec<Pattern>> {
    let wrong = |text: &String| {
        Pattern::parse(text).map_err(|error| Error::BadRequest(format!("the pattern {text:?}: {error}")))
    };
    if texts.len() > MOST_PATTERNS {
        return Err(Error::BadRequest(format!("there are at most {MOST_PATTERNS} patterns")));
    }
    texts.iter().map(wrong).collect()
}

/// Who a body means.
async fn entity(call: &Call<'_>, body: &ProjectMember) -> Result<MemberEntity> {
    let accounts = call.accounts()?;
    match (&body.member_user, &body.member_group) {
        (Some(user), None) => match (user.user_id.filter(|id| *id != 0), &user.username) {
            (Some(id), _) => Ok(MemberEntity::User(UserId::new(id))),
            (None, Some(name)) => {
                accounts.id_of(name).await?.map(MemberEntity::User).ok_or(Error::NotFound("user"))
            }
            (None, None) => Err(Error::BadRequest("member_user needs a user_id or a username".to_owned())),
        },
        (None, Some(group)) => match group.id.filter(|id| *id != 0) {
            Some(id) => Ok(MemberEntity::Group(GroupId::new(id))),
            None => {
                let kind = GroupKind::of(group.group_type);
                let kind = kind.ok_or_else(|| Error::BadRequest("group_type is 1, 2 or 3".to_owned()))?;
                let found =
                    accounts.group_of(kind, &group.group_name, group.ldap_group_dn.as_deref()).await?;
                found.map(MemberEntity::Group).ok_or(Error::NotFound("user group"))
            }
        },
        _ => Err(Error::BadRequest("the body needs a member_user or a member_group".to_owned())),
    }
}

fn wire(member: &Member, role_name: String) -> ProjectMemberEntity {
    let (entity_id, entity_type) = match member.entity {
        MemberEntity::User(id) => (id.get(), "u"),
        MemberEntity::Group(id) => (id.get(), "g"),
    };
    ProjectMemberEntity {
        id: member.id.get(),
        project_id: member.project.get(),
        entity_name: member.name.clone(),
        role_name,
        role_id: member.role.get(),
        entity_id,
        entity_type: entity_type.to_owned(),
        repositories: member.repositories.iter().map(Pattern::to_string).collect(),
    }
}
