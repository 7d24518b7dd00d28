//! Repositories, artifacts and labels.

use harbor_core::api::{Label, NewTag, RepositoryUpdate};
use harbor_replicate::client::api::{Api, Query};

use crate::Outcome;

pub(crate) async fn repositories(api: &Api) -> Outcome {
    let said = RepositoryUpdate { description: "What we run".to_owned() };
    api.repositories().update("library", "app", &said).await?;
    let mut repositories = api.repositories().list("library", &Query::new().q("name=~app"));
    while let Some(repository) = repositories.next().await {
        let repository = repository?;
        println!("{}: {} artifacts", repository.name, repository.artifact_count);
    }
    Ok(())
}

pub(crate) async fn artifacts(api: &Api) -> Outcome {
    let all = Query::new().with("with_tag", true).sort("-push_time");
    let mut artifacts = api.artifacts().list("library", "app", &all);
    while let Some(artifact) = artifacts.next().await {
        let artifact = artifact?;
        println!("{} of {} bytes", artifact.digest, artifact.size);
    }
    api.artifacts().create_tag("library", "app", "v1", &NewTag { name: "stable".to_owned() }).await?;
    // Copied within the registry, where no byte moves.
    let from = Query::new().with("from", "library/app:stable");
    api.artifacts().copy("library", "copy", &from).await?;
    api.artifacts().delete_tag("library", "app", "stable", "stable").await?;
    let copy = api.artifacts().get("library", "copy", "stable", &Query::new()).await?;
    println!("the copy is {}", copy.digest);
    Ok(())
}

pub(crate) async fn deleted_artifacts(api: &Api) -> Outcome {
    let artifact = api.artifacts().get("library", "app", "v1", &Query::new()).await?;
    api.artifacts().delete("library", "app", &artifact.digest).await?;
    let deleted = api.deleted_artifacts().list("library", "app", &Query::new()).all().await?;
    println!("{} can be put back", deleted.len());
    let back = api.deleted_artifacts().restore("library", "app", &artifact.digest).await?;
    println!("back with {:?}", back.tags);
    Ok(())
}

pub(crate) async fn labels(api: &Api) -> Outcome {
    let label = Label {
        name: "good".to_owned(),
        color: "#00AA00".to_owned(),
        scope: "g".to_owned(),
        ..Label::default()
    };
    let created = api.labels().create(&label).await?;
    let id = created.id().ok_or("a key")?;
    api.artifacts().add_label("library", "app", "v1", &Label { id, ..Label::default() }).await?;
    let labelled = Query::new().q(format!("labels=({id})"));
    let artifacts = api.artifacts().list("library", "app", &labelled).all().await?;
    println!("{} is {}", artifacts.len(), api.labels().get(id).await?.name);
    api.labels().delete(id).await?;
    Ok(())
}
