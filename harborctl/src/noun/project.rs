//! `harborctl project`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use harbor_core::api::{ProjectReq, ProjectSetting};
use harbor_replicate::client::api::{ProjectRef, Query};
use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::names::bytes;
use crate::noun::audit;
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};
use crate::terminal::confirmed;

static SHAPE: Shape = Shape {
    name: "/name",
    columns: &[
        Column::plain("NAME", "/name"),
        Column::plain("PUBLIC", "/metadata/public"),
        Column::plain("REPOSITORIES", "/repo_count"),
        Column::time("CREATED", "/creation_time"),
        Column::plain("ID", "/project_id").wide(),
        Column::plain("OWNER", "/owner_name").wide(),
        Column::plain("ROLE", "/current_user_role_id").wide(),
    ],
};

static SUMMARY: Shape = Shape {
    name: "/repo_count",
    columns: &[
        Column::plain("REPOSITORIES", "/repo_count"),
        Column::plain("ADMINISTRATORS", "/project_admin_count"),
        Column::plain("MAINTAINERS", "/maintainer_count"),
        Column::plain("DEVELOPERS", "/developer_count"),
        Column::plain("GUESTS", "/guest_count"),
        Column::plain("LIMITED GUESTS", "/limited_guest_count"),
        Column::bytes("USED", "/quota/used/storage"),
        Column::bytes("LIMIT", "/quota/hard/storage"),
    ],
};

static DELETABLE: Shape = Shape {
    name: "/deletable",
    columns: &[Column::plain("DELETABLE", "/deletable"), Column::plain("WHY", "/message")],
};

/// Projects.
#[derive(Debug, Subcommand)]
pub(crate) enum Project {
    /// Show projects
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  harborctl project list --query 'name=~web' --sort -creation_time
  harborctl project list -o name"
    )]
    List(Listed),
    /// Show one project
    Get { project: String },
    /// Make a project
    #[command(after_help = "Example:\n  harborctl project create team --public --limit 10GiB")]
    Create(Create),
    /// Change a project
    #[command(after_help = "Example:\n  harborctl project update team --public false")]
    Update(Update),
    /// Delete a project without repositories
    #[command(visible_alias = "rm")]
    Delete {
        project: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Show whether a project could be deleted, and why not
    Deletable { project: String },
    /// Tell by the exit code whether there is a project of that name
    #[command(after_help = "Example:\n  harborctl project exists team || harborctl project create team")]
    Exists { project: String },
    /// Show how many members and repositories a project has, and its quota
    Summary { project: String },
    /// Show the audit log of a project
    Log {
        project: String,
        /// In the older form: of artifacts, tags, repositories and projects
        #[arg(long)]
        older: bool,
        #[command(flatten)]
        listed: Listed,
    },
    /// What a project is set to
    #[command(subcommand)]
    Setting(Setting),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    project: String,
    /// Everybody may pull from it
    #[arg(long)]
    public: bool,
    /// How many bytes it may hold: `10GiB`; -1 for no limit
    #[arg(long, value_parser = bytes, value_name = "BYTES", allow_hyphen_values = true)]
    limit: Option<i64>,
    /// Another setting: `auto_scan=true`; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// The registry that it is a proxy of, by its key
    #[arg(long, value_name = "ID")]
    proxy_of: Option<i64>,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    project: String,
    /// Whether everybody may pull from it
    #[arg(long, value_name = "BOOL")]
    public: Option<bool>,
    /// A setting: `auto_scan=true`; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
}

/// What a project is set to.
#[derive(Debug, Subcommand)]
pub(crate) enum Setting {
    /// Show all settings
    #[command(visible_alias = "ls")]
    List { project: String },
    /// Show one setting
    Get { project: String, name: String },
    /// Change a setting
    #[command(after_help = "Example:\n  harborctl project setting set team prevent_vul true")]
    Set { project: String, name: String, value: String },
    /// Take a setting away
    Unset { project: String, name: String },
}

