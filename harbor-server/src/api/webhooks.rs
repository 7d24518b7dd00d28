//! Webhooks: of projects, as Harbor has them, and of the whole registry.

mod wire;

use axum::body::Body;
use harbor_core::access::{Action, InProject, InSystem};
use harbor_core::api;
use harbor_core::meta::{ExecutionKey, ExecutionStatus, TaskId, TaskKey, WebhookId, WebhookKey};
use harbor_core::query::{Query, Test, Value};
use harbor_core::{EitherProof, Error, NewWebhook, Result, WebhookList, WebhookRead};
use http::Response;

use super::answer::{Answered, created, done, ok, page};
use super::call::Call;
use super::runs::{self, execution_id};

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "ListWebhookPoliciesOfProject" | "listWebhookPolicies" => list(call).await?,
        "CreateWebhookPolicyOfProject" | "createWebhookPolicy" => create(call).await?,
        "GetWebhookPolicyOfProject" | "getWebhookPolicy" => {
            let (proof, id): (WebhookRead, _) = (proof(call).await?, policy_id(call)?);
            let policy = call.harbor().webhooks().get(&proof, id).await?;
            let failing = call.harbor().webhooks().failing(&proof, id).await?;
            ok(&wire::policy_failing(policy, failing))?
        }
        "UpdateWebhookPolicyOfProject" | "updateWebhookPolicy" => update(call).await?,
        "DeleteWebhookPolicyOfProject" | "deleteWebhookPolicy" => {
            call.harbor().webhooks().delete(proof(call).await?, policy_id(call)?).await?;
            done()
        }
        "testWebhookPolicyOfProject" | "testWebhookPolicy" => {
            let tries = call.harbor().webhooks().test(&proof(call).await?, policy_id(call)?).await?;
            ok(&tries.into_iter().map(wire::tried).collect::<Vec<_>>())?
        }
        "ListExecutionsOfWebhookPolicy" | "listWebhookExecutions" => executions(call).await?,
        "ListTasksOfWebhookExecution" | "listWebhookTasks" => tasks(call).await?,
        "GetLogsOfWebhookTask" | "getWebhookTaskLog" => log(call).await?,
        "LastTrigger" => {
            let proof: WebhookRead = proof(call).await?;
            let triggers = call.harbor().webhooks().last_triggers(&proof).await?;
            ok(&triggers.into_iter().map(wire::last_trigger).collect::<Vec<_>>())?
        }
        "ListWebhookJobs" => jobs(call).await?,
        "GetSupportedEventTypes" | "getWebhookEventTypes" => {
            let _: WebhookRead = proof(call).await?;
            ok(&wire::supported())?
        }
        _ => return Ok(None),
    }))
}

/// The proof for the project that the path names, or for the registry where it names none.
async fn proof<S, P>(call: &Call<'_>) -> Result<EitherProof<S, P>>
where
    S: Action<Scope = InSystem>,
    P: Action<Scope = InProject>,
{
    Ok(match call.found.parameter("project_name_or_id") {
        Some(_) => EitherProof::Project(call.project().await?),
        None => EitherProof::System(call.system().await?),
    })
}

fn policy_id(call: &Call<'_>) -> Result<WebhookId> {
    call.id("webhook_policy_id", "webhook policy").map(WebhookId::new)
}

async fn list(call: &Call<'_>) -> Result<Response<Body>> {
    let (proof, query): (_, Query<WebhookKey>) = (proof(call).await?, call.list()?);
    page(call, &query, call.harbor().webhooks().list(&proof, &query).await?, wire::policy)
}

async fn create(call: &mut Call<'_>) -> Result<Response<Body>> {
    let proof = proof(call).await?;
    let body: api::WebhookPolicy = call.json().await?;
    let id = call.harbor().webhooks().create(proof, &new(body)?).await?;
    Ok(created(call, &id.get().to_string()))
}

async fn update(call: &mut Call<'_>) -> Result<Response<Body>> {
    let proof = proof(call).await?;
    let body: api::WebhookPolicy = call.json().await?;
    call.harbor().webhooks().update(proof, policy_id(call)?, &new(body)?).await?;
    Ok(done())
}

fn new(body: api::WebhookPolicy) -> Result<NewWebhook> {
    let webhook = wire::read(body.event_types, body.targets)?;
    Ok(NewWebhook { name: body.name, description: body.description, enabled: body.enabled, webhook })
}

async fn executions(call: &Call<'_>) -> Result<Response<Body>> {
    let (proof, query): (WebhookRead, Query<ExecutionKey>) = (proof(call).await?, call.list()?);
    let listed = call.harbor().webhooks().executions(&proof, policy_id(call)?, &query).await?;
    page(call, &query, listed, wire::execution)
}

async fn tasks(call: &Call<'_>) -> Result<Response<Body>> {
    let (proof, query): (_, Query<TaskKey>) = (proof(call).await?, call.list()?);
    let (id, execution) = (policy_id(call)?, execution_id(call, "execution_id")?);
    let listed = call.harbor().webhooks().tasks(&proof, id, execution, &query).await?;
    page(call, &query, listed, wire::task)
}

async fn log(call: &Call<'_>) -> Result<Response<Body>> {
    let proof = proof(call).await?;
    let (id, execution) = (policy_id(call)?, execution_id(call, "execution_id")?);
    let task = TaskId::new(call.id("task_id", "task")?);
    let follow = call.flag("follow")?;
    runs::log(call, call.harbor().webhooks().log(&proof, id, execution, task, follow).await?).await
}

/// The older list: deliveries of one policy, which the query names.
async fn jobs(call: &Call<'_>) -> Result<Response<Body>> {
    let proof: WebhookList = proof(call).await?;
    let missing = || Error::Unprocessable("policy_id must name a webhook policy".to_owned());
    let id = call.parameter("policy_id").and_then(|id| id.parse().ok()).ok_or_else(missing)?;
    let mut query: Query<ExecutionKey> = call.list()?;
    let statuses: Vec<Value> = call
        .parameters()
        .filter(|(name, value)| name == "status" && !value.is_empty())
        .flat_map(|(_, value)| value.split(',').map(status).collect::<Vec<_>>())
        .collect();
    if !statuses.is_empty() {
        query = query.filter(ExecutionKey::Status, Test::AnyOf(statuses));
    }
    let listed = call.harbor().webhooks().executions(&proof, WebhookId::new(id), &query).await?;
    page(call, &query, listed, wire::job)
}

/// The status of executions that Harbor's clients mean: what waits runs.
fn status(name: &str) -> Value {
    let running = ["Pending", "Scheduled"].contains(&name);
    Value::Text(if running { ExecutionStatus::Running.as_str() } else { name }.to_owned())
}
