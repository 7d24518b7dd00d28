//! `harborctl login`, `logout`, `whoami`.

use clap::Args;
use harbor_core::access::Secret;
use harbor_replicate::client::{Connection, Credential, Registry};
use serde_json::{Value, json};

use crate::body::SecretInput;
use crate::context::{Context, Contexts, Store, absolute, address, forget, host};
use crate::failure::{Failure, Kind, Outcome};
use crate::output::{Column, Shape};
use crate::session::Session;
use crate::terminal::line;

static SHAPE: Shape = Shape {
    name: "/username",
    columns: &[
        Column::plain("USER", "/username"),
        Column::plain("SERVER", "/server"),
        Column::plain("CONTEXT", "/context"),
        Column::plain("ADMINISTRATOR", "/sysadmin_flag"),
        Column::plain("EMAIL", "/email"),
        Column::plain("ID", "/user_id"),
    ],
};

/// Log in to a server and remember who one is there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  harborctl login harbor.example -u grace
  harborctl login https://harbor.example:8443 -u 'robot$ci' --password-stdin < secret
  harborctl login http://localhost:8080 -u admin --name local --store file")]
pub(crate) struct Login {
    /// The server: `host`, `https://host:port`, `http://host:port`
    address: String,
    /// The user, or the robot
    #[arg(short, long)]
    username: Option<String>,
    #[command(flatten)]
    secret: SecretInput,
    /// What to call the context; the host without it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where to keep the secret: `keyring`, `file`, or `helper:NAME` for docker-credential-NAME; the keyring where there is one, or
    /// else the file, without it
    #[arg(long, value_name = "STORE")]
    store: Option<Store>,
}

/// Forget who one is at a server.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  harborctl logout harbor.example")]
pub(crate) struct Logout {
    /// The context, or the server; the current one without it
    name: Option<String>,
}

impl Login {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let server = address(&self.address)?;
        let name = self.name.clone().unwrap_or_else(|| host(&server).to_owned());
        // What holds for another server does not hold here.
        let known = Contexts::load()?.contexts.remove(&name).filter(|known| known.server == server);
        let global = session.global();
        let mut context = Context {
            ca: absolute(global.ca.clone())?.or_else(|| known.as_ref().and_then(|known| known.ca.clone())),
            cert: absolute(global.cert.clone())?
                .or_else(|| known.as_ref().and_then(|known| known.cert.clone())),
            insecure: global.insecure || known.as_ref().is_some_and(|known| known.insecure),
            username: None,
            store: None,
            server,
        };
        let username = match self.username {
            Some(username) => username,
            None if self.secret.password_stdin => {
                return Err(Failure::usage("the standard input is for the password alone").hint("-u NAME"));
            }
            None => asked().await?,
        };
        let secret = self.secret.read(&format!("Password of {username}: ")).await?;
        let connection = session.connection_to(&context)?;
        check(&context, connection, &username, &secret).await?;
        let store = keep(self.store, &context.server, &username, &secret, session).await?;
        (context.username, context.store) = (Some(username.clone()), Some(store));
        let (contexts, before) = Contexts::change(|contexts| {
            contexts.current = Some(name.clone());
            Ok(contexts.contexts.insert(name.clone(), context.clone()))
        })?;
        // What was there before it is of no use any more.
        if let Some(before) = before.filter(|before| *before != context) {
            forget(&contexts, &before).await?;
        }
        session.output.done(&format!("logged in to {} as {username}", context.server), None, Some(&name))
    }
}

/// Whether the server takes it.
async fn check(context: &Context, connection: Connection, username: &str, secret: &Secret) -> Outcome {
    let registry = Registry::builder(&context.server).connection(connection);
    let registry = registry.credentials(Credential::password(username, secret.clone())).build()?;
    registry.ping().await.map_err(|error| match error {
        harbor_replicate::client::Error::Unauthorized { .. } => {
            Failure::new(Kind::Denied, format!("{} does not take this user and password", context.server))
                .hint("with a second factor, log in with a personal access token in the password's place")
        }
        error => error.into(),
    })
}

/// Keeps a secret where it was said, or in the best place that there is.
async fn keep(
    chosen: Option<Store>,
    server: &str,
    username: &str,
    secret: &Secret,
    session: &Session,
) -> Outcome<Store> {
    if let Some(store) = chosen {
        store.set(server, username, secret).await?;
        return Ok(store);
    }
    match Store::Keyring.set(server, username, secret).await {
        Ok(()) => return Ok(Store::Keyring),
        Err(failure) if failure.kind() == Kind::NotFound => {}
        Err(failure) => return Err(failure),
    }
    Store::File.set(server, username, secret).await?;
    session.output.note("there is no keyring here: the secret is in a file that nobody else may read");
    Ok(Store::File)
}

async fn asked() -> Outcome<String> {
    match line("User: ").await? {
        name if name.is_empty() => Err(Failure::usage("no user is named").hint("-u NAME")),
        name => Ok(name),
    }
}

impl Logout {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let contexts = Contexts::load()?;
        let name = match &self.name {
            Some(name) if contexts.contexts.contains_key(name) => Some(name.clone()),
            Some(server) => contexts.of_server(server, None),
            None => session.global().context.clone().or_else(|| contexts.current.clone()),
        };
        let name =
            name.ok_or_else(|| Failure::absent("nobody is logged in there").hint("harborctl context list"))?;
        let (contexts, before) = Contexts::change(|contexts| {
            let before = contexts.get(&name)?.clone();
            let after = Context { username: None, store: None, ..before.clone() };
            contexts.contexts.insert(name.clone(), after);
            Ok(before)
        })?;
        forget(&contexts, &before).await?;
        session.output.done(&format!("logged out of {}", before.server), None, Some(&name))
    }
}

/// Tells who asks, and which server.
pub(crate) async fn whoami(session: &Session) -> Outcome {
    let server = session.server()?;
    let mut value =
        json!({"server": server.address, "context": server.context, "username": server.username()});
    if let Credential::Password { username, .. } = server.credential().await? {
        value["username"] = username.into();
    }
    // Robots are no users: the server says so, after it has looked at their secret.
    match session.call("getCurrentUserInfo").await?.one::<Value>().await {
        Ok(Value::Object(user)) => {
            value.as_object_mut().into_iter().for_each(|value| value.extend(user.clone()))
        }
        Ok(_) => {}
        Err(error) if is_robot(&value) => robot(session, error).await?,
        Err(error) => return Err(error.into()),
    }
    session.output.one(&value, &SHAPE)
}

fn is_robot(value: &Value) -> bool {
    value["username"].as_str().is_some_and(|name| name.contains('$'))
}

/// Whether the server knows the robot, by the call that every robot may make.
async fn robot(session: &Session, error: harbor_replicate::client::Error) -> Outcome {
    let server = session.server()?;
    let credential = server.credential().await?;
    let registry =
        Registry::builder(&server.address).connection(session.connection()?).credentials(credential);
    registry.build()?.ping().await.map_err(|_| error.into())
}
