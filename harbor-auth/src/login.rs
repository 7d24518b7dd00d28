//! Who somebody is: by password, secret or token.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use harbor_core::StoreError;
use harbor_core::access::{
    Actor, Attempt, AuthError, Authenticator, Credential, Credentials, Identity, Person, Secret,
};
use harbor_core::meta::revision::ACCESS;
use harbor_core::meta::{PersonalToken, Robot, User};

use crate::factor::Factor;
use crate::pbkdf2::needs_rehash;
use crate::site::site;
use crate::throttle::Locked;
use crate::{Accounts, opaque};

impl Accounts {
    /// Somebody who shows a name and a password: a user with a password or a personal access token, or a robot.
    async fn basic(
        &self,
        name: &str,
        password: &Secret,
        from: Option<IpAddr>,
    ) -> Result<Option<Actor>, AuthError> {
        if opaque::is_well_formed(opaque::PERSONAL, password.expose()) {
            let actor = self.personal(password.expose()).await?;
            return Ok(actor.filter(|actor| actor.name() == name));
        }
        match self.robot_of(name).await? {
            Some((project, short)) => {
                let known = self.directory().robot_named(project, &short).await?;
                let robot = known.as_ref().map(|known| &known.robot);
                let earlier = robot.and_then(|robot| robot.earlier_secret.as_ref());
                let earlier = earlier.filter(|(_, until)| self.now() < *until).map(|(secret, _)| secret);
                let hashes = [robot.map(|robot| &robot.secret), earlier];
                let right = self.right(name, password, hashes, from).await?;
                let robot = robot.filter(|robot| right && self.is_live(robot));
                let actor = |robot: &Robot| {
                    let newer = self.verifier().remembers(password, &robot.secret);
                    let epoch = shown_epoch(robot.epoch, earlier.is_some(), newer);
                    Identity::Robot { id: robot.id, name: name.into(), epoch }
                };
                Ok(robot.map(actor).map(Actor::new))
            }
            None => {
                let known = self.directory().user_named(name).await?;
                let user = known.as_ref().map(|known| &known.user);
                // Where there is a second factor, the password alone is as good as a wrong one: neither the answer nor its time
                // tells whether it is right, nor that there is such an account.
                let second = user.map(Factor::on).transpose()?.flatten().is_some();
                let user = user.filter(|_| !second);
                let hashes = [user.and_then(|user| user.password.as_ref()), None];
                let right = self.right(name, password, hashes, from).await?;
                if let Some(user) = user.filter(|_| right) {
                    self.renew_hash(user, password, from).await.unwrap_or_else(|error| {
                        tracing::warn!(user = user.id.get(), %error, "a password was not hashed anew");
                    });
                }
                Ok(user.filter(|_| right).map(actor_of))
            }
        }
    }

    /// Somebody who types a name and a password, and perhaps a code, into the form of a login page.
    async fn form(
        &self,
        name: &str,
        password: &Secret,
        code: Option<&Secret>,
        from: Option<IpAddr>,
    ) -> Result<Option<Actor>, AuthError> {
        let known = match self.robot_of(name).await? {
            Some(_) => None,
            None => self.directory().user_named(name).await?,
        };
        let user = known.as_ref().map(|known| &known.user);
        let Some(user) = user.filter(|_| !opaque::is_well_formed(opaque::PERSONAL, password.expose())) else {
            return self.basic(name, password, from).await;
        };
        match (Factor::on(user)?, code) {
            (Some(_), Some(code)) => {
                Ok(self.with_code(user, password, code, from).await?.then(|| actor_of(user)))
            }
            (None, Some(_)) => {
                // No oftener than where there is a second factor, for how often does not tell whether there is.
                self.may_show_code(name, from, self.throttle().before(name, from))?;
                self.basic(name, password, from).await
            }
            _ => self.basic(name, password, from).await,
        }
    }

