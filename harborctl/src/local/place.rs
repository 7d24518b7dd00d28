//! Where a registry keeps what it has.

use std::path::PathBuf;

use clap::Args;
use harbor_core::Settings;
use harbor_server::StoreSettings;
use harbor_storage::backup::Place;

use crate::failure::{Failure, Outcome};

/// Where the registry is: as the server is told.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Where the registry is, as its server is told")]
pub(crate) struct At {
    /// The data folder of the server [default: ./harbor-data]
    #[arg(long, value_name = "FOLDER", env = "HARBOR_DATA")]
    data: Option<PathBuf>,
    /// The database, where it is not in the data folder: sqlite:PATH, postgres://…, mysql://…; better in the environment, for it may
    /// have a password
    #[arg(long, value_name = "URL", env = "HARBOR_DATABASE_URL", hide_env_values = true)]
    database: Option<String>,
    /// The blob store, where it is not in the data folder: file:PATH, s3://BUCKET, az://CONTAINER, gs://BUCKET
    #[arg(long, value_name = "URL", env = "HARBOR_BLOBS_URL", hide_env_values = true)]
    blobs: Option<String>,
    /// The configuration file of the server, for what is not said here
    #[arg(long, value_name = "FILE", env = "HARBOR_CONFIG")]
    config: Option<PathBuf>,
}

impl At {
    fn settings(self) -> StoreSettings {
        StoreSettings { data: self.data, database: self.database, blobs: self.blobs, file: self.config }
    }

    /// Whether a configuration file is named.
    pub(crate) const fn has_config(&self) -> bool {
        self.config.is_some()
    }

    /// What the configuration file, and the environment, say of the engine.
    pub(crate) fn engine(&self) -> Outcome<Settings> {
        self.clone().settings().engine().map_err(|error| Failure::usage(error.to_string()))
    }

    /// The addresses of the stores.
    pub(crate) fn place(self) -> Outcome<Place> {
        let addresses = self.settings().addresses();
        let (database, blobs) = addresses.map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Place { database, blobs })
    }
}
