//! The audit log is forwarded, whatever becomes of the receiver.

use std::time::Duration;

use harbor_server::{ForwardOptions, forward_audit};
use harbor_tests::{BackEnd, TestRegistry};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{API, read};

harbor_tests::on_every_store! {
    nothing_is_lost_while_the_receiver_is_away(stores);
    what_is_on_its_way_is_sent_again(stores);
    receivers_that_close_nothing_get_what_is_next;
    lines_may_be_kept_elsewhere_alone;
    receivers_are_checked;
    one_node_forwards;
}

#[tokio::test]
async fn over_tls_to_whom_the_authority_knows() {
    let registry = TestRegistry::in_memory().await;
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (own, other) = (made(), made());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let key = rustls_pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("tls://localhost:{}", listener.local_addr().unwrap().port());
    configure(&registry, json!({ "audit_log_forward_endpoint": endpoint })).await;
    labels(&registry, 0..2).await;
    for (authorities, trusted) in
        [(file("other.pem", other.cert.pem()), false), (file("own.pem", own.cert.pem()), true)]
    {
        let mut options = options();
        options.authorities = authorities;
        let (stop, forwarding) = forward(&registry, options);
        if trusted {
            let mut stream = acceptor.accept(accept(&listener).await).await.unwrap();
            let messages = until(&mut stream, "\"label-1\"").await;
            assert!(messages.iter().any(|message| message.contains("\"label-0\"")));
        } else {
            let shaken = acceptor.accept(accept(&listener).await).await;
            assert!(shaken.is_err(), "a receiver that no authority knows gets nothing");
        }
        stop.cancel();
        forwarding.await.unwrap();
    }
    registry.close().await;
}

fn options() -> ForwardOptions {
    let mut options = ForwardOptions::default();
    options.interval = Duration::from_millis(20);
    options.backoff = Duration::from_millis(20);
    options.grace = Duration::from_secs(60);
    options
}

/// Forwards until it is told to stop.
fn forward(registry: &TestRegistry, options: ForwardOptions) -> (CancellationToken, JoinHandle<()>) {
    let stop = CancellationToken::new();
    (stop.clone(), tokio::spawn(forward_audit(registry.harbor.clone(), options, stop)))
}

async fn configure(registry: &TestRegistry, values: serde_json::Value) {
    registry.admin().put(&format!("{API}/configurations")).json(&values).await.expect_status(200);
}

async fn labels(registry: &TestRegistry, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let body = json!({ "name": format!("label-{number}"), "scope": "g" });
        registry.admin().post(&format!("{API}/labels")).json(&body).await.expect_status(201);
    }
    registry.harbor.seal_audit().await.unwrap();
}

/// The next message, by its frame; `None` when the connection is over.
async fn message(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut length = 0;
    loop {
        match stream.read_u8().await.ok()? {
            b' ' => break,
            digit => length = length * 10 + usize::from(digit.checked_sub(b'0').unwrap()),
        }
    }
    let mut text = vec![0; length];
    stream.read_exact(&mut text).await.ok()?;
    Some(String::from_utf8(text).unwrap())
}

/// The keys of the lines in some messages.
fn key(message: &str) -> i64 {
    message.split_once(" id=\"").unwrap().1.split_once('"').unwrap().0.parse().unwrap()
}

/// Reads messages until one has a text in it.
async fn until(stream: &mut (impl AsyncRead + Unpin), text: &str) -> Vec<String> {
    let mut messages = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_secs(20), message(stream)).await.unwrap();
        messages.push(next.unwrap_or_else(|| panic!("the connection ended: {messages:?}")));
        if messages.last().unwrap().contains(text) {
            return messages;
        }
    }
}

/// The messages of as many connections as it takes until one has a text in it, each of which is closed when it is over.
async fn received(listener: &TcpListener, text: &str) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    while !messages.iter().any(|message| message.contains(text)) {
        let mut stream = accept(listener).await;
        while let Some(next) =
            tokio::time::timeout(Duration::from_secs(20), message(&mut stream)).await.unwrap()
        {
            messages.push(next);
        }
    }
    messages
}

async fn accept(listener: &TcpListener) -> TcpStream {
    tokio::time::timeout(Duration::from_secs(20), listener.accept()).await.unwrap().unwrap().0
}

async fn nothing_is_lost_while_the_receiver_is_away(stores: BackEnd) {
    let registry = TestRegistry::start(stores).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    configure(&registry, json!({ "audit_log_forward_endpoint": address.to_string() })).await;
    let (stop, forwarding) = forward(&registry, options());
    labels(&registry, 0..3).await;
    // It comes.
    let listener = TcpListener::bind(address).await.unwrap();
    let first = received(&listener, "\"label-2\"").await;
    assert!(first[0].starts_with("<110>1 20") && first[0].contains("operator=\"admin\""), "{}", first[0]);
    // It dies with lines unread, which come again.
    labels(&registry, 3..6).await;
    let stream = accept(&listener).await;
    stream.readable().await.unwrap();
    drop(stream);
    let second = received(&listener, "\"label-5\"").await;
    // A restart goes on where it stopped, or some lines before that.
    tokio::time::sleep(Duration::from_millis(150)).await;
    stop.cancel();
    forwarding.await.unwrap();
    labels(&registry, 6..8).await;
    let (stop, forwarding) = forward(&registry, options());
    let third = received(&listener, "\"label-7\"").await;
    let mut keys: Vec<i64> = first.iter().chain(&second).chain(&third).map(|text| key(text)).collect();
    assert!(key(&third[0]) > key(&first[2]), "what was received is not sent for ever");
    keys.sort_unstable();
    keys.dedup();
    let lines = read(&registry.admin(), format!("{API}/auditlog-exts?sort=id&page_size=100")).await;
    let all: Vec<i64> = lines.as_array().unwrap().iter().map(|line| line["id"].as_i64().unwrap()).collect();
    assert_eq!(keys, all[..keys.len()]);
    stop.cancel();
    forwarding.await.unwrap();
    registry.close().await;
}

