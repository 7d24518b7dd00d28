//! Checks of a whole registry: every row against the others, every blob against the store; and mending what can be.
//!
//! It only reads, unless it is told to mend; a server may run meanwhile, and what changes is looked at again. To mend, the registry
//! must stand still.
//!
//! Mending loses nothing that is whole. Figures are counted again, and sizes noted as they are. A row that names nothing goes. A blob
//! that is lost or damaged is taken from its repositories, and the manifests that refer to it are noted to miss it, as sparse ones are:
//! who pushes it again mends them. Damaged bytes, and files that no row names, are put aside into `quarantine`, and only a person
//! deletes them there. What remains is told. The chain of the audit log is not looked at: whoever knows its keys verifies it.
//!
//! Where the database and the store do not look like those of one registry, nothing is mended unless that is forced: a store that is
//! not mounted has lost all, and another registry's database names nothing that is there. Nor is it where many rows of a table would
//! go: it is what they name that is lost then.

mod guard;
mod manifests;
mod mend;
mod rows;
mod store;

use std::time::Duration;

use harbor_core::blob::{Location, UploadId};
use harbor_core::{Clock, StoreError, StoreErrorKind};

use crate::backup::Place;
use crate::blobs::open_there;
use crate::sql::asking::BlobRow;
use crate::sql::plain::{Access, Plain};
use crate::sql::schema::{self, Standing};

/// How long ago a node must have been seen, so that it is taken to run no more: they tell each minute.
const GONE: Duration = Duration::from_secs(90);

/// What a check does.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CheckOptions {
    /// Whether every byte of every blob is read.
    pub content: bool,
    /// Whether what can be mended is.
    pub repair: bool,
    /// Whether it is mended also where the database and the store do not look like those of one registry.
    pub force: bool,
    /// How old a file must be that no row names: a younger one may be of a push that is under way.
    pub orphans_after: Duration,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { content: false, repair: false, force: false, orphans_after: Duration::from_secs(24 * 60 * 60) }
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of thing it is about: `tag`, `link`, `manifest`, `blob`, `file`, `figure`, ….
    pub kind: &'static str,
    /// Which one.
    pub subject: String,
    /// What is wrong with it.
    pub what: String,
    /// How it was mended; nothing while it is not.
    pub mended: Option<String>,
}

/// What came of a check.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Checked {
    /// What is wrong, or was.
    pub findings: Vec<Finding>,
    /// How many manifests were looked at.
    pub manifests: u64,
    /// How many blobs.
    pub blobs: u64,
    /// How many bytes of blobs were read.
    pub bytes: u64,
    /// Files that no row names and that are too young to be told of.
    pub young: u64,
    /// Whether nothing else was looked at, for SQLite's own file is damaged.
    pub cut_short: bool,
}

impl Checked {
    /// How many findings are not mended.
    #[must_use]
    pub fn left(&self) -> usize {
        self.findings.iter().filter(|finding| finding.mended.is_none()).count()
    }

    /// Adds what somebody else found, such as [`verify_audit`](harbor_core::audit::verify_audit).
    pub fn add(&mut self, kind: &'static str, subject: impl ToString, what: impl Into<String>) {
        self.find(kind, subject, what);
    }

    fn find(&mut self, kind: &'static str, subject: impl ToString, what: impl Into<String>) -> usize {
        self.findings.push(Finding { kind, subject: subject.to_string(), what: what.into(), mended: None });
        self.findings.len() - 1
    }

    /// What came of mending it, where that did not succeed.
    fn note(&mut self, finding: usize, what: &str) {
        if let Some(finding) = self.findings.get_mut(finding) {
            finding.what = format!("{}; {what}", finding.what);
        }
    }

    fn mended(&mut self, finding: usize, how: impl Into<String>) {
        if let Some(finding) = self.findings.get_mut(finding) {
            finding.mended = Some(how.into());
        }
    }
}

