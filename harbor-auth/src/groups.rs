//! The use cases of groups.

use harbor_core::access::permission::{
    UserGroupCreate, UserGroupDelete, UserGroupList, UserGroupRead, UserGroupUpdate,
};
use harbor_core::access::{Action as _, Actor, Authorized, Target};
use harbor_core::meta::{Group, GroupId, GroupKey, GroupKind, Listed};
use harbor_core::query::Query;
use harbor_core::{Error, Harbor, Result, StoreError, StoreErrorKind};

use crate::{Accounts, rules};

/// The longest name of a group, in bytes.
const LONGEST: usize = 255;

/// Use cases of groups: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Groups<'a> {
    accounts: &'a Accounts,
    harbor: &'a Harbor,
}

impl Accounts {
    /// The use cases of groups.
    #[must_use]
    pub const fn groups<'a>(&'a self, harbor: &'a Harbor) -> Groups<'a> {
        Groups { accounts: self, harbor }
    }
}

impl Groups<'_> {
    /// A page of the groups.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn list(
        &self,
        _proof: &Authorized<UserGroupList>,
        query: &Query<GroupKey>,
    ) -> Result<Listed<Group>> {
        Ok(self.accounts.directory().read().await?.groups(query).await?)
    }

    /// A page of the groups, of which no more than names, kinds and keys is to be shown: whoever has logged in may look for one
    /// to make a member.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for nobody in particular; [`Error::Denied`] for somebody who is limited to something else; as the
    /// store fails.
    pub async fn search(&self, actor: &Actor, query: &Query<GroupKey>) -> Result<Listed<Group>> {
        if actor.is_anonymous() {
            return Err(Error::Unauthenticated);
        }
        // Everybody is somebody, but a token that is limited is good for no more than it says.
        if !actor.has_room_for(UserGroupList::PERMISSION, Target::System) {
            return Err(Error::Denied);
        }
        let found = self.accounts.directory().read().await?.groups(query).await?;
        let entries = found.entries.into_iter().map(|group| Group { dn: None, ..group }).collect();
        Ok(Listed { entries, total: found.total })
    }

    /// A group.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get(&self, _proof: &Authorized<UserGroupRead>, id: GroupId) -> Result<Group> {
        self.accounts.directory().read().await?.group(id).await?.ok_or(Error::NotFound("user group"))
    }

    /// Makes a group.
    ///
    /// # Errors
    /// [`Error::BadRequest`] without a name, or without a distinguished name in a directory; [`Error::Conflict`] when it is
    /// there.
    pub async fn create(
        &self,
        proof: Authorized<UserGroupCreate>,
        name: &str,
        kind: GroupKind,
        dn: Option<&str>,
    ) -> Result<GroupId> {
        check(name)?;
        let dn = dn.map(str::trim).filter(|dn| !dn.is_empty() && kind == GroupKind::Ldap);
        if kind == GroupKind::Ldap && dn.is_none() {
            return Err(Error::BadRequest("a group of a directory needs its ldap_group_dn".to_owned()));
        }
        let mut write = self.harbor.write(&proof).await?;
        let now = write.now();
        let group = Group {
            id: GroupId::new(0),
            name: name.to_owned(),
            kind,
            dn: dn.map(str::to_owned),
            created_at: now,
            updated_at: now,
        };
        let id = write.rows().group_insert(&group).await.map_err(|error| taken(error, name))?;
        write.audit(name).await?;
        write.changed_access().await?;
        write.commit().await?;
        Ok(id)
    }

    /// Gives a group another name.
    ///
    /// # Errors
    /// [`Error::NotFound`]; otherwise as [`Groups::create`].
    pub async fn rename(&self, proof: Authorized<UserGroupUpdate>, id: GroupId, name: &str) -> Result<()> {
        check(name)?;
        let mut write = self.harbor.write(&proof).await?;
        let now = write.now();
        if !write.rows().group_rename(id, name, now).await.map_err(|error| taken(error, name))? {
            return Err(Error::NotFound("user group"));
        }
        write.audit(name).await?;
        write.changed_access().await?;
        write.commit().await
    }

    /// Deletes a group with its memberships.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete(&self, proof: Authorized<UserGroupDelete>, id: GroupId) -> Result<()> {
        let mut write = self.harbor.write(&proof).await?;
        let group = write.rows().group(id).await?.ok_or(Error::NotFound("user group"))?;
        if !write.rows().group_delete(id).await? {
            return Err(Error::NotFound("user group"));
        }
        write.audit(group.name).await?;
        write.changed_access().await?;
        write.commit().await
    }
}

fn check(name: &str) -> Result<()> {
    Ok(rules::provided_name("a group", name, LONGEST)?)
}

fn taken(error: StoreError, name: &str) -> Error {
    match error.kind() {
        StoreErrorKind::Conflict => Error::Conflict(format!("a user group {name}, or one with that DN,")),
        _ => Error::Store(error),
    }
}
