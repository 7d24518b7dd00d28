//! Figures for Prometheus. Each registry has its own: nothing is global.

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// Upper bounds of the histogram's buckets, in seconds.
const BUCKETS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 60.0];

/// What kind of thing a request asks for: few enough to be a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Distribution(Noun),
    Token,
    Ping,
    Health,
    Version,
    Api,
    Session,
    Metrics,
    Other,
}

/// The nouns of `/v2/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noun {
    Base,
    Manifest,
    Blob,
    Upload,
    Tags,
    Referrers,
    Catalog,
}

const ENDPOINTS: [(Endpoint, &str); 15] = [
    (Endpoint::Distribution(Noun::Base), "v2"),
    (Endpoint::Distribution(Noun::Manifest), "manifests"),
    (Endpoint::Distribution(Noun::Blob), "blobs"),
    (Endpoint::Distribution(Noun::Upload), "uploads"),
    (Endpoint::Distribution(Noun::Tags), "tags"),
    (Endpoint::Distribution(Noun::Referrers), "referrers"),
    (Endpoint::Distribution(Noun::Catalog), "catalog"),
    (Endpoint::Token, "token"),
    (Endpoint::Ping, "ping"),
    (Endpoint::Health, "health"),
    (Endpoint::Version, "version"),
    (Endpoint::Api, "api"),
    (Endpoint::Session, "session"),
    (Endpoint::Metrics, "metrics"),
    (Endpoint::Other, "other"),
];

/// Where the paths of the management API begin.
const API: &str = "/api/v2.0/";

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl Endpoint {
    /// The kind of a request, from its path alone.
    pub(crate) fn of(request: &Request<Body>) -> Self {
        let path = request.uri().path();
        match path {
            "/service/token" => return Self::Token,
            "/api/v2.0/ping" => return Self::Ping,
            "/api/v2.0/health" => return Self::Health,
            "/api/version" => return Self::Version,
            "/c/login" | "/c/log_out" => return Self::Session,
            "/metrics" => return Self::Metrics,
            _ if path.starts_with(API) => return Self::Api,
            _ => {}
        }
        match path.strip_prefix("/v2") {
            Some("" | "/") => Self::Distribution(Noun::Base),
            Some(rest) if rest.starts_with('/') => Self::Distribution(noun(rest)),
            _ => Self::Other,
        }
    }

    fn index(self) -> usize {
        ENDPOINTS.iter().position(|(endpoint, _)| *endpoint == self).unwrap_or(ENDPOINTS.len() - 1)
    }
}

fn noun(rest: &str) -> Noun {
    let mut words = rest.rsplit('/');
    let (last, before, earlier) = (words.next(), words.next(), words.next());
    match (earlier, before, last) {
        (_, Some("manifests"), _) => Noun::Manifest,
        (Some("blobs"), Some("uploads"), _) | (_, Some("blobs"), Some("uploads")) => Noun::Upload,
        (_, Some("blobs"), _) => Noun::Blob,
        (_, Some("tags"), _) => Noun::Tags,
        (_, Some("referrers"), _) => Noun::Referrers,
        (_, _, Some("_catalog")) => Noun::Catalog,
        _ => Noun::Base,
    }
}

/// The figures of one registry.
pub(crate) struct Metrics {
    handle: PrometheusHandle,
    /// By endpoint, then by class of status.
    answered: Vec<[Counter; 5]>,
    /// Those answered with 429, by endpoint.
    limited: Vec<Counter>,
    took: Vec<Histogram>,
    running: Gauge,
}

const METADATA: Metadata<'static> = Metadata::new("harbor", Level::INFO, None);

