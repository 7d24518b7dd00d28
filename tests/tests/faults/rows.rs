//! A metadata store whose calls fail.

use std::sync::Arc;

use async_trait::async_trait;
use harbor_core::Timestamp;
use harbor_core::access::ProjectFilter;
use harbor_core::blob::{Location, UploadId};
use harbor_core::meta::*;
use harbor_core::oci::{Digest, ProjectName, RepositoryName, Tag};
use harbor_core::pattern::Pattern;
use harbor_core::query::Query;

use crate::faults::Faults;

#[derive(Debug)]
pub(crate) struct FaultyMetadata {
    pub(crate) inner: Arc<dyn MetadataStore>,
    pub(crate) faults: Faults,
}

/// A connection or a transaction whose calls fail.
struct Faulty<T: ?Sized> {
    inner: Box<T>,
    faults: Faults,
}

#[async_trait]
impl MetadataStore for FaultyMetadata {
    fn name(&self) -> &str {
        "faulty"
    }

    fn sharing(&self) -> Sharing {
        self.inner.sharing()
    }

    async fn read(&self) -> RowResult<Box<dyn Reads>> {
        self.faults.before("read")?;
        Ok(Box::new(Faulty { inner: self.inner.read().await?, faults: self.faults.clone() }))
    }

    async fn begin(&self) -> RowResult<Box<dyn Transaction>> {
        self.faults.before("begin")?;
        Ok(Box::new(Faulty { inner: self.inner.begin().await?, faults: self.faults.clone() }))
    }

    async fn check(&self) -> RowResult<()> {
        self.faults.before("check")?;
        self.inner.check().await
    }

    async fn announce(&self, topic: Topic) -> RowResult<()> {
        self.faults.before("announce")?;
        self.inner.announce(topic).await
    }

