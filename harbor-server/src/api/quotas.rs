//! Quotas.

use std::collections::BTreeMap;

use axum::body::Body;
use harbor_core::access::Authorized;
use harbor_core::access::permission::{QuotaList, QuotaUpdate, SystemQuotaRead};
use harbor_core::api::{self, QuotaRefObject, QuotaUpdateReq};
use harbor_core::meta::{Quota, QuotaId, QuotaKey};
use harbor_core::query::{Query, Test, Value};
use harbor_core::{Error, Result};
use http::Response;

use super::answer::{Answered, done, ok, page};
use super::call::Call;

/// The one resource that has limits.
pub(super) const STORAGE: &str = "storage";

/// The one kind of thing that has quotas.
const PROJECT: &str = "project";

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "listQuotas" => list(&call.system().await?, call).await?,
        "getQuota" => get(&call.system().await?, call).await?,
        "updateQuota" => update(call.system().await?, call).await?,
        _ => return Ok(None),
    }))
}

fn quota_id(call: &Call<'_>) -> Result<QuotaId> {
    call.id("id", "quota").map(QuotaId::new)
}

async fn list(proof: &Authorized<QuotaList>, call: &Call<'_>) -> Result<Response<Body>> {
    let mut query: Query<QuotaKey> = call.list()?;
    if let Some(id) = call.parameter("reference_id") {
        let id = id.parse().map_or(Test::Nothing, |id| Test::Is(Value::Int(id)));
        query = query.filter(QuotaKey::Project, id);
    }
    if call.parameter("reference").is_some_and(|kind| kind != PROJECT) {
        query = query.filter(QuotaKey::Project, Test::Nothing);
    }
    let listed = call.harbor().quotas().list(proof, &query).await?;
    page(call, &query, listed, |quota| wire(&quota))
}

async fn get(proof: &Authorized<SystemQuotaRead>, call: &Call<'_>) -> Result<Response<Body>> {
    ok(&wire(&call.harbor().quotas().get(proof, quota_id(call)?).await?))
}

async fn update(proof: Authorized<QuotaUpdate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: QuotaUpdateReq = call.json().await?;
    if let Some(unknown) = body.hard.keys().find(|resource| *resource != STORAGE) {
        return Err(Error::BadRequest(format!("there is no limit of {unknown}: the resource is storage")));
    }
    let missing = || Error::BadRequest("hard.storage is needed: bytes, or -1 for no limit".to_owned());
    let hard = *body.hard.get(STORAGE).ok_or_else(missing)?;
    call.harbor().quotas().set(proof, quota_id(call)?, hard).await?;
    Ok(done())
}

/// Bytes as the API has them, by resource.
pub(super) fn bytes(bytes: i64) -> BTreeMap<String, i64> {
    BTreeMap::from([(STORAGE.to_owned(), bytes)])
}

fn wire(quota: &Quota) -> api::Quota {
    api::Quota {
        id: quota.id.get(),
        reference: QuotaRefObject {
            id: quota.project.get(),
            name: quota.project_name.to_string(),
            owner_name: quota.owner_name.clone().unwrap_or_default(),
        },
        hard: bytes(quota.hard),
        used: bytes(i64::try_from(quota.used).unwrap_or(i64::MAX)),
        creation_time: quota.created_at,
        update_time: quota.updated_at,
    }
}
