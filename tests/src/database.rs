//! Databases for tests that start processes, or several registries, over one.

use harbor_core::blob::UploadId;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, PgConnection};

/// A database of a test's own.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
    server: Server,
}

/// Which server a database is on.
#[derive(Clone, Copy, Debug)]
enum Server {
    Postgres,
    MariaDb,
}

impl Database {
    /// On PostgreSQL.
    #[must_use]
    pub fn postgres() -> Self {
        Self::on(Server::Postgres)
    }

    /// On MariaDB.
    #[must_use]
    pub fn mariadb() -> Self {
        Self::on(Server::MariaDb)
    }

    fn on(server: Server) -> Self {
        let name = format!("test_{}", UploadId::random().to_string().replace('-', ""));
        server.administrate(format!("CREATE DATABASE {name}"));
        let url = format!("{}/{name}", server.url().rsplit_once('/').unwrap().0);
        Self { name, url, server }
    }

    /// What it is called: no other test has this name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is: what `HARBOR_DATABASE_URL` takes.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.server.drop_database(&self.name);
    }
}

impl Server {
    fn url(self) -> String {
        let name = match self {
            Self::Postgres => "HARBOR_TEST_POSTGRES_URL",
            Self::MariaDb => "HARBOR_TEST_MYSQL_URL",
        };
        std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; this test runs against servers"))
    }

    async fn run(self, statement: AssertSqlSafe<String>) -> sqlx::Result<()> {
        match self {
            Self::Postgres => {
                PgConnection::connect(&self.url()).await?.execute(sqlx::raw_sql(statement)).await.map(drop)
            }
            Self::MariaDb => {
                MySqlConnection::connect(&self.url()).await?.execute(sqlx::raw_sql(statement)).await.map(drop)
            }
        }
    }

    /// Drops a database, whoever is still connected to it: the registries of a test that is over may be in the midst of a
    /// transaction, and nothing goes on with it while this waits.
    fn drop_database(self, name: &str) {
        match self {
            Self::Postgres => self.administrate(format!("DROP DATABASE {name} WITH (FORCE)")),
            // Killing them one by one is what `FORCE` is here.
            Self::MariaDb => self.administrate(format!(
                "BEGIN NOT ATOMIC
                    FOR other IN (SELECT id FROM information_schema.processlist WHERE db = '{name}') DO
                        BEGIN
                            DECLARE CONTINUE HANDLER FOR 1094 BEGIN END;
                            KILL other.id;
                        END;
                    END FOR;
                    DROP DATABASE {name};
                END"
            )),
        }
    }

    /// Runs one statement, from wherever.
    fn administrate(self, statement: String) {
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(self.run(AssertSqlSafe(statement))).unwrap();
        };
        std::thread::spawn(work).join().unwrap();
    }
}
