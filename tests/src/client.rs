//! A client that checks, with every answer, what every answer must keep to; of the API's, that the OpenAPI document has it.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use bytes::Bytes;
use harbor_core::oci::Digest;
use http::{HeaderMap, Method};
use reqwest::Body;
use serde_json::Value;

use crate::content::{DataSet, Piece};
use crate::documents;

/// Talks to one registry as somebody.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    authorization: Option<String>,
}

impl Client {
    /// A client without credentials, for the registry at `base`.
    pub(crate) fn new(base: &str) -> Self {
        Self::over(base, reqwest::Client::builder())
    }

    /// A client that speaks HTTP/2 from the first byte, without TLS.
    #[must_use]
    pub fn http2(&self) -> Self {
        let client = Self::over(&self.base, reqwest::Client::builder().http2_prior_knowledge());
        Self { authorization: self.authorization.clone(), ..client }
    }

    /// A client that trusts this certificate (PEM) alone, and offers the registry HTTP/2 or not. Its connections are new.
    #[must_use]
    pub fn trusting(&self, certificate: &str, http2: bool) -> Self {
        let certificate = reqwest::Certificate::from_pem(certificate.as_bytes()).expect("a certificate");
        let builder =
            if http2 { reqwest::Client::builder() } else { reqwest::Client::builder().http1_only() };
        let http = Self::built(builder.tls_certs_only([certificate]));
        Self { http, ..self.clone() }
    }

    fn over(base: &str, builder: reqwest::ClientBuilder) -> Self {
        let http = Self::built(builder.tls_certs_only([]));
        Self { http, base: base.to_owned(), authorization: None }
    }

    fn built(builder: reqwest::ClientBuilder) -> reqwest::Client {
        let builder = builder.no_proxy().redirect(reqwest::redirect::Policy::none());
        builder.timeout(std::time::Duration::from_secs(30)).build().expect("a client")
    }

    /// The same with a name and a password.
    #[must_use]
    pub fn basic(&self, name: &str, password: &str) -> Self {
        let mut headers = HeaderMap::new();
        let request = self.http.get(&self.base).basic_auth(name, Some(password)).build().expect("a request");
        headers.extend(request.headers().clone());
        let value = headers.get(http::header::AUTHORIZATION).expect("a header");
        self.authorization(value.to_str().expect("a text"))
    }

    /// The same with a bearer token.
    #[must_use]
    pub fn bearer(&self, token: &str) -> Self {
        self.authorization(&format!("Bearer {token}"))
    }

    /// The same with any value of `Authorization`.
    #[must_use]
    pub fn authorization(&self, value: &str) -> Self {
        Self { authorization: Some(value.to_owned()), ..self.clone() }
    }

    /// The value of `Authorization`, for raw requests.
    #[must_use]
    pub fn header(&self) -> String {
        self.authorization.clone().unwrap_or_default()
    }

    /// A request; `target` is a path, or an address of this registry.
    pub fn call(&self, method: &str, target: &str) -> Call {
        let address =
            if target.starts_with('/') { format!("{}{target}", self.base) } else { target.to_owned() };
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.http.request(method.clone(), address);
        if let Some(value) = &self.authorization {
            request = request.header(http::header::AUTHORIZATION, value);
        }
        Call { what: format!("{method} {target}"), method, request }
    }

    /// GET.
    pub fn get(&self, target: &str) -> Call {
        self.call("GET", target)
    }

    /// HEAD.
    pub fn head(&self, target: &str) -> Call {
        self.call("HEAD", target)
    }

    /// POST.
    pub fn post(&self, target: &str) -> Call {
        self.call("POST", target)
    }

    /// PUT.
    pub fn put(&self, target: &str) -> Call {
        self.call("PUT", target)
    }

    /// PATCH.
    pub fn patch(&self, target: &str) -> Call {
        self.call("PATCH", target)
    }

    /// DELETE.
    pub fn delete(&self, target: &str) -> Call {
        self.call("DELETE", target)
    }

    /// Begins an upload; yields where it goes on.
    pub async fn begin(&self, repository: &str) -> String {
        self.post(&format!("/v2/{repository}/blobs/uploads/")).await.expect_status(202).location()
    }

    /// Pushes a blob in one request.
    pub async fn push_blob(&self, repository: &str, blob: &Piece) {
        let target = format!("/v2/{repository}/blobs/uploads/?digest={}", blob.digest);
        let answer = self.post(&target).body(blob.bytes.clone()).await.expect_status(201);
        assert_eq!(answer.digest(), blob.digest);
    }

    /// Pushes a manifest under `reference`.
    pub fn push_manifest(
        &self,
        repository: &str,
        reference: impl std::fmt::Display,
        manifest: &Piece,
    ) -> Call {
        self.put(&format!("/v2/{repository}/manifests/{reference}"))
            .header("Content-Type", &manifest.media_type)
            .body(manifest.bytes.clone())
    }

    /// Pushes a data set: blobs, then manifests by digest, then the last of them by `tag`.
    pub async fn push(&self, repository: &str, tag: Option<&str>, set: &DataSet) {
        for blob in &set.blobs {
            self.push_blob(repository, blob).await;
        }
        for manifest in &set.manifests {
            let answer = self.push_manifest(repository, manifest.digest, manifest).await.expect_status(201);
            assert_eq!(answer.digest(), manifest.digest);
        }
        if let Some(tag) = tag {
            self.push_manifest(repository, tag, set.top()).await.expect_status(201);
        }
    }
}

