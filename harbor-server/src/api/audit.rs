//! The audit log, in its older and its newer form.

use axum::body::Body;
use harbor_core::Result;
use harbor_core::api;
use harbor_core::audit::older;
use harbor_core::meta::{AUDIT_EVENT_TYPES, AuditRow};
use http::Response;

use super::answer::{Answered, ok, page};
use super::call::Call;
use super::{audit_check, audit_export};

pub(super) async fn answer(call: &Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "listAuditLogs" => list_older(call).await?,
        "listAuditLogExts" => list(call).await?,
        "exportAuditLog" => audit_export::export(call).await?,
        "verifyAuditLog" => audit_check::verify(call).await?,
        "listAuditLogEventTypes" => event_types(call)?,
        "getLogs" => list_older_of_project(call).await?,
        "getLogExts" => list_of_project(call).await?,
        _ => return Ok(None),
    }))
}

async fn list(call: &Call<'_>) -> Result<Response<Body>> {
    call.login()?;
    let query = call.list()?;
    page(call, &query, call.harbor().audit().list(&call.actor, &query).await?, wire)
}

async fn list_older(call: &Call<'_>) -> Result<Response<Body>> {
    call.login()?;
    let query = older(call.list()?);
    page(call, &query, call.harbor().audit().list(&call.actor, &query).await?, wire_older)
}

async fn list_of_project(call: &Call<'_>) -> Result<Response<Body>> {
    let proof = call.project().await?;
    let query = call.list()?;
    page(call, &query, call.harbor().audit().list_of_project(&proof, &query).await?, wire)
}

async fn list_older_of_project(call: &Call<'_>) -> Result<Response<Body>> {
    let proof = call.project().await?;
    let query = older(call.list()?);
    page(call, &query, call.harbor().audit().list_of_project(&proof, &query).await?, wire_older)
}

fn event_types(call: &Call<'_>) -> Result<Response<Body>> {
    call.login()?;
    let wire = |name: &&str| api::AuditLogEventType { event_type: (*name).to_owned() };
    ok(&AUDIT_EVENT_TYPES.iter().map(wire).collect::<Vec<_>>())
}

pub(super) fn wire(row: AuditRow) -> api::AuditLogExt {
    let line = row.line;
    api::AuditLogExt {
        id: row.id.get(),
        username: line.username,
        resource: line.resource,
        resource_type: line.resource_type,
        operation: line.operation,
        operation_description: line.description,
        operation_result: line.allowed,
        op_time: line.at,
        client_address: line.address,
        credential: line.credential,
        request_id: line.request_id,
    }
}

fn wire_older(row: AuditRow) -> api::AuditLog {
    let api::AuditLogExt { id, username, resource, resource_type, operation, op_time, .. } = wire(row);
    api::AuditLog { id, username, resource, resource_type, operation, op_time }
}
