//! Jobs, schedules, and what the whole system does from time to time.

use harbor_core::api;

use super::{Answer, Documented, op};
use crate::api::openapi::shape::of;

pub(super) const TABLE: &[Documented] = &[
    op("getWorkerPools", "Nodes that run jobs", &[], None, Answer::Many(of::<api::WorkerPool>())),
    op(
        "getWorkers",
        "Workers of a node that are at a job; all is every node",
        &[],
        None,
        Answer::Many(of::<api::Worker>()),
    ),
    op("stopRunningJob", "Stop a job", &[], None, Answer::Nothing),
    op("actionGetJobLog", "Text log of a job; follow=true until it is over", &["follow"], None, Answer::Text),
    op("listJobQueues", "Queues by kind of jobs", &[], None, Answer::Many(of::<api::JobQueue>())),
    op(
        "actionPendingJobs",
        "Stop what waits in a queue, pause it or resume it; all is every queue, SCHEDULER the clock",
        &[],
        Some(of::<api::ActionRequest>()),
        Answer::Nothing,
    ).may(&[422]),
    op(
        "listJobs",
        "Jobs whatever their kind, with what became of them",
        &[],
        None,
        Answer::Page(of::<api::Job>()),
    ),
    op("retryJob", "Try a job again that failed or was stopped", &[], None, Answer::Nothing).may(&[412]),
    op("listSchedules", "All schedules", &[], None, Answer::Page(of::<api::ScheduleTask>())),
    op(
        "getSchedulePaused",
        "Whether the clock sets nothing going",
        &[],
        None,
        Answer::One(of::<api::SchedulerStatus>()),
    ),
    op("getGCHistory", "Runs of garbage collection", &[], None, Answer::Page(of::<api::RunHistory>())),
    op("getGC", "One run of garbage collection", &[], None, Answer::One(of::<api::RunHistory>())),
    op("stopGC", "Stop a run of garbage collection", &[], None, Answer::Nothing),
    op(
        "getGCLog",
        "Text log of a run of garbage collection; follow=true until it is over",
        &["follow"],
        None,
        Answer::Text,
    ),
    op(
        "getGCSchedule",
        "Schedule of garbage collection; an empty object without one",
        &[],
        None,
        Answer::OneOrNone(of::<api::RunHistory>()),
    ),
    op(
        "createGCSchedule",
        "Run garbage collection (type Manual), or set its schedule",
        &[],
        Some(of::<api::Schedule>()),
        Answer::Created,
    ).may(&[412]),
    op(
        "updateGCSchedule",
        "Set the schedule of garbage collection, or take it away (type None)",
        &[],
        Some(of::<api::Schedule>()),
        Answer::Nothing,
    ).may(&[412]),
    op("getPurgeHistory", "Purges of the audit log", &[], None, Answer::Page(of::<api::RunHistory>())),
    op("getPurgeJob", "One purge of the audit log", &[], None, Answer::One(of::<api::RunHistory>())),
    op("stopPurge", "Stop a purge of the audit log", &[], None, Answer::Nothing),
    op(
        "getPurgeJobLog",
        "Text log of a purge of the audit log; follow=true until it is over",
        &["follow"],
        None,
        Answer::Text,
    ),
    op(
        "getPurgeSchedule",
        "Schedule of purges of the audit log; an empty object without one",
        &[],
        None,
        Answer::OneOrNone(of::<api::RunHistory>()),
    ),
    op(
        "createPurgeSchedule",
        "Purge the audit log (type Manual), or set the schedule: audit_retention_hour, include_event_types, dry_run",
        &[],
        Some(of::<api::Schedule>()),
        Answer::Created,
    ).may(&[412]),
    op(
        "updatePurgeSchedule",
        "Set the schedule of purges of the audit log, or take it away (type None)",
        &[],
        Some(of::<api::Schedule>()),
        Answer::Nothing,
    ).may(&[412]),
];
