//! What a verb has in hand: the API as somebody, and where to print.

use std::path::{Path, PathBuf};

use clap::Args;
use harbor_core::access::Secret;
use harbor_replicate::client::api::{Api, Call, Query};
use harbor_replicate::client::{Connection, Credential};
use serde_json::{Value, json};

use crate::context::{Context, Contexts, Server};
use crate::failure::{Failure, Outcome};
use crate::output::{Format, Output, Shape};

/// What all commands take.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of all commands")]
pub(crate) struct Global {
    /// The context to use: a server and who one is there; see `harborctl context list`
    #[arg(long, global = true, env = "HARBORCTL_CONTEXT", value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The server to use instead of a context's: `host`, `https://host:port`, `http://host:port`
    #[arg(long, global = true, env = "HARBOR_URL", value_name = "ADDRESS")]
    pub(crate) server: Option<String>,
    /// Trust the authorities of this file too (PEM)
    #[arg(long, global = true, env = "HARBOR_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Show this certificate, with its private key in the same file (PEM), to servers that ask for one
    #[arg(long, global = true, env = "HARBOR_CERT", value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// Take whatever certificate a server shows: whoever is on the way can read and change everything
    #[arg(long, global = true)]
    pub(crate) insecure: bool,
    /// How to print
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    /// Print tables without their first line
    #[arg(long, global = true)]
    no_headers: bool,
    /// Print nothing but what was asked for
    #[arg(short, long, global = true)]
    quiet: bool,
}

/// How a list is asked for.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Listed {
    /// The API's filter: `name=~web,public=true`, `creation_time=[2026-01-01~2026-02-01]`
    #[arg(long, value_name = "Q")]
    query: Option<String>,
    /// The order: `name`, `-creation_time`, several with commas
    #[arg(long, value_name = "KEYS", allow_hyphen_values = true)]
    sort: Option<String>,
    /// How many entries at most; all without
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

impl Listed {
    /// What goes into the request's query.
    pub(crate) fn to_query(&self) -> Query {
        let mut query = Query::new();
        if let Some(filter) = &self.query {
            query = query.q(filter);
        }
        if let Some(keys) = &self.sort {
            query = query.sort(keys);
        }
        match self.limit {
            Some(limit @ 1..100) => query.page_size(u32::try_from(limit).unwrap_or(100)),
            _ => query,
        }
    }
}

/// What a verb has in hand.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) output: Output,
    global: Global,
}

impl Session {
    pub(crate) const fn new(global: Global) -> Self {
        let output = Output { format: global.output, no_headers: global.no_headers, quiet: global.quiet };
        Self { output, global }
    }

    pub(crate) const fn global(&self) -> &Global {
        &self.global
    }

    /// The server that is meant, and who one is there.
    pub(crate) fn server(&self) -> Outcome<Server> {
        Contexts::load()?.server(&self.global)
    }

    /// How registries are reached, also others than the server that is meant.
    pub(crate) fn connection(&self) -> Outcome<Connection> {
        // A wrong name of a context is told by what needs one.
        let server = self.server().ok();
        match server {
            Some(server) => self.connection_of(&server),
            None => self.connection_elsewhere(),
        }
    }

    /// How the server of a context is reached.
    pub(crate) fn connection_to(&self, context: &Context) -> Outcome<Connection> {
        connection(context.ca.as_deref(), context.cert.as_deref(), context.insecure)
    }

    /// How a server is reached.
    pub(crate) fn connection_of(&self, server: &Server) -> Outcome<Connection> {
        connection(server.ca.as_deref(), server.cert.as_deref(), server.insecure)
    }

    /// How a registry is reached that nothing is remembered of.
    pub(crate) fn connection_elsewhere(&self) -> Outcome<Connection> {
        connection(self.global.ca.as_deref(), self.global.cert.as_deref(), self.global.insecure)
    }

    /// The API of the server that is meant.
    pub(crate) async fn api(&self) -> Outcome<Api> {
        let server = self.server()?;
        let connection = self.connection_of(&server)?;
        let credential = server.credential().await?;
        // The API wants to know who asks, and not what a token service would.
        let credential =
            if matches!(credential, Credential::Identity(_)) { Credential::Anonymous } else { credential };
        Ok(Api::builder(&server.address).connection(connection).credential(credential).build()?)
    }

    /// A call of an operation.
    pub(crate) async fn call(&self, operation: &str) -> Outcome<Call> {
        Ok(self.api().await?.call(operation)?)
    }

    /// Prints what a call answers.
    pub(crate) async fn show(&self, call: Call, shape: &Shape) -> Outcome {
        let value: Value = call.one().await?;
        self.output.one(&value, shape)
    }

    /// Prints a list, as its pages come.
    pub(crate) async fn list(&self, call: Call, listed: &Listed, shape: &'static Shape) -> Outcome {
        let mut entries = call.query(&listed.to_query()).pages::<Value>();
        let mut list = self.output.list(shape);
        let mut left = listed.limit.unwrap_or(usize::MAX);
        while left > 0
            && let Some(entry) = entries.next().await
        {
            list.entry(&entry?)?;
            left -= 1;
        }
        list.end()
    }

    /// Prints a list that comes in one piece.
    pub(crate) async fn all(&self, call: Call, shape: &'static Shape) -> Outcome {
        // As Harbor says that there is nothing.
        let entries: Option<Vec<Value>> = call.one().await?;
        self.entries(&entries.unwrap_or_default(), shape)
    }

    /// Prints a list that is known.
    pub(crate) fn entries(&self, entries: &[Value], shape: &'static Shape) -> Outcome {
        let mut list = self.output.list(shape);
        entries.iter().try_for_each(|entry| list.entry(entry))?;
        list.end()
    }

    /// Refuses a form of answer that would leave out what is told this once.
    pub(crate) fn tells_once(&self, what: &str) -> Outcome {
        if self.output.format == Format::Name {
            let why = format!("the {what} is told this once, and -o name would not show it");
            return Err(Failure::usage(why).hint("-o json"));
        }
        Ok(())
    }

    /// Calls what answers nothing, and tells what was done.
    pub(crate) async fn does(&self, call: Call, what: &str) -> Outcome {
        call.nothing().await?;
        self.output.done(what, None, None)
    }

    /// Calls what makes something, and tells of it. Its name is its key where it has none.
    pub(crate) async fn makes(&self, call: Call, what: &str, name: Option<&str>) -> Outcome {
        let made = call.created().await?;
        let id = made.id();
        let value = json!({"id": id, "location": made.location});
        let key = id.map(|id| id.to_string());
        let told = key.as_ref().map_or_else(|| what.to_owned(), |key| format!("{what} (id {key})"));
        self.output.done(&told, Some(&value), name.or(key.as_deref()))
    }
}

/// How registries are reached.
fn connection(ca: Option<&Path>, cert: Option<&Path>, insecure: bool) -> Outcome<Connection> {
    let read = |file: &Path| {
        std::fs::read(file)
            .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", file.display())))
    };
    let mut builder = Connection::builder()
        .user_agent(concat!("harborctl/", env!("CARGO_PKG_VERSION")))
        .any_certificate(insecure);
    if let Some(file) = ca {
        builder = builder.authority(read(file)?);
    }
    if let Some(file) = cert {
        let pem = String::from_utf8(read(file)?);
        let pem = pem.map_err(|_| Failure::usage(format!("{} is no PEM", file.display())))?;
        builder = builder.client_certificate(Secret::new(pem));
    }
    Ok(builder.build()?)
}
