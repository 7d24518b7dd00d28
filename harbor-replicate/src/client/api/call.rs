//! One call of one operation.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use harbor_core::api::{Absent, from_json};
use harbor_core::operation::{BASE, Method, Operation};
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use url::{Url, form_urlencoded};

use super::{Api, ProjectRef, Query};
use crate::client::answer::Answer;
use crate::client::error::fit;
use crate::client::page::next_page;
use crate::client::registry::Listing;
use crate::client::request::{Request, name};
use crate::client::transport::Want;
use crate::client::{Error, Result};

/// How much of an answer is read, in bytes: a log may have ten million.
const LARGEST: usize = 64 * 1024 * 1024;

/// How many entries are asked for at a time: as many as there may be.
const PAGE: u32 = 100;

/// What stays as it is in a part of a path: RFC 3986, section 2.3.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What was made, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Created {
    /// Its path on the server; empty where the server does not tell.
    pub location: String,
}

impl Created {
    /// Its key, where the path ends with one.
    #[must_use]
    pub fn id(&self) -> Option<i64> {
        self.location.rsplit('/').next()?.parse().ok()
    }
}

/// A call that is being put together: see [`Api::call`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Call {
    api: Api,
    /// What it is called in errors.
    id: Cow<'static, str>,
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    body: Option<Bytes>,
    /// Whether the project of the path is named, and not given by its key.
    is_name: Option<bool>,
    wrong: Option<String>,
}

/// A value for a place in a path.
pub trait Place {
    /// Its text.
    fn text(&self) -> String;

    /// Whether it is a name where a key may stand as well; nothing where that is no question.
    fn is_name(&self) -> Option<bool> {
        None
    }
}

impl Place for &str {
    fn text(&self) -> String {
        (*self).to_owned()
    }
}

impl Place for i64 {
    fn text(&self) -> String {
        self.to_string()
    }
}

impl Place for ProjectRef<'_> {
    fn text(&self) -> String {
        match self {
            Self::Name(name) => (*name).to_owned(),
            Self::Id(id) => id.to_string(),
        }
    }

    fn is_name(&self) -> Option<bool> {
        Some(matches!(self, Self::Name(_)))
    }
}

impl Call {
    pub(super) fn new(api: Api, operation: &'static Operation) -> Self {
        Self::named(api, operation.id.into(), operation.method, operation.path.to_owned())
    }

    pub(super) fn to(api: Api, method: Method, path: &str) -> Self {
        // The whole path is taken too, as a server tells it.
        let path = path.strip_prefix(BASE).unwrap_or(path);
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { query, ..Self::named(api, "the call".into(), method, path.to_owned()) }
    }

    const fn named(api: Api, id: Cow<'static, str>, method: Method, path: String) -> Self {
        Self { api, id, method, path, query: Vec::new(), body: None, is_name: None, wrong: None }
    }

    /// Fills a place of the path. The name of a repository is encoded twice, as Harbor wants it: it has slashes.
    pub fn at(mut self, place: &str, value: impl Place) -> Self {
        let (text, mark) = (value.text(), format!("{{{place}}}"));
        if text.is_empty() || matches!(text.as_str(), "." | "..") {
            self.wrong.get_or_insert_with(|| format!("{text:?} can be no {place}"));
        }
        if !self.path.contains(&mark) {
            self.wrong.get_or_insert_with(|| format!("{} has no {place} in its path", self.id));
        }
        let mut encoded = encode(&text);
        if place == "repository_name" {
            encoded = encode(&encoded);
        }
        self.path = self.path.replace(&mark, &encoded);
        self.is_name = self.is_name.or(value.is_name());
        self
    }

    /// Adds parameters of the query.
    pub fn query(mut self, query: &Query) -> Self {
        self.query.extend_from_slice(query.pairs());
        self
    }

