//! Search and statistics.

use axum::body::Body;
use harbor_core::api::{Search, SearchRepository, Statistic};
use harbor_core::meta::RepositoryEntry;
use harbor_core::{Error, Result};
use http::Response;

use super::answer::{Answered, ok};
use super::call::Call;
use super::projects;

pub(super) async fn answer(call: &Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "search" => search(call).await?,
        "getStatistic" => statistic(call).await?,
        _ => return Ok(None),
    }))
}

async fn search(call: &Call<'_>) -> Result<Response<Body>> {
    // It may be empty, but must be there.
    let text = call.parameters().find(|(name, _)| name == "q").map(|(_, text)| text.into_owned());
    let text = text.ok_or_else(|| Error::Unprocessable("q is needed".to_owned()))?;
    let found = call.harbor().search(&call.actor, &text).await?;
    let project = projects::wires(call, &found.projects).await?;
    let repository = found.repositories.iter().map(|(entry, public)| wire(entry, *public)).collect();
    ok(&Search { project, repository })
}

fn wire(entry: &RepositoryEntry, public: bool) -> SearchRepository {
    let name = &entry.repository.name;
    SearchRepository {
        project_id: entry.repository.project.get(),
        project_name: name.project().unwrap_or_default().to_owned(),
        project_public: public,
        repository_name: name.to_string(),
        pull_count: entry.pulls,
        artifact_count: entry.artifacts,
    }
}

async fn statistic(call: &Call<'_>) -> Result<Response<Body>> {
    call.login()?;
    let statistics = call.harbor().statistics(&call.actor).await?;
    let figures = statistics.figures;
    let mut statistic = Statistic {
        private_project_count: figures.private_projects,
        private_repo_count: figures.private_repositories,
        public_project_count: figures.public_projects,
        public_repo_count: figures.public_repositories,
        ..Statistic::default()
    };
    // As Harbor has it: totals are for who sees everything.
    if let Some(stored) = statistics.stored_bytes {
        statistic.total_project_count = figures.private_projects + figures.public_projects;
        statistic.total_repo_count = figures.private_repositories + figures.public_repositories;
        statistic.total_storage_consumption = stored;
    }
    ok(&statistic)
}
