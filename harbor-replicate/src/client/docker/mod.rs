//! What docker and its relatives know of credentials: `config.json`, `auth.json`, credential helpers.

mod config;
mod helper;

pub use config::DockerConfig;
pub use helper::CredentialHelper;
