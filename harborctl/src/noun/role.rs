//! `harborctl role`.

use clap::{Args, Subcommand};
use harbor_core::api::{CustomRole, CustomRoleReq, PermissionEntry};
use serde_json::{Value, json};

use super::user::PERMISSION;
use crate::failure::{Failure, Outcome};
use crate::lookup::{absent, key};
use crate::output::{Column, Shape};
use crate::session::Session;

static SHAPE: Shape = Shape {
    name: "/name",
    columns: &[
        Column::plain("NAME", "/name"),
        Column::plain("DESCRIPTION", "/description"),
        Column::plain("ID", "/id"),
        Column::time("CHANGED", "/update_time"),
    ],
};

/// Roles that are made of permissions, by name or by key. Harbor has none.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Show the roles that were made
    #[command(visible_alias = "ls")]
    List,
    /// Show one role
    Get { role: String },
    /// Show all permissions that there are
    Permissions {
        /// Those of the whole registry, and not those in projects
        #[arg(long)]
        system: bool,
    },
    /// Make a role
    #[command(
        after_help = "Example:\n  harborctl role create puller --permission repository:pull --permission tag:list"
    )]
    Create {
        name: String,
        #[command(flatten)]
        set: Set,
    },
    /// Change a role, for everybody who has it
    Update {
        role: String,
        #[command(flatten)]
        set: Set,
    },
    /// Delete a role that nobody has
    #[command(visible_alias = "rm")]
    Delete { role: String },
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// What it may do, as `resource:action`; may be given several times, and replaces all
    #[arg(long = "permission", value_name = "RESOURCE:ACTION")]
    permissions: Vec<String>,
}

impl Role {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List => session.all(session.call("listRoles").await?, &SHAPE).await,
            Self::Get { role } => {
                let id = id(session, &role).await?;
                session.show(session.call("getRole").await?.at("role_id", id), &SHAPE).await
            }
            Self::Permissions { system } => {
                let all: Value = session.call("getPermissions").await?.one().await?;
                let list = all[if system { "system" } else { "project" }].as_array().cloned();
                session.entries(&list.unwrap_or_default(), &PERMISSION)
            }
            Self::Create { name, set } => {
                let permissions =
                    set.permissions.iter().map(|text| permission(text)).collect::<Outcome<_>>()?;
                let description = set.description.unwrap_or_default();
                let body = CustomRoleReq { name: name.clone(), description, permissions };
                let call = session.call("createRole").await?.json(&body);
                session.makes(call, &format!("role {name} created"), Some(&name)).await
            }
            Self::Update { role, set } => update(session, &role, set).await,
            Self::Delete { role } => {
                let id = id(session, &role).await?;
                let call = session.call("deleteRole").await?.at("role_id", id);
                session.does(call, &format!("role {role} deleted")).await
            }
        }
    }
}

async fn update(session: &Session, role: &str, set: Set) -> Outcome {
    let id = id(session, role).await?;
    let known: CustomRole = session.call("getRole").await?.at("role_id", id).one().await?;
    let permissions = match set.permissions.as_slice() {
        [] => known.permissions,
        permissions => permissions.iter().map(|text| permission(text)).collect::<Outcome<_>>()?,
    };
    let description = set.description.unwrap_or(known.description);
    let body = CustomRoleReq { name: known.name, description, permissions };
    let call = session.call("updateRole").await?.at("role_id", id).json(&body);
    session.does(call, &format!("role {role} changed")).await
}

async fn id(session: &Session, role: &str) -> Outcome<i64> {
    if let Ok(id) = role.parse() {
        return Ok(id);
    }
    let roles: Vec<Value> = session.call("listRoles").await?.one().await?;
    let what = format!("role {role}");
    let found = roles.iter().find(|found| found["name"] == json!(role));
    key(found.ok_or_else(|| absent(&what, "harborctl role list"))?, "/id", &what)
}

/// `resource:action`.
pub(super) fn permission(text: &str) -> Outcome<PermissionEntry> {
    match text.rsplit_once(':') {
        Some((resource, action)) if !resource.is_empty() && !action.is_empty() => {
            Ok(PermissionEntry { resource: resource.to_owned(), action: action.to_owned() })
        }
        _ => Err(Failure::usage(format!("{text:?} is no permission"))
            .hint("RESOURCE:ACTION; `harborctl role permissions` shows all")),
    }
}
