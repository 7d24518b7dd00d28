//! What of a registry is meant: by name, by pattern, by label.

use std::str::FromStr;

use harbor_core::oci::{Digest, Reference, RepositoryName, Tag};
use harbor_core::pattern::Pattern;
use harbor_replicate::client::api::{ProjectRef, Query};
use harbor_replicate::client::{Registry, Repository};
use serde_json::Value;

use crate::failure::{Failure, Kind, Outcome};
use crate::names::RepositoryArg;
use crate::session::Session;

/// Images by repository and tag, with patterns, or one by its digest.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    text: String,
    repositories: Pattern,
    which: Which,
}

#[derive(Clone, Debug)]
enum Which {
    All,
    Tags(Pattern),
    Digest(Digest),
}

/// Why a text selects nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write PROJECT/REPOSITORY, PROJECT/REPOSITORY:TAG or PROJECT/REPOSITORY@DIGEST; the first two may have patterns: {0}"
)]
pub(super) struct WrongSelection(String);

impl FromStr for Selection {
    type Err = WrongSelection;

    fn from_str(text: &str) -> Result<Self, WrongSelection> {
        let wrong = |error: &dyn std::fmt::Display| WrongSelection(error.to_string());
        let (repositories, which) = match (text.split_once('@'), text.rsplit_once(':')) {
            (Some((repository, digest)), _) => {
                (repository, Which::Digest(digest.parse().map_err(|error| wrong(&error))?))
            }
            (None, Some((repository, tags))) => {
                (repository, Which::Tags(Pattern::parse(tags).map_err(|error| wrong(&error))?))
            }
            (None, None) => (text, Which::All),
        };
        if repositories.is_empty() {
            return Err(wrong(&"no repository"));
        }
        let text = repositories.to_owned();
        let repositories = Pattern::parse(repositories).map_err(|error| wrong(&error))?;
        Ok(Self { text, repositories, which })
    }
}

impl Selection {
    /// What there is of it.
    pub(super) async fn find(
        &self,
        session: &Session,
        registry: &Registry,
        label: Option<&str>,
    ) -> Outcome<Vec<(Repository, Reference)>> {
        let mut found = Vec::new();
        for name in self.names(session).await? {
            let repository = registry.repository(name.clone());
            let references = match (&self.which, label) {
                (_, Some(label)) => self.labelled(session, &name, label).await?,
                (Which::Digest(digest), None) => vec![Reference::Digest(*digest)],
                (Which::All | Which::Tags(_), None) => self.tags(&repository).await?,
            };
            found.extend(references.into_iter().map(|reference| (repository.clone(), reference)));
        }
        if found.is_empty() && !self.has_pattern() && label.is_none() {
            return Err(Failure::absent(format!("{} has none of what is selected", self.text))
                .hint("harborctl artifact list PROJECT/REPOSITORY"));
        }
        Ok(found)
    }

    fn has_pattern(&self) -> bool {
        let of_tags = matches!(&self.which, Which::Tags(tags) if is_pattern(tags.as_str()));
        is_pattern(&self.text) || of_tags
    }

    /// The repositories.
    async fn names(&self, session: &Session) -> Outcome<Vec<RepositoryName>> {
        let wrong =
            |text: &str| Failure::usage(format!("{text} is no repository")).hint("PROJECT/REPOSITORY");
        if !is_pattern(&self.text) {
            return Ok(vec![self.text.parse().map_err(|_| wrong(&self.text))?]);
        }
        let mut names = Vec::new();
        let mut listed = session.call("listAllRepositories").await?.query(&Query::new()).pages::<Value>();
        while let Some(entry) = listed.next().await {
            let entry = entry?;
            let name = entry["name"].as_str().unwrap_or_default();
            if self.repositories.matches(name) {
                names.push(name.parse().map_err(|_| wrong(name))?);
            }
        }
        Ok(names)
    }

    /// The tags. What clients keep by tag of other images goes along with those.
    async fn tags(&self, repository: &Repository) -> Outcome<Vec<Reference>> {
        let exact = match &self.which {
            Which::Tags(tags) if !is_pattern(tags.as_str()) => tags.as_str().parse::<Tag>().ok(),
            _ => None,
        };
        if let Some(tag) = exact {
            return Ok(vec![Reference::Tag(tag)]);
        }
        let mut listed = repository.tags(None);
        let mut found = Vec::new();
        while let Some(tag) = listed.next().await {
            let tag = tag?;
            if self.takes(tag.as_str()) && !belongs_to_another(&tag) {
                found.push(Reference::Tag(tag));
            }
        }
        Ok(found)
    }

