//! Retention.

mod wire;

use axum::body::Body;
use harbor_core::access::permission::{SystemConfigurationUpdate, TagRetentionCreate};
use harbor_core::access::{Action, Authorized, InProject, InSystem};
use harbor_core::api::{RetentionOperation, RetentionPolicy, RetentionPreviewReq, RetentionRun};
use harbor_core::meta::{ArtifactKey, ExecutionKey, ProjectId, RetentionId, TaskId, TaskKey};
use harbor_core::query::Query;
use harbor_core::{EitherProof, Error, Result, RetentionUpdate};
use http::Response;

use super::answer::{Answered, created, done, ok, page};
use super::call::Call;
use super::runs::{self, execution_id};

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "getRentenitionMetadata" => {
            call.login()?;
            ok(&wire::catalogue())?
        }
        "createRetention" => create(call).await?,
        "getRetention" => get(call).await?,
        "updateRetention" => update(call).await?,
        "deleteRetention" => delete(call).await?,
        "triggerRetentionExecution" => run(call).await?,
        "listRetentionExecutions" => list(call).await?,
        "operateRetentionExecution" => operate(call).await?,
        "listRetentionTasks" => tasks(call).await?,
        "getRetentionTaskLog" => log(call).await?,
        "getDefaultRetention" => {
            let (policy, schedule) = call.harbor().retentions().common(&call.system().await?).await?;
            ok(&wire::policy(policy, schedule))?
        }
        "updateDefaultRetention" => update_default(&call.system().await?, call).await?,
        "deleteDefaultRetention" => {
            call.harbor().retentions().delete_common(call.system().await?).await?;
            done()
        }
        "previewRetention" => preview(call).await?,
        _ => return Ok(None),
    }))
}

fn policy_id(call: &Call<'_>) -> Result<RetentionId> {
    call.id("id", "retention policy").map(RetentionId::new)
}

/// The proof for the policy that the path names.
async fn named<S, P>(call: &Call<'_>) -> Result<EitherProof<S, P>>
where
    S: Action<Scope = InSystem>,
    P: Action<Scope = InProject>,
{
    call.login()?;
    call.harbor().retentions().authorize(&call.actor, policy_id(call)?).await
}

/// The same as Harbor has it where the policy is but a part of the path: one that there is not is a bad request.
async fn part<S, P>(call: &Call<'_>) -> Result<EitherProof<S, P>>
where
    S: Action<Scope = InSystem>,
    P: Action<Scope = InProject>,
{
    named(call).await.map_err(|error| match error {
        Error::NotFound(what) => Error::BadRequest(format!("no such {what} with id {}", call.path("id"))),
        error => error,
    })
}

/// The project that a body names is what the proof is for.
async fn create(call: &mut Call<'_>) -> Result<Response<Body>> {
    call.login()?;
    let body: RetentionPolicy = call.json().await?;
    let scope = body.scope.clone().unwrap_or_default();
    if scope.level != wire::PROJECT {
        let why = format!("scope {:?} is not supported: a policy is for a project", scope.level);
        return Err(Error::BadRequest(why));
    }
    let proof: Authorized<TagRetentionCreate> =
        call.project_of(ProjectId::new(scope.reference)).await.map_err(|error| match error {
            Error::NotFound(_) => Error::BadRequest(format!("invalid Project id {}", scope.reference)),
            error => error,
        })?;
    let id = call.harbor().retentions().create(proof, &wire::read(body)?).await?;
    Ok(created(call, &id.get().to_string()))
}

async fn get(call: &Call<'_>) -> Result<Response<Body>> {
    let (policy, schedule) = call.harbor().retentions().get(&named(call).await?, policy_id(call)?).await?;
    ok(&wire::policy(policy, schedule))
}

async fn update(call: &mut Call<'_>) -> Result<Response<Body>> {
    let proof: RetentionUpdate = named(call).await?;
    let body: RetentionPolicy = call.json().await?;
    if let (EitherProof::Project(proof), Some(scope)) = (&proof, &body.scope)
        && scope.reference != proof.target().id.get()
    {
        // The policy of a project stays with it.
        return Err(Error::NotFound("retention policy of that project"));
    }
    call.harbor().retentions().update(&proof, policy_id(call)?, &wire::read(body)?).await?;
    Ok(done())
}

async fn delete(call: &Call<'_>) -> Result<Response<Body>> {
    call.harbor().retentions().delete(&part(call).await?, policy_id(call)?).await?;
    Ok(done())
}

async fn update_default(
    proof: &Authorized<SystemConfigurationUpdate>,
    call: &mut Call<'_>,
) -> Result<Response<Body>> {
    let retention = wire::read(call.json().await?)?;
    call.harbor().retentions().set_common(proof, &retention).await?;
    Ok(done())
}

async fn run(call: &mut Call<'_>) -> Result<Response<Body>> {
    let proof = part(call).await?;
    let body: RetentionRun = call.json().await?;
    let run = call.harbor().retentions().run(&proof, policy_id(call)?, body.dry_run).await?;
    Ok(created(call, &run.get().to_string()))
}

async fn list(call: &Call<'_>) -> Result<Response<Body>> {
    let (proof, query): (_, Query<ExecutionKey>) = (part(call).await?, call.pages()?);
    let listed = call.harbor().retentions().runs(&proof, policy_id(call)?, &query).await?;
    page(call, &query, listed, wire::execution)
}

async fn operate(call: &mut Call<'_>) -> Result<Response<Body>> {
    let proof = part(call).await?;
    let body: RetentionOperation = call.json().await?;
    if body.action != "stop" {
        return Err(Error::BadRequest("action should be 'stop'".to_owned()));
    }
    let run = execution_id(call, "eid")?;
    call.harbor().retentions().stop(&proof, policy_id(call)?, run).await?;
    Ok(done())
}

async fn tasks(call: &Call<'_>) -> Result<Response<Body>> {
    let (proof, query): (_, Query<TaskKey>) = (part(call).await?, call.pages()?);
    let (id, run) = (policy_id(call)?, execution_id(call, "eid")?);
    let listed = call.harbor().retentions().tasks(&proof, id, run, &query).await?;
    page(call, &query, listed, wire::task)
}

async fn log(call: &Call<'_>) -> Result<Response<Body>> {
    let proof = part(call).await?;
    let (id, run) = (policy_id(call)?, execution_id(call, "eid")?);
    let task = TaskId::new(call.id("tid", "task")?);
    runs::log(call, call.harbor().retentions().log(&proof, id, run, task, call.flag("follow")?).await?).await
}

async fn preview(call: &mut Call<'_>) -> Result<Response<Body>> {
    let proof = named(call).await?;
    let body: RetentionPreviewReq = call.json().await?;
    let query: Query<ArtifactKey> = call.pages()?;
    let instead = body.policy.map(wire::read).transpose()?;
    let (id, only) = (policy_id(call)?, body.repository.as_deref());
    let listed = call.harbor().retentions().preview(&proof, id, instead, only, &query).await?;
    page(call, &query, listed, wire::preview)
}
