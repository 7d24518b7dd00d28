//! Purges of the audit log.

use harbor_core::PurgeAudit;

use super::answer::Answered;
use super::call::Call;
use super::runs::{self, Operations};

const OPERATIONS: Operations = Operations {
    base: "/system/purgeaudit",
    parameter: "purge_id",
    list: "getPurgeHistory",
    get: "getPurgeJob",
    stop: "stopPurge",
    log: "getPurgeJobLog",
    schedule: "getPurgeSchedule",
    create: "createPurgeSchedule",
    update: "updatePurgeSchedule",
};

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    runs::answer::<PurgeAudit>(call, id, &OPERATIONS).await
}
