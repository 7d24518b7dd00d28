//! The few requests that loading a registry takes.

use base64::Engine as _;
use bytes::Bytes;
use futures_util::stream;
use harbor_core::oci::{Algorithm, Digest, MediaType};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use reqwest::{Method, RequestBuilder, Response, StatusCode};

/// Whatever goes wrong ends the run.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    authorization: Option<String>,
}

impl Client {
    pub(crate) fn new(url: &str, user: Option<&str>) -> Result<Self, Failure> {
        let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
        let encode = |user| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user));
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), authorization: user.map(encode) })
    }

    pub(crate) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        let request = self.http.request(method, url);
        match &self.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        }
    }

    /// Pushes a blob in two requests, as every registry understands.
    pub(crate) async fn push_blob(
        &self,
        repository: &str,
        content: Bytes,
        digest: &Digest,
    ) -> Result<(), Failure> {
        let begun = self.request(Method::POST, &format!("/v2/{repository}/blobs/uploads/")).send().await?;
        let begun = expect(begun, StatusCode::ACCEPTED).await?;
        let location = begun.headers().get(LOCATION).ok_or("no Location")?.to_str()?.to_owned();
        let join = if location.contains('?') { '&' } else { '?' };
        let stored = self
            .request(Method::PUT, &format!("{location}{join}digest={digest}"))
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(content)
            .send()
            .await?;
        expect(stored, StatusCode::CREATED).await.map(|_| ())
    }

    /// Pushes a large blob as docker does: POST, one streamed PATCH without a length, PUT.
    pub(crate) async fn stream_blob(
        &self,
        repository: &str,
        content: Bytes,
        digest: &Digest,
    ) -> Result<(), Failure> {
        let begun = self.request(Method::POST, &format!("/v2/{repository}/blobs/uploads/")).send().await?;
        let begun = expect(begun, StatusCode::ACCEPTED).await?;
        let location = begun.headers().get(LOCATION).ok_or("no Location")?.to_str()?.to_owned();
        let pieces = (0..content.len())
            .step_by(256 * 1024)
            .map(move |at| Ok::<_, std::io::Error>(content.slice(at..content.len().min(at + 256 * 1024))));
        let body = reqwest::Body::wrap_stream(stream::iter(pieces));
        let sent = self.request(Method::PATCH, &location).body(body).send().await?;
        let sent = expect(sent, StatusCode::ACCEPTED).await?;
        let location = sent.headers().get(LOCATION).ok_or("no Location")?.to_str()?.to_owned();
        let join = if location.contains('?') { '&' } else { '?' };
        let stored = self.request(Method::PUT, &format!("{location}{join}digest={digest}")).send().await?;
        expect(stored, StatusCode::CREATED).await.map(|_| ())
    }

    pub(crate) async fn push_manifest(
        &self,
        repository: &str,
        tag: &str,
        content: String,
    ) -> Result<(), Failure> {
        let stored = self
            .request(Method::PUT, &format!("/v2/{repository}/manifests/{tag}"))
            .header(CONTENT_TYPE, MediaType::OCI_MANIFEST)
            .body(content)
            .send()
            .await?;
        expect(stored, StatusCode::CREATED).await.map(|_| ())
    }
}

async fn expect(response: Response, status: StatusCode) -> Result<Response, Failure> {
    if response.status() == status {
        return Ok(response);
    }
    let (got, url) = (response.status(), response.url().to_string());
    Err(format!("{url} answered {got}: {}", response.text().await?).into())
}

/// Bytes that no other blob has, and their digest.
pub(crate) fn unique(size: usize, seed: u64) -> (Bytes, Digest) {
    // SplitMix64: quick, and different for each seed.
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut content = Vec::with_capacity(size + 8);
    while content.len() < size {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        content.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    content.truncate(size);
    let digest = Digest::of(Algorithm::Sha256, &content);
    (content.into(), digest)
}
