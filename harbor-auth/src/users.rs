//! The use cases of users.

use std::net::IpAddr;

use harbor_core::access::permission::{
    UserAdminister, UserCreate, UserDelete, UserList, UserRead, UserUpdate,
};
use harbor_core::access::{Action as _, Actor, Authorized, Identity, Secret, Target};
use harbor_core::meta::{Listed, User, UserId, UserKey};
use harbor_core::query::Query;
use harbor_core::{Error, Harbor, Result, StoreError, StoreErrorKind};

use crate::{Accounts, pbkdf2, rules};

/// The first administrator, who cannot be deleted or made less.
const FIRST: UserId = UserId::new(1);

/// Use cases of users: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Users<'a> {
    accounts: &'a Accounts,
    harbor: &'a Harbor,
}

/// A user about to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The name that it will log in with.
    pub name: String,
    /// Its address.
    pub email: Option<String>,
    /// What it is called.
    pub real_name: String,
    /// What to note.
    pub comment: String,
    /// Its password.
    pub password: NewPassword,
}

/// The password of a user about to be made.
#[derive(Clone, Debug)]
pub enum NewPassword {
    /// As people type it.
    Plain(Secret),
    /// As Harbor keeps it: PBKDF2 with 4096 rounds. It is hashed anew when its user first logs in.
    Imported {
        /// `sha1` or `sha256`: Harbor's `password_version`.
        version: String,
        /// Harbor's `salt`.
        salt: String,
        /// Harbor's `password`: 32 hexadecimal digits.
        hash: Secret,
    },
}

/// What people may change of themselves.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The address.
    pub email: Option<String>,
    /// What they are called.
    pub real_name: String,
    /// What to note.
    pub comment: String,
}

impl Accounts {
    /// The use cases of users.
    #[must_use]
    pub const fn users<'a>(&'a self, harbor: &'a Harbor) -> Users<'a> {
        Users { accounts: self, harbor }
    }
}

