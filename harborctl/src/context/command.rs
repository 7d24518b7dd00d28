//! `harborctl context`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Context, Contexts};
use crate::failure::{Failure, Outcome};
use crate::output::{Column, Shape};
use crate::session::Session;

static SHAPE: Shape = Shape {
    name: "/name",
    columns: &[
        Column::plain("CURRENT", "/mark"),
        Column::plain("NAME", "/name"),
        Column::plain("SERVER", "/server"),
        Column::plain("USER", "/username"),
        Column::plain("STORE", "/store").wide(),
        Column::plain("CA", "/ca").wide(),
        Column::plain("CERT", "/cert").wide(),
        Column::plain("INSECURE", "/insecure").wide(),
    ],
};

/// Servers and who one is there.
#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// Show all contexts
    #[command(visible_alias = "ls")]
    List,
    /// Use a context from now on
    #[command(after_help = "Example:\n  harborctl context use staging")]
    Use { name: String },
    /// Show the context that is used
    Current,
    /// Add a context, or change one, without logging in
    #[command(
        after_help = "Example:\n  harborctl context set staging https://staging.example --ca staging.pem"
    )]
    Set(Set),
    /// Rename a context
    Rename { name: String, to: String },
    /// Forget a context and its credentials
    #[command(visible_alias = "rm")]
    Delete { name: String },
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    name: String,
    /// The server's address: `https://host`, `http://host:port`
    address: String,
}

impl ContextCommand {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List => session.entries(&Contexts::load()?.values(), &SHAPE),
            Self::Use { name } => {
                Contexts::change(|contexts| {
                    contexts.get(&name)?;
                    contexts.current = Some(name.clone());
                    Ok(())
                })?;
                session.output.done(&format!("using {name}"), None, Some(&name))
            }
            Self::Current => {
                let contexts = Contexts::load()?;
                let name = contexts.current.clone();
                let name =
                    name.ok_or_else(|| Failure::absent("no context is used").hint("harborctl login SERVER"))?;
                let value = contexts.values().into_iter().find(|value| value["name"] == *name);
                session.output.one(&value.unwrap_or_default(), &SHAPE)
            }
            Self::Set(set) => set.run(session).await,
            Self::Rename { name, to } => rename(&name, to, session),
            Self::Delete { name } => delete(&name, session).await,
        }
    }
}

impl Set {
    async fn run(self, session: &Session) -> Outcome {
        let address = address(&self.address)?;
        let global = session.global();
        let (ca, cert) = (absolute(global.ca.clone())?, absolute(global.cert.clone())?);
        let (contexts, before) = Contexts::change(|contexts| {
            let before = contexts.contexts.get(&self.name).cloned();
            let known = before.clone().filter(|context| context.server == address);
            let context = Context {
                ca: ca.or_else(|| known.as_ref().and_then(|context| context.ca.clone())),
                cert: cert.or_else(|| known.as_ref().and_then(|context| context.cert.clone())),
                insecure: global.insecure,
                username: known.as_ref().and_then(|context| context.username.clone()),
                store: known.and_then(|context| context.store),
                server: address,
            };
            contexts.contexts.insert(self.name.clone(), context);
            contexts.current.get_or_insert_with(|| self.name.clone());
            Ok(before)
        })?;
        // The secret of another server is of no use any more.
        if let Some(before) = before {
            forget(&contexts, &before).await?;
        }
        session.output.done(&format!("context {} set", self.name), None, Some(&self.name))
    }
}

fn rename(name: &str, to: String, session: &Session) -> Outcome {
    Contexts::change(|contexts| {
        if contexts.contexts.contains_key(&to) {
            return Err(Failure::usage(format!("there is a context {to:?} already"))
                .hint("another name; harborctl context list shows those that there are"));
        }
        let context = contexts.get(name)?.clone();
        contexts.contexts.remove(name);
        contexts.contexts.insert(to.clone(), context);
        if contexts.current.as_deref() == Some(name) {
            contexts.current = Some(to.clone());
        }
        Ok(())
    })?;
    session.output.done(&format!("{name} is {to} now"), None, Some(&to))
}

async fn delete(name: &str, session: &Session) -> Outcome {
    let (contexts, context) = Contexts::change(|contexts| {
        let context = contexts.get(name)?.clone();
        contexts.contexts.remove(name);
        contexts.current = contexts.current.take().filter(|current| current != name);
        Ok(context)
    })?;
    forget(&contexts, &context).await?;
    session.output.done(&format!("context {name} deleted"), None, Some(name))
}

/// Forgets the secret of a context, unless another one has it too.
pub(crate) async fn forget(contexts: &Contexts, context: &Context) -> Outcome {
    let (Some(store), Some(username)) = (&context.store, &context.username) else { return Ok(()) };
    let same = |other: &Context| {
        (&other.server, &other.username, &other.store) == (&context.server, &context.username, &context.store)
    };
    if contexts.contexts.values().any(same) {
        return Ok(());
    }
    store.forget(&context.server, username).await
}

/// An address as it is remembered: with its scheme, and no slash at the end.
pub(crate) fn address(text: &str) -> Outcome<String> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let address = whole.trim_end_matches('/').to_owned();
    // It finds out whether it is one.
    harbor_replicate::client::Registry::builder(&address).build()?;
    Ok(address)
}

/// A path that means the same from everywhere.
pub(crate) fn absolute(path: Option<PathBuf>) -> Outcome<Option<PathBuf>> {
    let path = path.map(|path| {
        std::fs::canonicalize(&path)
            .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))
    });
    path.transpose()
}

impl Contexts {
    fn values(&self) -> Vec<Value> {
        let value = |(name, context): (&String, &Context)| {
            let is_current = self.current.as_ref() == Some(name);
            json!({
                "name": name, "server": context.server, "username": context.username, "store": context.store,
                "ca": context.ca, "cert": context.cert, "insecure": context.insecure, "current": is_current,
                "mark": if is_current { "*" } else { "" },
            })
        };
        self.contexts.iter().map(value).collect()
    }
}
