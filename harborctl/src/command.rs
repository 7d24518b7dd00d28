//! The command line as a whole.

use clap::{Parser, Subcommand};

use crate::account::{self, Login, Logout};
use crate::api::Api;
use crate::completion::{Completion, Man};
use crate::content::{Copy, Delete, Diff, Export, Import, Inspect, Key, Pull, Push, Tree};
use crate::context::ContextCommand;
use crate::failure::{Failure, exit_code_help};
#[cfg(feature = "local")]
use crate::local::{Local, Run};
use crate::noun;
use crate::session::{Global, Session};

/// The registry from a terminal and from scripts: this one, and Harbor.
#[derive(Debug, Parser)]
#[command(name = "harborctl", version, after_help = exit_code_help(), max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Login(Login),
    Logout(Logout),
    /// Show who asks, and which server
    #[command(after_help = "Example:\n  harborctl whoami -o json")]
    Whoami,
    /// Servers and who one is there
    #[command(subcommand)]
    Context(ContextCommand),
    Push(Push),
    Pull(Pull),
    Copy(Copy),
    Inspect(Inspect),
    Tree(Tree),
    Diff(Diff),
    Delete(Delete),
    Export(Export),
    Import(Import),
    /// Keys that exports are signed with
    #[command(subcommand)]
    Key(Key),
    /// Projects
    #[command(subcommand)]
    Project(noun::Project),
    /// Members of projects
    #[command(subcommand)]
    Member(noun::Member),
    /// Repositories
    #[command(subcommand, visible_alias = "repo")]
    Repository(noun::Repository),
    /// Artifacts: images, charts and everything else in repositories
    #[command(subcommand)]
    Artifact(noun::Artifact),
    /// Tags
    #[command(subcommand)]
    Tag(noun::Tag),
    /// Labels, of everybody and of projects
    #[command(subcommand)]
    Label(noun::Label),
    /// Users
    #[command(subcommand)]
    User(noun::User),
    /// Groups of users
    #[command(subcommand)]
    Group(noun::Group),
    /// Roles that are made of permissions
    #[command(subcommand)]
    Role(noun::Role),
    /// Robots, of the system and of projects
    #[command(subcommand)]
    Robot(noun::Robot),
    /// One's own personal access tokens
    #[command(subcommand)]
    Token(noun::Token),
    /// One's own second factor
    #[command(subcommand)]
    Totp(noun::Totp),
    /// What projects may hold
    #[command(subcommand)]
    Quota(noun::Quota),
    /// Rules of immutable tags
    #[command(subcommand)]
    Immutable(noun::Immutable),
    /// Retention: which artifacts stay
    #[command(subcommand)]
    Retention(noun::Retention),
    /// Garbage collection
    #[command(subcommand)]
    Gc(noun::Gc),
    /// Work in the background: jobs, queues, workers
    #[command(subcommand)]
    Job(noun::Job),
    /// What the clock sets going
    #[command(subcommand)]
    Schedule(noun::Schedule),
    /// Webhooks, of projects and of the registry
    #[command(subcommand)]
    Webhook(noun::Webhook),
    /// The audit log
    #[command(subcommand)]
    Audit(noun::Audit),
    /// How the server is set
    #[command(subcommand)]
    Config(noun::Config),
    /// Show how the parts of the server are; fails when one is unhealthy
    #[command(after_help = "Example:\n  harborctl health || echo 'something is wrong'")]
    Health,
    /// The server as a whole
    #[command(subcommand)]
    System(noun::System),
    Api(Api),
    #[cfg(feature = "local")]
    Run(Run),
    /// Work on the stores themselves, without a server
    #[cfg(feature = "local")]
    #[command(subcommand)]
    Local(Local),
    Completion(Completion),
    Man(Man),
}

impl Cli {
    /// Whether Ctrl-C is for the command that it runs.
    pub(crate) const fn runs_another(&self) -> bool {
        #[cfg(feature = "local")]
        {
            matches!(self.command, Command::Run(_))
        }
        #[cfg(not(feature = "local"))]
        {
            false
        }
    }

    /// Does what the command line says.
    ///
    /// # Errors
    /// [`Failure`], with its exit code.
    pub async fn run(self) -> Result<(), Failure> {
        let session = &Session::new(self.global);
        match self.command {
            Command::Login(command) => command.run(session).await,
            Command::Logout(command) => command.run(session).await,
            Command::Whoami => account::whoami(session).await,
            Command::Context(command) => command.run(session).await,
            Command::Push(command) => command.run(session).await,
            Command::Pull(command) => command.run(session).await,
            Command::Copy(command) => command.run(session).await,
            Command::Inspect(command) => command.run(session).await,
            Command::Tree(command) => command.run(session).await,
            Command::Diff(command) => command.run(session).await,
            Command::Delete(command) => command.run(session).await,
            Command::Export(command) => command.run(session).await,
            Command::Import(command) => command.run(session).await,
            Command::Key(command) => command.run(session),
            Command::Project(command) => command.run(session).await,
            Command::Member(command) => command.run(session).await,
            Command::Repository(command) => command.run(session).await,
            Command::Artifact(command) => command.run(session).await,
            Command::Tag(command) => command.run(session).await,
            Command::Label(command) => command.run(session).await,
            Command::User(command) => command.run(session).await,
            Command::Group(command) => command.run(session).await,
            Command::Role(command) => command.run(session).await,
            Command::Robot(command) => command.run(session).await,
            Command::Token(command) => command.run(session).await,
            Command::Totp(command) => command.run(session).await,
            Command::Quota(command) => command.run(session).await,
            Command::Immutable(command) => command.run(session).await,
            Command::Retention(command) => command.run(session).await,
            Command::Gc(command) => command.run(session).await,
            Command::Job(command) => command.run(session).await,
            Command::Schedule(command) => command.run(session).await,
            Command::Webhook(command) => command.run(session).await,
            Command::Audit(command) => command.run(session).await,
            Command::Config(command) => command.run(session).await,
            Command::Health => noun::health(session).await,
            Command::System(command) => command.run(session).await,
            Command::Api(command) => command.run(session).await,
            #[cfg(feature = "local")]
            Command::Run(command) => command.run(session).await,
            #[cfg(feature = "local")]
            Command::Local(command) => command.run(session).await,
            Command::Completion(command) => command.run(),
            Command::Man(command) => command.run(),
        }
    }
}