    /// Sends this, as JSON.
    pub fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => self.body = Some(body.into()),
            Err(error) => self.wrong = Some(format!("the body cannot be written: {error}")),
        }
        self
    }

    /// Calls, and takes an answer without content.
    ///
    /// # Errors
    /// As every call: see the [module](super).
    pub async fn nothing(self) -> Result<()> {
        self.answer().await.map(|_| ())
    }

    /// Calls, and tells where what was made is.
    ///
    /// # Errors
    /// As every call: see the [module](super).
    pub async fn created(self) -> Result<Created> {
        let answer = self.answer().await?;
        // Some servers name themselves as well.
        let location = answer.header(LOCATION).unwrap_or_default();
        let location = answer.url.join(location).map_or_else(|_| String::new(), |url| url.path().to_owned());
        Ok(Created { location: if answer.header(LOCATION).is_some() { location } else { String::new() } })
    }

    /// Calls, and reads the content of the answer as JSON.
    ///
    /// # Errors
    /// As every call: see the [module](super).
    pub async fn one<T: DeserializeOwned>(self) -> Result<T> {
        let mut answer = self.answer().await?;
        let body = answer.read("an answer", LARGEST).await?;
        read(&answer, &body)
    }

    /// Calls, and yields the content of the answer as text.
    ///
    /// # Errors
    /// As every call: see the [module](super).
    pub async fn text(self) -> Result<String> {
        let mut answer = self.answer().await?;
        let body = answer.read("an answer", LARGEST).await?;
        String::from_utf8(body.into()).map_err(|_| answer.bad("what is no text"))
    }

    /// Calls, and yields the content of the answer as it comes, however long that takes.
    pub fn pieces(self) -> Listing<Bytes> {
        let call = async move {
            let answer = self.send(self.url()?, Want::Head).await?;
            Ok(stream::try_unfold(answer, |mut answer| async move {
                Ok(answer.piece().await?.map(|piece| (piece, answer)))
            }))
        };
        Listing::new(stream::once(call).try_flatten())
    }

    /// Calls, and yields the entries of a list, page by page.
    pub fn pages<T: DeserializeOwned + Send + 'static>(mut self) -> Listing<T> {
        if !self.query.iter().any(|(name, _)| name == "page_size") {
            self.query.push(("page_size".to_owned(), PAGE.to_string()));
        }
        let pages = stream::try_unfold(
            Pages { next: Some(self.url()), call: self, seen: HashSet::new() },
            |mut pages| async { Ok(pages.page::<T>().await?.map(|entries| (entries, pages))) },
        );
        Listing::new(pages.map_ok(|entries| stream::iter(entries).map(Ok)).try_flatten())
    }

    async fn answer(self) -> Result<Answer> {
        self.send(self.url()?, Want::Whole("an answer", LARGEST)).await
    }

    fn url(&self) -> Result<Url> {
        if let Some(wrong) = &self.wrong {
            return Err(Error::Configuration(wrong.clone()));
        }
        if let Some((_, place)) = self.path.split_once('{') {
            let place = place.split('}').next().unwrap_or_default();
            return Err(Error::Configuration(format!("{} needs a {place}", self.id)));
        }
        let wrong = |_| Error::Configuration(format!("{} is no path", self.path));
        let base = &self.api.inner.base;
        let mut url = base.join(self.path.strip_prefix('/').unwrap_or(&self.path)).map_err(wrong)?;
        if !is_below(base, &url) {
            // With the request would go who asks: to another host, or to what is no part of the API.
            let what = format!("{} is no path below {}", fit(&self.path, &[]), base.path());
            return Err(Error::Configuration(what));
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }

    async fn send(&self, url: Url, want: Want) -> Result<Answer> {
        let method = match self.method {
            Method::Get => http::Method::GET,
            Method::Head => http::Method::HEAD,
            Method::Post => http::Method::POST,
            Method::Put => http::Method::PUT,
            Method::Patch => http::Method::PATCH,
            Method::Delete => http::Method::DELETE,
        };
        let mut request = Request::new(method, url).header(ACCEPT, "application/json, */*;q=0.5")?;
        if let Some(is_name) = self.is_name {
            request = request.header(name("x-is-resource-name"), if is_name { "true" } else { "false" })?;
        }
        if let Some(body) = &self.body {
            request = request.header(CONTENT_TYPE, "application/json")?.bytes(body.clone());
        }
        request.counts = matches!(self.method, Method::Post | Method::Patch);
        request.authorize(self.api.inner.authorization.clone(), &self.api.inner.secrets);
        let answer = self.api.inner.connection.send(&request, want).await?;
        match answer.status {
            200..=299 => Ok(answer),
            401 => Err(Error::Unauthorized {
                to: answer.from(),
                hint: match self.api.inner.authorization {
                    Some(_) => "the credentials for it are wrong or have expired; log in anew",
                    None => "it wants to know who asks; log in",
                },
                refusal: Some(Box::new(answer.refusal())),
            }),
            _ => Err(answer.into_error()),
        }
    }
}

