//! Proxies: through one, or not.

use harbor_core::access::Secret;
use harbor_core::oci::Algorithm;
use harbor_replicate::client::{Connection, Credential, Proxy, Registry, Retry};
use harbor_tests::{TestRegistry, content};

use super::double::{Double, Reply};
use super::{REPO, admin, push, quick};

#[tokio::test]
async fn requests_go_through_the_proxy_with_its_password() {
    let proxy = Double::start(|_| Reply::status(200)).await;
    let through = Proxy::Through {
        address: Secret::new(format!("http://me:secret@{}", proxy.address)),
        except: "127.0.0.1,.internal".to_owned(),
    };
    let connection = quick().proxy(through).build().unwrap();
    let to = |address: &str| Registry::builder(address).connection(connection.clone()).build().unwrap();
    to("http://registry.invalid").ping().await.unwrap();
    let came = proxy.came().remove(0);
    assert_eq!(came.target, "http://registry.invalid/v2/");
    assert_eq!(came.header("proxy-authorization"), Some("Basic bWU6c2VjcmV0"));
    assert_eq!(came.header("authorization"), None);
    // Over TLS it is asked for a way through, and sees no more.
    assert!(to("registry.invalid").ping().await.is_err());
    assert_eq!(proxy.came()[1].line(), "CONNECT registry.invalid:443");
    // What is excepted goes straight.
    let before = proxy.came().len();
    let registry = TestRegistry::in_memory().await;
    let builder = Registry::builder(format!("http://{}", registry.address())).connection(connection.clone());
    let ours = builder.credentials(admin(&registry)).build().unwrap();
    push(&ours.repository(REPO.parse().unwrap()), "a", &content::image(Algorithm::Sha256)).await;
    assert_eq!(proxy.came().len(), before);
    registry.close().await;
}

/// Where the registry and the other side of the test behind it are.
const REGISTRY: &str = "TEST_REGISTRY";

/// A program with the proxies of its environment; without those of the test, it looks at its own alone.
#[tokio::test]
#[ignore = "needs nobody: it is a part of the_environment_names_no_proxy_for_this_machine"]
async fn a_program_with_proxies() {
    let connection = Connection::builder().retry(Retry::never()).build().unwrap();
    let Ok(port) = std::env::var(REGISTRY) else { return };
    let to = |address: &str| {
        let builder = Registry::builder(address).connection(connection.clone());
        builder.credentials(Credential::password("grace", "hunter2")).build().unwrap()
    };
    for host in ["127.0.0.1", "localhost", "127.0.0.1"] {
        to(&format!("http://{host}:{port}")).ping().await.unwrap();
    }
    // Nobody is there, and nobody else is asked.
    for here in ["http://[::1]:1", "http://127.9.9.9:1", "https://localhost:1"] {
        assert!(to(here).ping().await.is_err(), "{here}");
    }
    to("http://registry.invalid").ping().await.unwrap();
    assert!(to("https://registry.invalid").ping().await.is_err());
    // What is excepted is not there.
    assert!(to("http://sub.except.invalid").ping().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_names_no_proxy_for_this_machine() {
    let registry = Double::start(|_| Reply::status(200)).await;
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let [plain, other] = [(); 2].map(|()| Double::start(|_| Reply::status(200)));
        let (plain, other) = (plain.await, other.await);
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "proxies::a_program_with_proxies"]).env_clear();
        command.env(REGISTRY, registry.address.port().to_string()).env("NO_PROXY", "except.invalid");
        command.env(name, format!("http://{}", plain.address));
        command.env("https_proxy", other.address.to_string());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
        let targets = |double: &Double| double.came().into_iter().map(|came| came.target).collect::<Vec<_>>();
        assert_eq!(targets(&plain), ["http://registry.invalid/v2/"], "{name}");
        assert_eq!(targets(&other), ["registry.invalid:443"], "{name}");
    }
    assert_eq!(registry.came().len(), 9);
    // One that cannot be used is told of, without its password.
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "proxies::a_program_with_proxies"]).env_clear();
    command.env("HTTPS_PROXY", "http://me:hunter2@[:1");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("the proxy of HTTPS_PROXY cannot be used") && !told.contains("hunter2"), "{told}");
}
