//! Work in the background.

use harbor_core::api;
use serde_json::Value;

use super::noun::nouns;

nouns! {
    /// Jobs, their queues, and who works at them.
    jobservice Jobservice {
        /// The nodes that run jobs.
        pools "getWorkerPools" () => One[Vec<api::WorkerPool>];
        /// What the workers of a node are at; `all` is every node.
        workers "getWorkers" (pool_id: &str) => One[Vec<api::Worker>];
        /// Stops a job.
        stop "stopRunningJob" (job_id: &str) => Nothing;
        /// The log of a job.
        log "actionGetJobLog" (job_id: &str) => Text;
        /// The queues, by kind of jobs.
        queues "listJobQueues" () => One[Vec<api::JobQueue>];
        /// Stops what waits in a queue, pauses it, or lets it go on: `stop`, `pause`, `resume`.
        act "actionPendingJobs" (job_type: &str) with api::ActionRequest => Nothing;
        /// All jobs. Harbor has no such list.
        list "listJobs" () => Pages[api::Job];
        /// Tries again a job that failed or was stopped. Harbor cannot.
        retry "retryJob" (job_id: &str) => Nothing;
    }

    /// What the clock sets going.
    schedules Schedules {
        /// All schedules.
        list "listSchedules" () => Pages[api::ScheduleTask];
        /// Whether the clock sets nothing going.
        paused "getSchedulePaused" (job_type: &str) => One[api::SchedulerStatus];
    }

    /// Runs of garbage collection, and their schedule.
    garbage_collection GarbageCollection {
        /// The runs.
        list "getGCHistory" () => Pages[api::RunHistory];
        /// One run.
        get "getGC" (gc_id: i64) => One[api::RunHistory];
        /// Stops a run.
        stop "stopGC" (gc_id: i64) => Nothing;
        /// The log of a run.
        log "getGCLog" (gc_id: i64) => Text;
        /// The schedule; an empty object without one.
        schedule "getGCSchedule" () => One[Value];
        /// Sets a run going (the type `Manual`), or makes a schedule.
        run "createGCSchedule" () with api::Schedule => Created;
        /// Changes the schedule, or takes it away (the type `None`).
        set_schedule "updateGCSchedule" () with api::Schedule => Nothing;
    }

    /// Runs of purges of the audit log, and their schedule.
    purges Purges {
        /// The runs.
        list "getPurgeHistory" () => Pages[api::RunHistory];
        /// One run.
        get "getPurgeJob" (purge_id: i64) => One[api::RunHistory];
        /// Stops a run.
        stop "stopPurge" (purge_id: i64) => Nothing;
        /// The log of a run.
        log "getPurgeJobLog" (purge_id: i64) => Text;
        /// The schedule; an empty object without one.
        schedule "getPurgeSchedule" () => One[Value];
        /// Sets a run going (the type `Manual`), or makes a schedule.
        run "createPurgeSchedule" () with api::Schedule => Created;
        /// Changes the schedule, or takes it away (the type `None`).
        set_schedule "updatePurgeSchedule" () with api::Schedule => Nothing;
    }
}
