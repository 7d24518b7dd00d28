//! How a registry is reached, and as whom.

use std::time::Duration;

use harbor_replicate::client::docker::DockerConfig;
use harbor_replicate::client::{Connection, Credential, Error, Proxy, Registry, Retry};

use crate::Outcome;

/// Trust, proxies and patience. A connection is shared by all registries that are made with it.
pub(crate) async fn connections(registry: &Registry) -> Outcome {
    // What the system trusts is trusted; `authority` adds a CA of one's own, `client_certificate` says who asks.
    let connection = Connection::builder()
        .proxy(Proxy::None)
        .idle_timeout(Duration::from_secs(30))
        .retry(Retry { attempts: 3, ..Retry::default() })
        .build()?;
    let same = Registry::builder(format!("http://{}", registry.host())).connection(connection).build()?;
    match same.ping().await {
        Ok(()) => println!("{} answers", same.host()),
        Err(Error::Unauthorized { hint, .. }) => println!("{}: {hint}", same.host()),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Somebody's name and password, or what `docker login` and its helpers keep. They go to that registry, and to the token service that
/// it names.
pub(crate) async fn credentials(registry: &Registry) -> Outcome {
    let known = DockerConfig::from_environment()?.find(&registry.host()).await?;
    println!("docker knows somebody here: {}", known != Credential::Anonymous);
    let somebody = Credential::password("robot$ci", "a secret");
    println!("{somebody:?}");
    Registry::builder("registry.example").credentials(somebody).build()?;
    Ok(())
}