/// Where a list is.
struct Pages {
    call: Call,
    next: Option<Result<Url>>,
    seen: HashSet<Url>,
}

impl Pages {
    /// The entries of the next page; nothing behind the last.
    async fn page<T: DeserializeOwned>(&mut self) -> Result<Option<Vec<T>>> {
        let Some(url) = self.next.take().transpose()? else { return Ok(None) };
        let mut answer = self.call.send(url.clone(), Want::Whole("a page of a list", LARGEST)).await?;
        let body = answer.read("a page of a list", LARGEST).await?;
        // As Harbor says that there is nothing.
        let entries: Option<Vec<T>> = read(&answer, &body)?;
        self.seen.insert(url);
        self.next = next_page(&answer)?.map(Ok);
        if let Some(Ok(next)) = &self.next
            && self.seen.contains(next)
        {
            return Err(answer.bad("a next page that was there already"));
        }
        Ok(Some(entries.unwrap_or_default()))
    }
}

fn read<T: DeserializeOwned>(answer: &Answer, body: &[u8]) -> Result<T> {
    let read = serde_json::from_slice(body).and_then(|value| from_json(value, Absent::Zero));
    read.map_err(|error| {
        // What it says of a value may repeat it, and some answers have secrets.
        let what = match error.classify() {
            Category::Data => "is not what the operation answers",
            Category::Syntax | Category::Eof | Category::Io => "is no JSON",
        };
        answer.bad(format!("the content {what}"))
    })
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// Whether an address is one of the API: of the same origin, below its path, and still so when what is on the way decodes it.
fn is_below(base: &Url, url: &Url) -> bool {
    let is_same = url.origin() == base.origin() && url.username().is_empty() && url.password().is_none();
    is_same && url.path().strip_prefix(base.path()).is_some_and(|rest| !climbs(rest))
}

/// Whether a part of a path is a dot segment, also one that is encoded, however often.
fn climbs(path: &str) -> bool {
    let mut path = Cow::Borrowed(path.as_bytes());
    loop {
        let mut parts = path.split(|byte| matches!(byte, b'/' | b'\\'));
        // Some servers read parameters behind a semicolon.
        if parts.any(|part| matches!(part.split(|byte| *byte == b';').next(), Some(b"." | b".."))) {
            return true;
        }
        // Each time it is shorter, or what it was.
        let decoded: Vec<u8> = percent_decode(&path).collect();
        if decoded == *path {
            return false;
        }
        path = Cow::Owned(decoded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_out_of_the_api() {
        let base = Url::parse("https://harbor.example/api/v2.0/").unwrap();
        let is_below = |path: &str| is_below(&base, &base.join(path).unwrap());
        for path in
            ["projects", "projects/a/repositories/b%252Fc/artifacts", "a/../b", "x/...", "a/.b", "", "a%2Fb"]
        {
            assert!(is_below(path), "{path}");
        }
        for path in [
            "https://elsewhere.example/api/v2.0/users",
            "http://harbor.example/api/v2.0/users",
            "https://harbor.example:444/api/v2.0/users",
            "https://me@harbor.example/api/v2.0/users",
            "//elsewhere.example/api/v2.0/users",
            "\\\\elsewhere.example/api/v2.0/users",
            "/v2/",
            "../../v2/",
            "%2e%2e/%2E./v2/",
            "..%2f..%2fv2/",
            "a/%252e%252e%252f..%255cv2",
            "a/..;x/b",
            "data:text/plain,x",
        ] {
            assert!(!is_below(path), "{path}");
        }
    }
}
