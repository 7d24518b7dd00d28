//! Repositories, artifacts and labels.

use harbor_core::api;

use super::noun::nouns;
use super::query::ProjectRef;

nouns! {
    /// Repositories, by their names within a project.
    repositories Repositories {
        /// Those of all projects that may be seen.
        all "listAllRepositories" () => Pages[api::Repository];
        /// Those of a project.
        list "listRepositories" (project_name: &str) => Pages[api::Repository];
        /// One repository.
        get "getRepository" (project_name: &str, repository_name: &str) => One[api::Repository];
        /// Changes what is said of it.
        update "updateRepository" (project_name: &str, repository_name: &str) with api::RepositoryUpdate => Nothing;
        /// Deletes it with its artifacts.
        delete "deleteRepository" (project_name: &str, repository_name: &str) => Nothing;
    }

    /// Artifacts, by tag or by digest.
    artifacts Artifacts {
        /// Those of a repository; `with_tag`, `with_label` and others say what is told of each.
        list "listArtifacts" (project_name: &str, repository_name: &str) => Pages[api::Artifact];
        /// Those of a project; with `latest_in_repository` the newest of each repository.
        of_project "listArtifactsOfProject" (project_name_or_id: ProjectRef<'_>) => Pages[api::Artifact];
        /// Copies the artifact that `from` names (`project/repository:tag`) here.
        copy "CopyArtifact" (project_name: &str, repository_name: &str) => Created asks;
        /// One artifact.
        get "getArtifact" (project_name: &str, repository_name: &str, reference: &str) => One[api::Artifact] asks;
        /// Deletes it with its tags, and what belongs to it.
        delete "deleteArtifact" (project_name: &str, repository_name: &str, reference: &str) => Nothing;
        /// Gives it another tag.
        create_tag "createTag" (project_name: &str, repository_name: &str, reference: &str) with api::NewTag => Created;
        /// Its tags.
        tags "listTags" (project_name: &str, repository_name: &str, reference: &str) => Pages[api::Tag];
        /// Takes a tag away.
        delete_tag "deleteTag" (project_name: &str, repository_name: &str, reference: &str, tag_name: &str) => Nothing;
        /// What belongs to it: signatures, SBOMs.
        accessories "listAccessories" (project_name: &str, repository_name: &str, reference: &str) => Pages[api::Accessory];
        /// What can be read out of it: `build_history`, `values.yaml`, `readme.md`, `dependencies`.
        addition "getAddition" (project_name: &str, repository_name: &str, reference: &str, addition: &str) => Text;
        /// Puts a label on it, by its key.
        add_label "addLabel" (project_name: &str, repository_name: &str, reference: &str) with api::Label => Nothing;
        /// Takes a label off it.
        remove_label "removeLabel" (project_name: &str, repository_name: &str, reference: &str, label_id: i64) => Nothing;
    }

    /// Artifacts that were deleted and can be put back. Harbor has none.
    deleted_artifacts DeletedArtifacts {
        /// Those of a repository.
        list "listDeletedArtifacts" (project_name: &str, repository_name: &str) => Pages[api::DeletedArtifact];
        /// Puts one back, with what was deleted along.
        restore "restoreArtifact" (project_name: &str, repository_name: &str, digest: &str) => One[api::RestoredArtifact];
    }

    /// Labels, of everybody and of projects.
    labels Labels {
        /// The labels of a `scope`: `g`, or `p` with a `project_id`.
        list "ListLabels" () => Pages[api::Label];
        /// Makes a label.
        create "CreateLabel" () with api::Label => Created;
        /// One label.
        get "GetLabelByID" (label_id: i64) => One[api::Label];
        /// Changes a label.
        update "UpdateLabel" (label_id: i64) with api::Label => Nothing;
        /// Deletes a label, and takes it off everything.
        delete "DeleteLabel" (label_id: i64) => Nothing;
    }
}
