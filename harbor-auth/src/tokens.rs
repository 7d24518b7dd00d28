//! The token service: what `docker` and its kin carry after they have shown a password once, and what stands for nobody in
//! particular when a public image is pulled.

use std::sync::Arc;
use std::time::Duration;

use harbor_core::access::permission::{
    ArtifactDelete, CatalogRead, RepositoryPull, RepositoryPush, SystemConfigurationUpdate,
};
use harbor_core::access::{
    Action, Actor, Authorized, Grant, Identity, InRepository, Permission, Place, Restriction, Secret, Target,
};
use harbor_core::meta::{PersonalToken, ProjectId, RobotId, TokenId, UserId};
use harbor_core::oci::RepositoryName;
use harbor_core::{ConfigKey, Error, Harbor, StoreError, StoreErrorKind, Timestamp};

use crate::Accounts;
use crate::claims::{Access, Claims, Holder};
use crate::keyring::{KeyRing, ROTATES};
use crate::login::actor_of;

/// The service that tokens are for: the name that Harbor has for it.
pub const SERVICE: &str = "harbor-registry";

/// How many scopes one token has at most.
const SCOPES: usize = 64;

/// A token as it is handed out.
#[derive(Debug)]
pub struct IssuedToken {
    /// The token.
    pub token: Secret,
    /// How long it works.
    pub valid_for: Duration,
    /// When it was made.
    pub issued_at: Timestamp,
}

/// A scope that a client asks for: `repository:library/alpine:pull,push`
/// (the Distribution project's "Token Scope Documentation").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenScope {
    kind: String,
    name: String,
}

impl TokenScope {
    /// Reads a scope; `None` for what is none. The actions are of no account: as with Harbor, a token has all that its holder
    /// may do to the resource.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        let (name, _actions) = rest.rsplit_once(':')?;
        // `repository(plugin)` is a repository too.
        let kind = kind.split_once('(').map_or(kind, |(kind, _)| kind);
        Some(Self { kind: kind.to_owned(), name: name.to_owned() })
    }
}

/// What may be done to a repository, by the words of tokens.
const ACTIONS: [(&str, Permission); 4] = [
    ("pull", RepositoryPull::PERMISSION),
    ("push", RepositoryPush::PERMISSION),
    ("delete", ArtifactDelete::PERMISSION),
    ("delete", harbor_core::access::permission::TagDelete::PERMISSION),
];

/// The word for everything that tokens allow on the list of repositories.
const EVERYTHING: &str = "*";

impl Accounts {
    /// A token for `actor`, with what it may do of what it asks for.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for too many scopes, or so many that no token is long enough; as the stores fail.
    pub async fn issue(
        &self,
        harbor: &Harbor,
        actor: &Actor,
        scopes: &[TokenScope],
    ) -> Result<IssuedToken, Error> {
        if scopes.len() > SCOPES {
            return Err(Error::BadRequest(format!("a token has at most {SCOPES} scopes")));
        }
        let mut access = Vec::with_capacity(scopes.len());
        for scope in scopes {
            access.push(self.access(harbor, actor, scope).await?);
        }
        self.tend_keys().await;
        let valid_for = self.configuration().await?.minutes(ConfigKey::TokenExpiration);
        let issued_at = self.now();
        let holder = Self::holder(actor)?;
        let claims = Claims::new(SERVICE, holder, actor.name(), access, issued_at, valid_for)?;
        Ok(IssuedToken { token: self.keys().sign(&claims)?, valid_for, issued_at })
    }

    /// What `actor` may do of one scope: nothing, for what there is not or may not be known of.
    async fn access(&self, harbor: &Harbor, actor: &Actor, scope: &TokenScope) -> Result<Access, Error> {
        let TokenScope { kind, name } = scope.clone();
        let nothing = Access { kind, name, actions: Vec::new(), project: None };
        match scope.kind.as_str() {
            // Whoever asks: the list shows no more than they may pull from. But who is limited has room for it or not.
            "registry" if scope.name == "catalog" => {
                let room = actor.has_room_for(CatalogRead::PERMISSION, Target::System);
                let actions = if room { vec![EVERYTHING.to_owned()] } else { Vec::new() };
                Ok(Access { actions, ..nothing })
            }
            "repository" => match scope.name.parse::<RepositoryName>() {
                Ok(name) => self.on_repository(harbor, actor, &name, nothing).await,
                Err(_) => Ok(nothing),
            },
            _ => Ok(nothing),
        }
    }

    async fn on_repository(
        &self,
        harbor: &Harbor,
        actor: &Actor,
        name: &RepositoryName,
        mut access: Access,
    ) -> Result<Access, Error> {
        let asked = [
            ("pull", may::<RepositoryPull>(harbor, actor, name).await?),
            ("push", may::<RepositoryPush>(harbor, actor, name).await?),
            ("delete", may::<ArtifactDelete>(harbor, actor, name).await?),
        ];
        for (action, project) in asked {
            if let Some(project) = project {
                access.project = Some(project.get());
                access.actions.push(action.to_owned());
            }
        }
        Ok(access)
    }

    fn holder(actor: &Actor) -> Result<Holder, StoreError> {
        let unknown = || StoreError::new(StoreErrorKind::Other, "a token for somebody who is not known here");
        match actor.identity() {
            Identity::Anonymous => Ok(Holder::Anonymous),
            Identity::Administrator(person) | Identity::User(person) => {
                let id = person.id.ok_or_else(unknown)?;
                let epoch = person.epoch;
                Ok(match actor.token() {
                    None => Holder::User { id: id.get(), epoch },
                    Some(token) => Holder::Personal { id: id.get(), epoch, token: token.get() },
                })
            }
            Identity::Robot { id, epoch, .. } => Ok(Holder::Robot { id: id.get(), epoch: *epoch }),
            Identity::System => Err(unknown()),
        }
    }

