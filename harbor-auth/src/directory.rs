//! What is remembered of who there is: users with their memberships, robots, roles, personal access tokens.
//!
//! It is asked on every request. On an exclusive store what was read stays true until [`Directory::forget`]; on a shared one
//! the revision of access is read each time, and when it has moved on everything is read anew.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use harbor_core::access::Restriction;
use harbor_core::meta::revision::ACCESS;
use harbor_core::meta::{
    Membership, MetadataStore, PersonalToken, ProjectId, Reads, Robot, RobotId, Sharing, TokenId, User,
    UserId,
};
use harbor_core::{ConfigKey, Configuration, StoreError};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::grants::Grants;
use crate::roles::RoleTable;

/// How many of each kind are remembered.
const KEPT: usize = 4096;

/// How much memory robots may take, and tokens twice, in bytes: people decide how much is given to each.
const MEMORY: u64 = 64 * 1024 * 1024;

/// A user, and what it is in projects.
#[derive(Debug)]
pub(crate) struct KnownUser {
    pub(crate) user: User,
    memberships: HashMap<ProjectId, Vec<Membership>>,
}

impl KnownUser {
    /// What the user is in a project.
    pub(crate) fn memberships(&self, project: ProjectId) -> &[Membership] {
        self.memberships.get(&project).map_or(&[], Vec::as_slice)
    }

    /// The projects that the user is a member of.
    pub(crate) fn projects(&self) -> impl Iterator<Item = (ProjectId, &[Membership])> {
        self.memberships.iter().map(|(project, memberships)| (*project, memberships.as_slice()))
    }
}

/// A robot, and what it may do.
#[derive(Debug)]
pub(crate) struct KnownRobot {
    pub(crate) robot: Robot,
    pub(crate) grants: Grants,
    /// The grants, as they are asked about on each request.
    pub(crate) limit: Restriction,
}

/// A personal access token, and what it is limited to; nothing where it may do all that its user may.
#[derive(Debug)]
pub(crate) struct KnownToken {
    pub(crate) token: PersonalToken,
    pub(crate) limit: Option<Arc<Restriction>>,
}

/// About how much memory what was given takes.
#[derive(Clone, Debug)]
struct Weight;

impl<K> Weighter<K, Arc<KnownRobot>> for Weight {
    fn weight(&self, _: &K, known: &Arc<KnownRobot>) -> u64 {
        weight(&known.robot.permissions)
    }
}

impl<K> Weighter<K, Arc<KnownToken>> for Weight {
    fn weight(&self, _: &K, known: &Arc<KnownToken>) -> u64 {
        weight(&known.token.scopes)
    }
}

/// The text, and twice as much for what was read from it.
const fn weight(stored: &str) -> u64 {
    (512 + 3 * stored.len()) as u64
}

/// What was read, under one count of changes.
struct Memory {
    /// Counted up whenever everything is forgotten: what was read before is not kept after.
    generation: u64,
    /// The revision that a shared store had when this began.
    revision: i64,
    roles: Option<Arc<RoleTable>>,
    configuration: Option<Arc<Configuration>>,
}

/// See the [module](self).
pub(crate) struct Directory {
    metadata: Arc<dyn MetadataStore>,
    memory: RwLock<Memory>,
    users: Cache<UserId, Arc<KnownUser>>,
    names: Cache<Box<str>, UserId>,
    robots: Cache<RobotId, Arc<KnownRobot>, Weight>,
    robot_names: Cache<(Option<ProjectId>, Box<str>), RobotId>,
    tokens: Cache<Box<str>, Arc<KnownToken>, Weight>,
    tokens_by_id: Cache<TokenId, Arc<KnownToken>, Weight>,
}

impl Directory {
    pub(crate) fn new(metadata: Arc<dyn MetadataStore>) -> Self {
        Self {
            metadata,
            memory: RwLock::new(Memory { generation: 0, revision: 0, roles: None, configuration: None }),
            users: Cache::new(KEPT),
            names: Cache::new(KEPT),
            robots: Cache::with_weighter(KEPT, MEMORY, Weight),
            robot_names: Cache::new(KEPT),
            tokens: Cache::with_weighter(KEPT, MEMORY, Weight),
            tokens_by_id: Cache::with_weighter(KEPT, MEMORY, Weight),
        }
    }

    /// Forgets everything.
    pub(crate) fn forget(&self) {
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        self.clear(&mut memory);
    }

    fn clear(&self, memory: &mut Memory) {
        memory.generation += 1;
        memory.roles = None;
        memory.configuration = None;
        self.users.clear();
        self.names.clear();
        self.robots.clear();
        self.robot_names.clear();
        self.tokens.clear();
        self.tokens_by_id.clear();
    }

    pub(crate) async fn read(&self) -> Result<Box<dyn Reads>, StoreError> {
        self.metadata.read().await
    }

    /// To be called first: makes sure that what is remembered is true, and yields the count of changes for [`Self::keep`].
    async fn fresh(&self) -> Result<u64, StoreError> {
        if self.metadata.sharing() == Sharing::Exclusive {
            return Ok(self.memory.read().unwrap_or_else(PoisonError::into_inner).generation);
        }
        let revision = self.read().await?.revision(ACCESS).await?;
        {
            let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
            // A request that read the revision before another one did is not overtaken by what that one remembers.
            if memory.revision >= revision {
                return Ok(memory.generation);
            }
        }
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        if memory.revision < revision {
            memory.revision = revision;
            self.clear(&mut memory);
        }
        Ok(memory.generation)
    }

