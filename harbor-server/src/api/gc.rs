//! Garbage collection.

use harbor_core::CollectGarbage;

use super::answer::Answered;
use super::call::Call;
use super::runs::{self, Operations};

const OPERATIONS: Operations = Operations {
    base: "/system/gc",
    parameter: "gc_id",
    list: "getGCHistory",
    get: "getGC",
    stop: "stopGC",
    log: "getGCLog",
    schedule: "getGCSchedule",
    create: "createGCSchedule",
    update: "updateGCSchedule",
};

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    runs::answer::<CollectGarbage>(call, id, &OPERATIONS).await
}