    /// Somebody who shows a token of this service: its holder as it is now, with no more than the token allows.
    pub(crate) async fn bearer(&self, token: &str) -> Result<Option<Actor>, StoreError> {
        let now = self.now();
        let verify = |token: &str| self.keys().verify(token, SERVICE, now);
        let Some(claims) = self.claims_of(token, now, verify).await? else { return Ok(None) };
        let actor = match claims.holder {
            Holder::Anonymous => Some(Actor::anonymous()),
            Holder::User { id, epoch } => {
                let known = self.directory().user(UserId::new(id)).await?;
                known.filter(|known| known.user.epoch == epoch).map(|known| actor_of(&known.user))
            }
            Holder::Personal { id, epoch, token } => {
                let token = self.directory().token_of(TokenId::new(token)).await?;
                let good = |token: &PersonalToken| token.user.get() == id && !self.has_ended(token);
                let token = token.filter(|known| good(&known.token));
                let known = self.directory().user(UserId::new(id)).await?;
                let known = known.filter(|known| known.user.epoch == epoch);
                known.zip(token).map(|(known, token)| actor_of(&known.user).with_token(token.token.id))
            }
            Holder::Robot { id, epoch } => {
                let known = self.directory().robot(RobotId::new(id)).await?;
                let live = known
                    .filter(|known| self.is_live(&known.robot) && self.has_secret_of(&known.robot, epoch));
                live.map(|known| {
                    Actor::new(Identity::Robot {
                        id: known.robot.id,
                        name: claims.sub.as_str().into(),
                        epoch,
                    })
                })
            }
        };
        Ok(actor.map(|actor| actor.restricted(Arc::new(restriction(&claims.access)))))
    }

    /// What a token says, as it is remembered or as `verify` finds with the keys of the moment; and with those that there are by then,
    /// where it finds nothing.
    pub(crate) async fn claims_of(
        &self,
        token: &str,
        now: Timestamp,
        verify: impl Fn(&str) -> Option<Claims>,
    ) -> Result<Option<Arc<Claims>>, StoreError> {
        // First: keys that somebody replaces meanwhile are others than those of that revision.
        let mut known = self.keys().revision();
        let mut claims = self.verified().look(token, now, &verify);
        while claims.is_none() && self.keys().catch_up(self.metadata(), token, known).await? {
            known = self.keys().revision();
            // What another node took away is no longer remembered either.
            self.verified().forget_before(known);
            claims = self.verified().look(token, now, &verify);
        }
        Ok(claims)
    }

    /// Makes a new key, which signs from now on; tokens that were signed before go on to work. Every 90 days that happens by itself.
    ///
    /// # Errors
    /// [`Error::Precondition`] when so many keys were made lately that tokens would end with one that is forgotten; as the store fails.
    pub async fn rotate_keys(
        &self,
        harbor: &Harbor,
        proof: Authorized<SystemConfigurationUpdate>,
    ) -> Result<(), Error> {
        self.keys().reload(self.metadata()).await?;
        if self.keys().is_full(self.now()) {
            let why = "there are 32 earlier keys whose tokens may still work, and no room for another: each goes after 8 days";
            return Err(Error::Precondition(why.to_owned()));
        }
        let mut write = harbor.write(&proof).await?;
        let now = write.now();
        let keys = KeyRing::rotated(write.rows(), now).await?;
        write.audit(ROTATES).await?;
        write.commit().await?;
        self.keys().replace(keys);
        Ok(())
    }
}

/// What a token allows, as a limit.
fn restriction(access: &[Access]) -> Restriction {
    let grant = |access: &Access| {
        if access.kind == "registry" && access.actions.iter().any(|action| action == EVERYTHING) {
            return Some(Grant {
                on: Place::System,
                repositories: Vec::new(),
                permissions: vec![CatalogRead::PERMISSION],
            });
        }
        let on = Place::Repository(ProjectId::new(access.project?), access.name.parse().ok()?);
        let allowed = |action: &str| access.actions.iter().any(|allowed| allowed == action);
        let permissions =
            ACTIONS.iter().filter(|(action, _)| allowed(action)).map(|(_, permission)| *permission);
        Some(Grant { on, repositories: Vec::new(), permissions: permissions.collect() })
    };
    Restriction::new(access.iter().filter_map(grant).collect())
}

/// The project in which `actor` has the permission on a repository.
async fn may<A: Action<Scope = InRepository>>(
    harbor: &Harbor,
    actor: &Actor,
    name: &RepositoryName,
) -> Result<Option<ProjectId>, Error> {
    let proof = granted(harbor.authorize::<A>(actor, name).await)?;
    Ok(proof.map(|proof| proof.target().project.id))
}

/// A refusal is an answer; what cannot be told is none.
fn granted<T>(outcome: Result<T, Error>) -> Result<Option<T>, Error> {
    match outcome {
        Ok(granted) => Ok(Some(granted)),
        Err(
            Error::Unauthenticated
            | Error::OutOfScope
            | Error::Denied
            | Error::NameUnknown
            | Error::NameInvalid(_),
        ) => Ok(None),
        Err(error) => Err(error),
    }
}