    /// Keeps what was read, unless something changed since `before`.
    fn keep<K: Hash + Eq, V: Clone, W: Weighter<K, V> + Clone>(
        &self,
        before: u64,
        cache: &Cache<K, V, W>,
        key: K,
        value: V,
    ) {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        if memory.generation == before {
            cache.insert(key, value);
        }
    }

    /// The user of that key.
    pub(crate) async fn user(&self, id: UserId) -> Result<Option<Arc<KnownUser>>, StoreError> {
        let before = self.fresh().await?;
        if let Some(known) = self.users.get(&id) {
            return Ok(Some(known));
        }
        let user = self.read().await?.user(id).await?;
        self.learn(before, user).await
    }

    /// The user of that name.
    pub(crate) async fn user_named(&self, name: &str) -> Result<Option<Arc<KnownUser>>, StoreError> {
        let before = self.fresh().await?;
        if let Some(known) = self.names.get(name).and_then(|id| self.users.get(&id)) {
            return Ok(Some(known));
        }
        let user = self.read().await?.user_named(name).await?;
        self.learn(before, user).await
    }

    async fn learn(&self, before: u64, user: Option<User>) -> Result<Option<Arc<KnownUser>>, StoreError> {
        let Some(user) = user else { return Ok(None) };
        let mut memberships: HashMap<ProjectId, Vec<Membership>> = HashMap::new();
        for membership in self.read().await?.memberships(user.id).await? {
            memberships.entry(membership.project).or_default().push(membership);
        }
        let known = Arc::new(KnownUser { user, memberships });
        self.keep(before, &self.names, known.user.name.as_str().into(), known.user.id);
        self.keep(before, &self.users, known.user.id, Arc::clone(&known));
        Ok(Some(known))
    }

    /// The robot of that key.
    pub(crate) async fn robot(&self, id: RobotId) -> Result<Option<Arc<KnownRobot>>, StoreError> {
        let before = self.fresh().await?;
        if let Some(known) = self.robots.get(&id) {
            return Ok(Some(known));
        }
        let robot = self.read().await?.robot(id).await?;
        self.learn_robot(before, robot)
    }

    /// The robot of that name, without the prefix.
    pub(crate) async fn robot_named(
        &self,
        project: Option<ProjectId>,
        name: &str,
    ) -> Result<Option<Arc<KnownRobot>>, StoreError> {
        let before = self.fresh().await?;
        let key = (project, Box::from(name));
        if let Some(known) = self.robot_names.get(&key).and_then(|id| self.robots.get(&id)) {
            return Ok(Some(known));
        }
        let robot = self.read().await?.robot_named(project, name).await?;
        self.learn_robot(before, robot)
    }

    fn learn_robot(&self, before: u64, robot: Option<Robot>) -> Result<Option<Arc<KnownRobot>>, StoreError> {
        let Some(robot) = robot else { return Ok(None) };
        let grants = Grants::read(&robot.permissions)?;
        let known = Arc::new(KnownRobot { limit: grants.restriction(), robot, grants });
        let name = (known.robot.project, Box::from(known.robot.name.as_str()));
        self.keep(before, &self.robot_names, name, known.robot.id);
        self.keep(before, &self.robots, known.robot.id, Arc::clone(&known));
        Ok(Some(known))
    }

    /// The personal access token of that digest.
    pub(crate) async fn token(&self, digest: &str) -> Result<Option<Arc<KnownToken>>, StoreError> {
        let before = self.fresh().await?;
        if let Some(token) = self.tokens.get(digest) {
            return Ok(Some(token));
        }
        let token = self.read().await?.personal_token(digest).await?.map(learned).transpose()?;
        if let Some(token) = &token {
            self.keep(before, &self.tokens, digest.into(), Arc::clone(token));
        }
        Ok(token)
    }

    /// The personal access token of that key.
    pub(crate) async fn token_of(&self, id: TokenId) -> Result<Option<Arc<KnownToken>>, StoreError> {
        let before = self.fresh().await?;
        if let Some(token) = self.tokens_by_id.get(&id) {
            return Ok(Some(token));
        }
        let token = self.read().await?.personal_token_of(id).await?.map(learned).transpose()?;
        if let Some(token) = &token {
            self.keep(before, &self.tokens_by_id, id, Arc::clone(token));
        }
        Ok(token)
    }

    /// The configuration.
    pub(crate) async fn configuration(
        &self,
        fixed: &BTreeMap<ConfigKey, serde_json::Value>,
    ) -> Result<Arc<Configuration>, StoreError> {
        let before = self.fresh().await?;
        let remembered = self.memory.read().unwrap_or_else(PoisonError::into_inner).configuration.clone();
        if let Some(configuration) = remembered {
            return Ok(configuration);
        }
        let configuration = Arc::new(Configuration::load(&mut *self.read().await?, fixed).await?);
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        if memory.generation == before {
            memory.configuration = Some(Arc::clone(&configuration));
        }
        Ok(configuration)
    }

    /// The roles that were made.
    pub(crate) async fn roles(&self) -> Result<Arc<RoleTable>, StoreError> {
        let before = self.fresh().await?;
        let remembered = self.memory.read().unwrap_or_else(PoisonError::into_inner).roles.clone();
        if let Some(roles) = remembered {
            return Ok(roles);
        }
        let roles = Arc::new(RoleTable::new(self.read().await?.roles().await?));
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        if memory.generation == before {
            memory.roles = Some(Arc::clone(&roles));
        }
        Ok(roles)
    }
}

fn learned(token: PersonalToken) -> Result<Arc<KnownToken>, StoreError> {
    let grants = (!token.scopes.is_empty()).then(|| Grants::read(&token.scopes)).transpose()?;
    Ok(Arc::new(KnownToken { limit: grants.map(|grants| Arc::new(grants.restriction())), token }))
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}
