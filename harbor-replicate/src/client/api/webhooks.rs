//! Webhooks.

use harbor_core::api;

use super::noun::nouns;
use super::query::ProjectRef;

nouns! {
    /// Policies of webhooks of a project, and their deliveries.
    project_webhooks ProjectWebhooks {
        /// The policies.
        list "ListWebhookPoliciesOfProject" (project_name_or_id: ProjectRef<'_>) => Pages[api::WebhookPolicy];
        /// Makes a policy.
        create "CreateWebhookPolicyOfProject" (project_name_or_id: ProjectRef<'_>) with api::WebhookPolicy => Created;
        /// One policy, without its secrets.
        get "GetWebhookPolicyOfProject" (project_name_or_id: ProjectRef<'_>, webhook_policy_id: i64) => One[api::WebhookPolicy];
        /// Changes a policy; a secret that is `*****` stays as it is.
        update "UpdateWebhookPolicyOfProject" (project_name_or_id: ProjectRef<'_>, webhook_policy_id: i64) with api::WebhookPolicy => Nothing;
        /// Deletes a policy with its deliveries.
        delete "DeleteWebhookPolicyOfProject" (project_name_or_id: ProjectRef<'_>, webhook_policy_id: i64) => Nothing;
        /// Sends a sample to each target, and tells what it answers. Harbor cannot.
        test "testWebhookPolicyOfProject" (project_name_or_id: ProjectRef<'_>, webhook_policy_id: i64) => One[Vec<api::WebhookTest>];
        /// Its deliveries.
        executions "ListExecutionsOfWebhookPolicy" (project_name_or_id: ProjectRef<'_>, webhook_policy_id: i64) => Pages[api::Execution];
        /// The tasks of a delivery.
        tasks "ListTasksOfWebhookExecution" (project_name_or_id: ProjectRef<'_>, webhook_policy_id: i64, execution_id: i64) => Pages[api::Task];
        /// The log of a task.
        log "GetLogsOfWebhookTask" (project_name_or_id: ProjectRef<'_>, webhook_policy_id: i64, execution_id: i64, task_id: i64) => Text;
        /// What there is to tell of, and how.
        event_types "GetSupportedEventTypes" (project_name_or_id: ProjectRef<'_>) => One[api::SupportedWebhookEventTypes];
        /// When something of each type was last told.
        last_triggers "LastTrigger" (project_name_or_id: ProjectRef<'_>) => One[Vec<api::WebhookLastTrigger>];
        /// Deliveries in the older form; `policy_id` says of which policy.
        jobs "ListWebhookJobs" (project_name_or_id: ProjectRef<'_>) => Pages[api::WebhookJob];
    }

    /// Policies of webhooks of the whole registry, and their deliveries. Harbor has none.
    webhooks Webhooks {
        /// The policies.
        list "listWebhookPolicies" () => Pages[api::WebhookPolicy];
        /// Makes a policy.
        create "createWebhookPolicy" () with api::WebhookPolicy => Created;
        /// One policy, without its secrets.
        get "getWebhookPolicy" (webhook_policy_id: i64) => One[api::WebhookPolicy];
        /// Changes a policy; a secret that is `*****` stays as it is.
        update "updateWebhookPolicy" (webhook_policy_id: i64) with api::WebhookPolicy => Nothing;
        /// Deletes a policy with its deliveries.
        delete "deleteWebhookPolicy" (webhook_policy_id: i64) => Nothing;
        /// Sends a sample to each target, and tells what it answers. Harbor cannot.
        test "testWebhookPolicy" (webhook_policy_id: i64) => One[Vec<api::WebhookTest>];
        /// Its deliveries.
        executions "listWebhookExecutions" (webhook_policy_id: i64) => Pages[api::Execution];
        /// The tasks of a delivery.
        tasks "listWebhookTasks" (webhook_policy_id: i64, execution_id: i64) => Pages[api::Task];
        /// The log of a task.
        log "getWebhookTaskLog" (webhook_policy_id: i64, execution_id: i64, task_id: i64) => Text;
        /// What there is to tell of, and how.
        event_types "getWebhookEventTypes" () => One[api::SupportedWebhookEventTypes];
    }
}