impl Project {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let of = async |operation: &str, project: &str| {
            Ok::<_, Failure>(
                session.call(operation).await?.at("project_name_or_id", ProjectRef::Name(project)),
            )
        };
        match self {
            Self::List(listed) => session.list(session.call("listProjects").await?, &listed, &SHAPE).await,
            Self::Get { project } => session.show(of("getProject", &project).await?, &SHAPE).await,
            Self::Create(create) => create.run(session).await,
            Self::Update(update) => update.run(session).await,
            Self::Delete { project, yes } => {
                confirmed(&format!("Delete project {project}?"), yes).await?;
                session
                    .does(of("deleteProject", &project).await?, &format!("project {project} deleted"))
                    .await
            }
            Self::Deletable { project } => {
                session.show(of("getProjectDeletable", &project).await?, &DELETABLE).await
            }
            Self::Exists { project } => {
                let query = Query::new().with("project_name", &project);
                let call = session.call("headProject").await?.query(&query);
                session.does(call, &format!("there is a project {project}")).await
            }
            Self::Summary { project } => {
                session.show(of("getProjectSummary", &project).await?, &SUMMARY).await
            }
            Self::Log { project, older, listed } => {
                let (operation, shape) =
                    if older { ("getLogs", &audit::OLDER) } else { ("getLogExts", &audit::SHAPE) };
                let call = session.call(operation).await?.at("project_name", project.as_str());
                session.list(call, &listed, shape).await
            }
            Self::Setting(setting) => setting.run(session).await,
        }
    }
}

impl Create {
    async fn run(self, session: &Session) -> Outcome {
        let mut metadata = settings(&self.settings)?;
        metadata.insert("public".to_owned(), Some(self.public.to_string()));
        let body = ProjectReq {
            project_name: Some(self.project.clone()),
            metadata: Some(metadata),
            storage_limit: self.limit,
            registry_id: self.proxy_of,
            ..ProjectReq::default()
        };
        let call = session.call("createProject").await?.json(&body);
        session.makes(call, &format!("project {} created", self.project), Some(&self.project)).await
    }
}

impl Update {
    async fn run(self, session: &Session) -> Outcome {
        let mut metadata = settings(&self.settings)?;
        if let Some(public) = self.public {
            metadata.insert("public".to_owned(), Some(public.to_string()));
        }
        if metadata.is_empty() {
            return Err(Failure::usage("nothing is to be changed").hint("--public BOOL or --set NAME=VALUE"));
        }
        let body = ProjectReq { metadata: Some(metadata), ..ProjectReq::default() };
        let call =
            session.call("updateProject").await?.at("project_name_or_id", ProjectRef::Name(&self.project));
        session.does(call.json(&body), &format!("project {} changed", self.project)).await
    }
}

/// `name=value`, any number of them.
fn settings(settings: &[String]) -> Outcome<BTreeMap<String, Option<String>>> {
    let pair = |setting: &String| match setting.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), Some(value.to_owned()))),
        _ => Err(Failure::usage(format!("{setting:?} is no setting")).hint("NAME=VALUE")),
    };
    settings.iter().map(pair).collect()
}

impl Setting {
    async fn run(self, session: &Session) -> Outcome {
        let of = async |operation: &str, project: &str| {
            Ok::<_, Failure>(
                session.call(operation).await?.at("project_name_or_id", ProjectRef::Name(project)),
            )
        };
        match self {
            Self::List { project } => {
                print(session, of("listProjectMetadatas", &project).await?.one().await?)
            }
            Self::Get { project, name } => {
                let call = of("getProjectMetadata", &project).await?.at("meta_name", name.as_str());
                print(session, call.one().await?)
            }
            Self::Set { project, name, value } => {
                let body = ProjectSetting(BTreeMap::from([(name.clone(), value)]));
                let known: BTreeMap<String, String> =
                    of("listProjectMetadatas", &project).await?.one().await?;
                // There are two operations: for a setting that is there, and for one that is not.
                let call = if known.contains_key(&name) {
                    of("updateProjectMetadata", &project).await?.at("meta_name", name.as_str())
                } else {
                    of("addProjectMetadatas", &project).await?
                };
                session.does(call.json(&body), &format!("{name} of {project} set")).await
            }
            Self::Unset { project, name } => {
                let call = of("deleteProjectMetadata", &project).await?.at("meta_name", name.as_str());
                session.does(call, &format!("{name} of {project} taken away")).await
            }
        }
    }
}

static SETTINGS: Shape =
    Shape { name: "/name", columns: &[Column::plain("NAME", "/name"), Column::plain("VALUE", "/value")] };

/// A row for each setting.
fn print(session: &Session, settings: BTreeMap<String, Value>) -> Outcome {
    let row = |(name, value): (String, Value)| serde_json::json!({"name": name, "value": value});
    let rows: Vec<_> = settings.into_iter().map(row).collect();
    session.entries(&rows, &SETTINGS)
}
