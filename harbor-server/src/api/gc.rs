//! Garbage collection.

use axum::body::Body;
use harbor_core::access::Authorized;
use harbor_core::access::permission::{
    GarbageCollectionCreate, GarbageCollectionList, GarbageCollectionRead, GarbageCollectionStop,
    GarbageCollectionUpdate,
};
use harbor_core::meta::ExecutionKey;
use harbor_core::query::Query;
use harbor_core::{CollectGarbage, GcChange, Result};
use http::Response;

use super::answer::{Answered, created_at, done, ok, page};
use super::call::Call;
use super::runs::{self, Wanted, execution_id};

/// Where runs are, below the base of the API.
const RUNS: &str = "/system/gc";

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "getGCHistory" => list(&call.system().await?, call).await?,
        "getGC" => get(&call.system().await?, call).await?,
        "stopGC" => stop(&call.system().await?, call).await?,
        "getGCLog" => log(&call.system().await?, call).await?,
        "getGCSchedule" => schedule(&call.system().await?, call).await?,
        "createGCSchedule" => {
            let proof: Authorized<GarbageCollectionCreate> = call.system().await?;
            let run = change(&proof, call).await?;
            created_at(&format!("{RUNS}/{run}"))
        }
        "updateGCSchedule" => {
            let proof: Authorized<GarbageCollectionUpdate> = call.system().await?;
            change(&proof, call).await?;
            done()
        }
        _ => return Ok(None),
    }))
}

/// Does what the body wants; yields the key of a run, or 0.
async fn change<A: GcChange>(proof: &Authorized<A>, call: &mut Call<'_>) -> Result<i64> {
    let (wanted, job): (_, CollectGarbage) = runs::wanted(call.json().await?)?;
    let gc = call.harbor().gc();
    match wanted {
        Wanted::Now => return Ok(gc.run(proof, job).await?.get()),
        Wanted::Rhythm(rhythm) => gc.schedule(proof, &rhythm, job).await?,
        Wanted::Never => gc.unschedule(proof).await?,
    }
    Ok(0)
}

async fn list(proof: &Authorized<GarbageCollectionList>, call: &Call<'_>) -> Result<Response<Body>> {
    let query: Query<ExecutionKey> = call.list()?;
    page(call, &query, call.harbor().gc().list(proof, &query).await?, runs::run)
}

async fn get(proof: &Authorized<GarbageCollectionRead>, call: &Call<'_>) -> Result<Response<Body>> {
    ok(&runs::run(call.harbor().gc().get(proof, execution_id(call, "gc_id")?).await?))
}

async fn stop(proof: &Authorized<GarbageCollectionStop>, call: &Call<'_>) -> Result<Response<Body>> {
    call.harbor().gc().stop(proof, execution_id(call, "gc_id")?).await?;
    Ok(done())
}

async fn log(proof: &Authorized<GarbageCollectionRead>, call: &Call<'_>) -> Result<Response<Body>> {
    let (id, follow) = (execution_id(call, "gc_id")?, call.flag("follow")?);
    runs::log(call, call.harbor().gc().log(proof, id, follow).await?).await
}

async fn schedule(proof: &Authorized<GarbageCollectionRead>, call: &Call<'_>) -> Result<Response<Body>> {
    match call.harbor().gc().scheduled(proof).await? {
        Some(schedule) => ok(&runs::scheduled(schedule)),
        None => ok(&serde_json::json!({})),
    }
}
