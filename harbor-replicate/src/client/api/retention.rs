//! Retention.

use harbor_core::api;

use super::noun::nouns;

nouns! {
    /// Policies of retention, and their runs.
    retentions Retentions {
        /// Which rules and selectors there are.
        metadata "getRentenitionMetadata" () => One[api::RetentionMetadata];
        /// Makes the policy of a project.
        create "createRetention" () with api::RetentionPolicy => Created;
        /// One policy.
        get "getRetention" (id: i64) => One[api::RetentionPolicy];
        /// Changes a policy.
        update "updateRetention" (id: i64) with api::RetentionPolicy => Nothing;
        /// Deletes a policy with its runs.
        delete "deleteRetention" (id: i64) => Nothing;
        /// Carries a policy out, or tries what it would do.
        run "triggerRetentionExecution" (id: i64) with api::RetentionRun => Created;
        /// Its runs.
        runs "listRetentionExecutions" (id: i64) => Pages[api::RetentionExecution];
        /// Stops a run: the action `stop`.
        act "operateRetentionExecution" (id: i64, eid: i64) with api::RetentionOperation => Nothing;
        /// What a run did in each repository.
        tasks "listRetentionTasks" (id: i64, eid: i64) => Pages[api::RetentionExecutionTask];
        /// The log of that.
        log "getRetentionTaskLog" (id: i64, eid: i64, tid: i64) => Text;
        /// The policy of all projects without one of their own. Harbor has none, here and below.
        default "getDefaultRetention" () => One[api::RetentionPolicy];
        /// Sets it.
        set_default "updateDefaultRetention" () with api::RetentionPolicy => Nothing;
        /// Deletes it.
        delete_default "deleteDefaultRetention" () => Nothing;
        /// What a run would delete, and which rule keeps each of the rest.
        preview "previewRetention" (id: i64) with api::RetentionPreviewReq => Pages[api::RetentionPreview];
    }
}
