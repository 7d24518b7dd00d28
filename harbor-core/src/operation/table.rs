//! The operations, in the order of Harbor's document, with what each needs.

use super::{Method, Need, Operation};
use crate::access::Action as _;
use crate::access::permission::*;

macro_rules! operations {
    ($(#[$doc:meta])* $name:ident: $count:literal {
        $($id:literal $tag:literal $method:ident $path:literal => $($need:ident)+;)*
    }) => {
        $(#[$doc])*
        pub static $name: [Operation; $count] = [
            $(Operation {
                id: $id,
                tag: $tag,
                method: Method::$method,
                path: $path,
                need: need!($($need)+),
            }),*
        ];
    };
}

macro_rules! need {
    (Nothing) => {
        Need::Nothing
    };
    (Login) => {
        Need::Login
    };
    (own $permission:ident) => {
        Need::Own($permission::PERMISSION)
    };
    (registers $permission:ident) => {
        Need::Registers($permission::PERMISSION)
    };
    (any $($permission:ident)+) => {
        Need::Any(&[$($permission::PERMISSION),+])
    };
    ($permission:ident) => {
        Need::Permission($permission::PERMISSION)
    };
}

operations! {
    /// Every operation of Harbor's API v2.0.
    OPERATIONS: 203 {
    "getHealth" "health" Get "/health" => Nothing;
    "search" "search" Get "/search" => Nothing;
    "getStatistic" "statistic" Get "/statistics" => Login;
    "pingLdap" "Ldap" Post "/ldap/ping" => SystemConfigurationRead;
    "searchLdapUser" "Ldap" Get "/ldap/users/search" => LdapUserList;
    "importLdapUser" "Ldap" Post "/ldap/users/import" => LdapUserCreate;
    "searchLdapGroup" "Ldap" Get "/ldap/groups/search" => LdapUserList;
    "getInternalconfig" "configure" Get "/internalconfig" => SystemConfigurationRead;
    "getConfigurations" "configure" Get "/configurations" => SystemConfigurationRead;
    "updateConfigurations" "configure" Put "/configurations" => SystemConfigurationUpdate;
    "listProjects" "project" Get "/projects" => Nothing;
    "headProject" "project" Head "/projects" => Login;
    "createProject" "project" Post "/projects" => ProjectCreate;
    "getProject" "project" Get "/projects/{project_name_or_id}" => ProjectRead;
    "updateProject" "project" Put "/projects/{project_name_or_id}" => ProjectUpdate;
    "deleteProject" "project" Delete "/projects/{project_name_or_id}" => ProjectDelete;
    "getProjectDeletable" "project" Get "/projects/{project_name_or_id}/_deletable" => ProjectDelete;
    "getProjectSummary" "project" Get "/projects/{project_name_or_id}/summary" => ProjectRead;
    "listProjectMembers" "member" Get "/projects/{project_name_or_id}/members" => MemberList;
    "createProjectMember" "member" Post "/projects/{project_name_or_id}/members" => MemberCreate;
    "getProjectMember" "member" Get "/projects/{project_name_or_id}/members/{mid}" => MemberRead;
    "updateProjectMember" "member" Put "/projects/{project_name_or_id}/members/{mid}" => MemberUpdate;
    "deleteProjectMember" "member" Delete "/projects/{project_name_or_id}/members/{mid}" => MemberDelete;
    "listProjectMetadatas" "projectMetadata" Get "/projects/{project_name_or_id}/metadatas/" => MetadataList;
    "addProjectMetadatas" "projectMetadata" Post "/projects/{project_name_or_id}/metadatas/" => MetadataCreate;
    "getProjectMetadata" "projectMetadata" Get "/projects/{project_name_or_id}/metadatas/{meta_name}" => MetadataRead;
    "updateProjectMetadata" "projectMetadata" Put "/projects/{project_name_or_id}/metadatas/{meta_name}" => MetadataUpdate;
    "deleteProjectMetadata" "projectMetadata" Delete "/projects/{project_name_or_id}/metadatas/{meta_name}" => MetadataDelete;
    "listAllRepositories" "repository" Get "/repositories" => Nothing;
    "listRepositories" "repository" Get "/projects/{project_name}/repositories" => RepositoryList;
    "getRepository" "repository" Get "/projects/{project_name}/repositories/{repository_name}" => RepositoryRead;
    "updateRepository" "repository" Put "/projects/{project_name}/repositories/{repository_name}" => RepositoryUpdate;
    "deleteRepository" "repository" Delete "/projects/{project_name}/repositories/{repository_name}" => RepositoryDelete;
    "listArtifacts" "artifact" Get "/projects/{project_name}/repositories/{repository_name}/artifacts" => ArtifactList;
    "CopyArtifact" "artifact" Post "/projects/{project_name}/repositories/{repository_name}/artifacts" => ArtifactCreate;
    "getArtifact" "artifact" Get "/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}" => ArtifactRead;
    "deleteArtifact" "artifact" Delete "/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}" => ArtifactDelete;
    "scanArtifact" "scan" Post "/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}/scan" => any ScanCreate SbomCreate;
    "stopScanArtifact" "scan" Post "/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}/scan/stop" => any ScanStop SbomStop;
    "getReportLog" "scan" Get "/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}/scan/{report_id}/log" => ScanRead;
    "createTag" "artifact" Post "/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}/tags" => TagCreate;
    "listTags" "artifact" Get "/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}/tags" => TagList;
    "deleteTag" "artifact" Delete "/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}/tags/{tag_name}" => TagDelete;
    "listAccessories" "artifact" Get "/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}/accessories" => AccessoryList;
    "getVulnerabilitiesAddition" "artifact" Get "/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}/additions/vulnerabilities" => ArtifactAdditionRead;
    "getAddition" "artifact" Get "/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}/additions/{addition}" => ArtifactAdditionRead;
    "addLabel" "artifact" Post "/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}/labels" => ArtifactLabelCreate;
    "removeLabel" "artifact" Delete "/projects/{project_name}/repositories/{repository_name}/artifacts/{reference}/labels/{label_id}" => ArtifactLabelDelete;
    "listArtifactsOfProject" "project" Get "/projects/{project_name_or_id}/artifacts" => ProjectArtifactList;
    "getScannerOfProject" "project" Get "/projects/{project_name_or_id}/scanner" => ScannerRead;
    "setScannerOfProject" "project" Put "/projects/{project_name_or_id}/scanner" => ScannerCreate;
    "listScannerCandidatesOfProject" "project" Get "/projects/{project_name_or_id}/scanner/candidates" => ScannerCreate;
    "listAuditLogs" "auditlog" Get "/audit-logs" => Login;
    "listAuditLogExts" "auditlog" Get "/auditlog-exts" => Login;
    "listAuditLogEventTypes" "auditlog" Get "/auditlog-exts/events" => Login;
    "getLogs" "project" Get "/projects/{project_name}/logs" => LogList;
    "getLogExts" "project" Get "/projects/{project_name}/auditlog-exts" => LogList;
    "ListProviders" "preheat" Get "/p2p/preheat/providers" => PreheatInstanceList;
    "PingInstances" "preheat" Post "/p2p/preheat/instances/ping" => PreheatInstanceRead;
    "ListInstances" "preheat" Get "/p2p/preheat/instances" => PreheatInstanceList;
    "CreateInstance" "preheat" Post "/p2p/preheat/instances" => PreheatInstanceCreate;
    "GetInstance" "preheat" Get "/p2p/preheat/instances/{preheat_instance_name}" => PreheatInstanceRead;
    "DeleteInstance" "preheat" Delete "/p2p/preheat/instances/{preheat_instance_name}" => PreheatInstanceDelete;
    "UpdateInstance" "preheat" Put "/p2p/preheat/instances/{preheat_instance_name}" => PreheatInstanceUpdate;
    "CreatePolicy" "preheat" Post "/projects/{project_name}/preheat/policies" => PreheatPolicyCreate;
    "ListPolicies" "preheat" Get "/projects/{project_name}/preheat/policies" => PreheatPolicyList;
    "GetPolicy" "preheat" Get "/projects/{project_name}/preheat/policies/{preheat_policy_name}" => PreheatPolicyRead;
    "UpdatePolicy" "preheat" Put "/projects/{project_name}/preheat/policies/{preheat_policy_name}" => PreheatPolicyUpdate;
    "ManualPreheat" "preheat" Post "/projects/{project_name}/preheat/policies/{preheat_policy_name}" => PreheatPolicyUpdate;
    "DeletePolicy" "preheat" Delete "/projects/{project_name}/preheat/policies/{preheat_policy_name}" => PreheatPolicyDelete;
    "ListExecutions" "preheat" Get "/projects/{project_name}/preheat/policies/{preheat_policy_name}/executions" => PreheatPolicyRead;
    "GetExecution" "preheat" Get "/projects/{project_name}/preheat/policies/{preheat_policy_name}/executions/{execution_id}" => PreheatPolicyRead;
    "StopExecution" "preheat" Patch "/projects/{project_name}/preheat/policies/{preheat_policy_name}/executions/{execution_id}" => PreheatPolicyUpdate;
    "ListTasks" "preheat" Get "/projects/{project_name}/preheat/policies/{preheat_policy_name}/executions/{execution_id}/tasks" => PreheatPolicyRead;
    "GetPreheatLog" "preheat" Get "/projects/{project_name}/preheat/policies/{preheat_policy_name}/executions/{execution_id}/tasks/{task_id}/logs" => PreheatPolicyRead;
    "ListProvidersUnderProject" "preheat" Get "/projects/{project_name}/preheat/providers" => PreheatPolicyRead;
    "ListImmuRules" "immutable" Get "/projects/{project_name_or_id}/immutabletagrules" => ImmutableTagList;
    "CreateImmuRule" "immutable" Post "/projects/{project_name_or_id}/immutabletagrules" => ImmutableTagCreate;
    "UpdateImmuRule" "immutable" Put "/projects/{project_name_or_id}/immutabletagrules/{immutable_rule_id}" => ImmutableTagUpdate;
    "DeleteImmuRule" "immutable" Delete "/projects/{project_name_or_id}/immutabletagrules/{immutable_rule_id}" => ImmutableTagDelete;
    "ListWebhookPoliciesOfProject" "webhook" Get "/projects/{project_name_or_id}/webhook/policies" => NotificationPolicyList;
    "CreateWebhookPolicyOfProject" "webhook" Post "/projects/{project_name_or_id}/webhook/policies" => NotificationPolicyCreate;
    "GetWebhookPolicyOfProject" "webhook" Get "/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}" => NotificationPolicyRead;
    "UpdateWebhookPolicyOfProject" "webhook" Put "/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}" => NotificationPolicyUpdate;
    "DeleteWebhookPolicyOfProject" "webhook" Delete "/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}" => NotificationPolicyDelete;
    "ListExecutionsOfWebhookPolicy" "webhook" Get "/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}/executions" => NotificationPolicyRead;
    "ListTasksOfWebhookExecution" "webhook" Get "/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}/executions/{execution_id}/tasks" => NotificationPolicyRead;
    "GetLogsOfWebhookTask" "webhook" Get "/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}/executions/{execution_id}/tasks/{task_id}/log" => NotificationPolicyRead;
    "LastTrigger" "webhook" Get "/projects/{project_name_or_id}/webhook/lasttrigger" => NotificationPolicyRead;
    "ListWebhookJobs" "webhookjob" Get "/projects/{project_name_or_id}/webhook/jobs" => NotificationPolicyList;
    "GetSupportedEventTypes" "webhook" Get "/projects/{project_name_or_id}/webhook/events" => NotificationPolicyRead;
    "listUserGroups" "usergroup" Get "/usergroups" => UserGroupList;
    "createUserGroup" "usergroup" Post "/usergroups" => UserGroupCreate;
    "searchUserGroups" "usergroup" Get "/usergroups/search" => Login;
    "getUserGroup" "usergroup" Get "/usergroups/{group_id}" => UserGroupRead;
    "updateUserGroup" "usergroup" Put "/usergroups/{group_id}" => UserGroupUpdate;
    "deleteUserGroup" "usergroup" Delete "/usergroups/{group_id}" => UserGroupDelete;
    "getIcon" "icon" Get "/icons/{digest}" => Nothing;
    "ListRobot" "robot" Get "/robots" => any SystemRobotList RobotList;
    "CreateRobot" "robot" Post "/robots" => any SystemRobotCreate RobotCreate;
    "listQuotas" "quota" Get "/quotas" => QuotaList;
    "getQuota" "quota" Get "/quotas/{id}" => SystemQuotaRead;
    "updateQuota" "quota" Put "/quotas/{id}" => QuotaUpdate;
    "GetRobotByID" "robot" Get "/robots/{robot_id}" => any SystemRobotRead RobotRead;
    "UpdateRobot" "robot" Put "/robots/{robot_id}" => any SystemRobotCreate RobotUpdate;
    "RefreshSec" "robot" Patch "/robots/{robot_id}" => any SystemRobotCreate RobotUpdate;
    "DeleteRobot" "robot" Delete "/robots/{robot_id}" => any SystemRobotDelete RobotDelete;
    "listReplicationPolicies" "replication" Get "/replication/policies" => ReplicationPolicyList;
    "createReplicationPolicy" "replication" Post "/replication/policies" => ReplicationPolicyCreate;
    "getReplicationPolicy" "replication" Get "/replication/policies/{id}" => ReplicationPolicyRead;
    "deleteReplicationPolicy" "replication" Delete "/replication/policies/{id}" => ReplicationPolicyDelete;
    "updateReplicationPolicy" "replication" Put "/replication/policies/{id}" => ReplicationPolicyUpdate;
    "listReplicationExecutions" "replication" Get "/replication/executions" => ReplicationList;
    "startReplication" "replication" Post "/replication/executions" => ReplicationCreate;
    "getReplicationExecution" "replication" Get "/replication/executions/{id}" => ReplicationRead;
    "stopReplication" "replication" Put "/replication/executions/{id}" => ReplicationCreate;
    "listReplicationTasks" "replication" Get "/replication/executions/{id}/tasks" => ReplicationList;
    "getReplicationLog" "replication" Get "/replication/executions/{id}/tasks/{task_id}/log" => ReplicationRead;
    "listRegistryProviderTypes" "registry" Get "/replication/adapters" => ReplicationAdapterList;
    "listRegistryProviderInfos" "registry" Get "/replication/adapterinfos" => ReplicationAdapterList;
    "createRegistry" "registry" Post "/registries" => RegistryCreate;
    "listRegistries" "registry" Get "/registries" => RegistryList;
    "pingRegistry" "registry" Post "/registries/ping" => RegistryRead;
    "getRegistry" "registry" Get "/registries/{id}" => RegistryRead;
    "deleteRegistry" "registry" Delete "/registries/{id}" => RegistryDelete;
    "updateRegistry" "registry" Put "/registries/{id}" => RegistryUpdate;
    "getRegistryInfo" "registry" Get "/registries/{id}/info" => RegistryRead;
    "getLatestScanAllMetrics" "scanAll" Get "/scans/all/metrics" => ScanAllRead;
    "getLatestScheduledScanAllMetrics" "scanAll" Get "/scans/schedule/metrics" => ScanAllRead;
    "getSystemInfo" "systeminfo" Get "/systeminfo" => Nothing;
    "getVolumes" "systeminfo" Get "/systeminfo/volumes" => SystemVolumesRead;
    "getCert" "systeminfo" Get "/systeminfo/getcert" => Nothing;
    "pingOIDC" "oidc" Post "/system/oidc/ping" => SystemConfigurationUpdate;
    "getGCHistory" "gc" Get "/system/gc" => GarbageCollectionList;
    "getGC" "gc" Get "/system/gc/{gc_id}" => GarbageCollectionRead;
    "stopGC" "gc" Put "/system/gc/{gc_id}" => GarbageCollectionStop;
    "getGCLog" "gc" Get "/system/gc/{gc_id}/log" => GarbageCollectionRead;
    "getGCSchedule" "gc" Get "/system/gc/schedule" => GarbageCollectionRead;
    "createGCSchedule" "gc" Post "/system/gc/schedule" => GarbageCollectionCreate;
    "updateGCSchedule" "gc" Put "/system/gc/schedule" => GarbageCollectionUpdate;
    "getPurgeHistory" "purge" Get "/system/purgeaudit" => PurgeAuditList;
    "getPurgeJob" "purge" Get "/system/purgeaudit/{purge_id}" => PurgeAuditRead;
    "stopPurge" "purge" Put "/system/purgeaudit/{purge_id}" => PurgeAuditStop;
    "getPurgeJobLog" "purge" Get "/system/purgeaudit/{purge_id}/log" => PurgeAuditRead;
    "getPurgeSchedule" "purge" Get "/system/purgeaudit/schedule" => PurgeAuditRead;
    "createPurgeSchedule" "purge" Post "/system/purgeaudit/schedule" => PurgeAuditCreate;
    "updatePurgeSchedule" "purge" Put "/system/purgeaudit/schedule" => PurgeAuditUpdate;
    "getSystemCVEAllowlist" "SystemCVEAllowlist" Get "/system/CVEAllowlist" => Login;
    "putSystemCVEAllowlist" "SystemCVEAllowlist" Put "/system/CVEAllowlist" => SystemConfigurationUpdate;
    "getScanAllSchedule" "scanAll" Get "/system/scanAll/schedule" => ScanAllRead;
    "updateScanAllSchedule" "scanAll" Put "/system/scanAll/schedule" => ScanAllUpdate;
    "createScanAllSchedule" "scanAll" Post "/system/scanAll/schedule" => ScanAllCreate;
    "stopScanAll" "scanAll" Post "/system/scanAll/stop" => ScanAllStop;
    "getWorkerPools" "jobservice" Get "/jobservice/pools" => JobserviceMonitorList;
    "getWorkers" "jobservice" Get "/jobservice/pools/{pool_id}/workers" => JobserviceMonitorList;
    "stopRunningJob" "jobservice" Put "/jobservice/jobs/{job_id}" => JobserviceMonitorStop;
    "actionGetJobLog" "jobservice" Get "/jobservice/jobs/{job_id}/log" => JobserviceMonitorRead;
    "listJobQueues" "jobservice" Get "/jobservice/queues" => JobserviceMonitorList;
    "actionPendingJobs" "jobservice" Put "/jobservice/queues/{job_type}" => JobserviceMonitorStop;
    "listSchedules" "schedule" Get "/schedules" => JobserviceMonitorList;
    "getSchedulePaused" "schedule" Get "/schedules/{job_type}/paused" => Login;
    "getPing" "ping" Get "/ping" => Nothing;
    "getRentenitionMetadata" "Retention" Get "/retentions/metadatas" => Login;
    "createRetention" "Retention" Post "/retentions" => any TagRetentionCreate;
    "getRetention" "Retention" Get "/retentions/{id}" => any SystemConfigurationRead TagRetentionRead;
    "updateRetention" "Retention" Put "/retentions/{id}" => any SystemConfigurationUpdate TagRetentionUpdate;
    "deleteRetention" "Retention" Delete "/retentions/{id}" => any SystemConfigurationUpdate TagRetentionDelete;
    "triggerRetentionExecution" "Retention" Post "/retentions/{id}/executions" => any SystemConfigurationUpdate TagRetentionUpdate;
    "listRetentionExecutions" "Retention" Get "/retentions/{id}/executions" => any SystemConfigurationRead TagRetentionList;
    "operateRetentionExecution" "Retention" Patch "/retentions/{id}/executions/{eid}" => any SystemConfigurationUpdate TagRetentionUpdate;
    "listRetentionTasks" "Retention" Get "/retentions/{id}/executions/{eid}/tasks" => any SystemConfigurationRead TagRetentionList;
    "getRetentionTaskLog" "Retention" Get "/retentions/{id}/executions/{eid}/tasks/{tid}" => any SystemConfigurationRead TagRetentionRead;
    "listScanners" "scanner" Get "/scanners" => ScannerList;
    "createScanner" "scanner" Post "/scanners" => SystemScannerCreate;
    "pingScanner" "scanner" Post "/scanners/ping" => SystemScannerRead;
    "getScanner" "scanner" Get "/scanners/{registration_id}" => SystemScannerRead;
    "updateScanner" "scanner" Put "/scanners/{registration_id}" => ScannerUpdate;
    "deleteScanner" "scanner" Delete "/scanners/{registration_id}" => ScannerDelete;
    "setScannerAsDefault" "scanner" Patch "/scanners/{registration_id}" => ScannerUpdate;
    "getScannerMetadata" "scanner" Get "/scanners/{registration_id}/metadata" => SystemScannerRead;
    "listUsers" "user" Get "/users" => UserList;
    "createUser" "user" Post "/users" => registers UserCreate;
    "getCurrentUserInfo" "user" Get "/users/current" => Login;
    "searchUsers" "user" Get "/users/search" => Login;
    "getUser" "user" Get "/users/{user_id}" => own UserRead;
    "updateUserProfile" "user" Put "/users/{user_id}" => own UserUpdate;
    "deleteUser" "user" Delete "/users/{user_id}" => UserDelete;
    "setUserSysAdmin" "user" Put "/users/{user_id}/sysadmin" => UserUpdate;
    "updateUserPassword" "user" Put "/users/{user_id}/password" => own UserUpdate;
    "getCurrentUserPermissions" "user" Get "/users/current/permissions" => Login;
    "setCliSecret" "user" Put "/users/{user_id}/cli_secret" => own UserUpdate;
    "ListLabels" "label" Get "/labels" => any LabelList;
    "CreateLabel" "label" Post "/labels" => any SystemLabelCreate LabelCreate;
    "GetLabelByID" "label" Get "/labels/{label_id}" => any SystemLabelRead LabelRead;
    "UpdateLabel" "label" Put "/labels/{label_id}" => any SystemLabelUpdate LabelUpdate;
    "DeleteLabel" "label" Delete "/labels/{label_id}" => any SystemLabelDelete LabelDelete;
    "exportScanData" "scan data export" Post "/export/cve" => any ExportCveCreate;
    "getScanDataExportExecution" "scan data export" Get "/export/cve/execution/{execution_id}" => Login;
    "getScanDataExportExecutionList" "scan data export" Get "/export/cve/executions" => Login;
    "downloadScanData" "scan data export" Get "/export/cve/download/{execution_id}" => Login;
    "getSecuritySummary" "securityhub" Get "/security/summary" => SecurityHubRead;
    "ListVulnerabilities" "securityhub" Get "/security/vul" => SecurityHubList;
    "getPermissions" "permissions" Get "/permissions" => Login;
    }
}

operations! {
    /// Operations that this registry has and Harbor has not.
    EXTENSIONS: 41 {
    "rotateTokenKeys" "systeminfo" Post "/system/token-keys/rotate" => SystemConfigurationUpdate;
    "listDeletedArtifacts" "artifact" Get "/projects/{project_name}/repositories/{repository_name}/deleted-artifacts" => ArtifactList;
    "restoreArtifact" "artifact" Post "/projects/{project_name}/repositories/{repository_name}/deleted-artifacts/{digest}/restore" => ArtifactCreate;
    "streamEvents" "event" Get "/events/stream" => Login;
    "listJobs" "jobservice" Get "/jobservice/jobs" => JobserviceMonitorList;
    "retryJob" "jobservice" Post "/jobservice/jobs/{job_id}/retry" => JobserviceMonitorStop;
    "exportAuditLog" "auditlog" Get "/auditlog-exts/export" => Login;
    "verifyAuditLog" "auditlog" Get "/auditlog-exts/verify" => AuditLogList;
    "getDefaultRetention" "Retention" Get "/retentions/default" => SystemConfigurationRead;
    "updateDefaultRetention" "Retention" Put "/retentions/default" => SystemConfigurationUpdate;
    "deleteDefaultRetention" "Retention" Delete "/retentions/default" => SystemConfigurationUpdate;
    "previewRetention" "Retention" Post "/retentions/{id}/preview" => any SystemConfigurationRead TagRetentionRead;
    "testWebhookPolicyOfProject" "webhook" Post "/projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}/test" => NotificationPolicyUpdate;
    "listWebhookPolicies" "webhook" Get "/webhook/policies" => SystemNotificationPolicyList;
    "createWebhookPolicy" "webhook" Post "/webhook/policies" => SystemNotificationPolicyCreate;
    "getWebhookPolicy" "webhook" Get "/webhook/policies/{webhook_policy_id}" => SystemNotificationPolicyRead;
    "updateWebhookPolicy" "webhook" Put "/webhook/policies/{webhook_policy_id}" => SystemNotificationPolicyUpdate;
    "deleteWebhookPolicy" "webhook" Delete "/webhook/policies/{webhook_policy_id}" => SystemNotificationPolicyDelete;
    "testWebhookPolicy" "webhook" Post "/webhook/policies/{webhook_policy_id}/test" => SystemNotificationPolicyUpdate;
    "listWebhookExecutions" "webhook" Get "/webhook/policies/{webhook_policy_id}/executions" => SystemNotificationPolicyRead;
    "listWebhookTasks" "webhook" Get "/webhook/policies/{webhook_policy_id}/executions/{execution_id}/tasks" => SystemNotificationPolicyRead;
    "getWebhookTaskLog" "webhook" Get "/webhook/policies/{webhook_policy_id}/executions/{execution_id}/tasks/{task_id}/log" => SystemNotificationPolicyRead;
    "getWebhookEventTypes" "webhook" Get "/webhook/events" => SystemNotificationPolicyRead;
    "listRoles" "role" Get "/roles" => Login;
    "createRole" "role" Post "/roles" => RoleCreate;
    "getRole" "role" Get "/roles/{role_id}" => Login;
    "updateRole" "role" Put "/roles/{role_id}" => RoleUpdate;
    "deleteRole" "role" Delete "/roles/{role_id}" => RoleDelete;
    "listPersonalTokens" "token" Get "/users/current/tokens" => Login;
    "createPersonalToken" "token" Post "/users/current/tokens" => Login;
    "deletePersonalToken" "token" Delete "/users/current/tokens/{token_id}" => Login;
    "getTotp" "totp" Get "/users/current/totp" => Login;
    "createTotp" "totp" Post "/users/current/totp" => Login;
    "confirmTotp" "totp" Put "/users/current/totp" => Login;
    "deleteTotp" "totp" Delete "/users/current/totp" => Login;
    "resetTotp" "totp" Delete "/users/{user_id}/totp" => UserTotpDelete;
    "ListRobotV1" "robotv1" Get "/projects/{project_name_or_id}/robots" => RobotList;
    "CreateRobotV1" "robotv1" Post "/projects/{project_name_or_id}/robots" => RobotCreate;
    "GetRobotByIDV1" "robotv1" Get "/projects/{project_name_or_id}/robots/{robot_id}" => RobotRead;
    "UpdateRobotV1" "robotv1" Put "/projects/{project_name_or_id}/robots/{robot_id}" => RobotUpdate;
    "DeleteRobotV1" "robotv1" Delete "/projects/{project_name_or_id}/robots/{robot_id}" => RobotDelete;
    }
}
