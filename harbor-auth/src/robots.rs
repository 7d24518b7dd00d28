//! The use cases of robots.

use std::net::IpAddr;
use std::time::Duration;

use harbor_core::access::permission::{
    RobotCreate, RobotDelete, RobotList, RobotRead, RobotUpdate, SystemRobotCreate, SystemRobotDelete,
    SystemRobotList, SystemRobotRead,
};
use harbor_core::access::{Action, Actor, Authorized, Identity, InProject, InSystem, ProjectRef, Secret};
use harbor_core::meta::{Listed, Project, ProjectId, Robot, RobotId, RobotKey};
use harbor_core::query::Query;
use harbor_core::{
    ConfigKey, Error, Harbor, LONGEST_ROBOT_LIFE, Result, StoreError, StoreErrorKind, Timestamp,
};

use crate::grants::Grants;
use crate::{Accounts, giving, rules};

/// A day, in which the lives of robots are counted.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a robot is looked at anew that others change at the same time.
const TRIES: u32 = 8;

/// How long an earlier secret may work on.
const OVERLAP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Use cases of robots: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Robots<'a> {
    accounts: &'a Accounts,
    harbor: &'a Harbor,
}

/// A robot about to be made.
#[derive(Clone, Debug)]
pub struct NewRobot {
    /// Its name, without prefix and project.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its secret; one is made without it.
    pub secret: Option<Secret>,
    /// For how many days; -1 for ever. Without it, for as many as the configuration says.
    pub duration: Option<i64>,
    /// Whether it may not log in.
    pub disabled: bool,
    /// What it may do.
    pub grants: Grants,
}

/// What shall be another than it is.
#[derive(Clone, Debug)]
pub struct RobotChange {
    /// What it is for.
    pub description: String,
    /// For how many days, from when it was made; -1 for ever.
    pub duration: i64,
    /// Whether it may not log in.
    pub disabled: bool,
    /// What it may do.
    pub grants: Grants,
}

/// The proof that somebody may do something to the robots of the whole registry, or to those of one project.
#[derive(Debug)]
pub enum RobotProof<S: Action<Scope = InSystem>, P: Action<Scope = InProject>> {
    /// Of the whole registry.
    System(Authorized<S>),
    /// Of a project.
    Project(Authorized<P>),
}

impl<S: Action<Scope = InSystem>, P: Action<Scope = InProject>> RobotProof<S, P> {
    /// The project whose robots these are.
    #[must_use]
    pub fn of_project(&self) -> Option<&Project> {
        match self {
            Self::System(_) => None,
            Self::Project(proof) => Some(proof.target()),
        }
    }

    fn project(&self) -> Option<ProjectId> {
        self.of_project().map(|project| project.id)
    }

    fn actor(&self) -> &Actor {
        match self {
            Self::System(proof) => proof.actor(),
            Self::Project(proof) => proof.actor(),
        }
    }

    async fn write<'a>(&self, harbor: &'a Harbor) -> Result<harbor_core::Write<'a>> {
        match self {
            Self::System(proof) => harbor.write(proof).await,
            Self::Project(proof) => harbor.write(proof).await,
        }
    }
}

/// To list robots.
pub type ListRobots = RobotProof<SystemRobotList, RobotList>;
/// To see a robot.
pub type ReadRobots = RobotProof<SystemRobotRead, RobotRead>;
/// To make a robot.
pub type CreateRobots = RobotProof<SystemRobotCreate, RobotCreate>;
/// To change a robot. Harbor has no permission for that on the whole registry: who may make one may change it.
pub type UpdateRobots = RobotProof<SystemRobotCreate, RobotUpdate>;
/// To delete a robot.
pub type DeleteRobots = RobotProof<SystemRobotDelete, RobotDelete>;

impl Accounts {
    /// The use cases of robots.
    #[must_use]
    pub const fn robots<'a>(&'a self, harbor: &'a Harbor) -> Robots<'a> {
        Robots { accounts: self, harbor }
    }
}