/// What is to be mended, with which finding it was told.
#[derive(Debug)]
enum Wrong {
    /// All that a question about rows finds, by the number of the question.
    Rows(usize, usize),
    /// Rows of a table of SQLite refer to none of another.
    Dangling(usize, (String, String)),
    /// A manifest misses what it refers to.
    References(usize, manifests::Lacking),
    /// A manifest's row says something else than the manifest.
    Row(usize, manifests::Corrected),
    /// A blob is whole, and its row has another size: the blob as it should be noted.
    Size(usize, BlobRow),
    /// A blob is lost, or damaged.
    Blob(usize, BlobRow),
    /// Bytes are to be deleted that are a blob's, or that cannot be in this store: the key of their row.
    Garbage(usize, i64),
    /// A blob is there that no row names.
    Orphan(usize, Location),
    /// Something of an upload is there that no row names.
    Unfinished(usize, UploadId),
}

/// Looks at everything at a place.
///
/// # Errors
/// `NotFound` when there is no registry, or no blob store; `Conflict` when its schema is older than this program, or something is being
/// restored, or, to mend it, when servers run, or when the database and the store do not look like those of one registry and
/// [`CheckOptions::force`] is not set; `Unavailable` when another process has the SQLite database; as the stores fail. What is wrong with the
/// registry is no error.
pub async fn check(place: &Place, options: &CheckOptions) -> Result<Checked, StoreError> {
    let access = if options.repair { Access::Write } else { Access::Read };
    let mut database = Plain::open(&place.database, access).await?;
    fits(&mut database).await?;
    if options.repair {
        stands_still(&mut database).await?;
    }
    let store = open_there(&place.blobs).await?;
    let (mut checked, mut wrong, mut going) = (Checked::default(), Vec::new(), Vec::new());
    if !rows::file(&mut database, &mut checked, options.repair).await? {
        checked.cut_short = true;
        return Ok(checked);
    }
    database.begin_snapshot().await?;
    rows::look(&mut database, &mut checked, &mut wrong, &mut going).await?;
    manifests::look(&mut database, &mut checked, &mut wrong).await?;
    let known = store::known(&mut database, &*store, &mut checked).await?;
    database.commit().await?;
    let seen = store::look(&mut database, &*store, known, options, &mut checked, &mut wrong).await?;
    if options.repair && !wrong.is_empty() {
        if !options.force {
            guard::look(&seen, &wrong, &going)?;
        }
        mend::all(&mut database, &*store, &mut checked, wrong).await?;
    }
    database.close().await?;
    Ok(checked)
}

/// Fails unless there is a registry whose schema is this program's, and a blob store: whoever opens another one migrates it, or makes
/// it.
///
/// # Errors
/// As [`check`].
pub async fn check_version(place: &Place) -> Result<(), StoreError> {
    let mut database = Plain::open(&place.database, Access::Read).await?;
    fits(&mut database).await?;
    database.close().await?;
    open_there(&place.blobs).await.map(drop)
}

/// Whether it has the tables that are asked about.
async fn fits(database: &mut Plain) -> Result<(), StoreError> {
    let conflict = |what: String| StoreError::new(StoreErrorKind::Conflict, what);
    match schema::standing(database).await? {
        Standing::Version(version) if version == schema::newest_version() => Ok(()),
        // The newer ones are refused with what is to be done.
        Standing::Version(version) if version > schema::newest_version() => {
            schema::tables(version).await.map(drop)
        }
        Standing::Version(version) => Err(conflict(format!(
            "the registry is of schema version {version}, and this program checks {}: start this version's server on it once",
            schema::newest_version()
        ))),
        Standing::Empty => {
            Err(StoreError::new(StoreErrorKind::NotFound, "there is no registry in the database"))
        }
        Standing::Restoring(_) => Err(conflict(
            "a registry is being restored into the database: run `harborctl local restore` again, it completes it".to_owned(),
        )),
    }
}

/// Whether no server runs on it, as far as servers say so.
async fn stands_still(database: &mut Plain) -> Result<(), StoreError> {
    if database.nodes_since(Clock::System.now().minus(GONE)).await? == 0 || database.is_locked() {
        return Ok(());
    }
    let what = format!(
        "servers or workers run on this registry: stop them first (one that has ended counts for {} s)",
        GONE.as_secs()
    );
    Err(StoreError::new(StoreErrorKind::Conflict, what))
}
