//! Projects.

use std::collections::BTreeMap;

use axum::body::Body;
use harbor_core::access::permission::{ProjectCreate, ProjectDelete, ProjectRead, ProjectUpdate, QuotaRead};
use harbor_core::access::{Authorized, Role};
use harbor_core::api::{self, CveAllowlist, ProjectReq};
use harbor_core::meta::{Project, ProjectKey};
use harbor_core::oci::ProjectName;
use harbor_core::query::{Query, Test, Value};
use harbor_core::{Error, NewProject, ProjectChange, Result};
use http::Response;

use super::answer::{Answered, created, done, ok, page};
use super::call::Call;
use super::quotas::bytes;

/// Says that the answer shall name what was made by its name.
const NAME_IN_LOCATION: &str = "x-resource-name-in-location";

/// The setting of a project that is a property of its own here.
const PUBLIC: &str = "public";

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "listProjects" => list(call).await?,
        "headProject" => head(call).await?,
        "createProject" => create(call.system().await?, call).await?,
        "getProject" => get(&call.project().await?, call).await?,
        "updateProject" => update(call.project().await?, call).await?,
        "deleteProject" => delete(call.project().await?, call).await?,
        "getProjectDeletable" => deletable(&call.project().await?, call).await?,
        "getProjectSummary" => summary(&call.project().await?, call).await?,
        _ => return Ok(None),
    }))
}

async fn list(call: &Call<'_>) -> Result<Response<Body>> {
    let mut query: Query<ProjectKey> = call.list()?;
    if let Some(name) = call.parameter("name") {
        query = query.filter(ProjectKey::Name, Test::Like(name));
    }
    if call.parameter(PUBLIC).is_some() {
        query = query.filter(ProjectKey::Public, Test::Is(Value::Bool(call.flag(PUBLIC)?)));
    }
    if let Some(owner) = call.parameter("owner") {
        query = query.filter(ProjectKey::Owner, Test::Is(Value::Text(owner)));
    }
    let listed = call.harbor().projects().list(&call.actor, &query).await?;
    let mut wires = wires(call, &listed.entries).await?.into_iter();
    page(call, &query, listed, |_| wires.next())
}

async fn head(call: &Call<'_>) -> Result<Response<Body>> {
    call.login()?;
    let missing = || Error::BadRequest("project_name is needed".to_owned());
    let name = call.parameter("project_name").ok_or_else(missing)?;
    let there = match name.parse::<ProjectName>() {
        Ok(name) => call.harbor().projects().exists(&call.actor, &name).await?,
        Err(_) => false,
    };
    if there { Ok(done()) } else { Err(Error::NotFound("project")) }
}

async fn create(proof: Authorized<ProjectCreate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: ProjectReq = call.json().await?;
    let name = body.project_name.clone().unwrap_or_default();
    let name: ProjectName = name.parse()?;
    if body.registry_id.is_some() {
        return Err(Error::BadRequest("proxies of other registries are not served here yet".to_owned()));
    }
    let mut metadata = settings(&body);
    let public = metadata.remove(PUBLIC).map(|value| value.eq_ignore_ascii_case("true"));
    let new = NewProject {
        public: public.or(body.public).unwrap_or(false),
        metadata,
        cve_allowlist: allowlist(&body)?,
        storage_limit: body.storage_limit,
        ..NewProject::new(name)
    };
    let project = call.harbor().projects().create(proof, new).await?;
    let key =
        if call.says(NAME_IN_LOCATION) { project.name.to_string() } else { project.id.get().to_string() };
    Ok(created(call, &key))
}

/// The settings that a body names; what is null is not set.
fn settings(body: &ProjectReq) -> BTreeMap<String, String> {
    let settings = body.metadata.iter().flatten();
    // What this server keeps there for itself is not for clients to set.
    let known = settings.filter(|(name, _)| harbor_core::MetadataKey::named(name).is_some());
    known.filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect()
}

fn allowlist(body: &ProjectReq) -> Result<Option<String>> {
    let Some(list) = &body.cve_allowlist else { return Ok(None) };
    let kept = CveAllowlist {
        id: None,
        project_id: None,
        expires_at: list.expires_at,
        items: list.items.clone(),
        creation_time: None,
        update_time: None,
    };
    serde_json::to_string(&kept).map(Some).map_err(|error| Error::Internal(error.to_string()))
}

