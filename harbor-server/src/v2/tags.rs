//! `/v2/<name>/tags/list` and `/v2/_catalog`.

use axum::body::Body;
use harbor_core::Result;
use harbor_core::access::permission::RepositoryPull;
use harbor_core::content::{Page, PageRequest};
use harbor_core::oci::RepositoryName;
use http::header::LINK;
use http::{Response, StatusCode};

use super::{Call, query, respond};

impl Call<'_> {
    /// end-8.
    pub(super) async fn tags(&self, name: &RepositoryName) -> Result<Response<Body>> {
        let proof = self.proof::<RepositoryPull>(name).await?;
        let request = self.page()?;
        let page = self.content().tags(proof, request.clone()).await?;
        // Names and tags are of characters that JSON takes as they are.
        let mut body = format!(r#"{{"name":"{name}","tags":["#);
        push_list(&mut body, page.entries.iter().map(|tag| tag.as_str()));
        body.push('}');
        Ok(self.listed(body, &request, last(&page)))
    }

    /// The list of repositories, which the specification leaves to registries and every registry has.
    pub(super) async fn catalog(&self) -> Result<Response<Body>> {
        let request = self.page()?;
        let page = self.content().catalog(&self.actor, request.clone()).await?;
        let mut body = r#"{"repositories":["#.to_owned();
        push_list(&mut body, page.entries.iter().map(RepositoryName::as_str));
        body.push('}');
        Ok(self.listed(body, &request, last(&page)))
    }

    fn listed(&self, body: String, request: &PageRequest, last: Option<String>) -> Response<Body> {
        let mut response = respond::json(StatusCode::OK, body);
        if let Some(last) = last {
            let size = request.size().to_string();
            let link = query::next_link(self.parts.uri.path(), &[("n", &size), ("last", &last)]);
            response.headers_mut().insert(LINK, respond::value(link));
        }
        response
    }
}

fn push_list<'a>(body: &mut String, entries: impl Iterator<Item = &'a str>) {
    for (index, entry) in entries.enumerate() {
        body.push_str(if index == 0 { "\"" } else { ",\"" });
        body.push_str(entry);
        body.push('"');
    }
    body.push(']');
}

/// Where the next page begins, when there is one.
fn last<T: ToString>(page: &Page<T>) -> Option<String> {
    page.entries.last().filter(|_| page.more).map(T::to_string)
}
