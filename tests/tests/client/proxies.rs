//! Proxies: through one, or not.

use harbor_core::access::Secret;
use harbor_core::oci::Algorithm;
use harbor_replicate::client::{Proxy, Registry};
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
