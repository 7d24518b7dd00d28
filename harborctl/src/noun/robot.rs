//! `harborctl robot`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use harbor_core::api::{self, Access, RobotCreate, RobotPermission, RobotSec};
use harbor_replicate::client::api::Query;

use super::role::permission;
use crate::body::{SecretInput, from_file};
use crate::failure::{Failure, Outcome};
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};
use crate::terminal::confirmed;

static SHAPE: Shape = Shape {
    name: "/name",
    columns: &[
        Column::plain("NAME", "/name"),
        Column::plain("LEVEL", "/level"),
        Column::plain("DISABLED", "/disable"),
        Column::seconds("EXPIRES", "/expires_at"),
        Column::each("WHERE", "/permissions", "namespace"),
        Column::plain("DESCRIPTION", "/description").wide(),
        Column::plain("ID", "/id").wide(),
        Column::time("CREATED", "/creation_time").wide(),
    ],
};

/// What is told this once.
static CREATED: Shape = Shape {
    name: "/name",
    columns: &[
        Column::plain("NAME", "/name"),
        Column::plain("SECRET", "/secret"),
        Column::seconds("EXPIRES", "/expires_at"),
        Column::plain("ID", "/id"),
    ],
};

static SECRET: Shape = Shape { name: "/secret", columns: &[Column::plain("SECRET", "/secret")] };

/// Robots, by name or by key; those of a project with --project.
#[derive(Debug, Subcommand)]
pub(crate) enum Robot {
    /// Show robots
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        listed: Listed,
    },
    /// Show one robot
    Get {
        robot: String,
        #[command(flatten)]
        of: Of,
    },
    /// Make a robot; its secret is shown this once
    #[command(after_help = "\
Examples:
  harborctl robot create ci --project team --permission repository:pull --permission repository:push --days 90
  harborctl robot create mirror --permissions-file permissions.yaml -o json")]
    Create(Create),
    /// Change a robot
    #[command(after_help = "Example:\n  harborctl robot update ci --project team --disable true")]
    Update(Update),
    /// Give a robot another secret, which is shown this once
    #[command(after_help = "\
Examples:
  harborctl robot renew ci --project team --overlap 3600
  harborctl robot renew ci --project team --choose --password-stdin < secret")]
    Renew(Renew),
    /// Delete a robot
    #[command(visible_alias = "rm")]
    Delete {
        robot: String,
        #[command(flatten)]
        of: Of,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Of {
    /// Of this project, and not of the system
    #[arg(short, long)]
    project: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Grant {
    /// What it may do in the project, as `resource:action`; may be given several times
    #[arg(long = "permission", value_name = "RESOURCE:ACTION")]
    permissions: Vec<String>,
    /// Limit it to these repositories of the project: `release/**`; may be given several times
    #[arg(long = "repository", value_name = "PATTERN", requires = "permissions")]
    repositories: Vec<String>,
    /// What it may do, and where: the list `permissions` of a robot, in JSON or YAML
    #[arg(long, value_name = "FILE", conflicts_with = "permissions")]
    permissions_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name, without prefix and project
    name: String,
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    access: Grant,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
    /// For how many days; -1 for ever
    #[arg(long, default_value_t = 30, allow_hyphen_values = true)]
    days: i64,
    /// Choose its secret, and have none made
    #[arg(long)]
    choose: bool,
    #[command(flatten)]
    secret: SecretInput,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    robot: String,
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    access: Grant,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// For how many days from now; -1 for ever
    #[arg(long, allow_hyphen_values = true)]
    days: Option<i64>,
    /// Whether it may not log in
    #[arg(long, value_name = "BOOL")]
    disable: Option<bool>,
}

#[derive(Debug, Args)]
pub(crate) struct Renew {
    robot: String,
    #[command(flatten)]
    of: Of,
    /// For how many seconds the secret before it works on
    #[arg(long, value_name = "SECONDS")]
    overlap: Option<u64>,
    /// Choose the secret, and have none made
    #[arg(long)]
    choose: bool,
    #[command(flatten)]
    secret: SecretInput,
}

impl Robot {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List { of, listed } => {
                let scope = session.robot_scope(of.project.as_deref()).await?;
                let query = scope.map_or_else(Query::new, |scope| Query::new().q(scope));
                session.list(session.call("ListRobot").await?.query(&query), &listed, &SHAPE).await
            }
            Self::Get { robot, of } => {
                let id = session.robot_id(&robot, of.project.as_deref()).await?;
                session.show(session.call("GetRobotByID").await?.at("robot_id", id), &SHAPE).await
            }
            Self::Create(create) => create.run(session).await,
            Self::Update(update) => update.run(session).await,
            Self::Renew(renew) => renew.run(session).await,
            Self::Delete { robot, of, yes } => {
                confirmed(&format!("Delete robot {robot}?"), yes).await?;
                let id = session.robot_id(&robot, of.project.as_deref()).await?;
                let call = session.call("DeleteRobot").await?.at("robot_id", id);
                session.does(call, &format!("robot {robot} deleted")).await
            }
        }
    }
}

