//! `harborctl local migrate-database`.

use std::path::PathBuf;

use clap::Args;
use harbor_core::meta::MetadataStore as _;
use harbor_storage::sql::{MovedTable, SqlMetadata};
use serde_json::json;

use super::failed;
use crate::failure::{Failure, Outcome};
use crate::output::{Column, Shape};
use crate::session::Session;

static SHAPE: Shape =
    Shape { name: "/table", columns: &[Column::plain("TABLE", "/table"), Column::plain("ROWS", "/rows")] };

/// What the address begins with of a database that a registry can be moved to.
const TO: [&str; 4] = ["postgres:", "postgresql:", "mysql:", "mariadb:"];

/// Move the metadata of a registry from SQLite to PostgreSQL or MySQL/MariaDB
///
/// The server must not run. All of it is moved or nothing; the blobs stay where they are, and so does the SQLite database, which is not
/// changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  HARBOR_DATABASE_URL=postgres://harbor:secret@db/harbor harborctl local migrate-database --data harbor-data")]
pub(crate) struct MigrateDatabase {
    /// The data folder of the server
    #[arg(long, value_name = "DIR", default_value = "harbor-data", env = "HARBOR_DATA")]
    data: PathBuf,
    /// The SQLite database, where it is not in the data folder
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The empty database to move to: `postgres://…`, `mysql://…`; better in the environment, for it has a password
    #[arg(long, value_name = "URL", env = "HARBOR_DATABASE_URL", hide_env_values = true)]
    to: String,
}

impl MigrateDatabase {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let from = self.from.unwrap_or_else(|| self.data.join("registry.db"));
        if !from.is_file() {
            return Err(Failure::absent(format!("there is no database {}", from.display()))
                .hint("--data DIR, the data folder of the server"));
        }
        if !TO.iter().any(|scheme| self.to.starts_with(scheme)) {
            return Err(Failure::usage("a registry is moved to PostgreSQL or MySQL/MariaDB")
                .hint("--to postgres://…, or mysql://…; or HARBOR_DATABASE_URL"));
        }
        let source = SqlMetadata::sqlite(&from).await.map_err(failed)?;
        let target = SqlMetadata::connect(&self.to).await.map_err(failed)?;
        let output = session.output;
        let mut told = |table: &MovedTable| output.note(&format!("{}: {} rows", table.name, table.rows));
        let moved = source.move_to(&target, &mut told).await;
        source.close().await;
        target.close().await;
        let moved = moved.map_err(failed)?;
        let rows: Vec<_> =
            moved.iter().map(|table| json!({"table": table.name, "rows": table.rows})).collect();
        session.entries(&rows, &SHAPE)?;
        output.note("start the server with this database: --database, or HARBOR_DATABASE_URL");
        Ok(())
    }
}
