//! The client of Harbor's API v2.0: of this registry, and of Harbor itself.
//!
//! Each noun is a cheap borrow with a verb for each operation of [`harbor_core::operation`], whose paths and methods come from
//! there; what goes and comes are the types of [`harbor_core::api`]. Lists are streams over their pages. The program `api` among the
//! examples has one for each noun, which runs.
//!
//! Every verb may fail with [`Error::Refused`], which has Harbor's codes and the request's id, [`Error::Unauthorized`],
//! [`Error::Unreachable`], and [`Error::BadAnswer`] for what does not read. What only reads, and what comes to the same when it is
//! done twice, is tried again as [`Retry`](super::Retry) says; the rest is when the server says that it did nothing (429, 503).
//!
//! ```no_run
//! use harbor_core::api::ProjectReq;
//! use harbor_replicate::client::Credential;
//! use harbor_replicate::client::api::{Api, Query};
//!
//! # async fn example() -> harbor_replicate::client::Result<()> {
//! let api = Api::builder("harbor.example").credential(Credential::password("grace", "her password")).build()?;
//! let project = ProjectReq { project_name: Some("team".to_owned()), ..ProjectReq::default() };
//! api.projects().create(&project).await?;
//! let mut projects = api.projects().list(&Query::new().q("public=true").sort("-creation_time"));
//! while let Some(project) = projects.next().await {
//!     println!("{}", project?.name);
//! }
//! # Ok(()) }
//! ```

mod call;
mod content;
mod jobs;
mod noun;
mod people;
mod projects;
mod query;
mod retention;
mod system;
mod webhooks;

use std::fmt;
use std::sync::Arc;

use harbor_core::access::Secret;
use harbor_core::operation::{self, BASE, Method};
use url::Url;

use super::registry::address;
use super::{Connection, Credential, Error, Result};

pub use call::{Call, Created};
pub use content::{Artifacts, DeletedArtifacts, Labels, Repositories};
pub use jobs::{GarbageCollection, Jobservice, Purges, Schedules};
pub use people::{Groups, Members, PersonalTokens, ProjectRobots, Robots, Roles, Totp, Users};
pub use projects::{ImmutableRules, Projects, Quotas};
pub use query::{ProjectRef, Query};
pub use retention::Retentions;
pub use system::{Audit, System};
pub use webhooks::{ProjectWebhooks, Webhooks};

/// The operations that have a verb, by their names in [`harbor_core::operation`].
pub fn verbs() -> impl Iterator<Item = &'static str> {
    [
        projects::VERBS,
        people::VERBS,
        content::VERBS,
        jobs::VERBS,
        retention::VERBS,
        system::VERBS,
        webhooks::VERBS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The API of a server, as somebody. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    /// Where the paths of operations begin.
    base: Url,
    connection: Connection,
    authorization: Option<Secret>,
    secrets: Vec<Secret>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("base", &self.inner.base.as_str()).finish_non_exhaustive()
    }
}

/// An [`Api`] that is being set up.
#[derive(Debug)]
#[must_use]
pub struct ApiBuilder {
    address: String,
    connection: Option<Connection>,
    credential: Credential,
}

impl ApiBuilder {
    /// By which it is reached. Default: a connection of its own with every default.
    pub fn connection(mut self, connection: Connection) -> Self {
        self.connection = Some(connection);
        self
    }

    /// Who asks: a user with a password or a personal access token, or a robot with its secret. Default: nobody in particular.
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credential = credential;
        self
    }

    /// The API. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Configuration`] when the address is none, or for a credential that an API does not take.
    pub fn build(self) -> Result<Api> {
        let (url, _) = address(&self.address)?;
        let base = url.join(&format!("{}/", BASE.trim_start_matches('/')));
        let base = base.map_err(|_| Error::Configuration(format!("{} is no address", self.address)))?;
        let connection = self.connection.map_or_else(Connection::new, Ok)?;
        let authorization = match &self.credential {
            Credential::Anonymous => None,
            Credential::Bearer(token) => Some(Secret::new(format!("Bearer {}", token.expose()))),
            Credential::Password { .. } => self.credential.basic(),
            _ => {
                let what = "an identity token is for registries: show the API a password, a token or a robot's secret";
                return Err(Error::Configuration(what.to_owned()));
            }
        };
        let secrets = self.credential.secrets();
        Ok(Api { inner: Arc::new(Inner { base, connection, authorization, secrets }) })
    }
}

impl Api {
    /// The API of the server at an address: `host` or `host:port`, over TLS; `http://host:port`, without.
    pub fn builder(address: impl Into<String>) -> ApiBuilder {
        ApiBuilder { address: address.into(), connection: None, credential: Credential::Anonymous }
    }

    /// A call of any operation, by its name in [`harbor_core::operation`]: for what has no verb yet.
    ///
    /// # Errors
    /// [`Error::Configuration`] when there is none of that name.
    pub fn call(&self, id: &str) -> Result<Call> {
        let operation = operation::all().find(|operation| operation.id == id);
        let operation =
            operation.ok_or_else(|| Error::Configuration(format!("there is no operation {id:?}")))?;
        Ok(Call::new(self.clone(), operation))
    }

    /// A call of any path below `/api/v2.0`, encoded as it is sent and with its query: for what is in no table.
    pub fn call_path(&self, method: Method, path: &str) -> Call {
        Call::to(self.clone(), method, path)
    }
}
