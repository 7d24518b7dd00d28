//! The list of permissions: one table of (resource, action, scope) that yields a marker type each.
//!
//! Resources and actions have Harbor's names.

use std::fmt;

use super::authorized::{InProject, InRepository, InSystem, Scope};

/// One entry of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permission {
    /// What is acted on.
    pub resource: &'static str,
    /// What is done to it.
    pub action: &'static str,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource, self.action)
    }
}

/// A permission as a type.
pub trait Action: Send + Sync + 'static + sealed::Sealed {
    /// The entry of the list.
    const PERMISSION: Permission;
    /// What it is granted on.
    type Scope: Scope;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $resource:literal $action:literal in $scope:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $name {}
            impl sealed::Sealed for $name {}
            impl Action for $name {
                const PERMISSION: Permission = Permission { resource: $resource, action: $action };
                type Scope = $scope;
            }
        )*
        /// Every permission there is.
        pub const ALL: &[Permission] = &[$($name::PERMISSION),*];
    };
}

permissions! {
    /// Read manifests, blobs, tags and referrers of a repository.
    RepositoryPull = "repository" "pull" in InRepository;
    /// Push blobs, manifests and tags to a repository.
    RepositoryPush = "repository" "push" in InRepository;
    /// Delete manifests and blobs of a repository.
    ArtifactDelete = "artifact" "delete" in InRepository;
    /// Delete tags of a repository.
    TagDelete = "tag" "delete" in InRepository;
    /// Know that a project exists, and read it.
    ProjectRead = "project" "read" in InProject;
    /// Delete a project.
    ProjectDelete = "project" "delete" in InProject;
    /// Make a project.
    ProjectCreate = "project" "create" in InSystem;
    /// Collect garbage by hand.
    GarbageCollect = "garbage-collection" "create" in InSystem;
    /// Change settings of the whole registry.
    ConfigurationUpdate = "configuration" "update" in InSystem;
}
