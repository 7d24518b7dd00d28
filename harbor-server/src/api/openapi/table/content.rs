//! Repositories, artifacts, tags, labels.

use harbor_core::api;

use super::{Answer, Documented, op};
use crate::api::openapi::shape::of;

pub(super) const TABLE: &[Documented] = &[
    op(
        "listAllRepositories",
        "Repositories across all projects the caller can access",
        &[],
        None,
        Answer::Page(of::<api::Repository>()),
    ),
    op("listRepositories", "Repositories in a project", &[], None, Answer::Page(of::<api::Repository>())),
    op(
        "getRepository",
        "One repository with artifact_count/pull_count",
        &[],
        None,
        Answer::One(of::<api::Repository>()),
    ),
    op(
        "updateRepository",
        "Change description of repository",
        &[],
        Some(of::<api::RepositoryUpdate>()),
        Answer::Nothing,
    ),
    op("deleteRepository", "Delete repository and its artifacts", &[], None, Answer::Nothing).may(&[412]),
    op(
        "listArtifacts",
        "Artifacts of a repository with opt-in tag/label/accessory info",
        &[
            "with_tag",
            "with_label",
            "with_scan_overview",
            "with_sbom_overview",
            "with_immutable_status",
            "with_accessory",
            "with_inherited_accessory",
        ],
        None,
        Answer::Page(of::<api::Artifact>()),
    ),
    op(
        "listArtifactsOfProject",
        "Artifacts across a project (latest_in_repository=true gives newest per repository)",
        &[
            "latest_in_repository",
            "with_tag",
            "with_label",
            "with_scan_overview",
            "with_sbom_overview",
            "with_immutable_status",
            "with_accessory",
            "with_inherited_accessory",
        ],
        None,
        Answer::Page(of::<api::Artifact>()),
    ),
    op(
        "CopyArtifact",
        "Server-side copy from another repo via ?from=project/repo@ref or :tag",
        &["from"],
        None,
        Answer::Created,
    )
    .may(&[412, 422]),
    op(
        "getArtifact",
        "One artifact by tag or digest with the same opt-in info",
        &[
            "with_tag",
            "with_label",
            "with_scan_overview",
            "with_sbom_overview",
            "with_immutable_status",
            "with_accessory",
            "with_inherited_accessory",
            "with_signature",
        ],
        None,
        Answer::One(of::<api::Artifact>()),
    ),
    op(
        "listDeletedArtifacts",
        "Artifacts that were deleted and can be put back",
        &[],
        None,
        Answer::Page(of::<api::DeletedArtifact>()),
    ),
    op(
        "restoreArtifact",
        "Put back a deleted artifact, with what was deleted along and the tags that are free",
        &[],
        None,
        Answer::One(of::<api::RestoredArtifact>()),
    )
    .may(&[412, 422]),
    op("deleteArtifact", "Delete artifact and all its tags", &[], None, Answer::Nothing).may(&[412]),
    op("createTag", "Attach extra tag to artifact", &[], Some(of::<api::NewTag>()), Answer::Added),
    op(
        "listTags",
        "Tags on an artifact, optional immutable status",
        &["with_immutable_status"],
        None,
        Answer::Page(of::<api::Tag>()),
    ),
    op("deleteTag", "Remove one tag only (artifact stays)", &[], None, Answer::Nothing).may(&[412]),
    op(
        "listAccessories",
        "Accessories (signatures, SBOM, ...) hanging off an artifact",
        &[],
        None,
        Answer::Page(of::<api::Accessory>()),
    ),
    op(
        "getAddition",
        "Other addition: build_history, values.yaml, readme.md, dependencies",
        &[],
        None,
        Answer::Addition,
    )
    .may(&[413, 422]),
    op("addLabel", "Put existing label on artifact", &[], Some(of::<api::Label>()), Answer::Nothing),
    op("removeLabel", "Take label off artifact", &[], None, Answer::Nothing),
    op(
        "ListLabels",
        "Labels by scope g/p",
        &["name", "scope", "project_id"],
        None,
        Answer::Page(of::<api::Label>()),
    )
    .may(&[404]),
    op("CreateLabel", "Create global or project label", &[], Some(of::<api::Label>()), Answer::Created)
        .may(&[404]),
    op("GetLabelByID", "One label", &[], None, Answer::One(of::<api::Label>())),
    op("UpdateLabel", "Change label", &[], Some(of::<api::Label>()), Answer::Nothing),
    op("DeleteLabel", "Delete label", &[], None, Answer::Nothing),
];
