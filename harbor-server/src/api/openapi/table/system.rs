//! The registry itself: health, configuration, search, the audit log.

use harbor_core::api;

use super::{Answer, Documented, op};
use crate::api::openapi::shape::of;

pub(super) const TABLE: &[Documented] = &[
    op(
        "getHealth",
        "Aggregate health plus per-component status; no login needed",
        &[],
        None,
        Answer::One(of::<api::OverallHealthStatus>()),
    ),
    op("getPing", "Liveness, returns plain text Pong", &[], None, Answer::Text),
    op(
        "getSystemInfo",
        "Public facts (auth_mode, self_registration, banner); more when logged in",
        &[],
        None,
        Answer::One(of::<api::GeneralInfo>()),
    ),
    op(
        "getConfigurations",
        "Read user-scope settings, each as {value, editable}",
        &[],
        None,
        Answer::One(of::<api::ConfigurationsResponse>()),
    ),
    op(
        "getInternalconfig",
        "The same, for internal components",
        &[],
        None,
        Answer::One(of::<api::ConfigurationsResponse>()),
    ),
    op(
        "updateConfigurations",
        "Partial update of settings; only sent keys change",
        &[],
        Some(of::<api::Configurations>()),
        Answer::Nothing,
    ),
    op("getVolumes", "Total/free bytes of storage", &[], None, Answer::One(of::<api::SystemInfo>())),
    op(
        "streamEvents",
        "Events as they happen (server-sent events): of some kinds, of a project, after the one of a number, for so many seconds. Of pulls only where a webhook policy wants them",
        &["kind", "project_name", "after", "seconds"],
        None,
        Answer::Stream(of::<api::Event>()),
    ).may(&[404]),
    op("getCert", "Download CA root certificate file", &[], None, Answer::Text).may(&[404]),
    op(
        "search",
        "Name search across projects + repositories the caller may see (q= plain text)",
        &["q"],
        None,
        Answer::One(of::<api::Search>()),
    ).may(&[422]),
    op(
        "getStatistic",
        "Project/repo counts (private/public/total) and total storage for caller",
        &[],
        None,
        Answer::One(of::<api::Statistic>()),
    ),
    op(
        "rotateTokenKeys",
        "Make a new key that signs tokens; those that were signed before go on to work. It happens every 90 days by itself",
        &[],
        None,
        Answer::Nothing,
    ).may(&[412]),
    op(
        "listAuditLogs",
        "Audit log of artifacts, tags, repositories and projects, as far as the caller may see it",
        &[],
        None,
        Answer::Page(of::<api::AuditLog>()),
    ),
    op(
        "listAuditLogExts",
        "Audit log, as far as the caller may see it",
        &[],
        None,
        Answer::Page(of::<api::AuditLogExt>()),
    ),
    op(
        "exportAuditLog",
        "All lines of the audit log that the caller may see, the oldest first; format is jsonl or csv",
        &["q", "format"],
        None,
        Answer::Records,
    ).may(&[422]),
    op(
        "verifyAuditLog",
        "Verify the audit log: whether a line was changed, deleted, put in or reordered since it was sealed; head=seq:hash for each \
         head that was kept",
        &["head"],
        None,
        Answer::One(of::<api::AuditVerification>()),
    ).may(&[422]),
    op(
        "listAuditLogEventTypes",
        "Types of events that may be left out of the audit log",
        &[],
        None,
        Answer::Many(of::<api::AuditLogEventType>()),
    ),
];