impl Metrics {
    pub(crate) fn new() -> Self {
        let duration = Matcher::Full("harbor_http_request_duration_seconds".to_owned());
        let builder = PrometheusBuilder::new();
        // Fails for an empty list of buckets only.
        let builder = builder.set_buckets_for_metric(duration, &BUCKETS).unwrap_or_default();
        let recorder = builder.build_recorder();
        describe(&recorder);
        let labels = |name: &str| vec![Label::new("endpoint", name.to_owned())];
        let answered = ENDPOINTS.iter().map(|(_, name)| {
            CLASSES.map(|class| {
                let mut labels = labels(name);
                labels.push(Label::new("code", class));
                recorder.register_counter(&Key::from_parts("harbor_http_requests_total", labels), &METADATA)
            })
        });
        let limited = ENDPOINTS.iter().map(|(_, name)| {
            let key = Key::from_parts("harbor_http_requests_limited_total", labels(name));
            recorder.register_counter(&key, &METADATA)
        });
        let took = ENDPOINTS.iter().map(|(_, name)| {
            let key = Key::from_parts("harbor_http_request_duration_seconds", labels(name));
            recorder.register_histogram(&key, &METADATA)
        });
        Self {
            handle: recorder.handle(),
            answered: answered.collect(),
            limited: limited.collect(),
            took: took.collect(),
            running: recorder.register_gauge(&Key::from_name("harbor_http_requests_running"), &METADATA),
        }
    }

    /// Counts a request as running until the guard is dropped.
    pub(crate) fn running(&self) -> Running<'_> {
        self.running.increment(1.0);
        Running(&self.running)
    }

    pub(crate) fn answered(&self, endpoint: Endpoint, status: StatusCode, took: Duration) {
        let index = endpoint.index();
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.answered.get(index).and_then(|classes| classes.get(class)) {
            counter.increment(1);
        }
        if status == StatusCode::TOO_MANY_REQUESTS
            && let Some(counter) = self.limited.get(index)
        {
            counter.increment(1);
        }
        if let Some(histogram) = self.took.get(index) {
            histogram.record(took.as_secs_f64());
        }
    }

    /// Folds what was recorded into the buckets: to be called every few seconds.
    pub(crate) fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// Answers a request for the page that Prometheus reads.
    pub(crate) fn answer(&self, method: &Method) -> Response<Body> {
        if method == Method::GET || method == Method::HEAD {
            return self.page();
        }
        crate::api::wrong_method("GET, HEAD")
    }

    fn page(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.handle.render()));
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

fn describe(recorder: &PrometheusRecorder) {
    let count = "Answers, by what was asked for and by class of status.";
    recorder.describe_counter("harbor_http_requests_total".into(), Some(Unit::Count), count.into());
    let limited = "Requests refused for being too many: logins, pulls, pushes.";
    recorder.describe_counter("harbor_http_requests_limited_total".into(), Some(Unit::Count), limited.into());
    let took = "Time until an answer's head was ready, in seconds.";
    recorder.describe_histogram(
        "harbor_http_request_duration_seconds".into(),
        Some(Unit::Seconds),
        took.into(),
    );
    let running = "Requests that are being answered.";
    recorder.describe_gauge("harbor_http_requests_running".into(), Some(Unit::Count), running.into());
}

/// A running request.
pub(crate) struct Running<'a>(&'a Gauge);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_one_endpoint() {
        for (path, endpoint) in [
            ("/v2", Endpoint::Distribution(Noun::Base)),
            ("/v2/", Endpoint::Distribution(Noun::Base)),
            ("/v2/_catalog", Endpoint::Distribution(Noun::Catalog)),
            ("/v2/a/b/manifests/x", Endpoint::Distribution(Noun::Manifest)),
            ("/v2/a/b/blobs/sha256:1", Endpoint::Distribution(Noun::Blob)),
            ("/v2/a/b/blobs/uploads/", Endpoint::Distribution(Noun::Upload)),
            ("/v2/a/b/blobs/uploads/1", Endpoint::Distribution(Noun::Upload)),
            ("/v2/a/b/tags/list", Endpoint::Distribution(Noun::Tags)),
            ("/v22/", Endpoint::Other),
            ("/metrics", Endpoint::Metrics),
        ] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            assert_eq!(Endpoint::of(&request), endpoint, "{path}");
        }
    }

    #[test]
    fn figures_are_shown() {
        let metrics = Metrics::new();
        metrics.answered(Endpoint::Ping, StatusCode::OK, Duration::from_millis(2));
        let page = metrics.handle.render();
        assert!(page.contains(r#"harbor_http_requests_total{endpoint="ping",code="2xx"} 1"#), "{page}");
        assert!(page.contains("harbor_http_request_duration_seconds_bucket"), "{page}");
    }
}
