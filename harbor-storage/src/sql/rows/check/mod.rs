//! What a check of a whole registry asks of its rows, and how what is wrong is mended.

mod content;
mod documents;
mod jobs;
mod people;
#[cfg(test)]
mod tests;

pub(crate) use documents::{DOCUMENTS, Document};

/// Something that is wrong with rows.
#[derive(Debug)]
pub(crate) struct Question {
    /// What kind of thing it is about.
    pub(crate) kind: &'static str,
    /// What is wrong with those that are found.
    pub(crate) what: &'static str,
    /// Finds them: a key and a text.
    pub(crate) ask: &'static str,
    /// The table from which they go, where somebody made them: of so many, nobody mends most unasked.
    pub(crate) from: Option<&'static str>,
    /// What is said of it once it is mended.
    pub(crate) done: &'static str,
    /// Mends all of them; nothing where a person has to. `{due}` is when garbage collection shall look.
    pub(crate) mend: &'static [&'static str],
}

impl Question {
    /// Count those that it finds, and the rows of the table from which they go.
    pub(crate) fn counts(&self) -> Option<[String; 2]> {
        let table = self.from?;
        Some([format!("SELECT COUNT(*) FROM ({}) q", self.ask), format!("SELECT COUNT(*) FROM {table}")])
    }
}

/// All of them, each in its turn: what one mends, a later one may count.
pub(crate) fn questions() -> impl Iterator<Item = &'static Question> {
    people::QUESTIONS.iter().chain(jobs::QUESTIONS).chain(content::QUESTIONS)
}

/// No row has the key that a column says.
macro_rules! no {
    ($table:literal, $column:literal, $of:literal) => {
        concat!("NOT EXISTS (SELECT 1 FROM ", $of, " o WHERE o.id = ", $table, ".", $column, ")")
    };
}

/// Rows that go: those of a table of which something is so. Rows that are of them go ahead.
macro_rules! goes {
    ($kind:literal, $what:literal, $table:literal, $key:literal, $name:expr, $which:expr $(, $ahead:expr)*) => {
        Question {
            kind: $kind,
            what: $what,
            ask: concat!("SELECT ", $key, ", ", $name, " FROM ", $table, " WHERE ", $which),
            from: Some($table),
            done: "removed",
            mend: &[$($ahead,)* concat!("DELETE FROM ", $table, " WHERE ", $which)],
        }
    };
}

/// Nothing, where a text stands.
macro_rules! unnamed {
    () => {
        "CAST(NULL AS CHAR(1))"
    };
}

use {goes, no, unnamed};

/// Manifests behind a key.
pub(crate) const MANIFESTS: &str = "SELECT m.id, m.digest, m.media_type, m.subject, m.size, m.payload, m.repository_id \
     FROM manifests m WHERE m.id > ? ORDER BY m.id LIMIT 32";

/// What the rows of manifests between two keys say that they refer to: the manifest, and a digest.
pub(crate) const REFERENCES: &str = "SELECT x.manifest_id, b.digest FROM manifest_blobs x JOIN blob_links l ON l.id = x.link_id \
     JOIN blobs b ON b.id = l.blob_id WHERE x.manifest_id > ? AND x.manifest_id <= ? \
     UNION ALL SELECT y.manifest_id, y.digest FROM manifest_missing y WHERE y.manifest_id > ? AND y.manifest_id <= ? \
     UNION ALL SELECT z.manifest_id, z.digest FROM manifest_children z WHERE z.manifest_id > ? AND z.manifest_id <= ?";

/// Notes that a manifest refers to the blob of a digest: to a link of its repository, if there is one.
pub(crate) const REFER: &str = "INSERT INTO manifest_blobs (manifest_id, link_id) SELECT m.id, l.id FROM manifests m \
     JOIN blob_links l ON l.repository_id = m.repository_id JOIN blobs b ON b.id = l.blob_id \
     WHERE m.id = ? AND b.digest = ? ON CONFLICT (link_id, manifest_id) DO NOTHING";