    async fn announcements(&self) -> RowResult<Option<Box<dyn Announcements>>> {
        self.faults.before("announcements")?;
        self.inner.announcements().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[async_trait]
impl Transaction for Faulty<dyn Transaction> {
    // `publish` is the provided one, so that each of its steps fails in turn.
    async fn commit(self: Box<Self>) -> RowResult<()> {
        self.faults.before("commit")?;
        self.inner.commit().await?;
        self.faults.after("commit")
    }
}

macro_rules! rows {
    ($($rows:ident { $($method:ident($($argument:ident: $kind:ty),*) -> $result:ty;)* })*) => {$(
        #[async_trait]
        impl<T: $rows + Send + ?Sized> $rows for Faulty<T> {
            $(
                async fn $method(&mut self, $($argument: $kind),*) -> RowResult<$result> {
                    self.faults.before(stringify!($method))?;
                    self.inner.$method($($argument),*).await
                }
            )*
        }
    )*};
}

rows! {
    ProjectRows {
        project(name: &ProjectName) -> Option<Project>;
        project_of(id: ProjectId) -> Option<Project>;
        projects(filter: &ProjectFilter, query: &Query<ProjectKey>) -> Listed<Project>;
    }
    ProjectRowsMut {
        project_ensure(name: &ProjectName, public: bool, now: Timestamp) -> (Project, bool);
        project_lock(id: ProjectId) -> Option<Project>;
        project_save(project: &Project) -> ();
        project_delete(id: ProjectId) -> bool;
    }
    RepositoryRows {
        repository(name: &RepositoryName) -> Option<Repository>;
        candidates(filter: &ProjectFilter, among: Among<'_>, limit: u32) -> Vec<Candidate>;
        repositories(filter: &RepositoryFilter, after: Option<&str>, limit: u32) -> Vec<RepositoryName>;
        repository_count(project: ProjectId) -> u64;
        repository_counts(filter: &RepositoryFilter) -> Vec<(ProjectId, u64)>;
        repositories_unlisted(project: ProjectId, after: RepositoryId, limit: u32) -> Vec<Repository>;
        repository_entry(id: RepositoryId) -> Option<RepositoryEntry>;
        repository_entries(filter: &RepositoryFilter, query: &Query<RepositoryKey>) -> Listed<RepositoryEntry>;
        figures(projects: &ProjectFilter, repositories: &RepositoryFilter) -> Figures;
        stored_bytes() -> u64;
        repository_manifests(id: RepositoryId, limit: u32) -> Vec<Digest>;
        repository_links(id: RepositoryId, limit: u32) -> Vec<LinkId>;
        repository_uploads(id: RepositoryId, limit: u32) -> Vec<UploadId>;
    }
    RepositoryRowsMut {
        repository_ensure(project: ProjectId, name: &RepositoryName, now: Timestamp) -> Repository;
        repository_describe(id: RepositoryId, description: &str, now: Timestamp) -> bool;
        repository_unlist(id: RepositoryId) -> ();
        repository_delete(id: RepositoryId) -> bool;
    }
    BlobRows {
        linked_blob(repository: RepositoryId, digest: &Digest) -> Option<LinkedBlob>;
        blob_repositories(digest: &Digest, limit: u32) -> Vec<RepositoryName>;
        link_is_referenced(link: LinkId) -> bool;
    }
    BlobRowsMut {
        blob_ensure(digest: &Digest, size: u64, location: &Location, now: Timestamp) -> Blob;
        blob_lock(blob: BlobId) -> Option<Blob>;
        link_ensure(repository: RepositoryId, blob: BlobId, now: Timestamp) -> LinkId;
        links_lock(repository: RepositoryId, digests: &[Digest]) -> Vec<LinkedBlob>;
        link_lock(link: LinkId) -> Option<(RepositoryId, BlobId)>;
        links_review(links: &[LinkId], now: Timestamp) -> Vec<LinkReview>;
        links_unreferenced(links: &[LinkId]) -> Vec<LinkId>;
        links_delete(links: &[LinkId], due: Timestamp) -> ();
    }
    ManifestRows {
        manifest(repository: RepositoryId, digest: &Digest) -> Option<Manifest>;
        manifest_by_tag(repository: RepositoryId, tag: &Tag) -> Option<Manifest>;
        manifests_present(repository: RepositoryId, digests: &[Digest]) -> Vec<(Digest, Option<Digest>)>;
        referrers(repository: RepositoryId, subject: &Digest, artifact_type: Option<&str>, after: Option<ManifestId>, limit: u32, bytes: u64) -> (Vec<Referrer>, bool);
        manifests_untagged(repository: RepositoryId, pushed_before: Timestamp, after: ManifestId, limit: u32) -> Vec<Untagged>;
        manifest_size(id: ManifestId) -> u64;
    }
    ManifestRowsMut {
        manifest_ensure(manifest: &NewManifest<'_>) -> (ManifestId, Stored);
        manifest_lock(repository: RepositoryId, digest: &Digest) -> Option<ManifestId>;
        manifest_delete(manifest: ManifestId) -> (Vec<Tag>, Vec<LinkId>);
    }
    ArtifactRows {
        artifact(repository: RepositoryId, digest: &Digest) -> Option<Artifact>;
        artifact_by_tag(repository: RepositoryId, tag: &Tag) -> Option<Artifact>;
        artifacts(scope: ArtifactScope, query: &ArtifactQuery) -> Listed<Artifact>;
        artifact_tags(manifest: ManifestId, query: &Query<TagKey>) -> Listed<ArtifactTag>;
        tags_of(manifests: &[ManifestId]) -> Vec<ArtifactTag>;
        references_of(manifests: &[ManifestId]) -> Vec<ArtifactReference>;
        artifact_sizes(repository: RepositoryId, digests: &[Digest]) -> Vec<(Digest, u64)>;
        artifacts_undescribed(after: ManifestId, limit: u32, bytes: u64) -> Vec<(RepositoryId, Manifest)>;
    }
    ArtifactRowsMut {
        artifact_describe(manifest: ManifestId, described: &Described) -> ();
        artifact_is_held(manifest: ManifestId) -> (bool, bool);
        pulls_add(pulled: &[Pulled]) -> ();
    }
    AccessoryRows {
        accessories(subject: ManifestId, query: &Query<AccessoryKey>) -> Listed<Accessory>;
        accessories_of(subjects: &[ManifestId]) -> Vec<Accessory>;
        parents_of(children: &[ManifestId]) -> Vec<(ManifestId, ManifestId)>;
    }
    LabelRows {
        label(id: LabelId) -> Option<Label>;
        labels(project: Option<ProjectId>, query: &Query<LabelKey>) -> Listed<Label>;
        labels_of(manifests: &[ManifestId]) -> Vec<(ManifestId, Label)>;
    }
    LabelRowsMut {
        label_insert(label: &Label) -> LabelId;
        label_lock(id: LabelId) -> Option<Label>;
        label_save(label: &Label) -> ();
        label_delete(id: LabelId) -> bool;
        label_put(id: LabelId, manifest: ManifestId) -> bool;
        label_take(id: LabelId, manifest: ManifestId) -> bool;
    }
    ImmutableRows {
        immutable_rules(project: ProjectId, query: &Query<ImmutableRuleKey>) -> Listed<ImmutableRule>;
        immutable_rules_of(project: ProjectId) -> Vec<ImmutableRule>;
    }
    ImmutableRowsMut {
        immutable_rule_insert(rule: &ImmutableRule) -> ImmutableRuleId;
        immutable_rule_save(rule: &ImmutableRule) -> bool;
        immutable_rule_delete(project: ProjectId, id: ImmutableRuleId) -> bool;
    }
    TagRows {
        tag(repository: RepositoryId, tag: &Tag) -> Option<Digest>;
        tags(repository: RepositoryId, after: Option<&str>, limit: u32) -> Vec<Tag>;
    }
    TagRowsMut {
        tag_put(repository: RepositoryId, tag: &Tag, manifest: ManifestId, now: Timestamp) -> TagPut;
        tag_insert(repository: RepositoryId, tag: &Tag, manifest: ManifestId, now: Timestamp) -> ();
        tag_delete(repository: RepositoryId, tag: &Tag) -> Option<Digest>;
    }
    TrashRows {
        trash(repository: RepositoryId, query: &Query<TrashKey>) -> Listed<Trashed>;
        trashed(repository: RepositoryId, digest: &Digest) -> Option<TrashedManifest>;
        trashed_of(repository: RepositoryId, subject: &Digest, deleted_at: Timestamp, limit: u32) -> Vec<Digest>;
    }
    TrashRowsMut {
        trash_put(manifest: ManifestId, deleted_by: &str, now: Timestamp, until: Timestamp) -> ();
        trash_delete(repository: RepositoryId, digest: &Digest) -> ();
        trash_expire(now: Timestamp, limit: u32) -> u64;
    }
    UploadRows {
        upload(id: UploadId) -> Option<Upload>;
        uploads_idle(before: Timestamp, now: Timestamp, limit: u32) -> Vec<Upload>;
    }
    UploadRowsMut {
        upload_insert(upload: &Upload, now: Timestamp) -> ();
        upload_save(upload: &Upload, now: Timestamp) -> bool;
        upload_lease(id: UploadId, holder: &str, now: Timestamp, until: Timestamp) -> bool;
        upload_release(id: UploadId, holder: &str) -> ();
        upload_delete(id: UploadId) -> bool;
    }
    ReviewRows {
        reviews_due(now: Timestamp, limit: u32) -> Vec<Review>;
        reviews_would_free(now: Timestamp) -> (u64, u64);
    }
    ReviewRowsMut {
        review_put(link: LinkId, due: Timestamp, reason: &str) -> ();
        reviews_delete(links: &[LinkId]) -> ();
        review_extend(link: LinkId, due: Timestamp) -> ();
        review_postpone(link: LinkId, due: Timestamp) -> ();
    }
    GarbageRows {
        garbage_due(now: Timestamp, limit: u32) -> Vec<Garbage>;
    }
    GarbageRowsMut {
        garbage_forget(garbage: &[GarbageId]) -> Vec<GarbageId>;
        garbage_postpone(garbage: GarbageId, due: Timestamp) -> ();
    }
    EventRows {
        events(after: i64, limit: u32) -> Vec<EventRow>;
        event_cursor(sink: &str) -> Option<i64>;
        event_last() -> Option<i64>;
        event_cursor_lowest() -> Option<i64>;
    }
    EventRowsMut {
        events_insert(at: Timestamp, bodies: &[String]) -> ();
        event_cursor_put(sink: &str, id: i64) -> ();
        event_cursor_lock(sink: &str) -> Option<i64>;
        events_delete(id: i64) -> u64;
    }
    ExecutionRows {
        execution(id: ExecutionId) -> Option<Execution>;
        executions(scope: &ExecutionScope, query: &Query<ExecutionKey>) -> Listed<Execution>;
        executions_beyond(
            kind: &str,
            subject: i64,
            status: ExecutionStatus,
            keep: u32,
            limit: u32
        ) -> Vec<ExecutionId>;
        execution_is_open(kind: &str, subject: i64, trigger: Trigger) -> bool;
    }
    ExecutionRowsMut {
        execution_insert(new: &NewExecution) -> ExecutionId;
        execution_lock(id: ExecutionId) -> Option<Execution>;
        execution_save(execution: &Execution) -> ();
        execution_empty(id: ExecutionId, limit: u32) -> u64;
        execution_delete(id: ExecutionId) -> ();
    }
    TaskRows {
        task(id: TaskId) -> Option<Task>;
        task_of_job(job: &str) -> Option<Task>;
        tasks(scope: TaskScope<'_>, query: &Query<TaskKey>) -> Listed<Task>;
        tasks_held(owner: &str) -> Vec<Held>;
        task_next_due(status: TaskStatus, priority: Priority, kinds: &[&str]) -> Option<Timestamp>;
        task_slots(kind: &str) -> Vec<u32>;
        task_head(key: &str) -> Option<(TaskId, TaskStatus, Timestamp)>;
        task_last_priority(key: &str) -> Option<Priority>;
        task_first_waiting(key: &str) -> Option<TaskId>;
        tasks_queued() -> Vec<Queued>;
        task_log(id: TaskId, after: u32, limit: u32) -> Vec<(u32, String)>;
        task_log_end(id: TaskId) -> (u32, u64);
        tasks_open(execution: ExecutionId) -> Vec<TaskId>;
    }
    TaskRowsMut {
        task_insert(new: &NewTask) -> TaskId;
        tasks_due(status: TaskStatus, priority: Priority, kinds: &[&str], now: Timestamp, limit: u32) -> Vec<Task>;
        task_lock(id: TaskId) -> Option<Task>;
        task_save(task: &Task) -> ();
        tasks_release(now: Timestamp) -> ();
        tasks_beat(owner: &str, tasks: &[TaskId], until: Timestamp) -> ();
        task_wake(key: &str, now: Timestamp) -> ();
        task_log_put(id: TaskId, number: u32, text: &str) -> ();
    }
    RetentionRows {
        retention(id: RetentionId) -> Option<RetentionPolicy>;
        retention_of(project: Option<ProjectId>) -> Option<RetentionPolicy>;
        retention_artifacts(repository: RepositoryId, after: (Timestamp, ManifestId), limit: u32) -> Vec<RetentionArtifact>;
        retention_tags(repository: RepositoryId, after: Option<&str>, limit: u32) -> Vec<ArtifactTag>;
        retention_tag(repository: RepositoryId, tag: &Tag) -> Option<ArtifactTag>;
    }
    RetentionRowsMut {
        retention_insert(policy: &RetentionPolicy) -> RetentionId;
        retention_lock(id: RetentionId) -> Option<RetentionPolicy>;
        retention_save(policy: &RetentionPolicy) -> bool;
        retention_delete(id: RetentionId) -> bool;
    }
    WebhookRows {
        webhook(id: WebhookId) -> Option<WebhookPolicy>;
        webhooks(project: Option<ProjectId>, query: &Query<WebhookKey>) -> Listed<WebhookPolicy>;
        webhooks_enabled() -> Vec<WebhookPolicy>;
        webhooks_telling(projects: &[ProjectId]) -> Vec<WebhookPolicy>;
        webhook_triggers(id: WebhookId) -> Vec<(String, Timestamp)>;
    }
    WebhookRowsMut {
        webhook_insert(policy: &WebhookPolicy) -> WebhookId;
        webhook_lock(id: WebhookId) -> Option<WebhookPolicy>;
        webhook_save(policy: &WebhookPolicy) -> ();
        webhook_trigger_put(id: WebhookId, event_type: &str, at: Timestamp) -> ();
        webhook_delete(id: WebhookId) -> bool;
    }
    ScheduleRows {
        schedule(kind: &str, subject: i64) -> Option<Schedule>;
        schedules(query: &Query<ScheduleKey>) -> Listed<Schedule>;
        schedules_due(now: Timestamp, limit: u32) -> Vec<Schedule>;
        schedule_next() -> Option<Timestamp>;
    }
    ScheduleRowsMut {
        schedule_put(schedule: &Schedule) -> ();
        schedule_lock(kind: &str, subject: i64) -> Option<Schedule>;
        schedule_delete(kind: &str, subject: i64) -> bool;
    }
    WorkerPoolRows {
        worker_pools(since: Timestamp) -> Vec<WorkerPool>;
    }
    WorkerPoolRowsMut {
        worker_pool_put(pool: &WorkerPool) -> ();
        worker_pools_forget(before: Timestamp) -> ();
    }
    AuditRows {
        audit_log(scope: &AuditScope, query: &Query<AuditKey>) -> Listed<AuditRow>;
        audit_lines(scope: &AuditScope, query: &Query<AuditKey>) -> Vec<AuditRow>;
        audit_after(after: AuditId, limit: u32) -> Vec<AuditRow>;
    }
    AuditChainRows {
        audit_last_link() -> Option<AuditLink>;
        audit_links(after: i64, limit: u32) -> Vec<AuditLink>;
        audit_links_of(lines: &[AuditId]) -> Vec<AuditLink>;
        audit_between(after: AuditId, to: AuditId, limit: u32) -> Vec<AuditRow>;
        audit_last_head() -> Option<AuditHead>;
        audit_heads(after: i64, limit: u32) -> Vec<AuditHead>;
    }
    AuditChainRowsMut {
        audit_link(links: &[AuditLink]) -> ();
        audit_links_purge(links: &[i64], purged: &str) -> ();
        audit_links_cut(to: i64) -> ();
        audit_head(head: &AuditHead, forget: i64) -> ();
    }
    AuditRowsMut {
        audit_insert(line: &AuditLine) -> ();
        audit_delete(lines: &[AuditId]) -> ();
    }
    SettingRows {
        setting(key: &str) -> Option<String>;
    }
    SettingRowsMut {
        setting_put(key: &str, value: &str) -> ();
        setting_claim(key: &str, value: &str) -> String;
    }
    UserRows {
        user(id: UserId) -> Option<User>;
        user_named(name: &str) -> Option<User>;
        users(query: &Query<UserKey>) -> Listed<User>;
    }
    UserRowsMut {
        user_insert(user: &User) -> UserId;
        user_lock(id: UserId) -> Option<User>;
        user_save(user: &User) -> ();
        user_delete(id: UserId) -> bool;
    }
    GroupRows {
        group(id: GroupId) -> Option<Group>;
        groups(query: &Query<GroupKey>) -> Listed<Group>;
        groups_of(user: UserId) -> Vec<GroupId>;
    }
    GroupRowsMut {
        group_insert(group: &Group) -> GroupId;
        group_rename(id: GroupId, name: &str, now: Timestamp) -> bool;
        group_delete(id: GroupId) -> bool;
        groups_of_replace(user: UserId, groups: &[GroupId]) -> ();
    }
    MemberRows {
        member(project: ProjectId, id: MemberId) -> Option<Member>;
        members(project: ProjectId, query: &Query<MemberKey>) -> Listed<Member>;
        memberships(user: UserId) -> Vec<Membership>;
        members_by_role(project: ProjectId) -> Vec<(RoleId, u64)>;
    }
    MemberRowsMut {
        member_insert(member: &NewMember<'_>) -> MemberId;
        member_update(project: ProjectId, id: MemberId, role: RoleId, repositories: &[Pattern], now: Timestamp) -> bool;
        member_delete(project: ProjectId, id: MemberId) -> bool;
    }
    RoleRows {
        roles() -> Vec<CustomRole>;
    }
    RoleRowsMut {
        role_insert(role: &CustomRole) -> RoleId;
        role_save(role: &CustomRole) -> bool;
        role_delete(id: RoleId) -> bool;
    }
    RobotRows {
        robot(id: RobotId) -> Option<Robot>;
        robot_named(project: Option<ProjectId>, name: &str) -> Option<Robot>;
        robots(project: Option<ProjectId>, query: &Query<RobotKey>) -> Listed<Robot>;
    }
    RobotRowsMut {
        robot_insert(robot: &Robot) -> RobotId;
        robot_lock(id: RobotId) -> Option<Robot>;
        robot_save(robot: &Robot) -> ();
        robot_delete(id: RobotId) -> bool;
    }
    PersonalTokenRows {
        personal_token(digest: &str) -> Option<PersonalToken>;
        personal_token_of(id: TokenId) -> Option<PersonalToken>;
        personal_tokens(user: UserId) -> Vec<PersonalToken>;
    }
    PersonalTokenRowsMut {
        personal_token_insert(token: &PersonalToken) -> TokenId;
        personal_token_used(id: TokenId, now: Timestamp) -> ();
        personal_token_delete(user: UserId, id: TokenId) -> bool;
    }
    SessionRows {
        session(digest: &str) -> Option<Session>;
        session_has_ended(now: Timestamp) -> bool;
    }
    SessionRowsMut {
        session_insert(session: &Session) -> ();
        session_extend(digest: &str, expires_at: Timestamp) -> ();
        session_delete(digest: &str) -> bool;
        sessions_expire(now: Timestamp, limit: u32) -> u64;
    }
    RevisionRows {
        revision(kind: &str) -> i64;
    }
    RevisionRowsMut {
        revision_count(kind: &str) -> ();
    }
    QuotaRows {
        quota(id: QuotaId) -> Option<Quota>;
        quota_of(project: ProjectId) -> Option<Quota>;
        quotas(query: &Query<QuotaKey>) -> Listed<Quota>;
        usage(project: ProjectId) -> Usage;
        content_is_held(project: ProjectId, digest: &Digest) -> bool;
    }
    QuotaRowsMut {
        quota_set(id: QuotaId, hard: i64, now: Timestamp) -> bool;
        growth() -> Vec<Growth>;
        usage_claim(project: ProjectId, alone: bool) -> Usage;
    }
}
