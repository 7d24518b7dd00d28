//! `harborctl label`.

use clap::{Args, Subcommand};
use harbor_core::api;

use crate::failure::Outcome;
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};

static SHAPE: Shape = Shape {
    name: "/name",
    columns: &[
        Column::plain("NAME", "/name"),
        Column::plain("COLOR", "/color"),
        Column::plain("SCOPE", "/scope"),
        Column::plain("DESCRIPTION", "/description"),
        Column::plain("ID", "/id").wide(),
        Column::time("CREATED", "/creation_time").wide(),
    ],
};

/// Labels, of everybody and of projects.
#[derive(Debug, Subcommand)]
pub(crate) enum Label {
    /// Show labels
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        listed: Listed,
    },
    /// Show one label
    Get {
        label: String,
        #[command(flatten)]
        of: Of,
    },
    /// Make a label
    #[command(after_help = "Example:\n  harborctl label create tested --project team --color '#48960C'")]
    Create {
        label: String,
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        set: Set,
    },
    /// Change a label
    Update {
        label: String,
        #[command(flatten)]
        of: Of,
        /// Its new name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        set: Set,
    },
    /// Delete a label, and take it off everything
    #[command(visible_alias = "rm")]
    Delete {
        label: String,
        #[command(flatten)]
        of: Of,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Of {
    /// The labels of this project, and not those of everybody
    #[arg(short, long)]
    project: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// The colour that it is shown in: `#48960C`
    #[arg(long)]
    color: Option<String>,
}

impl Label {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List { of, listed } => {
                let query = session.label_scope(of.project.as_deref()).await?;
                session.list(session.call("ListLabels").await?.query(&query), &listed, &SHAPE).await
            }
            Self::Get { label, of } => {
                let id = session.label_id(&label, of.project.as_deref()).await?;
                session.show(session.call("GetLabelByID").await?.at("label_id", id), &SHAPE).await
            }
            Self::Create { label, of, set } => create(session, &label, &of, set).await,
            Self::Update { label, of, name, set } => {
                let id = session.label_id(&label, of.project.as_deref()).await?;
                let mut body: api::Label =
                    session.call("GetLabelByID").await?.at("label_id", id).one().await?;
                set.fill(&mut body);
                body.name = name.unwrap_or(body.name);
                let call = session.call("UpdateLabel").await?.at("label_id", id).json(&body);
                session.does(call, &format!("label {label} changed")).await
            }
            Self::Delete { label, of } => {
                let id = session.label_id(&label, of.project.as_deref()).await?;
                let call = session.call("DeleteLabel").await?.at("label_id", id);
                session.does(call, &format!("label {label} deleted")).await
            }
        }
    }
}

async fn create(session: &Session, label: &str, of: &Of, set: Set) -> Outcome {
    let mut body = api::Label { name: label.to_owned(), scope: "g".to_owned(), ..api::Label::default() };
    if let Some(project) = &of.project {
        body.scope = "p".to_owned();
        body.project_id = Some(session.project_id(project).await?);
    }
    set.fill(&mut body);
    let call = session.call("CreateLabel").await?.json(&body);
    session.makes(call, &format!("label {label} created"), Some(label)).await
}

impl Set {
    fn fill(self, body: &mut api::Label) {
        if let Some(description) = self.description {
            body.description = description;
        }
        if let Some(color) = self.color {
            body.color = color;
        }
    }
}
