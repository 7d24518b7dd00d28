//! `harborctl member`.

use clap::{Args, Subcommand};
use harbor_core::api::{ProjectMember, RoleRequest, UserEntity, UserGroup};
use harbor_replicate::client::api::{ProjectRef, Query};
use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};

static SHAPE: Shape = Shape {
    name: "/entity_name",
    columns: &[
        Column::plain("NAME", "/entity_name"),
        Column::plain("TYPE", "/entity_type"),
        Column::plain("ROLE", "/role_name"),
        Column::plain("REPOSITORIES", "/repositories"),
        Column::plain("ID", "/id").wide(),
        Column::plain("ROLE ID", "/role_id").wide(),
    ],
};

/// Members of projects: users and groups with a role.
#[derive(Debug, Subcommand)]
pub(crate) enum Member {
    /// Show the members of a project
    #[command(visible_alias = "ls")]
    List {
        project: String,
        /// Those alone whose name has this in it
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
    /// Show one member
    Get { project: String, member: String },
    /// Make a user or a group a member
    #[command(
        visible_alias = "create",
        after_help = "\
Examples:
  harborctl member add team grace --role developer
  harborctl member add team release-managers --group --role maintainer --repository 'release/**'"
    )]
    Add(Add),
    /// Give a member another role
    #[command(after_help = "Example:\n  harborctl member update team grace --role maintainer")]
    Update(Update),
    /// Make somebody a member no more
    #[command(visible_aliases = ["rm", "delete"])]
    Remove { project: String, member: String },
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    project: String,
    /// The user, or with --group the group
    name: String,
    /// It is a group
    #[arg(long)]
    group: bool,
    /// `admin`, `maintainer`, `developer`, `guest`, `limited-guest`, a role that was made, or a role's number
    #[arg(long)]
    role: String,
    /// Limit the role to these repositories of the project: `release/**`; may be given several times
    #[arg(long = "repository", value_name = "PATTERN")]
    repositories: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    project: String,
    member: String,
    /// `admin`, `maintainer`, `developer`, `guest`, `limited-guest`, a role that was made, or a role's number
    #[arg(long)]
    role: String,
    /// Limit the role to these repositories of the project; may be given several times
    #[arg(long = "repository", value_name = "PATTERN", conflicts_with = "all_repositories")]
    repositories: Vec<String>,
    /// Do not limit the role any more
    #[arg(long)]
    all_repositories: bool,
}

impl Member {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List { project, name, listed } => {
                let query = name.map_or_else(Query::new, |name| Query::new().with("entityname", name));
                let call = of(session, "listProjectMembers", &project).await?.query(&query);
                session.list(call, &listed, &SHAPE).await
            }
            Self::Get { project, member } => {
                let id = session.member_id(&project, &member).await?;
                session.show(of(session, "getProjectMember", &project).await?.at("mid", id), &SHAPE).await
            }
            Self::Add(add) => add.run(session).await,
            Self::Update(update) => update.run(session).await,
            Self::Remove { project, member } => {
                let id = session.member_id(&project, &member).await?;
                let call = of(session, "deleteProjectMember", &project).await?.at("mid", id);
                session.does(call, &format!("{member} is no member of {project} any more")).await
            }
        }
    }
}

impl Add {
    async fn run(self, session: &Session) -> Outcome {
        let mut body = ProjectMember {
            role_id: role(session, &self.role).await?,
            repositories: self.repositories,
            ..ProjectMember::default()
        };
        if self.group {
            let id = Some(session.group_id(&self.name).await?);
            body.member_group = Some(UserGroup { id, ..UserGroup::default() });
        } else {
            let username = Some(self.name.clone());
            body.member_user = Some(UserEntity { username, ..UserEntity::default() });
        }
        let call = of(session, "createProjectMember", &self.project).await?.json(&body);
        let what = format!("{} is {} of {}", self.name, self.role, self.project);
        session.makes(call, &what, Some(&self.name)).await
    }
}

impl Update {
    async fn run(self, session: &Session) -> Outcome {
        let id = session.member_id(&self.project, &self.member).await?;
        let named = !self.repositories.is_empty() || self.all_repositories;
        let body = RoleRequest {
            role_id: role(session, &self.role).await?,
            repositories: named.then_some(self.repositories),
        };
        let call = of(session, "updateProjectMember", &self.project).await?.at("mid", id).json(&body);
        session.does(call, &format!("{} is {} of {}", self.member, self.role, self.project)).await
    }
}

async fn of(
    session: &Session,
    operation: &str,
    project: &str,
) -> Outcome<harbor_replicate::client::api::Call> {
    Ok(session.call(operation).await?.at("project_name_or_id", ProjectRef::Name(project)))
}

/// The number of a role: Harbor's five, and those that were made.
async fn role(session: &Session, name: &str) -> Outcome<i64> {
    match name.to_ascii_lowercase().as_str() {
        "admin" | "projectadmin" | "project-admin" => return Ok(1),
        "developer" => return Ok(2),
        "guest" => return Ok(3),
        "maintainer" | "master" => return Ok(4),
        "limited-guest" | "limitedguest" => return Ok(5),
        _ => {}
    }
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let wrong = || {
        Failure::usage(format!("there is no role {name:?}"))
            .hint("admin, maintainer, developer, guest, limited-guest, or one of `harborctl role list`")
    };
    // Harbor has no roles that are made.
    let roles: Vec<Value> = session.call("listRoles").await?.one().await.map_err(|_| wrong())?;
    let made = roles.iter().find(|role| role["name"] == name);
    made.and_then(|role| role["id"].as_i64()).ok_or_else(wrong)
}
