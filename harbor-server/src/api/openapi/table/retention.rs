//! Retention.

use harbor_core::api;

use super::{Answer, Documented, op};
use crate::api::openapi::shape::of;

pub(super) const TABLE: &[Documented] = &[
    op(
        "getRentenitionMetadata",
        "Catalogue of retention templates, selectors, decorations",
        &[],
        None,
        Answer::One(of::<api::RetentionMetadata>()),
    ),
    op(
        "createRetention",
        "Create retention policy bound to project",
        &[],
        Some(of::<api::RetentionPolicy>()),
        Answer::Created,
    ),
    op("getRetention", "One retention policy", &[], None, Answer::One(of::<api::RetentionPolicy>())),
    op(
        "updateRetention",
        "Change retention policy",
        &[],
        Some(of::<api::RetentionPolicy>()),
        Answer::Nothing,
    ),
    op(
        "deleteRetention",
        "Delete retention policy with its schedule and its runs",
        &[],
        None,
        Answer::Nothing,
    ),
    op(
        "triggerRetentionExecution",
        "Run retention (dry_run supported)",
        &[],
        Some(of::<api::RetentionRun>()),
        Answer::Created,
    ),
    op("listRetentionExecutions", "Retention runs", &[], None, Answer::Page(of::<api::RetentionExecution>())),
    op(
        "operateRetentionExecution",
        "Stop retention run (action=stop)",
        &[],
        Some(of::<api::RetentionOperation>()),
        Answer::Nothing,
    ),
    op(
        "listRetentionTasks",
        "Per-repository tasks of retention run",
        &[],
        None,
        Answer::Page(of::<api::RetentionExecutionTask>()),
    ),
    op(
        "getRetentionTaskLog",
        "Text log of retention task; follow=true until it is over",
        &["follow"],
        None,
        Answer::Text,
    ),
    op(
        "getDefaultRetention",
        "Retention policy of all projects that have none of their own",
        &[],
        None,
        Answer::One(of::<api::RetentionPolicy>()),
    )
    .may(&[404]),
    op(
        "updateDefaultRetention",
        "Set the retention policy of all projects that have none of their own",
        &[],
        Some(of::<api::RetentionPolicy>()),
        Answer::Nothing,
    ),
    op(
        "deleteDefaultRetention",
        "Delete the retention policy of all projects that have none of their own",
        &[],
        None,
        Answer::Nothing,
    )
    .may(&[404]),
    op(
        "previewRetention",
        "What a run would delete, and which rule keeps each of the rest",
        &[],
        Some(of::<api::RetentionPreviewReq>()),
        Answer::Page(of::<api::RetentionPreview>()),
    )
    .may(&[412]),
];