/// The same, where the repository has no such blob. Takes the digest, the manifest, and the digest.
pub(crate) const MISS: &str = "INSERT INTO manifest_missing (manifest_id, repository_id, digest) \
     SELECT m.id, m.repository_id, ? FROM manifests m WHERE m.id = ? AND NOT EXISTS (SELECT 1 FROM blob_links l \
     JOIN blobs b ON b.id = l.blob_id WHERE l.repository_id = m.repository_id AND b.digest = ?)";

/// Notes that an index lists a manifest. Takes the digest and the index.
pub(crate) const LISTS: &str = "INSERT INTO manifest_children (manifest_id, repository_id, digest) \
     SELECT m.id, m.repository_id, ? FROM manifests m WHERE m.id = ?";

/// Corrects what a manifest's row says: its size, its subject.
pub(crate) const CORRECT: &str = "UPDATE manifests SET size = ?, subject = ? WHERE id = ?";

/// Corrects what a blob's row says of its size.
pub(crate) const RESIZE: &str = "UPDATE blobs SET size = ? WHERE id = ?";

/// The bytes of every blob, and all garbage: what is to be there, and what may be.
pub(crate) const BLOBS: &str = "SELECT b.id, b.location, b.size, CAST(1 AS BIGINT) FROM blobs b \
     UNION ALL SELECT g.id, g.location, g.size, CAST(0 AS BIGINT) FROM garbage g";

/// Every upload in progress. What one left whose repository is gone is of none.
pub(crate) const UPLOADS: &str = "SELECT u.id FROM uploads u JOIN repositories r ON r.id = u.repository_id";

/// Blobs behind a key.
pub(crate) const BLOBS_AFTER: &str =
    "SELECT b.id, b.digest, b.size, b.location FROM blobs b WHERE b.id > ? ORDER BY b.id LIMIT 1000";

/// A blob that is still where it was.
pub(crate) const STILL: &str =
    "SELECT b.id, b.digest, b.size, b.location FROM blobs b WHERE b.id = ? AND b.location = ?";

/// Takes a lost blob away, so that it can be pushed again; who refers to it misses it. Each takes as many keys as it has places, but the
/// first, which takes the digest ahead of the key.
pub(crate) const LOSE: &[&str] = &[
    "INSERT INTO manifest_missing (manifest_id, repository_id, digest) \
     SELECT x.manifest_id, l.repository_id, ? FROM manifest_blobs x JOIN blob_links l ON l.id = x.link_id \
     WHERE l.blob_id = ? ON CONFLICT (digest, manifest_id) DO NOTHING",
    "DELETE FROM manifest_blobs WHERE link_id IN (SELECT l.id FROM blob_links l WHERE l.blob_id = ?)",
    "DELETE FROM link_reviews WHERE link_id IN (SELECT l.id FROM blob_links l WHERE l.blob_id = ?)",
    "DELETE FROM blob_links WHERE blob_id = ?",
    "DELETE FROM blobs WHERE id = ?",
];

/// Forgets garbage.
pub(crate) const FORGET: &str = "DELETE FROM garbage WHERE id = ?";

/// How many nodes were seen since then.
pub(crate) const NODES: &str = "SELECT COUNT(*) FROM worker_pools WHERE seen_at >= ?";

/// What SQLite says of its own file: `ok`, or what is wrong.
pub(crate) const INTEGRITY: &str = "PRAGMA integrity_check(20)";

/// Makes all indexes of SQLite again.
pub(crate) const REINDEX: &str = "REINDEX";

/// Which rows of SQLite refer to rows that are not there, by the tables: how many there are of each.
pub(crate) const FOREIGN_KEYS: &str =
    "SELECT \"table\", parent, COUNT(*) FROM pragma_foreign_key_check GROUP BY \"table\", parent";