    /// Whether a password that somebody at the address `from` shows has one of these hashes. After too many that had not, none
    /// is looked at for a while; but one that was right before goes on to work, while others get it wrong a few times a minute
    /// only. From where the name logged in before, it has times of its own, so whoever guesses elsewhere does not lock out the
    /// programs of somebody else.
    pub(crate) async fn right(
        &self,
        name: &str,
        password: &Secret,
        hashes: [Option<&Secret>; 2],
        from: Option<IpAddr>,
    ) -> Result<bool, AuthError> {
        let locked = self.throttle().before(name, from);
        let familiar = self.throttle().is_familiar(name, from);
        // Whoever guessed many names from an address has no try with any name that never was there.
        let strange = locked.is_err_and(|locked| locked.address) && !familiar;
        let looks = locked.is_ok() || (!strange && self.may_look(name, from));
        if looks && hashes.into_iter().flatten().any(|hash| self.verifier().remembers(password, hash)) {
            if locked.is_err() {
                self.looked_right(name, from);
            }
            self.throttle().seen(name, from);
            return Ok(true);
        }
        if let Err(locked) = locked {
            // As much as a code is looked at there, where there is a second factor: no time tells whether there is.
            if looks && familiar && self.verifier().verify_either(password, hashes, from).await? {
                self.looked_right(name, from);
                self.throttle().seen(name, from);
                return Ok(true);
            }
            self.throttle().refused(name, from);
            return Err(AuthError::TooMany { retry_after: locked.retry_after });
        }
        let right = self.verifier().verify_either(password, hashes, from).await?;
        if right {
            self.throttle().succeeded(name, from);
        } else {
            tokio::time::sleep(self.throttle().failed(name, from)).await;
        }
        Ok(right)
    }

    /// Whether what is shown for a locked name is looked at nevertheless. What was right before can be guessed at no faster than
    /// this allows.
    pub(crate) fn may_look(&self, name: &str, from: Option<IpAddr>) -> bool {
        self.guesses().take(self.guesser(name, from), self.now()).is_ok()
    }

    /// Refuses a code for a locked name, but for a few of those that come from where the name logged in before: whoever knows the
    /// password does not try one code after the other for as long as they like.
    pub(crate) fn may_show_code(
        &self,
        name: &str,
        from: Option<IpAddr>,
        locked: Result<(), Locked>,
    ) -> Result<(), AuthError> {
        let Err(locked) = locked else { return Ok(()) };
        let familiar = self.throttle().is_familiar(name, from);
        if familiar && self.codes().take(self.guesser(name, from), self.now()).is_ok() {
            return Ok(());
        }
        self.throttle().refused(name, from);
        Err(AuthError::TooMany { retry_after: locked.retry_after })
    }

    /// What was looked at was right, so it was no guess: only wrong ones use up how often is looked.
    pub(crate) fn looked_right(&self, name: &str, from: Option<IpAddr>) {
        self.guesses().give_back(self.guesser(name, from));
    }

    fn guesser<'n>(&self, name: &'n str, from: Option<IpAddr>) -> (&'n str, Option<IpAddr>) {
        (name, from.filter(|_| self.throttle().is_familiar(name, from)).map(site))
    }

    /// Hashes a password that was right as new ones are, where its hash came from Harbor.
    async fn renew_hash(
        &self,
        user: &User,
        password: &Secret,
        from: Option<IpAddr>,
    ) -> Result<(), StoreError> {
        let Some(old) = user.password.as_ref().filter(|hash| needs_rehash(hash.expose())) else {
            return Ok(());
        };
        let hash = self.verifier().hash_from(password, from).await?;
        let mut rows = self.metadata().begin().await?;
        let Some(now) = rows.user_lock(user.id).await?.filter(|now| now.password.as_ref() == Some(old))
        else {
            return Ok(());
        };
        rows.user_save(&User { password: Some(hash), ..now }).await?;
        rows.revision_count(ACCESS).await?;
        rows.commit().await?;
        self.directory().forget();
        Ok(())
    }

    /// Somebody who shows a personal access token.
    async fn personal(&self, token: &str) -> Result<Option<Actor>, StoreError> {
        if !opaque::is_well_formed(opaque::PERSONAL, token) {
            return Ok(None);
        }
        let digest = opaque::hex(&opaque::digest(token));
        let Some(known) = self.directory().token(&digest).await? else { return Ok(None) };
        let token = &known.token;
        if self.has_ended(token) {
            return Ok(None);
        }
        let Some(user) = self.directory().user(token.user).await? else { return Ok(None) };
        let actor = actor_of(&user.user).with_token(token.id);
        self.used(token);
        Ok(Some(match &known.limit {
            Some(limit) => actor.restricted(Arc::clone(limit)),
            None => actor,
        }))
    }
}

