//! What a check of a whole registry asks of its rows, and how what is wrong is mended.

/// Something that is wrong with rows.
#[derive(Debug)]
pub(crate) struct Question {
    /// What kind of thing it is about.
    pub(crate) kind: &'static str,
    /// What is wrong with those that are found.
    pub(crate) what: &'static str,
    /// Finds them: a key and a text.
    pub(crate) ask: &'static str,
    /// What is said of it once it is mended.
    pub(crate) done: &'static str,
    /// Mends all of them; nothing where a person has to. `{due}` is when garbage collection shall look.
    pub(crate) mend: &'static [&'static str],
}

/// The manifest and the live blob that a row of `manifest_blobs` names, both in one repository.
macro_rules! refers {
    ($row:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM manifests m JOIN blob_links l ON l.repository_id = m.repository_id \
             JOIN blobs b ON b.id = l.blob_id AND b.state = 0 WHERE m.id = ",
            $row,
            ".manifest_id AND l.id = ",
            $row,
            ".link_id)"
        )
    };
}

/// The manifest that a row names, in its repository.
macro_rules! of_manifest {
    ($row:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM manifests m WHERE m.id = ",
            $row,
            ".manifest_id AND m.repository_id = ",
            $row,
            ".repository_id)"
        )
    };
}

/// Whether lists leave a manifest out.
macro_rules! hidden {
    ($row:literal) => {
        concat!(
            "CASE WHEN ",
            $row,
            ".accessory IS NOT NULL THEN 1 WHEN EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = ",
            $row,
            ".id) THEN 0 WHEN EXISTS (SELECT 1 FROM manifest_children c WHERE c.repository_id = ",
            $row,
            ".repository_id AND c.digest = ",
            $row,
            ".digest) THEN 1 ELSE 0 END"
        )
    };
}

/// What projects hold: each digest once, with how many have it.
macro_rules! held {
    () => {
        "SELECT h.project_id AS project_id, h.digest AS digest, MAX(h.size) AS size, COUNT(*) AS holders FROM (\
         SELECT r.project_id AS project_id, b.digest AS digest, b.size AS size FROM blob_links l \
         JOIN blobs b ON b.id = l.blob_id JOIN repositories r ON r.id = l.repository_id \
         UNION ALL SELECT r.project_id AS project_id, m.digest AS digest, m.size AS size FROM manifests m \
         JOIN repositories r ON r.id = m.repository_id) h GROUP BY h.project_id, h.digest"
    };
}

const COUNT_CONTENT: &[&str] = &[
    "DELETE FROM project_content",
    concat!(
        "INSERT INTO project_content (project_id, digest, size, holders) \
             SELECT w.project_id, w.digest, w.size, w.holders FROM (",
        held!(),
        ") w"
    ),
    "DELETE FROM project_usage",
    "INSERT INTO project_usage (project_id, stripe, used) \
     SELECT c.project_id, 0, CAST(SUM(c.size) AS BIGINT) FROM project_content c GROUP BY c.project_id",
];

const COUNT_SHOWN: &[&str] = &[
    "DELETE FROM artifact_counts",
    "INSERT INTO artifact_counts (repository_id, stripe, number) \
     SELECT m.repository_id, 0, COUNT(*) FROM manifests m WHERE m.hidden = 0 GROUP BY m.repository_id",
];