impl Grant {
    /// What is given; nothing where nothing is said.
    fn read(&self, project: Option<&str>) -> Outcome<Option<Vec<RobotPermission>>> {
        if let Some(file) = &self.permissions_file {
            return from_file(file).map(Some);
        }
        if self.permissions.is_empty() {
            return Ok(None);
        }
        let access = |text: &String| {
            let permission = permission(text)?;
            Ok(Access { resource: permission.resource, action: permission.action, ..Access::default() })
        };
        let (kind, namespace) = project.map_or(("system", "/"), |project| ("project", project));
        Ok(Some(vec![RobotPermission {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            access: self.permissions.iter().map(access).collect::<Outcome<_>>()?,
            repositories: self.repositories.clone(),
        }]))
    }
}

impl Create {
    async fn run(self, session: &Session) -> Outcome {
        let permissions = self.access.read(self.of.project.as_deref())?.ok_or_else(|| {
            Failure::usage("a robot that may do nothing is of no use")
                .hint("--permission RESOURCE:ACTION, or --permissions-file FILE")
        })?;
        let chosen = self.choose || self.secret.password_stdin;
        let secret = if chosen { Some(self.secret.read_new("Secret: ").await?) } else { None };
        if !chosen {
            session.tells_once("secret")?;
        }
        let body = RobotCreate {
            name: self.name,
            description: self.description,
            secret: secret.map(|secret| secret.expose().to_owned()),
            level: if self.of.project.is_some() { "project" } else { "system" }.to_owned(),
            duration: Some(self.days),
            permissions,
            ..RobotCreate::default()
        };
        session.show(session.call("CreateRobot").await?.json(&body), &CREATED).await
    }
}

impl Update {
    async fn run(self, session: &Session) -> Outcome {
        let id = session.robot_id(&self.robot, self.of.project.as_deref()).await?;
        let mut body: api::Robot = session.call("GetRobotByID").await?.at("robot_id", id).one().await?;
        if let Some(permissions) = self.access.read(self.of.project.as_deref())? {
            body.permissions = permissions;
        }
        body.description = self.description.unwrap_or(body.description);
        body.disable = self.disable.unwrap_or(body.disable);
        body.duration = self.days.or(body.duration);
        let call = session.call("UpdateRobot").await?.at("robot_id", id).json(&body);
        session.does(call, &format!("robot {} changed", self.robot)).await
    }
}

impl Renew {
    async fn run(self, session: &Session) -> Outcome {
        let id = session.robot_id(&self.robot, self.of.project.as_deref()).await?;
        let chosen = self.choose || self.secret.password_stdin;
        let secret = if chosen { Some(self.secret.read_new("Secret: ").await?) } else { None };
        let body = RobotSec {
            secret: secret.map(|secret| secret.expose().to_owned()).unwrap_or_default(),
            overlap: self.overlap,
        };
        session.show(session.call("RefreshSec").await?.at("robot_id", id).json(&body), &SECRET).await
    }
}