async fn get(proof: &Authorized<ProjectRead>, call: &Call<'_>) -> Result<Response<Body>> {
    let project = call.harbor().projects().get(proof);
    let repositories = call.harbor().projects().repository_count(&call.actor, &project).await?;
    ok(&wire(call, &project, repositories).await?)
}

async fn update(proof: Authorized<ProjectUpdate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: ProjectReq = call.json().await?;
    let mut metadata = settings(&body);
    let public = metadata.remove(PUBLIC).map(|value| value.eq_ignore_ascii_case("true"));
    let change = ProjectChange { public: public.or(body.public), metadata, cve_allowlist: allowlist(&body)? };
    call.harbor().projects().update(proof, change).await?;
    Ok(done())
}

async fn delete(proof: Authorized<ProjectDelete>, call: &Call<'_>) -> Result<Response<Body>> {
    call.harbor().projects().delete(proof).await?;
    Ok(done())
}

async fn deletable(proof: &Authorized<ProjectDelete>, call: &Call<'_>) -> Result<Response<Body>> {
    let reason = call.harbor().projects().deletable(proof).await?;
    ok(&api::ProjectDeletable { deletable: reason.is_none(), message: reason.unwrap_or_default() })
}

async fn summary(proof: &Authorized<ProjectRead>, call: &Call<'_>) -> Result<Response<Body>> {
    let mut summary = api::ProjectSummary {
        repo_count: call.harbor().projects().repository_count(&call.actor, proof.target()).await?,
        ..api::ProjectSummary::default()
    };
    // As Harbor has it: what it may hold is for who may read that, and how many members there are is for members.
    if let Ok(may) = call.project::<QuotaRead>().await {
        let quota = call.harbor().quotas().of_project(&may).await?;
        let used = i64::try_from(quota.used).unwrap_or(i64::MAX);
        summary.quota = Some(api::ProjectSummaryQuota { hard: bytes(quota.hard), used: bytes(used) });
    }
    if let Ok(accounts) = call.accounts()
        && call.project::<harbor_core::access::permission::MemberList>().await.is_ok()
    {
        for (role, count) in accounts.members(call.harbor()).by_role(proof).await? {
            match Role::of(role.get()) {
                Some(Role::ProjectAdmin) => summary.project_admin_count = count,
                Some(Role::Maintainer) => summary.maintainer_count = count,
                Some(Role::Developer) => summary.developer_count = count,
                Some(Role::Guest) => summary.guest_count = count,
                Some(Role::LimitedGuest) => summary.limited_guest_count = count,
                None => {}
            }
        }
    }
    ok(&summary)
}

/// Projects as the API shows them to who asks: their repositories are counted at once.
pub(super) async fn wires(call: &Call<'_>, projects: &[Project]) -> Result<Vec<api::Project>> {
    let counts = call.harbor().projects().repository_counts(&call.actor, projects).await?;
    let mut wires = Vec::with_capacity(projects.len());
    for project in projects {
        wires.push(wire(call, project, counts.get(&project.id).copied().unwrap_or_default()).await?);
    }
    Ok(wires)
}

/// A project as the API shows it to who asks; it has so many repositories.
async fn wire(call: &Call<'_>, project: &Project, repo_count: u64) -> Result<api::Project> {
    let mut roles: Vec<i64> = Vec::new();
    let mut owner_name = String::new();
    if let Ok(accounts) = call.accounts() {
        let members = accounts.members(call.harbor());
        roles = members.roles_of(&call.actor, project).await?.iter().map(|role| role.get()).collect();
        owner_name = accounts.name_of(project.owner).await?;
    }
    let mut metadata = project.metadata.clone();
    metadata.insert(PUBLIC.to_owned(), project.public.to_string());
    let stored = project.cve_allowlist.as_deref().map(serde_json::from_str::<CveAllowlist>);
    let list = stored.transpose().map_err(|error| Error::Internal(error.to_string()))?.unwrap_or_default();
    let id = project.id.get();
    Ok(api::Project {
        project_id: id,
        owner_id: project.owner.map_or(0, |owner| owner.get()),
        owner_name,
        name: project.name.to_string(),
        registry_id: None,
        creation_time: project.created_at,
        update_time: project.updated_at,
        current_user_role_id: roles.first().copied().unwrap_or(0),
        current_user_role_ids: roles,
        repo_count,
        metadata,
        cve_allowlist: CveAllowlist { project_id: Some(id), ..list },
    })
}
