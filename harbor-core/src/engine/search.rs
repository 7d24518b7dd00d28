//! Looking for projects and repositories by a part of their names, and figures of the registry.

use std::collections::BTreeMap;

use super::Harbor;
use crate::access::permission::{ProjectRead, RepositoryList};
use crate::access::{Actor, ProjectFilter};
use crate::meta::{Figures, Project, ProjectId, ProjectKey, RepositoryEntry, RepositoryKey};
use crate::query::{Order, Query, Test};
use crate::{Error, Result};

/// How many projects, and how many repositories, are found at most.
const MOST: u32 = 250;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct FoundAll {
    /// Projects, by name.
    pub projects: Vec<Project>,
    /// Repositories, by name, each with whether its project is public.
    pub repositories: Vec<(RepositoryEntry, bool)>,
}

/// Figures of the registry, as somebody may see them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Of the projects and repositories that they may see.
    pub figures: Figures,
    /// How many bytes are stored: only for who may see everything.
    pub stored_bytes: Option<u64>,
}

impl Harbor {
    /// The projects and repositories that `actor` may know of and that have `text` in their names; of each the first 250 by name.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn search(&self, actor: &Actor, text: &str) -> Result<FoundAll> {
        let projects = Query::default().page(1, MOST).sort(ProjectKey::Name, Order::Ascending);
        let repositories = Query::default().page(1, MOST).sort(RepositoryKey::Name, Order::Ascending);
        let (projects, repositories) = match text {
            // Everything has nothing in it.
            "" => (projects, repositories),
            text => (
                projects.filter(ProjectKey::Name, Test::Like(text.to_owned())),
                repositories.filter(RepositoryKey::Name, Test::Like(text.to_owned())),
            ),
        };
        let known = self.visible::<ProjectRead>(actor).await?;
        let listed = self.matched(actor, self.visible::<RepositoryList>(actor).await?).await?;
        let mut rows = self.read().await?;
        let projects = rows.projects(&known, &projects).await?.entries;
        let entries = rows.repository_entries(&listed, &repositories).await?.entries;
        drop(rows);
        let mut found = FoundAll { projects, repositories: Vec::with_capacity(entries.len()) };
        let mut public: BTreeMap<ProjectId, Option<bool>> =
            found.projects.iter().map(|project| (project.id, Some(project.public))).collect();
        for entry in entries {
            let id = entry.repository.project;
            let is_public = match public.get(&id) {
                Some(known) => *known,
                None => self.project_of(id).await?.map(|project| project.public),
            };
            public.insert(id, is_public);
            found.repositories.extend(is_public.map(|is_public| (entry, is_public)));
        }
        Ok(found)
    }

    /// Figures of what `actor` may see.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for nobody in particular.
    pub async fn statistics(&self, actor: &Actor) -> Result<Statistics> {
        if actor.is_anonymous() {
            return Err(Error::Unauthenticated);
        }
        let filter = self.visible::<ProjectRead>(actor).await?;
        let listed = self.matched(actor, self.visible::<RepositoryList>(actor).await?).await?;
        let mut rows = self.read().await?;
        let figures = rows.figures(&filter, &listed).await?;
        let stored_bytes = match filter {
            ProjectFilter::All if actor.is_administrator() => Some(rows.stored_bytes().await?),
            _ => None,
        };
        Ok(Statistics { figures, stored_bytes })
    }
}
