//! Fills any registry with content and loads it with pushes: the part of `tests/bench` that `wrk` cannot do.

mod artifacts;
mod client;
mod fill;
mod garbage;
mod pace;
mod push;
mod read;
mod seed;

use clap::{Parser, Subcommand};

use client::Client;

/// Seeds and loads a registry.
#[derive(Debug, Parser)]
struct Arguments {
    /// Address of the registry, as http://127.0.0.1:8080
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// user:password for Basic authentication
    #[arg(long)]
    user: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fills the registry, and prints a path for each kind of request: a word and a path a line.
    Seed {
        /// How many tags the one repository gets.
        #[arg(long, default_value_t = 1001)]
        tags: usize,
        /// How many repositories there are.
        #[arg(long, default_value_t = 300)]
        repositories: usize,
        /// What the repositories' names begin with.
        #[arg(long, default_value = "library/bench")]
        prefix: String,
    },
    /// Writes many rows into the SQLite database of a server that is stopped, and prints paths as `seed` does.
    Fill {
        /// The database file.
        #[arg(long)]
        database: std::path::PathBuf,
        /// How many manifests there will be.
        #[arg(long, default_value_t = 1_000_000)]
        manifests: usize,
        /// How many of them are tags of one repository.
        #[arg(long, default_value_t = 100_000)]
        tags: usize,
        /// How many other repositories there are.
        #[arg(long, default_value_t = 10_000)]
        repositories: usize,
    },
    /// Asks for a path, and prints figures.
    Read {
        /// The path.
        #[arg(long)]
        path: String,
        /// How it is asked for.
        #[arg(long, default_value = "get")]
        method: read::Method,
        /// How many connections.
        #[arg(long)]
        clients: usize,
        /// For how long.
        #[arg(long)]
        seconds: u64,
        /// How often a second, all together; as fast as they can, where nothing is said. Who is late counts from when it was due.
        #[arg(long)]
        rate: Option<f64>,
    },
    /// Writes repositories with many artifacts into the database of a server that is stopped, and prints a path for each: a
    /// word and a path a line.
    Artifacts {
        /// Address of the database, as sqlite:file or postgres://…
        #[arg(long)]
        database: String,
        /// How many artifacts each repository has.
        #[arg(long, value_delimiter = ',', default_value = "1000,100000")]
        sizes: Vec<usize>,
    },
    /// Writes many blobs into the database of a server that is stopped, of which some are garbage that is due.
    Garbage {
        /// Address of the database, as sqlite:file or postgres://…
        #[arg(long)]
        database: String,
        /// The folder of the blobs.
        #[arg(long)]
        folder: std::path::PathBuf,
        /// How many blobs there will be.
        #[arg(long, default_value_t = 1_000_000)]
        blobs: u64,
        /// How many of them are garbage.
        #[arg(long, default_value_t = 100_000)]
        garbage: u64,
        /// In how many parts the garbage falls due, of about the same size.
        #[arg(long, default_value_t = 1)]
        waves: u64,
        /// After how many seconds the first part does, and after how many more each other.
        #[arg(long, default_value_t = 0)]
        apart: u64,
    },
    /// Collects the garbage of a server that is stopped, and prints figures.
    Collect {
        /// Address of the database.
        #[arg(long)]
        database: String,
        /// The folder of the blobs.
        #[arg(long)]
        folder: std::path::PathBuf,
        /// How many batches at a time.
        #[arg(long, default_value_t = 1)]
        workers: u32,
    },
    /// Pushes blobs that the registry does not have, and prints figures.
    Push {
        /// Size of a blob, in bytes.
        #[arg(long)]
        size: usize,
        /// How many blobs.
        #[arg(long)]
        count: usize,
        /// How many are pushed at once.
        #[arg(long)]
        clients: usize,
        /// Repository that they are pushed to.
        #[arg(long, default_value = "library/bench-push")]
        repository: String,
        /// How many a second, all together; as fast as they can, where nothing is said. Who is late counts from when it was due.
        #[arg(long)]
        rate: Option<f64>,
    },
}

#[tokio::main]
async fn main() -> Result<(), client::Failure> {
    let arguments = Arguments::parse();
    let client = Client::new(&arguments.url, arguments.user.as_deref())?;
    match arguments.command {
        Command::Seed { tags, repositories, prefix } => seed::run(&client, &prefix, tags, repositories).await,
        Command::Fill { database, manifests, tags, repositories } => {
            fill::run(&database, &fill::Scale { manifests, tags, repositories }).await
        }
        Command::Artifacts { database, sizes } => artifacts::run(&database, &sizes).await,
        Command::Garbage { database, folder, blobs, garbage, waves, apart } => {
            garbage::run(&database, &folder, &garbage::Scale { blobs, garbage, waves, apart }).await
        }
        Command::Collect { database, folder, workers } => garbage::collect(&database, &folder, workers).await,
        Command::Read { path, method, clients, seconds, rate } => {
            let reads = read::Reads { method, path, clients, seconds, rate };
            read::run(&arguments.url, client.authorization(), reads).await
        }
        Command::Push { size, count, clients, repository, rate } => {
            push::run(&client, &push::Pushes { repository, size, count, clients, rate }).await
        }
    }
}