    fn takes(&self, tag: &str) -> bool {
        match &self.which {
            Which::All => true,
            Which::Tags(tags) => tags.matches(tag),
            Which::Digest(_) => false,
        }
    }

    /// The key of a label, of a project or of everybody; nothing where many are looked through and one has none of that name.
    async fn label(&self, session: &Session, label: &str, project: &str) -> Outcome<Option<i64>> {
        let own = session.label_id(label, Some(project)).await;
        let found = match own {
            Err(failure) if failure.kind() == Kind::NotFound => session.label_id(label, None).await,
            own => own,
        };
        match found {
            Err(failure) if failure.kind() == Kind::NotFound && is_pattern(&self.text) => Ok(None),
            found => found.map(Some),
        }
    }

    /// What has a label: its tags that are selected, or itself where it has none.
    async fn labelled(
        &self,
        session: &Session,
        name: &RepositoryName,
        label: &str,
    ) -> Outcome<Vec<Reference>> {
        let arg: RepositoryArg =
            name.as_str().parse().map_err(|error| Failure::usage(format!("{name}: {error}")))?;
        let Some(id) = self.label(session, label, &arg.project).await? else { return Ok(Vec::new()) };
        let call = session.call("listArtifacts").await?;
        let call =
            call.at("project_name", ProjectRef::Name(&arg.project)).at("repository_name", arg.name.as_str());
        let query = Query::new().q(format!("labels=({id})")).with("with_tag", true);
        let mut listed = call.query(&query).pages::<Value>();
        let mut found = Vec::new();
        while let Some(artifact) = listed.next().await {
            let artifact = artifact?;
            let digest = artifact["digest"].as_str().and_then(|digest| digest.parse::<Digest>().ok());
            let tags = artifact["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
            let tags = tags.iter().filter_map(|tag| tag["name"].as_str()?.parse::<Tag>().ok());
            let tags: Vec<Tag> = tags.filter(|tag| self.takes(tag.as_str())).collect();
            match (&self.which, digest) {
                (Which::Digest(wanted), Some(digest)) if *wanted == digest => {
                    found.push(Reference::Digest(digest))
                }
                (Which::All, Some(digest)) if tags.is_empty() => found.push(Reference::Digest(digest)),
                _ => found.extend(tags.into_iter().map(Reference::Tag)),
            }
        }
        Ok(found)
    }
}

/// Whether a text is more than a name.
fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{', '\\'])
}

/// Whether a tag is one under which a client keeps what belongs to an image: `sha256-…`, also with an ending.
fn belongs_to_another(tag: &Tag) -> bool {
    let stem = tag.as_str().split_once('.').map_or(tag.as_str(), |(stem, _)| stem);
    stem.split_once('-').is_some_and(|(algorithm, hex)| {
        ["sha256", "sha512"].contains(&algorithm)
            && hex.len() >= 64
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_are_read() {
        let read = |text: &str| text.parse::<Selection>();
        let all = read("team/**").unwrap();
        assert!(all.has_pattern() && all.repositories.matches("team/a/b") && all.takes("x"));
        let some = read("team/web:v1.*").unwrap();
        assert!(some.takes("v1.2") && !some.takes("v2") && !is_pattern(&some.text));
        let digest = format!("team/web@sha256:{}", "0a".repeat(32));
        assert!(matches!(read(&digest).unwrap().which, Which::Digest(_)));
        for wrong in ["", ":1", "team/web@sha256:x", "team/[a"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let tag = |text: &str| text.parse::<Tag>().unwrap();
        let hex = "0a".repeat(32);
        assert!(
            belongs_to_another(&tag(&format!("sha256-{hex}.sig")))
                && belongs_to_another(&tag(&format!("sha256-{hex}")))
        );
        assert!(!belongs_to_another(&tag("sha256-1")) && !belongs_to_another(&tag("1.0-sha256")));
    }
}
