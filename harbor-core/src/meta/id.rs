//! Keys of rows: made by the database, never used again.

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(i64);

        impl $name {
            /// The key as the database has it.
            #[must_use]
            pub const fn new(id: i64) -> Self {
                Self(id)
            }

            /// The key as the database has it.
            #[must_use]
            pub const fn get(self) -> i64 {
                self.0
            }
        }
    )*};
}

ids! {
    /// A project's incarnation: a project that is deleted and made again gets another.
    ProjectId;
    /// A repository.
    RepositoryId;
    /// A blob, whatever repositories it is linked to.
    BlobId;
    /// The link of a repository to a blob.
    LinkId;
    /// Bytes that are to be deleted.
    GarbageId;
    /// A manifest in a repository.
    ManifestId;
    /// A user.
    UserId;
    /// A group of users.
    GroupId;
    /// The membership of a user or a group in a project.
    MemberId;
    /// A role: one that is built in ([`Role::id`](crate::access::Role::id)), or one that was made.
    RoleId;
    /// A robot.
    RobotId;
    /// A personal access token.
    TokenId;
    /// A tag of a repository.
    TagId;
    /// A label.
    LabelId;
    /// A rule of immutable tags.
    ImmutableRuleId;
    /// A policy of retention.
    RetentionId;
    /// The quota of a project.
    QuotaId;
    /// A line of the audit log.
    AuditId;
    /// One time that something was set going.
    ExecutionId;
    /// A job in the queue.
    TaskId;
    /// A schedule.
    ScheduleId;
    /// A policy of webhooks.
    WebhookId;
}
