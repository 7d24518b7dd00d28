//! A served registry.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use harbor_auth::{AccountOptions, Accounts, AuditKeys};
use harbor_core::access::permission::{GarbageCollectionCreate, ProjectCreate};
use harbor_core::access::{Actor, Role, Secret};
use harbor_core::blob::BlobStore;
use harbor_core::egress::Egress;
use harbor_core::event::EventSink;
use harbor_core::job::{Done, Job, Running};
use harbor_core::meta::{MetadataStore, UserId};
use harbor_core::policy::Policy;
use harbor_core::{Builder, Clock, GcReport, Harbor, NewProject, Settings};
use harbor_server::{App, AppOptions, Server, TlsFiles};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::access::{People, make_member, make_user, password_of};
use crate::client::Client;
use crate::raw::RawConnection;
use crate::stores::{BackEnd, Rest};

/// The administrator's password in every test.
pub(crate) const PASSWORD: &str = "the administrator's password";

type Change<T> = Box<dyn FnOnce(&mut T)>;
type Wrap<T> = Box<dyn FnOnce(Arc<T>) -> Arc<T>>;

/// What a registry is started with.
#[must_use]
pub struct RegistryBuilder {
    stores: BackEnd,
    parts: Builder,
    settings: Settings,
    clock: Clock,
    people: People,
    accounts: Vec<Change<AccountOptions>>,
    app: Change<AppOptions>,
    body_pause: Option<Duration>,
    tls: Option<(TlsFiles, Duration)>,
    wrap_blobs: Wrap<dyn BlobStore>,
    wrap_metadata: Wrap<dyn MetadataStore>,
    wrap_accounts: Wrap<dyn MetadataStore>,
}

impl RegistryBuilder {
    /// Changes the engine's settings.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Replaces the system's clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Adds a policy.
    pub fn policy(mut self, policy: impl Policy) -> Self {
        self.parts = self.parts.policy(policy);
        self
    }

    /// Makes a function run the jobs of a kind.
    pub fn job<J, F>(mut self, run: impl Fn(J, Running) -> F + Send + Sync + 'static) -> Self
    where
        J: Job,
        F: Future<Output = harbor_core::Result<Done>> + Send + 'static,
    {
        self.parts = self.parts.job(run);
        self
    }

    /// Adds a receiver of events.
    pub fn event_sink(mut self, sink: impl EventSink) -> Self {
        self.parts = self.parts.event_sink(sink);
        self
    }

    /// Replaces the client of all outgoing HTTP.
    pub fn egress(mut self, egress: Egress) -> Self {
        self.parts = self.parts.egress(egress);
        self
    }

    /// Changes how accounts behave.
    pub fn accounts(mut self, change: impl FnOnce(&mut AccountOptions) + 'static) -> Self {
        self.accounts.push(Box::new(change));
        self
    }

    /// Changes how requests are answered.
    pub fn app(mut self, change: impl FnOnce(&mut AppOptions) + 'static) -> Self {
        self.app = Box::new(change);
        self
    }

    /// Believes every client of the loopback interface who says that it is a proxy: so tests come from where they like.
    pub fn behind_a_proxy(self) -> Self {
        self.app(|options| options.trusted_proxies.networks = vec!["127.0.0.1".parse().expect("an address")])
    }

    /// Lets logins fail as often as a test wants.
    pub fn patient_with_logins(self) -> Self {
        self.accounts(|options| {
            options.login_limits.of_name = u32::MAX;
            options.login_limits.of_address = u32::MAX;
            options.login_limits.delay = Duration::ZERO;
        })
    }

    /// Adds a user who may do everything in `projects`: see [`TestRegistry::user`].
    pub fn user(mut self, name: &str, projects: &[&str]) -> Self {
        self.people.add(name, projects);
        self
    }

    /// How long a client may pause while it sends a body.
    pub const fn body_pause(mut self, pause: Duration) -> Self {
        self.body_pause = Some(pause);
        self
    }

    /// Speaks TLS, with a certificate for `localhost` and the loopback address that is looked at every `look`.
    pub fn tls(mut self, files: TlsFiles, look: Duration) -> Self {
        self.tls = Some((files, look));
        self
    }

    /// Puts something between the engine and the blob store.
    pub fn wrap_blobs(
        mut self,
        wrap: impl FnOnce(Arc<dyn BlobStore>) -> Arc<dyn BlobStore> + 'static,
    ) -> Self {
        self.wrap_blobs = Box::new(wrap);
        self
    }

    /// Puts something between the engine and the metadata store.
    pub fn wrap_metadata(
        mut self,
        wrap: impl FnOnce(Arc<dyn MetadataStore>) -> Arc<dyn MetadataStore> + 'static,
    ) -> Self {
        self.wrap_metadata = Box::new(wrap);
        self
    }

    /// Puts something between the accounts and the metadata store.
    pub fn wrap_accounts(
        mut self,
        wrap: impl FnOnce(Arc<dyn MetadataStore>) -> Arc<dyn MetadataStore> + 'static,
    ) -> Self {
        self.wrap_accounts = Box::new(wrap);
        self
    }

    /// Opens the stores and serves.
    pub async fn start(self) -> TestRegistry {
        let stores = self.stores.open().await;
        let metadata = stores.metadata;
        let mut options = AccountOptions::default();
        options.admin_password = Some(Secret::new(PASSWORD));
        options.configuration = self.settings.configuration.clone();
        self.accounts.into_iter().for_each(|change| change(&mut options));
        let (accounts, _) =
            Accounts::bootstrap((self.wrap_accounts)(Arc::clone(&metadata)), options, self.clock.clone())
                .await
                .expect("the accounts");
        let keys = AuditKeys::load(Arc::clone(&metadata), self.clock.now()).await.expect("the keys");
        let harbor = self
            .parts
            .audit_signer(keys)
            .metadata_arc((self.wrap_metadata)(metadata))
            .blobs_arc((self.wrap_blobs)(stores.blobs))
            .authenticator(accounts.clone())
            .authorizer(accounts.clone())
            .clock(self.clock.clone())
            .settings(self.settings)
            .build()
            .expect("a complete registry");
        harbor.start().await.expect("a registry that starts");
        self.people.make(&harbor, &accounts).await;

        let mut options = AppOptions::default();
        options.accounts = Some(accounts.clone());
        options.body_pause = self.body_pause.unwrap_or(options.body_pause);
        options.tls = self.tls.is_some();
        (self.app)(&mut options);
        let app = App::new(harbor.clone(), options);
        let (files, look) = self.tls.map(|(files, look)| (Some(files), Some(look))).unwrap_or_default();
        let scheme = if files.is_some() { "https" } else { "http" };
        let mut server = Server::bind(app, ([127, 0, 0, 1], 0).into(), files).await.expect("a free port");
        if let Some(look) = look {
            server = server.look_every(look);
        }
        let address = server.address().expect("an address");
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server.serve(stop.clone()));
        TestRegistry {
            harbor,
            accounts,
            people: self.people,
            clock: self.clock,
            address,
            client: Client::new(&format!("{scheme}://{address}")),
            serving,
            stop: stop.drop_guard(),
            rest: stores.rest,
        }
    }
}

