//! Requests, whose answer may be that the server is dead.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Method, RequestBuilder, Response, StatusCode};

use crate::content::{Blob, Numbers};
use crate::server::PASSWORD;

/// The server was killed before it answered.
#[derive(Debug)]
pub(crate) struct Dead;

pub(crate) type Outcome<T> = Result<T, Dead>;

#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    pub(crate) fn new(url: String) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { http, url }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        self.http.request(method, url).basic_auth("admin", Some(PASSWORD))
    }

    async fn send(&self, request: RequestBuilder) -> Outcome<Response> {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_timeout() => panic!("no answer in time: {error}"),
            Err(_) => return Err(Dead),
        };
        assert!(!response.status().is_server_error(), "{} answered {}", response.url(), response.status());
        Ok(response)
    }

    /// The whole body, or `None` for 404.
    pub(crate) async fn get(&self, path: &str) -> Outcome<Option<Bytes>> {
        let accept = "application/vnd.oci.image.manifest.v1+json, */*";
        let response = self.send(self.request(Method::GET, path).header("accept", accept)).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => response.bytes().await.map(Some).map_err(|_| Dead),
            other => panic!("GET {path} answered {other}"),
        }
    }

    pub(crate) async fn has(&self, path: &str) -> Outcome<bool> {
        match self.send(self.request(Method::HEAD, path)).await?.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            other => panic!("HEAD {path} answered {other}"),
        }
    }

    pub(crate) async fn delete(&self, path: &str) -> Outcome<()> {
        let status = self.send(self.request(Method::DELETE, path)).await?.status();
        assert_eq!(status, StatusCode::ACCEPTED, "DELETE {path}");
        Ok(())
    }

    pub(crate) async fn put_manifest(&self, repository: &str, tag: &str, payload: String) -> Outcome<()> {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let put = self
            .request(Method::PUT, &path)
            .header(CONTENT_TYPE, "application/vnd.oci.image.manifest.v1+json");
        let response = self.send(put.body(payload)).await?;
        let status = response.status();
        assert_eq!(status, StatusCode::CREATED, "PUT {path}: {:?}", response.text().await);
        Ok(())
    }

    /// In one request, in two, or in chunks.
    pub(crate) async fn push(&self, repository: &str, blob: &Blob, numbers: &mut Numbers) -> Outcome<()> {
        let content = blob.bytes();
        let uploads = format!("/v2/{repository}/blobs/uploads/");
        let whole = |request: RequestBuilder, content| {
            self.send(request.header(CONTENT_TYPE, "application/octet-stream").body(content))
        };
        if numbers.below(3) == 0 {
            let single = format!("{uploads}?digest={}", blob.digest);
            let response = whole(self.request(Method::POST, &single), content).await?;
            assert_eq!(response.status(), StatusCode::CREATED, "POST {single}");
            return Ok(());
        }
        let mut location = next(&self.send(self.request(Method::POST, &uploads)).await?);
        let mut rest = content;
        for _ in 0..numbers.below(4) {
            let chunk = rest.split_to(rest.len() / 2);
            location = next(&whole(self.request(Method::PATCH, &location), chunk).await?);
        }
        let join = if location.contains('?') { '&' } else { '?' };
        let last = format!("{location}{join}digest={}", blob.digest);
        let response = whole(self.request(Method::PUT, &last), rest).await?;
        assert_eq!(response.status(), StatusCode::CREATED, "PUT {last}");
        Ok(())
    }
}

/// Where an upload goes on.
fn next(response: &Response) -> String {
    assert_eq!(response.status(), StatusCode::ACCEPTED, "{}", response.url());
    response.headers().get(LOCATION).unwrap().to_str().unwrap().to_owned()
}
