//! Lists over pages: tags (end-8), repositories (the catalog).

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use harbor_core::oci::{Reference, RepositoryName, Route, Tag};
use http::Method;
use serde::Deserialize;
use url::Url;

use super::{Registry, Repository};
use crate::client::Result;
use crate::client::answer::Answer;
use crate::client::page::next_page;
use crate::client::request::Request;
use crate::client::scope::Scopes;
use crate::client::transport::Want;

/// How much of a page is read, in bytes.
const PAGE_LIMIT: usize = 32 * 1024 * 1024;

/// How many pages a list may have: more is a registry that never ends.
const PAGES: usize = 20_000;

/// A list that is read page by page, as it is asked for. It ends with its first error.
pub struct Listing<T>(Pin<Box<dyn Stream<Item = Result<T>> + Send>>);

impl<T> fmt::Debug for Listing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").finish_non_exhaustive()
    }
}

impl<T> Stream for Listing<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl<T: Send + 'static> Listing<T> {
    pub(crate) fn new(stream: impl Stream<Item = Result<T>> + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }

    /// The next entry; nothing behind the last.
    pub async fn next(&mut self) -> Option<Result<T>> {
        self.0.next().await
    }

    /// All entries at once.
    ///
    /// # Errors
    /// The first error of any page.
    pub async fn all(self) -> Result<Vec<T>> {
        self.0.try_collect().await
    }
}

/// Where a list is.
pub(super) struct Pages<F> {
    pub(super) registry: Registry,
    pub(super) scopes: Scopes,
    pub(super) next: Option<Url>,
    /// What is on a page.
    pub(super) read: F,
    /// Hashes of where it was: addresses may be long.
    seen: HashSet<u64>,
}

impl<T, F> Pages<F>
where
    T: Send + 'static,
    F: Fn(&Answer, &[u8]) -> Result<Vec<T>> + Send + Sync + 'static,
{
    pub(super) fn new(registry: Registry, scopes: Scopes, first: Url, read: F) -> Self {
        Self { registry, scopes, next: Some(first), read, seen: HashSet::new() }
    }

    /// Entry by entry.
    pub(super) fn listing(self) -> Listing<T> {
        let pages = stream::try_unfold(self, |mut pages| async move {
            Ok(pages.page().await?.map(|entries| (entries, pages)))
        });
        Listing::new(pages.map_ok(|entries| stream::iter(entries.into_iter().map(Ok))).try_flatten())
    }

    /// The entries of the next page; nothing behind the last.
    async fn page(&mut self) -> Result<Option<Vec<T>>> {
        let Some(url) = self.next.take() else { return Ok(None) };
        let request = Request::new(Method::GET, url.clone());
        let want = Want::Whole("a page of a list", PAGE_LIMIT);
        let answer = self.registry.call(request, &self.scopes, want).await?;
        self.took(url, answer.expect(&[200])?).await.map(Some)
    }

    pub(super) async fn took(&mut self, url: Url, mut answer: Answer) -> Result<Vec<T>> {
        let body = answer.read("a page of a list", PAGE_LIMIT).await?;
        self.seen.insert(hash(&url));
        self.next = next_page(&answer)?;
        if self.next.as_ref().is_some_and(|next| self.seen.contains(&hash(next))) {
            return Err(answer.bad("a next page that was there already"));
        }
        if self.seen.len() >= PAGES {
            return Err(answer.bad(format!("a list of more than {PAGES} pages")));
        }
        (self.read)(&answer, &body)
    }
}

fn hash(url: &Url) -> u64 {
    let mut hasher = DefaultHasher::new();
    url.hash(&mut hasher);
    hasher.finish()
}

/// Reads a member of a page that is a list of names; `null` is an empty one.
fn names<T: std::str::FromStr>(answer: &Answer, names: Option<Vec<String>>, what: &str) -> Result<Vec<T>> {
    let read = |name: String| name.parse().map_err(|_| answer.bad(format!("{what} that is none")));
    names.unwrap_or_default().into_iter().map(read).collect()
}

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Catalog {
    repositories: Option<Vec<String>>,
}

impl Registry {
    /// The repositories that may be seen, in the registry's order. `page` is how many are asked for at a time; the registry
    /// decides where nothing is said.
    ///
    /// ```no_run
    /// # async fn example(registry: harbor_replicate::client::Registry) -> harbor_replicate::client::Result<()> {
    /// let mut repositories = registry.catalog(None);
    /// while let Some(name) = repositories.next().await {
    ///     println!("{}", name?);
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn catalog(&self, page: Option<u32>) -> Listing<RepositoryName> {
        let first = paged(self.at(&Route::Catalog), page);
        let read = |answer: &Answer, body: &[u8]| {
            let read = serde_json::from_slice::<Catalog>(body);
            let read = read.map_err(|error| answer.bad(format!("a catalog that does not read: {error}")))?;
            names(answer, read.repositories, "a name of a repository")
        };
        Pages::new(self.clone(), Scopes::catalog(), first, read).listing()
    }
}

impl Repository {
    /// The tags, in the registry's order (end-8); `page` as with [`Registry::catalog`].
    ///
    /// ```no_run
    /// # async fn example(app: harbor_replicate::client::Repository) -> harbor_replicate::client::Result<()> {
    /// let tags = app.tags(Some(100)).all().await?;
    /// println!("{} tags", tags.len());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn tags(&self, page: Option<u32>) -> Listing<Tag> {
        let first = paged(self.registry.at(&Route::Tags(self.name.clone())), page);
        let read = |answer: &Answer, body: &[u8]| {
            let read = serde_json::from_slice::<Tags>(body);
            let read =
                read.map_err(|error| answer.bad(format!("a list of tags that does not read: {error}")))?;
            names(answer, read.tags, "a tag")
        };
        Pages::new(self.registry.clone(), self.pull_scopes(), first, read).listing()
    }

    /// Deletes a tag, and leaves the manifest.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::client::Error::Refused): 404 when there is none; 405 or 400 where the registry deletes no tags.
    pub async fn tag_delete(&self, tag: &Tag) -> Result<()> {
        self.manifest_delete(&Reference::Tag(tag.clone())).await
    }
}

fn paged(mut url: Url, page: Option<u32>) -> Url {
    if let Some(page) = page {
        url.query_pairs_mut().append_pair("n", &page.to_string());
    }
    url
}