/// A registry that is served on a free port of the loopback interface, over stores of its own.
pub struct TestRegistry {
    /// The registry as a value, beside HTTP.
    pub harbor: Harbor,
    /// Everybody whom it knows.
    pub accounts: Accounts,
    people: People,
    /// Its clock.
    pub clock: Clock,
    address: SocketAddr,
    client: Client,
    serving: JoinHandle<()>,
    stop: DropGuard,
    rest: Rest,
}

impl TestRegistry {
    /// A registry over `stores`, to be changed before it starts.
    pub fn builder(stores: BackEnd) -> RegistryBuilder {
        RegistryBuilder {
            stores,
            parts: Harbor::builder(),
            settings: Settings::default(),
            clock: Clock::System,
            people: People::default(),
            accounts: Vec::new(),
            app: Box::new(|_| ()),
            body_pause: None,
            tls: None,
            wrap_blobs: Box::new(|store| store),
            wrap_metadata: Box::new(|store| store),
            wrap_accounts: Box::new(|store| store),
        }
    }

    /// A registry over `stores` with every default.
    pub async fn start(stores: BackEnd) -> Self {
        Self::builder(stores).start().await
    }

    /// A registry in memory.
    pub async fn in_memory() -> Self {
        Self::start(BackEnd::Memory).await
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client without credentials.
    #[must_use]
    pub fn anon(&self) -> Client {
        self.client.clone()
    }

    /// The administrator.
    #[must_use]
    pub fn admin(&self) -> Client {
        self.client.basic("admin", PASSWORD)
    }

    /// A user of [`RegistryBuilder::user`].
    #[must_use]
    pub fn user(&self, name: &str) -> Client {
        self.client.basic(name, &password_of(name))
    }

    /// The password of the administrator, or of a user of [`RegistryBuilder::user`], for clients of other kinds.
    #[must_use]
    pub fn password(&self, name: &str) -> String {
        if name == "admin" { PASSWORD.to_owned() } else { password_of(name) }
    }

    /// Begins the session of a browser for a user; yields the cookie.
    pub async fn log_in(&self, name: &str) -> String {
        let form = format!("principal={name}&password={}", password_of(name));
        let answer = self.anon().post("/c/login").body(form).await.expect_status(200);
        answer.need("Set-Cookie").split(';').next().unwrap_or_default().to_owned()
    }

    /// A connection on which anything can be said.
    pub async fn raw(&self) -> RawConnection {
        RawConnection::open(self.address).await
    }

    /// Makes a project.
    pub async fn project(&self, name: &str, public: bool) {
        let admin = Actor::administrator("admin");
        let proof = self.harbor.authorize::<ProjectCreate>(&admin, ()).await.expect("a proof");
        let new = NewProject { public, ..NewProject::new(name.parse().expect("a name")) };
        self.harbor.projects().create(proof, new).await.expect("a project");
        self.people.join(&self.harbor, &self.accounts, name).await;
    }

    /// Makes a user who is nothing in any project.
    pub async fn add_user(&self, name: &str) -> UserId {
        make_user(&self.harbor, &self.accounts, name).await
    }

    /// Makes a user a member of a project.
    pub async fn add_member(&self, project: &str, user: UserId, role: Role) {
        make_member(&self.harbor, &self.accounts, project, user, role).await;
    }

    /// Collects what is due.
    pub async fn collect_garbage(&self) -> GcReport {
        let admin = Actor::administrator("admin");
        let proof = self.harbor.authorize::<GarbageCollectionCreate>(&admin, ()).await.expect("a proof");
        self.harbor.collect_garbage(proof).await.expect("a report")
    }

    /// Runs a statement behind the engine's back. Not over SQLite in memory, which nobody else can reach.
    pub async fn sql(&self, statement: &str) {
        self.rest.sql(statement).await;
    }

    /// The number that a statement yields, behind the engine's back. Over SQLite in a file alone.
    pub async fn number(&self, statement: &str) -> i64 {
        self.rest.number(statement).await
    }

    /// Stops serving, closes the stores and removes them.
    pub async fn close(self) {
        drop((self.stop, self.client));
        // A test may have left a connection in the middle of a request.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.serving).await;
        self.harbor.shutdown().await;
        drop(self.harbor);
        self.rest.remove().await;
    }
}