/// Each in its turn: what one mends, a later one may count.
pub(crate) const QUESTIONS: &[Question] = &[
    Question {
        kind: "tag",
        what: "it names no manifest of its repository",
        ask: "SELECT t.id, t.name FROM tags t WHERE NOT EXISTS (SELECT 1 FROM manifests m \
              WHERE m.id = t.manifest_id AND m.repository_id = t.repository_id)",
        done: "removed",
        mend: &["DELETE FROM tags WHERE NOT EXISTS (SELECT 1 FROM manifests m \
                 WHERE m.id = tags.manifest_id AND m.repository_id = tags.repository_id)"],
    },
    Question {
        kind: "label",
        what: "it is on an artifact, or is a label, that is not there",
        ask: "SELECT a.manifest_id, CAST(NULL AS CHAR(1)) FROM artifact_labels a WHERE \
              NOT EXISTS (SELECT 1 FROM manifests m WHERE m.id = a.manifest_id) \
              OR NOT EXISTS (SELECT 1 FROM labels l WHERE l.id = a.label_id)",
        done: "removed",
        mend: &["DELETE FROM artifact_labels WHERE \
                 NOT EXISTS (SELECT 1 FROM manifests m WHERE m.id = artifact_labels.manifest_id) \
                 OR NOT EXISTS (SELECT 1 FROM labels l WHERE l.id = artifact_labels.label_id)"],
    },
    Question {
        kind: "reference",
        what: "a manifest's reference to a blob leads nowhere",
        ask: concat!(
            "SELECT x.link_id, (SELECT m.digest FROM manifests m WHERE m.id = x.manifest_id) \
                      FROM manifest_blobs x WHERE NOT ",
            refers!("x")
        ),
        done: "noted as missing",
        mend: &[concat!("DELETE FROM manifest_blobs WHERE NOT ", refers!("manifest_blobs"))],
    },
    Question {
        kind: "reference",
        what: "a blob is missing from a manifest that is not there",
        ask: concat!("SELECT x.manifest_id, x.digest FROM manifest_missing x WHERE NOT ", of_manifest!("x")),
        done: "removed",
        mend: &[concat!("DELETE FROM manifest_missing WHERE NOT ", of_manifest!("manifest_missing"))],
    },
    Question {
        kind: "reference",
        what: "it is listed by an index that is not there",
        ask: concat!("SELECT x.manifest_id, x.digest FROM manifest_children x WHERE NOT ", of_manifest!("x")),
        done: "removed",
        mend: &[concat!("DELETE FROM manifest_children WHERE NOT ", of_manifest!("manifest_children"))],
    },
    Question {
        kind: "link",
        what: "it leads to no blob",
        ask: "SELECT l.id, (SELECT r.name FROM repositories r WHERE r.id = l.repository_id) FROM blob_links l \
              WHERE NOT EXISTS (SELECT 1 FROM blobs b WHERE b.id = l.blob_id AND b.state = 0)",
        done: "removed",
        mend: &[
            "DELETE FROM blob_links WHERE NOT EXISTS (SELECT 1 FROM blobs b WHERE b.id = blob_links.blob_id AND b.state = 0)",
        ],
    },
    Question {
        kind: "link",
        what: "it is of no repository",
        ask: "SELECT l.id, CAST(NULL AS CHAR(1)) FROM blob_links l \
              WHERE NOT EXISTS (SELECT 1 FROM repositories r WHERE r.id = l.repository_id)",
        done: "",
        mend: &[],
    },
    Question {
        kind: "manifest",
        what: "it is of no repository",
        ask: "SELECT m.id, m.digest FROM manifests m \
              WHERE NOT EXISTS (SELECT 1 FROM repositories r WHERE r.id = m.repository_id)",
        done: "",
        mend: &[],
    },
    Question {
        kind: "repository",
        what: "it is of no project",
        ask: "SELECT r.id, r.name FROM repositories r \
              WHERE NOT EXISTS (SELECT 1 FROM projects p WHERE p.id = r.project_id)",
        done: "",
        mend: &[],
    },
    Question {
        kind: "manifest",
        what: "it is noted with another project than its repository's",
        ask: "SELECT m.id, m.digest FROM manifests m JOIN repositories r ON r.id = m.repository_id \
              WHERE r.project_id <> m.project_id",
        done: "corrected",
        mend: &["UPDATE manifests SET project_id = (SELECT r.project_id FROM repositories r \
                 WHERE r.id = manifests.repository_id) WHERE EXISTS (SELECT 1 FROM repositories r \
                 WHERE r.id = manifests.repository_id AND r.project_id <> manifests.project_id)"],
    },
    Question {
        kind: "quota",
        what: "the project has none",
        ask: "SELECT p.id, p.name FROM projects p WHERE NOT EXISTS (SELECT 1 FROM quotas q WHERE q.project_id = p.id)",
        done: "made without a limit",
        mend: &["INSERT INTO quotas (project_id, hard, created_at, updated_at) \
                 SELECT p.id, -1, p.created_at, p.created_at FROM projects p \
                 WHERE NOT EXISTS (SELECT 1 FROM quotas q WHERE q.project_id = p.id)"],
    },
    Question {
        kind: "manifest",
        what: "lists show it that should not, or the reverse",
        ask: concat!("SELECT m.id, m.digest FROM manifests m WHERE m.hidden <> ", hidden!("m")),
        done: "corrected",
        mend: &[concat!("UPDATE manifests SET hidden = ", hidden!("manifests"))],
    },
    Question {
        kind: "figure",
        what: "how many hold it in the project is counted wrongly",
        ask: concat!(
            "SELECT w.project_id, w.digest FROM (",
            held!(),
            ") w LEFT JOIN project_content c \
                      ON c.project_id = w.project_id AND c.digest = w.digest \
                      WHERE c.holders IS NULL OR c.holders <> w.holders OR c.size <> w.size"
        ),
        done: "counted again",
        mend: COUNT_CONTENT,
    },
    Question {
        kind: "figure",
        what: "the project is said to hold it, and does not",
        ask: concat!(
            "SELECT c.project_id, c.digest FROM project_content c LEFT JOIN (",
            held!(),
            ") w \
                      ON c.project_id = w.project_id AND c.digest = w.digest WHERE w.holders IS NULL"
        ),
        done: "counted again",
        mend: COUNT_CONTENT,
    },
    Question {
        kind: "figure",
        what: "what the project uses of its quota is counted wrongly",
        ask: "SELECT p.id, p.name FROM projects p \
              LEFT JOIN (SELECT project_id, SUM(size) AS n FROM project_content GROUP BY project_id) c ON c.project_id = p.id \
              LEFT JOIN (SELECT project_id, SUM(used) AS n FROM project_usage GROUP BY project_id) u ON u.project_id = p.id \
              WHERE COALESCE(c.n, 0) <> COALESCE(u.n, 0)",
        done: "counted again",
        mend: COUNT_CONTENT,
    },
    Question {
        kind: "figure",
        what: "how many artifacts the repository has is counted wrongly",
        ask: "SELECT r.id, r.name FROM repositories r \
              LEFT JOIN (SELECT repository_id, COUNT(*) AS n FROM manifests WHERE hidden = 0 GROUP BY repository_id) m \
              ON m.repository_id = r.id \
              LEFT JOIN (SELECT repository_id, SUM(number) AS n FROM artifact_counts GROUP BY repository_id) c \
              ON c.repository_id = r.id WHERE COALESCE(m.n, 0) <> COALESCE(c.n, 0)",
        done: "counted again",
        mend: COUNT_SHOWN,
    },
    Question {
        kind: "garbage",
        what: "nobody links to the blob, and garbage collection does not know",
        ask: "SELECT b.id, b.digest FROM blobs b WHERE NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = b.id) \
              AND NOT EXISTS (SELECT 1 FROM gc_reviews g WHERE g.kind = 1 AND g.subject_id = b.id)",
        done: "entered",
        mend: &["INSERT INTO gc_reviews (kind, subject_id, due, attempts, reason) \
                 SELECT 1, b.id, {due}, 0, 'checked' FROM blobs b \
                 WHERE NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = b.id) \
                 AND b.id NOT IN (SELECT subject_id FROM (SELECT g.subject_id FROM gc_reviews g WHERE g.kind = 1) there)"],
    },
    Question {
        kind: "garbage",
        what: "no manifest refers to the repository's blob, and garbage collection does not know",
        ask: "SELECT l.id, b.digest FROM blob_links l JOIN blobs b ON b.id = l.blob_id \
              WHERE NOT EXISTS (SELECT 1 FROM manifest_blobs x WHERE x.link_id = l.id) \
              AND NOT EXISTS (SELECT 1 FROM manifest_missing x WHERE x.repository_id = l.repository_id AND x.digest = b.digest) \
              AND NOT EXISTS (SELECT 1 FROM gc_reviews g WHERE g.kind = 0 AND g.subject_id = l.id)",
        done: "entered",
        mend: &["INSERT INTO gc_reviews (kind, subject_id, due, attempts, reason) \
                 SELECT 0, l.id, {due}, 0, 'checked' FROM blob_links l JOIN blobs b ON b.id = l.blob_id \
                 WHERE NOT EXISTS (SELECT 1 FROM manifest_blobs x WHERE x.link_id = l.id) \
                 AND NOT EXISTS (SELECT 1 FROM manifest_missing x WHERE x.repository_id = l.repository_id AND x.digest = b.digest) \
                 AND l.id NOT IN (SELECT subject_id FROM (SELECT g.subject_id FROM gc_reviews g WHERE g.kind = 0) there)"],
    },
];

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

