//! `harborctl totp`.

use clap::Subcommand;
use harbor_core::api::{TotpConfirmReq, TotpDeleteReq, TotpReq};
use serde_json::Value;

use crate::body::SecretInput;
use crate::failure::Outcome;
use crate::output::{Column, Shape};
use crate::session::Session;

static SHAPE: Shape = Shape {
    name: "/enabled",
    columns: &[
        Column::plain("ENABLED", "/enabled"),
        Column::plain("RECOVERY CODES LEFT", "/recovery_codes_left"),
    ],
};

/// What is told this once.
static CREATED: Shape =
    Shape { name: "/uri", columns: &[Column::plain("SECRET", "/secret"), Column::plain("URI", "/uri")] };

static CODE: Shape = Shape { name: "", columns: &[Column::plain("RECOVERY CODE", "")] };

/// One's own second factor. Harbor has none.
#[derive(Debug, Subcommand)]
pub(crate) enum Totp {
    /// Show whether there is one
    Get,
    /// Make one; its secret is shown this once, and a code of it turns it on
    #[command(after_help = "Example:\n  harborctl totp create")]
    Create {
        #[command(flatten)]
        password: SecretInput,
    },
    /// Turn it on, with a code; codes for recovery are shown this once
    Confirm { code: String },
    /// Take it away
    #[command(visible_alias = "rm")]
    Delete {
        /// A code of the authenticator application, or a recovery code
        code: String,
        #[command(flatten)]
        password: SecretInput,
    },
}

impl Totp {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Get => session.show(session.call("getTotp").await?, &SHAPE).await,
            Self::Create { password } => {
                let password = password.read("Password: ").await?.expose().to_owned();
                session.show(session.call("createTotp").await?.json(&TotpReq { password }), &CREATED).await
            }
            Self::Confirm { code } => {
                let answer: Value =
                    session.call("confirmTotp").await?.json(&TotpConfirmReq { code }).one().await?;
                let codes = answer["recovery_codes"].as_array().cloned();
                session.entries(&codes.unwrap_or_default(), &CODE)
            }
            Self::Delete { code, password } => {
                let password = password.read("Password: ").await?.expose().to_owned();
                let call = session.call("deleteTotp").await?.json(&TotpDeleteReq { password, code });
                session.does(call, "there is no second factor any more").await
            }
        }
    }
}
