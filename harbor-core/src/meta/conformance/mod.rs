//! The conformance suite of [`MetadataStore`]: every clause of its contract, and every row method, as a test that any driver
//! can run.
//!
//! A driver proves itself with one line in its own tests:
//!
//! ```
//! use std::sync::Arc;
//! use harbor_core::meta::MetadataStore;
//! use harbor_core::meta::conformance::MetadataFixture;
//!
//! # async fn connect() -> Arc<dyn MetadataStore> { unimplemented!() }
//! struct MyStore;
//!
//! #[async_trait::async_trait]
//! impl MetadataFixture for MyStore {
//!     async fn open(&self) -> Arc<dyn MetadataStore> {
//!         connect().await
//!     }
//! }
//!
//! harbor_core::metadata_store_conformance!(MyStore);
//! # mod ignored {
//! # use super::MyStore;
//! // Or, when the driver needs a server that is not always there, with attributes for each test:
//! harbor_core::metadata_store_conformance!(MyStore, #[ignore = "needs a server"]);
//! # }
//! # fn main() {}
//! ```

// A test suite: it fails by panicking, and it ships in the library only so that others can run it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod artifacts;
mod artifacts_bounded;
mod atomicity;
mod audit;
mod blobs;
mod collecting;
mod contention;
mod executions;
mod garbage;
mod hiding;
mod immutable;
mod jobs;
mod kit;
mod labels;
mod links;
mod lists;
mod manifests;
mod names;
mod outbox;
mod patterns;
mod people;
mod publish;
mod quotas;
mod repositories;
mod retention;
mod reviews;
mod robots;
mod trash;
mod uploads;
mod webhooks;

use std::sync::Arc;

use async_trait::async_trait;

pub use artifacts::{
    accessories, artifact_describe, artifact_is_held, artifact_tags, artifacts_at_once, artifacts_filtered,
    artifacts_hidden, artifacts_listed, artifacts_of_project, pulls_add, references, tag_insert,
};
pub use artifacts_bounded::{artifacts_bounded, artifacts_share};
pub use atomicity::{
    committed, dropped, failed, failing_neighbour, group_commit, healthy, isolated, read_in_a_transaction,
    reads_do_not_wait,
};
pub use audit::{audit_after, audit_between, audit_chain, audit_log, audit_log_of_projects};
pub use blobs::{blob_ensure, blob_lock, blob_locks_wait, blob_repositories};
pub use collecting::{
    links_delete, links_delete_at_once, links_delete_until_the_last, links_review, links_review_locks,
    links_unreferenced,
};
pub use contention::{
    announced, deadlock, ensure_at_once, lease_at_once, lock_waits, locks_of_one_order, manifest_at_once,
    settings_at_once,
};
pub use executions::{execution_insert, executions_beyond, executions_listed};
pub use garbage::{garbage_due, garbage_forget, garbage_postpone};
pub use hiding::{
    child_anew_beside_index_delete, index_beside_delete, manifest_beside_index, manifest_beside_index_delete,
    tag_moved_beside_index, tag_moved_beside_move, tag_moved_by_many, untagged_beside_index,
};
pub use immutable::{
    immutable_rule_insert, immutable_rules_listed, tag_put_beside_others, tag_put_with_rules,
};
pub use jobs::{
    schedules, task_head, task_insert, task_last_priority, task_log, task_save_alone, tasks_beat, tasks_due,
    tasks_due_at_once, tasks_listed, worker_pools,
};
pub use labels::{label_insert, label_put, labels_listed};
pub use links::{
    link_ensure, link_ensure_of_nothing, link_is_referenced, link_is_referenced_by_sparse, link_lock,
    linked_blob, links_delete_of_one, links_delete_of_referenced, links_lock,
};
pub use lists::{catalog_filtered, catalog_paged, order_of_bytes, projects_paged, tags_paged};
pub use manifests::{
    dangling, large_payload, manifest_by_tag, manifest_delete, manifest_ensure, manifest_lock,
    manifests_present, referrers, tag_delete, tag_put,
};
pub use names::{
    case_and_accents, keys_are_never_used_again, project_delete, project_delete_with_repositories,
    project_ensure, repository_ensure, repository_ensure_without_project, unicode,
};
pub use outbox::{event_cursor, events, events_delete, setting_claim, setting_put};
pub use patterns::{artifacts_of_repositories, lists_within_many_projects, lists_within_patterns};
pub use people::{
    groups, groups_of_replace, members, memberships, roles, user_delete, user_insert, user_save, users,
};
pub use publish::{
    publish_again, publish_first, publish_locks, publish_other_repository, publish_without_session,
};
pub use quotas::{
    additions_do_not_wait, claims_alone, counted_at_once, counted_by_publish, counted_manifests,
    counted_once, counted_when_committed, quota_goes_with_project, quota_set, quotas_listed,
};
pub use repositories::{
    emptied_repositories, figures, repository_delete, repository_describe, repository_entries,
};
pub use retention::{retention_artifacts, retention_insert, retention_tags};
pub use reviews::{review_extend, review_postpone, review_put, reviews_delete, reviews_due};
pub use robots::{personal_tokens, project_save, revisions, robots, sessions};
pub use trash::{trash, trash_expire};
pub use uploads::{upload_delete, upload_insert, upload_lease, upload_release, upload_save, uploads_idle};
pub use webhooks::{event_cursor_lock, webhook_insert, webhook_triggers, webhooks_listed};

