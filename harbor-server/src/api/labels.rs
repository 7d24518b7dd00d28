//! Labels.

use axum::body::Body;
use harbor_core::access::permission::{
    LabelCreate, LabelDelete, LabelRead, LabelUpdate, SystemLabelCreate, SystemLabelDelete, SystemLabelRead,
    SystemLabelUpdate,
};
use harbor_core::access::{Action, InProject, InSystem};
use harbor_core::api;
use harbor_core::meta::{Label, LabelId, LabelKey, ProjectId};
use harbor_core::query::{Query, Test};
use harbor_core::{EitherProof, Error, NewLabel, Result};
use http::Response;

use super::answer::{Answered, created, done, ok, page};
use super::call::Call;

/// The scope of labels that all may use.
const GLOBAL: &str = "g";

/// The scope of labels of a project.
const PROJECT: &str = "p";

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "ListLabels" => list(call).await?,
        "CreateLabel" => create(call).await?,
        "GetLabelByID" => get(&named(call).await?, call).await?,
        "UpdateLabel" => update(named(call).await?, call).await?,
        "DeleteLabel" => delete(named(call).await?, call).await?,
        _ => return Ok(None),
    }))
}

fn label_id(call: &Call<'_>) -> Result<LabelId> {
    call.id("label_id", "label").map(LabelId::new)
}

/// The proof for the label that the path names.
async fn named<S, P>(call: &Call<'_>) -> Result<EitherProof<S, P>>
where
    S: Action<Scope = InSystem>,
    P: Action<Scope = InProject>,
{
    call.harbor().labels().authorize(&call.actor, label_id(call)?).await
}

/// As Harbor has it: everybody may see the labels that all may use.
async fn list(call: &Call<'_>) -> Result<Response<Body>> {
    let scope = call.parameter("scope");
    if ![Some(GLOBAL), Some(PROJECT)].contains(&scope.as_deref()) {
        call.login()?;
    }
    let mut query: Query<LabelKey> = call.list()?;
    if let Some(name) = call.parameter("name") {
        query = query.filter(LabelKey::Name, Test::Like(name));
    }
    let labels = call.harbor().labels();
    let listed = match scope.as_deref() {
        Some(GLOBAL) => labels.list(&query).await?,
        Some(PROJECT) => {
            let missing = || Error::BadRequest("the labels of a project need a project_id".to_owned());
            let id = call.parameter("project_id").and_then(|id| id.parse().ok()).ok_or_else(missing)?;
            let proof = call.project_of(ProjectId::new(id)).await?;
            labels.list_of_project(&proof, &query).await?
        }
        _ => return Err(Error::BadRequest("scope is g, for all, or p, for a project".to_owned())),
    };
    page(call, &query, listed, wire)
}

async fn create(call: &mut Call<'_>) -> Result<Response<Body>> {
    call.login()?;
    let body: api::Label = call.json().await?;
    let proof: EitherProof<SystemLabelCreate, LabelCreate> = match (body.scope.as_str(), body.project_id) {
        (GLOBAL, _) => EitherProof::System(call.system().await?),
        (PROJECT, Some(id)) => EitherProof::Project(call.project_of(ProjectId::new(id)).await?),
        (PROJECT, None) => {
            return Err(Error::BadRequest("a label of a project needs a project_id".to_owned()));
        }
        _ => return Err(Error::BadRequest("scope is g, for all, or p, for a project".to_owned())),
    };
    let id = call.harbor().labels().create(proof, &new(body)).await?;
    Ok(created(call, &id.get().to_string()))
}

fn new(body: api::Label) -> NewLabel {
    NewLabel { name: body.name, description: body.description, color: body.color }
}

async fn get(proof: &EitherProof<SystemLabelRead, LabelRead>, call: &Call<'_>) -> Result<Response<Body>> {
    ok(&wire(call.harbor().labels().get(proof, label_id(call)?).await?))
}

async fn update(
    proof: EitherProof<SystemLabelUpdate, LabelUpdate>,
    call: &mut Call<'_>,
) -> Result<Response<Body>> {
    let body: api::Label = call.json().await?;
    let id = label_id(call)?;
    call.harbor().labels().update(proof, id, &new(body)).await?;
    Ok(done())
}

async fn delete(
    proof: EitherProof<SystemLabelDelete, LabelDelete>,
    call: &Call<'_>,
) -> Result<Response<Body>> {
    call.harbor().labels().delete(proof, label_id(call)?).await?;
    Ok(done())
}

/// A label as the API shows it.
pub(super) fn wire(label: Label) -> api::Label {
    api::Label {
        id: label.id.get(),
        name: label.name,
        description: label.description,
        color: label.color,
        scope: if label.project.is_some() { PROJECT } else { GLOBAL }.to_owned(),
        project_id: label.project.map(ProjectId::get),
        creation_time: Some(label.created_at),
        update_time: Some(label.updated_at),
    }
}
