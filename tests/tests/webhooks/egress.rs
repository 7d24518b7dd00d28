//! Where deliveries may go.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use harbor_core::egress::{Allowed, Egress, Resolver};
use harbor_server::TlsFiles;
use harbor_tests::{BackEnd, TestRegistry};
use serde_json::{Value, json};

use super::receiver::{Answers, Receiver};
use super::{by_hand, enqueued, http, make, of, policy, push, task};

/// Knows names of its own, whose addresses change from question to question.
#[derive(Clone, Debug)]
struct Names(Arc<Mutex<u32>>);

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut asked = self.0.lock().unwrap();
        *asked += 1;
        let addresses: &[&str] = match name {
            "inner.example" => &["10.0.0.1", "fd00::1"],
            "mapped.example" => &["::ffff:127.0.0.2", "64:ff9b::7f00:2"],
            "outer.example" => &["127.0.0.1"],
            "both.example" => &["127.0.0.2", "127.0.0.1"],
            "turns.example" if *asked % 2 == 1 => &["127.0.0.1"],
            "turns.example" => &["127.0.0.2"],
            _ => return Err(io::Error::other("no such name")),
        };
        Ok(addresses.iter().map(|address| address.parse().unwrap()).collect())
    }
}

async fn registry() -> (TestRegistry, Names) {
    let names = Names(Arc::default());
    let allowed = Allowed::new(vec!["127.0.0.1".parse().unwrap()]);
    let egress = Egress::with_resolver(allowed, names.clone());
    let registry = by_hand(TestRegistry::builder(BackEnd::Memory)).egress(egress).start().await;
    registry.project("p", false).await;
    (registry, names)
}

/// Sends one delivery to an address; yields the status of its task, and its message.
async fn told(registry: &TestRegistry, name: &str, address: &str) -> (String, String) {
    told_to(registry, name, http(address)).await
}

async fn told_to(registry: &TestRegistry, name: &str, mut target: Value) -> (String, String) {
    let admin = registry.admin();
    target["auth_header"] = json!("Bearer something secret");
    target["secrets"] = json!(["0123456789abcdef"]);
    let path = make(&admin, &of("p"), &policy(name, &["PUSH_ARTIFACT"], vec![target])).await;
    push(&admin, "p/app", name).await;
    let execution = enqueued(registry, &path, 1).await.remove(0);
    registry.harbor.run_due_jobs().await.unwrap();
    let task = task(&admin, &path, &execution).await;
    admin.delete(&path).await.expect_status(200);
    let text = |name: &str| task[name].as_str().unwrap_or_default().to_owned();
    (text("status"), text("status_message"))
}

#[tokio::test]
async fn names_are_what_their_addresses_are() {
    let (registry, _) = registry().await;
    let receiver = Receiver::start(Answers::Status(200)).await;
    let at = |name: &str| format!("http://{name}:{}/hook", receiver.port);
    for name in ["inner.example", "mapped.example"] {
        let (status, message) = told(&registry, name, &at(name)).await;
        assert!(status == "Error" && message.contains(&format!("{name} is ")), "{status} {message}");
        assert!(message.contains("egress_allow"), "{message}");
    }
    let (status, message) = told(&registry, "absent", &at("absent.example")).await;
    assert!(status == "Pending" && message.contains("no connection came about"), "{status} {message}");
    assert!(receiver.came().is_empty());
    for name in ["outer.example", "both.example"] {
        assert_eq!(told(&registry, name, &at(name)).await.0, "Success");
    }
    assert_eq!(receiver.came()[0].header("host").unwrap(), format!("outer.example:{}", receiver.port));
    registry.close().await;
}

/// Whatever a name is when it is asked for again: what was looked at is what is connected to.
#[tokio::test]
async fn a_name_that_becomes_another() {
    let (registry, names) = registry().await;
    // Nobody else listens at the other address: whoever is connected to is this one.
    let receiver = Receiver::start(Answers::Ends).await;
    let trap = Receiver::at(&format!("127.0.0.2:{}", receiver.port), Answers::Status(200)).await;
    let address = format!("http://turns.example:{}/", receiver.port);
    let (status, message) = told(&registry, "first", &address).await;
    assert!(status == "Pending" && message.contains("no answer of HTTP"), "{status} {message}");
    assert_eq!((*names.0.lock().unwrap(), receiver.came().len()), (1, 1), "asked once for one connection");
    let (status, message) = told(&registry, "second", &address).await;
    assert!(status == "Error" && message.contains("egress_allow"), "{status} {message}");
    assert!(trap.came().is_empty());
    registry.close().await;
}

#[tokio::test]
async fn redirects() {
    let (registry, _) = registry().await;
    let (first, second) = (Receiver::start(Answers::Ends).await, Receiver::start(Answers::Status(200)).await);
    // Elsewhere: with the same body, and without what says who one is.
    first.answer(Answers::To(307, second.url()));
    assert_eq!(told(&registry, "elsewhere", &first.url()).await.0, "Success");
    let (sent, got) = (first.came().remove(0), second.came().remove(0));
    assert_eq!(sent.body, got.body);
    for name in ["authorization", "x-harbor-signature-256"] {
        assert!(sent.header(name).is_some() && got.header(name).is_none(), "{name}");
    }
    assert!(got.header("x-harbor-delivery").is_some());
    // To a name that leads inwards.
    first.answer(Answers::To(308, format!("http://inner.example:{}/", second.port)));
    let (status, message) = told(&registry, "inwards", &first.url()).await;
    assert!(status == "Error" && message.contains("inner.example is a private address"), "{message}");
    // In a circle.
    let before = first.came().len();
    first.answer(Answers::To(307, first.url()));
    let (status, message) = told(&registry, "circle", &first.url()).await;
    assert!(status == "Pending" && message.contains("redirected more than 3 times"), "{message}");
    assert_eq!(first.came().len() - before, 4);
    registry.close().await;
}

/// Of a receiver whose certificate nobody knows.
#[tokio::test]
async fn certificates_are_verified_unless_somebody_says_otherwise() {
    let (registry, _) = registry().await;
    let folder = tempfile::tempdir().unwrap();
    let files = TlsFiles { certificate: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
    let pair = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&files.certificate, pair.cert.pem()).unwrap();
    std::fs::write(&files.key, pair.signing_key.serialize_pem()).unwrap();
    let other = TestRegistry::builder(BackEnd::Memory).tls(files, Duration::from_secs(60)).start().await;
    let mut target = http(&format!("https://{}/api/v2.0/ping", other.address()));
    let (status, message) = told_to(&registry, "verified", target.clone()).await;
    assert!(status == "Pending" && message.contains("no connection came about"), "{status} {message}");
    target["skip_cert_verify"] = json!(true);
    let (status, message) = told_to(&registry, "any", target).await;
    assert!(status == "Pending" && message.contains("the target answered 405"), "{status} {message}");
    other.close().await;
    registry.close().await;
}