use super::MetadataStore;

/// A store to test.
#[async_trait]
pub trait MetadataFixture: Send + Sync {
    /// The store, which was empty when the fixture was made. Each call yields a handle of its own, as another node would
    /// have it, where the store is shared; and the same handle where it is exclusive.
    async fn open(&self) -> Arc<dyn MetadataStore>;
}

/// Runs one clause to its end, on a runtime of its own with four threads.
pub fn run(clause: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    runtime.expect("a runtime").block_on(clause);
}

/// Makes one `#[test]` of each clause of the contract of [`MetadataStore`](crate::meta::MetadataStore), and of each row
/// method.
///
/// The first argument is an expression that yields a fresh [`MetadataFixture`]; it is evaluated once per test. What follows
/// are attributes for each test, such as `#[ignore = "needs a server"]`.
#[macro_export]
macro_rules! metadata_store_conformance {
    ($fixture:expr $(, $(#[$attribute:meta])*)?) => {
        $crate::metadata_store_conformance! { @all $fixture, [$($(#[$attribute])*)?],
            healthy committed dropped failed isolated read_in_a_transaction reads_do_not_wait failing_neighbour
            group_commit
            announced lock_waits locks_of_one_order deadlock ensure_at_once manifest_at_once lease_at_once settings_at_once
            case_and_accents keys_are_never_used_again unicode
            project_ensure project_delete project_delete_with_repositories
            repository_ensure repository_ensure_without_project
            order_of_bytes projects_paged tags_paged catalog_paged catalog_filtered
            blob_ensure blob_lock blob_locks_wait blob_repositories
            publish_first publish_again publish_other_repository publish_without_session publish_locks
            linked_blob link_ensure link_ensure_of_nothing link_lock links_lock link_is_referenced
            link_is_referenced_by_sparse links_delete_of_one links_delete_of_referenced
            manifest_ensure manifest_lock manifest_by_tag manifests_present manifest_delete large_payload referrers
            tag_put tag_insert tag_delete dangling
            artifacts_listed artifacts_filtered artifacts_of_project artifacts_hidden artifacts_at_once artifacts_bounded
            artifacts_share artifact_tags
            index_beside_delete untagged_beside_index tag_moved_beside_index tag_moved_beside_move tag_moved_by_many
            manifest_beside_index manifest_beside_index_delete child_anew_beside_index_delete
            artifact_describe artifact_is_held references accessories pulls_add
            lists_within_patterns lists_within_many_projects artifacts_of_repositories emptied_repositories
            repository_entries repository_describe repository_delete figures
            label_insert label_put labels_listed
            immutable_rule_insert immutable_rules_listed tag_put_with_rules tag_put_beside_others
            retention_insert retention_artifacts retention_tags trash trash_expire
            webhook_insert webhook_triggers webhooks_listed event_cursor_lock
            counted_once counted_by_publish counted_manifests counted_when_committed counted_at_once
            additions_do_not_wait claims_alone quota_set quotas_listed quota_goes_with_project
            upload_insert upload_save upload_lease upload_release upload_delete uploads_idle
            reviews_due review_put review_extend review_postpone reviews_delete
            garbage_due garbage_forget garbage_postpone
            events event_cursor events_delete audit_log audit_log_of_projects audit_after audit_chain audit_between setting_put setting_claim
            links_review links_unreferenced links_delete links_delete_until_the_last links_delete_at_once links_review_locks
            execution_insert executions_listed executions_beyond task_insert tasks_listed tasks_due tasks_due_at_once task_save_alone
            task_head task_last_priority tasks_beat task_log schedules worker_pools
            user_insert user_save users user_delete groups groups_of_replace members memberships roles
            robots personal_tokens sessions revisions project_save
        }
    };
    (@all $fixture:expr, $attributes:tt, $($clause:ident)*) => {
        $($crate::metadata_store_conformance! { @one $fixture, $attributes, $clause })*
    };
    (@one $fixture:expr, [$($attribute:tt)*], $clause:ident) => {
        #[test]
        $($attribute)*
        fn $clause() {
            $crate::meta::conformance::run(async {
                $crate::meta::conformance::$clause(&$fixture).await;
            });
        }
    };
}
