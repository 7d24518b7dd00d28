//! Who there is, and what they may do.

use harbor_core::api::{
    Access, CustomRoleReq, PermissionEntry, PersonalTokenReq, ProjectMember, RobotCreate, RobotCreateV1,
    RobotPermission, RobotSec, RoleRequest, TotpReq, UserCreationReq, UserEntity, UserGroup,
};
use harbor_replicate::client::api::{Api, Query};

use crate::{Outcome, PASSWORD};

/// Makes a user; yields their key.
async fn user(api: &Api, name: &str) -> Outcome<i64> {
    let new = UserCreationReq {
        username: name.to_owned(),
        password: PASSWORD.to_owned(),
        email: Some(format!("{name}@example.org")),
        realname: name.to_owned(),
        comment: String::new(),
    };
    Ok(api.users().create(&new).await?.id().ok_or("a key")?)
}

fn access(resource: &str, action: &str) -> Access {
    Access { resource: resource.to_owned(), action: action.to_owned(), effect: String::new() }
}

/// May pull and push in a project.
fn of_project(project: &str) -> RobotPermission {
    RobotPermission {
        kind: "project".to_owned(),
        namespace: project.to_owned(),
        access: vec![access("repository", "pull"), access("repository", "push")],
        repositories: Vec::new(),
    }
}

pub(crate) async fn users(api: &Api) -> Outcome {
    let grace = user(api, "grace").await?;
    let found = api.users().search(&Query::new().with("username", "gra")).all().await?;
    println!("{} has the key {grace}", found[0].username);
    println!("who asks is {}", api.users().current().await?.username);
    api.users().delete(grace).await?;
    Ok(())
}

pub(crate) async fn members(api: &Api) -> Outcome {
    let alan = user(api, "alan").await?;
    let developer = ProjectMember {
        role_id: 2,
        member_user: Some(UserEntity { user_id: Some(alan), ..UserEntity::default() }),
        ..ProjectMember::default()
    };
    let created = api.members().create("library".into(), &developer).await?;
    let id = created.id().ok_or("a key")?;
    let maintainer = RoleRequest { role_id: 4, repositories: None };
    api.members().update("library".into(), id, &maintainer).await?;
    let member = api.members().get("library".into(), id).await?;
    println!("{} is a {}", member.entity_name, member.role_name);
    api.users().delete(alan).await?;
    Ok(())
}

pub(crate) async fn groups(api: &Api) -> Outcome {
    let group = UserGroup { id: None, group_name: "builders".to_owned(), group_type: 2, ldap_group_dn: None };
    let id = api.groups().create(&group).await?.id().ok_or("a key")?;
    println!("{} is a group", api.groups().get(id).await?.group_name);
    api.groups().delete(id).await?;
    Ok(())
}

pub(crate) async fn robots(api: &Api) -> Outcome {
    let robot = RobotCreate {
        name: "ci".to_owned(),
        description: "Builds".to_owned(),
        level: "project".to_owned(),
        duration: Some(30),
        permissions: vec![of_project("library")],
        ..RobotCreate::default()
    };
    // Its secret is told this once.
    let created = api.robots().create(&robot).await?;
    println!("{} has a secret of {} letters", created.name, created.secret.len());
    // Another one; the first goes on for ten minutes.
    let renewed =
        api.robots().renew(created.id, &RobotSec { secret: String::new(), overlap: Some(600) }).await?;
    println!("and another one of {}", renewed.secret.len());
    api.robots().delete(created.id).await?;
    Ok(())
}

pub(crate) async fn project_robots(api: &Api) -> Outcome {
    let robot = RobotCreateV1 {
        name: "older".to_owned(),
        description: String::new(),
        expires_at: None,
        access: vec![access("repository", "pull")],
    };
    let created = api.project_robots().create("library".into(), &robot).await?;
    let robots = api.project_robots().list("library".into(), &Query::new()).all().await?;
    println!("{} and {} more", created.name, robots.len() - 1);
    api.project_robots().delete("library".into(), created.id).await?;
    Ok(())
}

pub(crate) async fn roles(api: &Api) -> Outcome {
    let all = api.roles().permissions().await?;
    println!("there are {} permissions in projects", all.project.len());
    let pull = PermissionEntry { resource: "repository".to_owned(), action: "pull".to_owned() };
    let role =
        CustomRoleReq { name: "puller".to_owned(), description: String::new(), permissions: vec![pull] };
    let id = api.roles().create(&role).await?.id().ok_or("a key")?;
    println!("{} is a role", api.roles().get(id).await?.name);
    api.roles().delete(id).await?;
    Ok(())
}

pub(crate) async fn personal_tokens(api: &Api) -> Outcome {
    let token =
        PersonalTokenReq { name: "laptop".to_owned(), duration: 7, scopes: vec![of_project("library")] };
    // It is told this once.
    let created = api.personal_tokens().create(&token).await?;
    println!("{} for a week", created.name);
    api.personal_tokens().delete(created.id).await?;
    Ok(())
}

pub(crate) async fn totp(api: &Api) -> Outcome {
    println!("a second factor: {}", api.totp().get().await?.enabled);
    let made = api.totp().create(&TotpReq { password: PASSWORD.to_owned() }).await?;
    println!("an authenticator reads {}...", &made.uri[..15]);
    // Nothing is asked for until `confirm` has been told a code.
    Ok(())
}