impl Accounts {
    /// Whether the personal access token that somebody showed, if they did, is still good.
    async fn has_token(&self, actor: &Actor) -> Result<bool, StoreError> {
        let Some(id) = actor.token() else { return Ok(true) };
        let token = self.directory().token_of(id).await?;
        Ok(token
            .is_some_and(|known| Some(known.token.user) == actor.user_id() && !self.has_ended(&known.token)))
    }

    /// Whether the secret of an epoch still works: that of the robot's, or the one before it as long as it overlaps. So what came of
    /// a secret ends with it, and with no other.
    pub(crate) fn has_secret_of(&self, robot: &Robot, epoch: i64) -> bool {
        let earlier = robot.earlier_secret.as_ref().is_some_and(|(_, until)| self.now() < *until);
        epoch == robot.epoch || (earlier && epoch == robot.epoch - 1)
    }

    /// Whether the time of a personal access token is over.
    pub(crate) fn has_ended(&self, token: &PersonalToken) -> bool {
        token.expires_at.is_some_and(|end| end <= self.now())
    }
}

/// The epoch of the secret that a robot showed, which was right: by its own epoch, whether an earlier secret lives, and whether what it
/// showed is remembered as the newer one. What is not remembered any more is taken for the earlier one, which ends sooner.
fn shown_epoch(epoch: i64, earlier_lives: bool, newer: bool) -> i64 {
    if earlier_lives && !newer { epoch - 1 } else { epoch }
}

/// The actor that a user is.
pub(crate) fn actor_of(user: &User) -> Actor {
    let person = Person { id: Some(user.id), name: user.name.as_str().into(), epoch: user.epoch };
    Actor::new(if user.administrator { Identity::Administrator(person) } else { Identity::User(person) })
}

#[async_trait]
impl Authenticator for Accounts {
    async fn authenticate(&self, attempt: Attempt<'_>) -> Result<Option<Actor>, AuthError> {
        let from = attempt.address;
        match attempt.credentials {
            Credentials::Basic { username, password } => self.basic(username, password, from).await,
            Credentials::Form { username, password, code } => {
                self.form(username, password, code.as_ref(), from).await
            }
            Credentials::Bearer(token) if token.expose().starts_with(opaque::PERSONAL) => {
                Ok(self.personal(token.expose()).await?)
            }
            Credentials::Bearer(token) => Ok(self.bearer(token.expose()).await?),
            Credentials::Session { secret, renew } => Ok(self.by_session(secret.expose(), *renew).await?),
            _ => Ok(None),
        }
    }

    async fn is_still(&self, actor: &Actor) -> Result<bool, StoreError> {
        match actor.identity() {
            Identity::Anonymous | Identity::System => Ok(true),
            Identity::Administrator(person) | Identity::User(person) => {
                let Some(id) = person.id else { return Ok(true) };
                let Some(known) = self.directory().user(id).await? else { return Ok(false) };
                let less =
                    matches!(actor.identity(), Identity::Administrator(_)) && !known.user.administrator;
                Ok(!less && known.user.epoch == person.epoch && self.has_token(actor).await?)
            }
            Identity::Robot { id, epoch, .. } => {
                let known = self.directory().robot(*id).await?;
                Ok(known.is_some_and(|known| {
                    self.is_live(&known.robot) && self.has_secret_of(&known.robot, *epoch)
                }))
            }
        }
    }

    fn kind_of(&self, credentials: &Credentials) -> Option<Credential> {
        let shown = match credentials {
            Credentials::Basic { password, .. } | Credentials::Form { password, .. } => password,
            Credentials::Bearer(token) => token,
            _ => return None,
        };
        shown.expose().starts_with(opaque::PERSONAL).then_some(Credential::UnknownPersonalToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_forgotten_is_taken_for_the_one_that_ends_sooner() {
        assert_eq!(shown_epoch(7, true, true), 7);
        assert_eq!(shown_epoch(7, true, false), 6, "the earlier one, or one that is forgotten");
        for newer in [true, false] {
            assert_eq!(shown_epoch(7, false, newer), 7, "there is no other");
        }
    }
}