impl Users<'_> {
    /// Makes a user, for somebody at the address `from`. Whoever makes accounts for themselves is counted there as somebody whose
    /// login failed, so that nobody makes any number of them.
    ///
    /// # Errors
    /// [`Error::BadRequest`] says what is wrong with the name, the address or the password; [`Error::Conflict`] when somebody
    /// has the name or the address; [`Error::TooManyRequests`].
    pub async fn create(
        &self,
        proof: Authorized<UserCreate>,
        new: NewUser,
        from: Option<IpAddr>,
    ) -> Result<UserId> {
        check(&new)?;
        // Whoever else makes accounts was given that: administrators, and robots.
        if matches!(proof.actor().identity(), Identity::Anonymous | Identity::User(_)) {
            self.accounts
                .throttle()
                .register(from)
                .map_err(|locked| Error::TooManyRequests { retry_after: locked.retry_after })?;
        }
        let now = self.harbor.now();
        let user = User {
            id: UserId::new(0),
            email: new.email,
            real_name: new.real_name,
            comment: new.comment,
            administrator: false,
            password: Some(self.hash(&new.password, from).await?),
            second_factor: None,
            epoch: 0,
            created_at: now,
            updated_at: now,
            name: new.name,
        };
        let mut write = self.harbor.write(&proof).await?;
        let id = write.rows().user_insert(&user).await.map_err(|error| taken(error, &user.name))?;
        write.audit(user.name.as_str()).await?;
        write.changed_access().await?;
        write.commit().await?;
        Ok(id)
    }

    async fn hash(&self, password: &NewPassword, from: Option<IpAddr>) -> Result<Secret> {
        match password {
            NewPassword::Plain(password) => Ok(self.accounts.verifier().hash_from(password, from).await?),
            NewPassword::Imported { version, salt, hash } => pbkdf2::import(version, salt, hash.expose())
                .map(Secret::new)
                .ok_or_else(|| Error::BadRequest("that is no hash of Harbor's".to_owned())),
        }
    }

    /// A page of the users.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn list(&self, _proof: &Authorized<UserList>, query: &Query<UserKey>) -> Result<Listed<User>> {
        Ok(self.accounts.directory().read().await?.users(query).await?)
    }

    /// A page of the users, of whom no more than their names and keys is to be shown: whoever has logged in may look for
    /// somebody to make a member.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for nobody in particular; [`Error::Denied`] for somebody who is limited to something else; as the
    /// store fails.
    pub async fn search(&self, actor: &Actor, query: &Query<UserKey>) -> Result<Listed<(UserId, String)>> {
        if actor.is_anonymous() {
            return Err(Error::Unauthenticated);
        }
        // Everybody is somebody, but a token that is limited is good for no more than it says.
        if !actor.has_room_for(UserList::PERMISSION, Target::System) {
            return Err(Error::Denied);
        }
        let found = self.accounts.directory().read().await?.users(query).await?;
        let entries = found.entries.into_iter().map(|user| (user.id, user.name)).collect();
        Ok(Listed { entries, total: found.total })
    }

    /// A user.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get(&self, proof: &Authorized<UserRead>) -> Result<User> {
        let known = self.accounts.directory().user(*proof.target()).await?;
        known.map(|known| known.user.clone()).ok_or(Error::NotFound("user"))
    }

    /// Changes a user's profile.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for an address that is none; [`Error::NotFound`]; [`Error::Conflict`] when somebody has the
    /// address.
    pub async fn update(&self, proof: Authorized<UserUpdate>, profile: Profile) -> Result<()> {
        rules::email(profile.email.as_deref())?;
        rules::text("realname", &profile.real_name)?;
        rules::text("comment", &profile.comment)?;
        let Profile { email, real_name, comment } = profile;
        let change = |user| User { email, real_name, comment, ..user };
        self.change(&proof, *proof.target(), change).await
    }

    /// Gives a user another password: its sessions and tokens end.
    ///
    /// A user who does so itself shows the old one, at the address `from`. Nobody else but an administrator can: whoever has somebody's password is that
    /// one.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a password that is against the rules or the same as before; [`Error::Forbidden`] for an old
    /// one that is wrong, and for somebody else; [`Error::NotFound`]; [`Error::TooManyRequests`] after too many wrong ones.
    pub async fn set_password(
        &self,
        proof: Authorized<UserUpdate>,
        old: Option<&Secret>,
        new: &Secret,
        from: Option<IpAddr>,
    ) -> Result<()> {
        rules::password(new)?;
        let id = *proof.target();
        let known = self.accounts.directory().user(id).await?.ok_or(Error::NotFound("user"))?;
        let hash = known.user.password.as_ref();
        if proof.actor().user_id() == Some(id) {
            let right = match old {
                Some(old) => self.accounts.right(&known.user.name, old, [hash, None], from).await?,
                None => false,
            };
            if !right {
                return Err(Error::Forbidden("the old password is not right".to_owned()));
            }
        } else if !proof.actor().is_administrator() {
            return Err(Error::Forbidden("only administrators set somebody else's password".to_owned()));
        }
        if self.accounts.verifier().verify(new, hash, from).await? {
            return Err(Error::BadRequest("the new password is the same as the old one".to_owned()));
        }
        let before = known.user.password.clone();
        let hash = self.accounts.verifier().hash_from(new, from).await?;
        let mut write = self.harbor.write(&proof).await?;
        let now = write.now();
        let Some(user) = write.rows().user_lock(id).await? else { return Err(Error::NotFound("user")) };
        if user.password != before {
            // The old one that was shown is no longer the old one.
            return Err(Error::Contended);
        }
        let user = User { password: Some(hash), epoch: user.epoch + 1, updated_at: now, ..user };
        write.rows().user_save(&user).await?;
        write.audit(user.name).await?;
        write.changed_access().await?;
        write.commit().await
    }

    /// Makes a user an administrator of the whole registry, or no longer one.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`] for the first administrator.
    pub async fn set_administrator(
        &self,
        proof: Authorized<UserAdminister>,
        id: UserId,
        administrator: bool,
    ) -> Result<()> {
        if !proof.actor().is_administrator() {
            return Err(Error::Forbidden("only administrators make others administrators".to_owned()));
        }
        if id == FIRST && !administrator {
            return Err(Error::Forbidden("the first administrator stays one".to_owned()));
        }
        self.change(&proof, id, |user| User { administrator, ..user }).await
    }

    /// Deletes a user with its memberships, tokens and sessions.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`] for the first administrator and for oneself.
    pub async fn delete(&self, proof: Authorized<UserDelete>, id: UserId) -> Result<()> {
        if id == FIRST || proof.actor().user_id() == Some(id) {
            return Err(Error::Forbidden("the first administrator and oneself cannot be deleted".to_owned()));
        }
        let mut write = self.harbor.write(&proof).await?;
        let Some(user) = write.rows().user_lock(id).await? else { return Err(Error::NotFound("user")) };
        if user.administrator && !proof.actor().is_administrator() {
            return Err(Error::Forbidden("only administrators delete administrators".to_owned()));
        }
        write.rows().user_delete(id).await?;
        write.audit(user.name).await?;
        write.changed_access().await?;
        write.commit().await
    }

    async fn change<A: harbor_core::access::Action>(
        &self,
        proof: &Authorized<A>,
        id: UserId,
        change: impl FnOnce(User) -> User,
    ) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        let now = write.now();
        let Some(user) = write.rows().user_lock(id).await? else { return Err(Error::NotFound("user")) };
        let user = User { updated_at: now, ..change(user) };
        write.rows().user_save(&user).await.map_err(|error| taken(error, &user.name))?;
        write.audit(user.name).await?;
        write.changed_access().await?;
        write.commit().await
    }
}

fn check(new: &NewUser) -> Result<()> {
    rules::user_name(&new.name)?;
    rules::email(new.email.as_deref())?;
    rules::text("realname", &new.real_name)?;
    rules::text("comment", &new.comment)?;
    match &new.password {
        NewPassword::Plain(password) => Ok(rules::password(password)?),
        NewPassword::Imported { .. } => Ok(()),
    }
}

/// A conflict is somebody who has the name or the address already.
fn taken(error: StoreError, name: &str) -> Error {
    match error.kind() {
        StoreErrorKind::Conflict => Error::Conflict(format!("a user with the name {name} or that address")),
        _ => Error::Store(error),
    }
}
