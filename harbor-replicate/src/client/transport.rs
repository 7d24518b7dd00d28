//! Sending: attempts, redirects, patience.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, LOCATION};
use reqwest::Response;
use tokio::time::Instant;
use url::Url;

use super::answer::{Answer, host};
use super::error::innermost;
use super::guard::refused_name;
use super::request::{Payload, Progress, Request, secret_value};
use super::trust::AUTHORITY;
use super::{Connection, Error, Result};

/// How many redirects are followed, one behind the other.
const REDIRECTS: u32 = 5;

/// Up to how many bytes the body of a redirect is read, which nobody needs.
const SHORT: u64 = 16 * 1024;

/// How often a request is sent that is not answered in time.
const SILENT: u32 = 2;

/// What is told then.
const UNANSWERED: &str = "it did not answer in time";

/// What the library of TLS says of an answer that is none of TLS.
const NO_TLS: &str = "InvalidContentType";

/// How the library of TLS begins what it says of a certificate that it does not take.
const UNTRUSTED: &str = "invalid peer certificate";

/// How much of an answer's body is part of an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Want {
    /// None of it: it comes afterwards.
    Head,
    /// All of it, up to so many bytes.
    Whole(&'static str, usize),
}

impl Connection {
    /// Sends a request, again where [`Retry`](super::Retry) says so, and follows where it is sent on to. Whatever the status, it is
    /// yielded; of a refusal the body was read.
    pub(crate) async fn send(&self, request: &Request, want: Want) -> Result<Answer> {
        let (mut failed, mut silent) = (0, 0);
        loop {
            let outcome = self.attempt(request, want).await;
            failed += 1;
            // Who said nothing twice is not there, and each time took all of our patience.
            silent += u32::from(is_silence(&outcome));
            let wait = self.inner.retry.after(failed, &outcome).filter(|_| request.may_repeat(&outcome));
            let wait = wait.filter(|_| silent < SILENT);
            let Some(wait) = wait else {
                return outcome.map(|mut answer| {
                    answer.failed = failed - 1;
                    answer
                });
            };
            tracing::debug!(method = %request.method, to = host(&request.url), ?wait, "trying again");
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(&self, request: &Request, want: Want) -> Result<Answer> {
        let mut answer = self.follow(request).await?;
        // Who lets a body drip must not hold us for ever.
        match want {
            _ if answer.status >= 400 => {
                // The status is told all the same.
                let _ = tokio::time::timeout(self.inner.idle, answer.read_refusal()).await;
            }
            Want::Head => {}
            Want::Whole(what, limit) => {
                let read = tokio::time::timeout(self.inner.answer, answer.keep(what, limit)).await;
                read.map_err(|_| unanswered(&request.url))??;
            }
        }
        Ok(answer)
    }

    /// With its redirects. Credentials stay with the origin that was asked, also when a redirect leads back to it.
    async fn follow(&self, request: &Request) -> Result<Answer> {
        let (mut url, mut own) = (request.url.clone(), true);
        for _ in 0..=REDIRECTS {
            let response = self.once(request, &url, own).await?;
            let Some(next) = next(request, &url, &response)? else {
                let mut answer = Answer::new(response, request, &url, self.inner.idle);
                answer.elsewhere = !own;
                return Ok(answer);
            };
            own = own && next.origin() == request.url.origin();
            url = next;
            // What is read to its end leaves a connection that can be used again.
            if response.content_length().is_some_and(|length| length <= SHORT) {
                let _ = tokio::time::timeout(self.inner.idle, response.bytes()).await;
            }
        }
        Err(Error::bad_answer(host(&request.url), format!("more than {REDIRECTS} redirects")))
    }

    /// Without following anything.
    async fn once(&self, request: &Request, url: &Url, own: bool) -> Result<Response> {
        if let Some(guard) = &self.inner.guard {
            guard.look(url)?;
        }
        let mut builder = self.inner.http.request(request.method.clone(), url.clone());
        builder = builder.headers(request.headers.clone());
        if let Some(secret) = request.authorization.as_ref().filter(|_| own) {
            builder = builder.header(AUTHORIZATION, secret_value(secret)?);
        }
        match &request.payload {
            Payload::Bytes(bytes) => {
                let patience = if request.reads() { self.inner.idle } else { self.inner.answer };
                if !request.reads() {
                    builder = builder.body(bytes.clone());
                }
                let sent = tokio::time::timeout(patience, builder.send()).await;
                sent.map_err(|_| unanswered(url))?.map_err(|error| failed(url, &error))
            }
            Payload::Stream(stream) => {
                let body = stream.take().ok_or_else(|| unreachable(url, "its body was sent already"))?;
                let progress = stream.progress();
                let sent = self.watch(builder.body(reqwest::Body::wrap(body)).send(), url, &progress).await;
                // What the source says comes first: the connection broke because of it.
                match progress.failure() {
                    Some(failure) => Err(Error::Source(failure)),
                    None => sent,
                }
            }
        }
    }

    /// Waits for the answer to a body that is on its way, as long as it moves.
    async fn watch(
        &self,
        sending: impl Future<Output = reqwest::Result<Response>>,
        url: &Url,
        progress: &Arc<Progress>,
    ) -> Result<Response> {
        let mut sending = std::pin::pin!(sending);
        let (mut sent, mut moved) = (progress.sent(), Instant::now());
        let look = (self.inner.idle / 4).clamp(Duration::from_millis(10), Duration::from_secs(5));
        loop {
            if let Ok(sent) = tokio::time::timeout(look, sending.as_mut()).await {
                return sent.map_err(|error| failed(url, &error));
            }
            if progress.sent() != sent {
                (sent, moved) = (progress.sent(), Instant::now());
            }
            let patience = if progress.is_whole() { self.inner.answer } else { self.inner.idle };
            if moved.elapsed() > patience {
                return Err(unanswered(url));
            }
        }
    }
}

impl Answer {
    /// Reads the body and keeps it for whoever reads it next.
    async fn keep(&mut self, what: &'static str, limit: usize) -> Result<()> {
        self.read(what, limit).await.map(|_| ())
    }
}

/// Where an answer sends a request on to that only reads.
fn next(request: &Request, url: &Url, response: &Response) -> Result<Option<Url>> {
    if !request.reads() || !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    let bad = |what: &str| Error::bad_answer(host(url), what);
    let location = location.ok_or_else(|| bad("a redirect to nowhere"))?;
    let next = url.join(location).map_err(|_| bad("a redirect to what is no address"))?;
    is_safe(url, &next).map_err(|what| bad(&format!("a redirect {what}")))?;
    Ok(Some(next))
}

/// Whether it is safe to go on from one address to another.
pub(crate) fn is_safe(from: &Url, to: &Url) -> Result<(), &'static str> {
    match (from.scheme(), to.scheme()) {
        _ if !to.username().is_empty() || to.password().is_some() => Err("to an address with a user in it"),
        _ if to.host_str().is_none_or(str::is_empty) => Err("to an address without a host"),
        (_, "https") | ("http", "http") => Ok(()),
        (_, "http") => Err("from https to http"),
        _ => Err("to what is neither https nor http"),
    }
}

fn unreachable(url: &Url, cause: impl Into<String>) -> Error {
    Error::Unreachable { to: host(url), cause: cause.into() }
}

fn unanswered(url: &Url) -> Error {
    unreachable(url, UNANSWERED)
}

fn is_silence<T>(outcome: &Result<T>) -> bool {
    matches!(outcome, Err(Error::Unreachable { cause, .. }) if cause == UNANSWERED)
}

fn failed(url: &Url, error: &reqwest::Error) -> Error {
    if let Some(kind) = refused_name(error) {
        return Error::Forbidden { to: host(url), kind };
    }
    let cause = innermost(error);
    match cause.strip_prefix(UNTRUSTED) {
        Some(cause) if cause.contains(AUTHORITY) => {
            let what = "it says that it is an authority's, as openssl req -x509 makes them; trust exactly this one, or make one for the server with -addext basicConstraints=critical,CA:FALSE";
            Error::Untrusted { to: host(url), cause: what.to_owned() }
        }
        None if cause.contains(NO_TLS) => {
            let what = format!(
                "it does not speak TLS there; where that is as it should be, write http://{}",
                host(url)
            );
            unreachable(url, what)
        }
        Some(cause) => {
            Error::Untrusted { to: host(url), cause: cause.trim_start_matches([':', ' ']).to_owned() }
        }
        None => unreachable(url, cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_go_on() {
        let safe = |from: &str, to: &str| is_safe(&Url::parse(from).unwrap(), &Url::parse(to).unwrap());
        assert_eq!(safe("https://a/", "https://b/x?signature=y"), Ok(()));
        assert_eq!(safe("http://a/", "https://b/"), Ok(()));
        assert_eq!(safe("http://a/", "http://b/"), Ok(()));
        for (from, to) in [
            ("https://a/", "http://a/"),
            ("https://a/", "ftp://a/"),
            ("http://a/", "file:///etc/passwd"),
            ("https://a/", "https://user:password@a/"),
            ("https://a/", "data:text/plain,x"),
        ] {
            assert!(safe(from, to).is_err(), "{to}");
        }
    }
}