impl Robots<'_> {
    /// The proof for a robot that is named by its key: of its project, or of the whole registry.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such robot, or none that `actor` may know of; [`Error::Denied`].
    pub async fn authorize<S: Action<Scope = InSystem>, P: Action<Scope = InProject>>(
        &self,
        actor: &Actor,
        id: RobotId,
    ) -> Result<RobotProof<S, P>> {
        if actor.is_anonymous() {
            return Err(Error::Unauthenticated);
        }
        let known = self.accounts.directory().robot(id).await?;
        let project = match &known {
            Some(known) => known.robot.project,
            // Who may see every robot is told; others learn no more than of one that they may not see.
            None => return Err(self.unknown::<S>(actor).await),
        };
        match project {
            None => self.harbor.authorize::<S>(actor, ()).await.map(RobotProof::System),
            Some(project) => {
                let proof = self.harbor.authorize::<P>(actor, ProjectRef::Id(project)).await;
                proof.map(RobotProof::Project).map_err(|error| match error {
                    Error::NameUnknown => Error::Denied,
                    error => error,
                })
            }
        }
    }

    async fn unknown<S: Action<Scope = InSystem>>(&self, actor: &Actor) -> Error {
        match self.harbor.authorize::<S>(actor, ()).await {
            Ok(_) => Error::NotFound("robot"),
            Err(error) => error,
        }
    }

    /// A page of the robots.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn list(&self, proof: &ListRobots, query: &Query<RobotKey>) -> Result<Listed<Robot>> {
        Ok(self.accounts.directory().read().await?.robots(proof.project(), query).await?)
    }

    /// A robot.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get(&self, proof: &ReadRobots, id: RobotId) -> Result<Robot> {
        let known = self.accounts.directory().robot(id).await?;
        let robot = known.filter(|known| known.robot.project == proof.project());
        robot.map(|known| known.robot.clone()).ok_or(Error::NotFound("robot"))
    }

    /// The key of the user or the robot that made a robot. None when they are gone: who has the name now came later.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn creator(&self, robot: &Robot) -> Result<Option<i64>> {
        let directory = self.accounts.directory();
        let (key, since) = match robot.creator.split_once(':') {
            Some(("robot", name)) => {
                let Some((project, name)) = self.accounts.robot_of(name).await? else { return Ok(None) };
                let Some(known) = directory.robot_named(project, &name).await? else { return Ok(None) };
                (known.robot.id.get(), known.robot.created_at)
            }
            Some(("user" | "admin", name)) => {
                let Some(known) = directory.user_named(name).await? else { return Ok(None) };
                (known.user.id.get(), known.user.created_at)
            }
            _ => return Ok(None),
        };
        Ok((since <= robot.created_at).then_some(key))
    }

    /// A robot that is about to be changed.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn current(&self, proof: &UpdateRobots, id: RobotId) -> Result<Robot> {
        let known = self.accounts.directory().robot(id).await?;
        let robot = known.filter(|known| known.robot.project == proof.project());
        robot.map(|known| known.robot.clone()).ok_or(Error::NotFound("robot"))
    }

    /// Makes a robot. Its secret is returned, and kept nowhere.
    ///
    /// # Errors
    /// [`Error::BadRequest`] says what is wrong; [`Error::Forbidden`] for a permission that who makes it lacks;
    /// [`Error::Conflict`] when there is one of that name.
    pub async fn create(&self, proof: CreateRobots, new: NewRobot) -> Result<(Robot, Secret)> {
        check_name(&new.name)?;
        rules::text("description", &new.description)?;
        new.grants.check_length(None)?;
        self.check_grants(proof.actor(), proof.project(), &new.grants).await?;
        let secret = match new.secret {
            Some(secret) => checked(secret)?,
            None => rules::make_secret()?,
        };
        let duration = match new.duration {
            Some(days) => days,
            None => self.harbor.configuration().await?.number(ConfigKey::RobotTokenDuration),
        };
        let hash = self.accounts.verifier().hash_from(&secret, address(proof.actor())).await?;
        let now = self.harbor.now();
        let robot = Robot {
            id: RobotId::new(0),
            description: new.description,
            project: proof.project(),
            secret: hash,
            earlier_secret: None,
            expires_at: end(now, duration)?,
            duration,
            disabled: new.disabled,
            permissions: new.grants.write()?,
            creator: proof.actor().principal(),
            epoch: 0,
            created_at: now,
            updated_at: now,
            name: new.name,
        };
        let prefix = self.accounts.robot_prefix(proof.project()).await?;
        let mut write = proof.write(self.harbor).await?;
        let made = write.rows().robot_insert(&robot).await.map_err(|error| taken(error, &robot.name));
        let robot = Robot { id: made?, ..robot };
        write.audit(prefix + &robot.name).await?;
        write.changed_access().await?;
        write.commit().await?;
        Ok((robot, secret))
    }

    /// Changes a robot.
    ///
    /// # Errors
    /// As [`Robots::create`]; [`Error::NotFound`].
    pub async fn update(&self, proof: UpdateRobots, id: RobotId, change: RobotChange) -> Result<()> {
        self.check_grants(proof.actor(), proof.project(), &change.grants).await?;
        rules::text("description", &change.description)?;
        let permissions = change.grants.write()?;
        self.check_held(&proof, id).await?;
        self.change(&proof, id, |robot| {
            change.grants.check_length(Some(&Grants::read(&robot.permissions)?))?;
            let expires_at = end(robot.created_at, change.duration)?;
            let RobotChange { description, duration, disabled, .. } = change;
            Ok(Robot { description, duration, disabled, permissions, expires_at, ..robot })
        })
        .await
    }

    /// Says what a robot is for, and whether it may not log in; all else of it stays as it is at that moment.
    ///
    /// # Errors
    /// As [`Robots::update`].
    pub async fn describe(
        &self,
        proof: UpdateRobots,
        id: RobotId,
        description: String,
        disabled: bool,
    ) -> Result<()> {
        rules::text("description", &description)?;
        self.change_held(&proof, id, |robot| Robot { description: description.clone(), disabled, ..robot })
            .await
    }

    /// Gives a robot another secret, which is returned; without one it is made. The one before works on for `overlap`, so that
    /// programs can be told the new one without an outage.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a secret that is against the rules, or too long an overlap; [`Error::NotFound`].
    pub async fn renew(
        &self,
        proof: UpdateRobots,
        id: RobotId,
        secret: Option<Secret>,
        overlap: Option<Duration>,
    ) -> Result<Secret> {
        if overlap.is_some_and(|overlap| overlap > OVERLAP) {
            return Err(Error::BadRequest(format!(
                "an earlier secret works on for at most {} seconds",
                OVERLAP.as_secs()
            )));
        }
        // Before it is hashed, which is dear; and again, for it takes its time.
        let held = self.check_held(&proof, id).await?;
        let secret = match secret {
            Some(secret) => checked(secret)?,
            None => rules::make_secret()?,
        };
        let until =
            overlap.filter(|overlap| !overlap.is_zero()).map(|overlap| self.harbor.now().plus(overlap));
        let (verifier, from) = (self.accounts.verifier(), address(proof.actor()));
        let hash = match until {
            // What is shown is compared with both, and that takes no longer than with one: no time tells that there are two.
            Some(_) => verifier.hash_beside(&secret, &held.secret, from).await?,
            None => verifier.hash_from(&secret, from).await?,
        };
        self.change_held(&proof, id, |robot| {
            let earlier_secret = until.map(|until| (robot.secret.clone(), until));
            // Each secret has an epoch: see `Accounts::has_secret_of`.
            Robot { secret: hash.clone(), earlier_secret, epoch: robot.epoch + 1, ..robot }
        })
        .await?;
        Ok(secret)
    }

    /// Deletes a robot.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete(&self, proof: DeleteRobots, id: RobotId) -> Result<()> {
        let prefix = self.accounts.robot_prefix(proof.project()).await?;
        let mut write = proof.write(self.harbor).await?;
        let robot = write.rows().robot_lock(id).await?.filter(|robot| robot.project == proof.project());
        let robot = robot.ok_or(Error::NotFound("robot"))?;
        write.rows().robot_delete(id).await?;
        write.audit(prefix + &robot.name).await?;
        write.changed_access().await?;
        write.commit().await
    }

    async fn change(
        &self,
        proof: &UpdateRobots,
        id: RobotId,
        change: impl FnOnce(Robot) -> Result<Robot>,
    ) -> Result<()> {
        let prefix = self.accounts.robot_prefix(proof.project()).await?;
        let mut write = proof.write(self.harbor).await?;
        let robot = write.rows().robot_lock(id).await?.filter(|robot| robot.project == proof.project());
        let robot = change(robot.ok_or(Error::NotFound("robot"))?)?;
        let robot = Robot { updated_at: write.now(), ..robot };
        write.rows().robot_save(&robot).await?;
        write.audit(prefix + &robot.name).await?;
        write.changed_access().await?;
        write.commit().await
    }

    /// Changes a robot that may do no more than who changes it, also at the moment of the change.
    async fn change_held(
        &self,
        proof: &UpdateRobots,
        id: RobotId,
        change: impl Fn(Robot) -> Robot,
    ) -> Result<()> {
        let mut tries = 1;
        loop {
            let held = self.check_held(proof, id).await?;
            match self.change(proof, id, |robot| unchanged(robot, &held).map(&change)).await {
                Err(Error::Contended) if tries < TRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }

    /// Nobody becomes, by its secret, a robot that may do more than they. Yields the robot: whoever changes it then looks whether it
    /// still may do what it could.
    async fn check_held(&self, proof: &UpdateRobots, id: RobotId) -> Result<Robot> {
        let robot = self.current(proof, id).await?;
        let held = Grants::read(&robot.permissions)?;
        self.check_given(proof.actor(), &held).await?;
        Ok(robot)
    }

    /// Robots of a project have permissions in that project, and nobody gives what they do not have.
    async fn check_grants(&self, actor: &Actor, project: Option<ProjectId>, grants: &Grants) -> Result<()> {
        grants.check(project)?;
        self.check_given(actor, grants).await
    }

    /// Nobody gives what they do not have.
    async fn check_given(&self, actor: &Actor, grants: &Grants) -> Result<()> {
        if actor.is_administrator() {
            return Ok(());
        }
        for (place, permissions) in grants.by_project() {
            match place {
                Some(id) => {
                    let found = self.accounts.directory().read().await?.project_of(id).await?;
                    // What is given in a project that is gone is nothing.
                    let Some(found) = found else { continue };
                    giving::check(self.harbor, actor, &found, &permissions).await?;
                }
                None => self.check_everywhere(actor, &permissions).await?,
            }
        }
        Ok(())
    }

    /// What is given in every project, or on the whole registry, can be given by a robot that was given no less.
    async fn check_everywhere(
        &self,
        actor: &Actor,
        permissions: &[harbor_core::access::Permission],
    ) -> Result<()> {
        let refused = || Error::Forbidden("this can only be given by somebody who has it".to_owned());
        let Identity::Robot { id, .. } = actor.identity() else { return Err(refused()) };
        let known = self.accounts.directory().robot(*id).await?.ok_or_else(refused)?;
        let held = permissions.iter().all(|permission| known.grants.everywhere(*permission));
        if held && actor.restriction().is_none() { Ok(()) } else { Err(refused()) }
    }
}

/// A robot that may do what it could when that was looked at.
fn unchanged(robot: Robot, held: &Robot) -> Result<Robot> {
    if robot.permissions == held.permissions { Ok(robot) } else { Err(Error::Contended) }
}

/// Where somebody is who has secrets hashed, of whom only so many wait there.
fn address(actor: &Actor) -> Option<IpAddr> {
    actor.origin().and_then(|origin| origin.address)
}

fn check_name(name: &str) -> Result<()> {
    let grammar = name.parse::<harbor_core::oci::ProjectName>();
    grammar.map(|_| ()).map_err(|_| {
        let rule = "a robot's name has lower-case letters and digits, separated by one of '.', '_' or '-'";
        Error::BadRequest(rule.to_owned())
    })
}

fn checked(secret: Secret) -> Result<Secret> {
    rules::password(&secret)?;
    Ok(secret)
}

/// When something ends that is made now for so many days.
pub(crate) fn end(now: Timestamp, days: i64) -> Result<Option<Timestamp>> {
    match days {
        -1 => Ok(None),
        1..=LONGEST_ROBOT_LIFE => {
            let days = u32::try_from(days).unwrap_or(u32::MAX);
            Ok(Some(now.plus(DAY.saturating_mul(days))))
        }
        _ => Err(Error::BadRequest(format!("duration is -1 for ever, or 1 to {LONGEST_ROBOT_LIFE} days"))),
    }
}

fn taken(error: StoreError, name: &str) -> Error {
    match error.kind() {
        StoreErrorKind::Conflict => Error::Conflict(format!("a robot {name}")),
        _ => Error::Store(error),
    }
}