/// Every blob there is.
pub(crate) const BLOBS: &str = "SELECT b.id, b.location, b.size, b.state FROM blobs b";

/// Every upload in progress.
pub(crate) const UPLOADS: &str = "SELECT u.id FROM uploads u";

/// Live blobs behind a key.
pub(crate) const LIVE: &str = "SELECT b.id, b.digest, b.size, b.location FROM blobs b \
     WHERE b.state = 0 AND b.id > ? ORDER BY b.id LIMIT 1000";

/// A blob that is still where it was.
pub(crate) const STILL: &str = "SELECT b.id, b.digest, b.size, b.location FROM blobs b WHERE b.id = ? AND b.state = 0 AND b.location = ?";

/// Takes a lost blob away, so that it can be pushed again; who refers to it misses it. Each takes as many keys as it has places, but the
/// first, which takes the digest ahead of the key.
pub(crate) const LOSE: &[&str] = &[
    "INSERT INTO manifest_missing (manifest_id, repository_id, digest) \
     SELECT x.manifest_id, l.repository_id, ? FROM manifest_blobs x JOIN blob_links l ON l.id = x.link_id \
     WHERE l.blob_id = ? ON CONFLICT (digest, manifest_id) DO NOTHING",
    "DELETE FROM manifest_blobs WHERE link_id IN (SELECT l.id FROM blob_links l WHERE l.blob_id = ?)",
    "DELETE FROM gc_reviews WHERE kind = 0 AND subject_id IN (SELECT l.id FROM blob_links l WHERE l.blob_id = ?)",
    "DELETE FROM blob_links WHERE blob_id = ?",
    "DELETE FROM gc_reviews WHERE kind = 1 AND subject_id = ?",
    "DELETE FROM blobs WHERE id = ?",
];

/// How many nodes were seen since then.
pub(crate) const NODES: &str = "SELECT COUNT(*) FROM worker_pools WHERE seen_at >= ?";

/// What SQLite says of its own file: `ok`, or what is wrong.
pub(crate) const INTEGRITY: &str = "PRAGMA integrity_check(20)";
