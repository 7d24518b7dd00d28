//! People beside the administrator.

use harbor_auth::{Accounts, NewPassword, NewUser};
use harbor_core::access::permission::{MemberCreate, UserCreate};
use harbor_core::access::{Actor, Role, Secret};
use harbor_core::meta::{MemberEntity, RoleId, UserId};
use harbor_core::oci::ProjectName;
use harbor_core::{Error, Harbor};

/// Users, each with the projects that it administers.
#[derive(Clone, Debug, Default)]
pub(crate) struct People(Vec<(String, Vec<String>)>);

/// The password of a user.
pub(crate) fn password_of(user: &str) -> String {
    format!("Password 1 of {user}")
}

/// Makes a user.
pub(crate) async fn make_user(harbor: &Harbor, accounts: &Accounts, name: &str) -> UserId {
    let admin = Actor::administrator("admin");
    let proof = harbor.authorize::<UserCreate>(&admin, ()).await.expect("a proof");
    let new = NewUser {
        name: name.to_owned(),
        email: None,
        real_name: String::new(),
        comment: String::new(),
        password: NewPassword::Plain(Secret::new(password_of(name))),
    };
    accounts.users(harbor).create(proof, new, None).await.expect("a user")
}

/// Makes a user a member of a project.
pub(crate) async fn make_member(
    harbor: &Harbor,
    accounts: &Accounts,
    project: &str,
    user: UserId,
    role: Role,
) {
    let admin = Actor::administrator("admin");
    let project: ProjectName = project.parse().expect("a name");
    let proof = harbor.authorize::<MemberCreate>(&admin, &project).await.expect("a proof");
    let role = RoleId::new(role.id());
    accounts.members(harbor).create(proof, MemberEntity::User(user), role, &[]).await.expect("a member");
}

impl People {
    pub(crate) fn add(&mut self, user: &str, projects: &[&str]) {
        self.0.push((user.to_owned(), projects.iter().map(|project| (*project).to_owned()).collect()));
    }

    /// Makes them, and what they are in the projects that are there already.
    pub(crate) async fn make(&self, harbor: &Harbor, accounts: &Accounts) {
        for (user, projects) in &self.0 {
            make_user(harbor, accounts, user).await;
            for project in projects {
                let admin = Actor::administrator("admin");
                let name: ProjectName = project.parse().expect("a name");
                match harbor.authorize::<MemberCreate>(&admin, &name).await {
                    Err(Error::NameUnknown) => {}
                    _ => self.join(harbor, accounts, project).await,
                }
            }
        }
    }

    /// Makes those members who administer a project.
    pub(crate) async fn join(&self, harbor: &Harbor, accounts: &Accounts, project: &str) {
        for (user, _) in self.0.iter().filter(|(_, projects)| projects.iter().any(|own| own == project)) {
            let id = accounts.id_of(user).await.expect("an answer").expect("a user");
            make_member(harbor, accounts, project, id, Role::ProjectAdmin).await;
        }
    }
}