/// A request that is not sent yet. Awaiting it sends it.
#[must_use]
pub struct Call {
    what: String,
    method: Method,
    request: reqwest::RequestBuilder,
}

impl Call {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.request = self.request.header(name, value.as_ref());
        self
    }

    /// Adds a header of any bytes.
    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        let value = http::HeaderValue::from_bytes(value).expect("a value");
        self.request = self.request.header(name, value);
        self
    }

    /// Adds a query parameter.
    pub fn query(mut self, name: &str, value: impl ToString) -> Self {
        self.request = self.request.query(&[(name, value.to_string())]);
        self
    }

    /// Sends a value as JSON.
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    /// Sends `bytes`, with their length.
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        self.request = self.request.body(bytes.into());
        self
    }

    /// Sends `pieces` one after the other, without a length.
    pub fn stream(mut self, pieces: Vec<Bytes>) -> Self {
        let pieces = futures_util::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        self.request = self.request.body(Body::wrap_stream(pieces));
        self
    }

    /// The same request once more. None for a body that comes as a stream.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        let request = self.request.try_clone()?;
        Some(Self { what: self.what.clone(), method: self.method.clone(), request })
    }

    async fn send(self) -> Answer {
        let what = self.what.clone();
        self.attempt().await.unwrap_or_else(|error| panic!("{what}: {error:?}"))
    }

    /// The answer as it comes, for one that has no end; only its head was read.
    ///
    /// # Panics
    /// Without an answer.
    pub async fn open(self) -> reqwest::Response {
        let what = self.what;
        self.request.send().await.unwrap_or_else(|error| panic!("{what}: {error:?}"))
    }

    /// The answer, unless there is none.
    ///
    /// # Errors
    /// When no connection comes about, or it breaks.
    pub async fn attempt(self) -> reqwest::Result<Answer> {
        let response = self.request.send().await?;
        let path = response.url().path().to_owned();
        let (status, headers, version) =
            (response.status().as_u16(), response.headers().clone(), response.version());
        let body = response.bytes().await?;
        let answer = Answer { what: self.what, version, status, headers, body };
        answer.check(&self.method);
        documents::check(&self.method, &path, &answer);
        Ok(answer)
    }
}

impl IntoFuture for Call {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    what: String,
    /// The version of HTTP that was spoken.
    pub version: http::Version,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// What holds for every answer: HEAD has no body, and a refusal below `/v2/` has the specification's body of errors.
    fn check(&self, method: &Method) {
        if method == Method::HEAD {
            assert!(self.body.is_empty(), "{}: HEAD with a body", self.what);
        } else if self.status >= 400 && self.what.contains(" /v2") {
            let codes = self.codes();
            assert!(!codes.is_empty(), "{self}: no error code");
        }
        if self.status >= 400 && self.what.contains(" /v2") && method != Method::HEAD {
            let kind = self.header("Content-Type").unwrap_or_default();
            assert!(kind.starts_with("application/json"), "{self}: errors are JSON");
        }
        assert_eq!(self.status == 401, self.header("WWW-Authenticate").is_some(), "{self}: challenge");
    }

    /// The codes of the errors in the body.
    #[must_use]
    pub fn codes(&self) -> Vec<String> {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self}: not JSON"));
        let errors = body["errors"].as_array().unwrap_or_else(|| panic!("{self}: no errors"));
        let message = |error: &Value| error["message"].as_str().is_some_and(|message| !message.is_empty());
        assert!(errors.iter().all(message), "{self}: an error without a message");
        errors.iter().map(|error| error["code"].as_str().expect("a code").to_owned()).collect()
    }

    /// Fails unless the status is this one.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Fails unless it is this refusal.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        assert_eq!(self.status, status, "{self}");
        assert_eq!(self.codes(), [code], "{self}");
        self
    }

    /// A header, when it is there once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "{}: {name} more than once", self.what);
        value.to_str().ok()
    }

    /// Every value of a header.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().expect("a text")).collect()
    }

    /// A header that must be there.
    #[track_caller]
    #[must_use]
    pub fn need(&self, name: &str) -> &str {
        self.header(name).unwrap_or_else(|| panic!("{self}: no {name}"))
    }

    /// `Location`, which is below `/v2/`.
    #[track_caller]
    #[must_use]
    pub fn location(&self) -> String {
        let location = self.need("Location");
        assert!(location.contains("/v2/"), "{self}: {location}");
        location.to_owned()
    }

    /// `Docker-Content-Digest`.
    #[track_caller]
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.need("Docker-Content-Digest").parse().expect("a digest")
    }

    /// The body as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self}: not JSON"))
    }

    /// The target of the `Link` to the next page.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        let link = self.header("Link")?;
        let (target, rest) = link.strip_prefix('<')?.split_once('>')?;
        assert!(rest.contains(r#"rel="next""#), "{link}");
        Some(target.to_owned())
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        let body: String = body.chars().take(300).collect();
        write!(f, "{} answered {} {:?} {body}", self.what, self.status, self.headers)
    }
}