/// The receiver vanishes with all that came to its machine, and so does the connection: only that it was closed tells that it was read.
async fn what_is_on_its_way_is_sent_again(stores: BackEnd) {
    let registry = TestRegistry::start(stores).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    configure(&registry, json!({ "audit_log_forward_endpoint": endpoint })).await;
    labels(&registry, 0..3).await;
    let (stop, forwarding) = forward(&registry, options());
    let mut stream = accept(&listener).await;
    until(&mut stream, "\"label-2\"").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.cancel();
    forwarding.await.unwrap();
    let (stop, forwarding) = forward(&registry, options());
    let again = received(&listener, "\"label-2\"").await;
    assert!(again.iter().any(|message| message.contains("\"label-0\"")), "{again:?}");
    drop(stream);
    stop.cancel();
    forwarding.await.unwrap();
    registry.close().await;
}

async fn receivers_that_close_nothing_get_what_is_next(registry: &TestRegistry) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    configure(registry, json!({ "audit_log_forward_endpoint": endpoint })).await;
    let mut options = options();
    options.grace = Duration::from_millis(50);
    let (stop, forwarding) = forward(registry, options);
    let mut open = Vec::new();
    for number in 0..3 {
        labels(registry, number..number + 1).await;
        let mut stream = accept(&listener).await;
        let came = until(&mut stream, &format!("\"label-{number}\"")).await;
        let before = number.checked_sub(1).map(|before| format!("\"label-{before}\""));
        assert!(
            before.is_none_or(|before| !came.iter().any(|message| message.contains(&before))),
            "{came:?}"
        );
        open.push(stream);
    }
    stop.cancel();
    forwarding.await.unwrap();
}

async fn lines_may_be_kept_elsewhere_alone(registry: &TestRegistry) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    configure(registry, json!({ "audit_log_forward_endpoint": endpoint, "skip_audit_log_database": true }))
        .await;
    labels(registry, 0..3).await;
    let (stop, forwarding) = forward(registry, options());
    received(&listener, "\"label-2\"").await;
    let gone = async {
        loop {
            let left = read(&registry.admin(), format!("{API}/auditlog-exts?q=resource_type=label")).await;
            if left.as_array().unwrap().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    stop.cancel();
    forwarding.await.unwrap();
    registry.harbor.seal_audit().await.unwrap();
    let report = read(&registry.admin(), format!("{API}/auditlog-exts/verify")).await;
    assert_eq!(report["intact"], true, "{report}");
    // Neither links nor lines about purges are left behind.
    assert!(report["lines"] == 0 && report["purged"] == report["base"]["seq"], "{report}");
    let purges = read(&registry.admin(), format!("{API}/auditlog-exts?q=operation=purge")).await;
    assert_eq!(purges, json!([]));
    labels(registry, 3..4).await;
    let report = read(&registry.admin(), format!("{API}/auditlog-exts/verify")).await;
    assert_eq!(
        (&report["intact"], &report["lines"]),
        (&json!(true), &json!(1)),
        "the chain goes on: {report}"
    );
}

async fn receivers_are_checked(registry: &TestRegistry) {
    for wrong in [
        json!({ "audit_log_forward_endpoint": "udp://logs:514" }),
        json!({ "audit_log_forward_endpoint": "logs" }),
        json!({ "skip_audit_log_database": true }),
        json!({ "skip_audit_log_database": true, "audit_log_forward_endpoint": "" }),
    ] {
        let call = registry.admin().put(&format!("{API}/configurations")).json(&wrong);
        call.await.expect_error(400, "BAD_REQUEST");
    }
}

async fn one_node_forwards(registry: &TestRegistry) {
    let audit = registry.harbor.audit();
    labels(registry, 0..3).await;
    let first = audit.forward_claim("one").await.unwrap().unwrap();
    assert_eq!(audit.forward_claim("other").await.unwrap(), None);
    let lines = audit.forward_next(first).await.unwrap();
    assert!(lines.len() >= 3);
    assert!(audit.forwarded("one", &lines[..2]).await.unwrap());
    assert!(!audit.forwarded("other", &lines).await.unwrap(), "who has no cursor moves none");
    audit.forward_release("other").await.unwrap();
    assert_eq!(audit.forward_claim("other").await.unwrap(), None);
    audit.forward_release("one").await.unwrap();
    assert_eq!(audit.forward_claim("other").await.unwrap(), Some(lines[1].id));
    assert_eq!(audit.forward_next(lines[1].id).await.unwrap(), lines[2..]);
}
