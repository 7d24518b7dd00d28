//! Questions about content: tags, references, links, manifests, what projects hold, garbage.

use super::Question;

/// The manifest and the blob that a row of `manifest_blobs` names, both in one repository.
macro_rules! refers {
    ($row:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM manifests m JOIN blob_links l ON l.repository_id = m.repository_id \
             JOIN blobs b ON b.id = l.blob_id WHERE m.id = ",
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

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        kind: "tag",
        what: "it names no manifest of its repository",
        ask: "SELECT t.id, t.name FROM tags t WHERE NOT EXISTS (SELECT 1 FROM manifests m \
              WHERE m.id = t.manifest_id AND m.repository_id = t.repository_id)",
        from: Some("tags"),
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
        from: Some("artifact_labels"),
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
        from: None,
        done: "noted as missing",
        mend: &[concat!("DELETE FROM manifest_blobs WHERE NOT ", refers!("manifest_blobs"))],
    },
    Question {
        kind: "reference",
        what: "a blob is missing from a manifest that is not there",
        ask: concat!("SELECT x.manifest_id, x.digest FROM manifest_missing x WHERE NOT ", of_manifest!("x")),
        from: None,
        done: "removed",
        mend: &[concat!("DELETE FROM manifest_missing WHERE NOT ", of_manifest!("manifest_missing"))],
    },
    Question {
        kind: "reference",
        what: "it is listed by an index that is not there",
        ask: concat!("SELECT x.manifest_id, x.digest FROM manifest_children x WHERE NOT ", of_manifest!("x")),
        from: None,
        done: "removed",
        mend: &[concat!("DELETE FROM manifest_children WHERE NOT ", of_manifest!("manifest_children"))],
    },
    Question {
        kind: "link",
        what: "it leads to no blob",
        ask: "SELECT l.id, (SELECT r.name FROM repositories r WHERE r.id = l.repository_id) FROM blob_links l \
              WHERE NOT EXISTS (SELECT 1 FROM blobs b WHERE b.id = l.blob_id)",
        from: Some("blob_links"),
        done: "removed",
        mend: &[
            "DELETE FROM blob_links WHERE NOT EXISTS (SELECT 1 FROM blobs b WHERE b.id = blob_links.blob_id)",
        ],
    },
    Question {
        kind: "link",
        what: "it is of no repository: restore a backup, which has its name",
        ask: "SELECT l.id, CAST(NULL AS CHAR(1)) FROM blob_links l \
              WHERE NOT EXISTS (SELECT 1 FROM repositories r WHERE r.id = l.repository_id)",
        from: None,
        done: "",
        mend: &[],
    },
    Question {
        kind: "manifest",
        what: "it is of no repository: restore a backup, which has its name",
        ask: "SELECT m.id, m.digest FROM manifests m \
              WHERE NOT EXISTS (SELECT 1 FROM repositories r WHERE r.id = m.repository_id)",
        from: None,
        done: "",
        mend: &[],
    },
    Question {
        kind: "repository",
        what: "it is of no project: restore a backup, which has its name",
        ask: "SELECT r.id, r.name FROM repositories r \
              WHERE NOT EXISTS (SELECT 1 FROM projects p WHERE p.id = r.project_id)",
        from: None,
        done: "",
        mend: &[],
    },
    Question {
        kind: "manifest",
        what: "it is noted with another project than its repository's",
        ask: "SELECT m.id, m.digest FROM manifests m JOIN repositories r ON r.id = m.repository_id \
              WHERE r.project_id <> m.project_id",
        from: None,
        done: "corrected",
        mend: &["UPDATE manifests SET project_id = (SELECT r.project_id FROM repositories r \
                 WHERE r.id = manifests.repository_id) WHERE EXISTS (SELECT 1 FROM repositories r \
                 WHERE r.id = manifests.repository_id AND r.project_id <> manifests.project_id)"],
    },
    Question {
        kind: "quota",
        what: "the project has none",
        ask: "SELECT p.id, p.name FROM projects p WHERE NOT EXISTS (SELECT 1 FROM quotas q WHERE q.project_id = p.id)",
        from: None,
        done: "made without a limit",
        mend: &["INSERT INTO quotas (project_id, hard, created_at, updated_at) \
                 SELECT p.id, -1, p.created_at, p.created_at FROM projects p \
                 WHERE NOT EXISTS (SELECT 1 FROM quotas q WHERE q.project_id = p.id)"],
    },
    Question {
        kind: "manifest",
        what: "lists show it that should not, or the reverse",
        ask: concat!("SELECT m.id, m.digest FROM manifests m WHERE m.hidden <> ", hidden!("m")),
        from: None,
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
        from: None,
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
        from: None,
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
        from: None,
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
        from: None,
        done: "counted again",
        mend: COUNT_SHOWN,
    },
    Question {
        kind: "garbage",
        what: "nobody links to the blob, and it has a row",
        ask: "SELECT b.id, b.digest FROM blobs b WHERE NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = b.id)",
        from: Some("blobs"),
        done: "left to garbage collection",
        mend: &[
            "INSERT INTO garbage (location, size, due, attempts) SELECT b.location, b.size, {due}, 0 FROM blobs b \
             WHERE NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = b.id)",
            "DELETE FROM blobs WHERE NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = blobs.id)",
        ],
    },
    Question {
        kind: "garbage",
        what: "no manifest refers to the repository's blob, and garbage collection does not know",
        ask: "SELECT l.id, b.digest FROM blob_links l JOIN blobs b ON b.id = l.blob_id \
              WHERE NOT EXISTS (SELECT 1 FROM manifest_blobs x WHERE x.link_id = l.id) \
              AND NOT EXISTS (SELECT 1 FROM manifest_missing x WHERE x.repository_id = l.repository_id AND x.digest = b.digest) \
              AND NOT EXISTS (SELECT 1 FROM link_reviews g WHERE g.link_id = l.id)",
        from: None,
        done: "entered",
        mend: &["INSERT INTO link_reviews (link_id, due, attempts, reason) \
                 SELECT l.id, {due}, 0, 'checked' FROM blob_links l JOIN blobs b ON b.id = l.blob_id \
                 WHERE NOT EXISTS (SELECT 1 FROM manifest_blobs x WHERE x.link_id = l.id) \
                 AND NOT EXISTS (SELECT 1 FROM manifest_missing x WHERE x.repository_id = l.repository_id AND x.digest = b.digest) \
                 AND l.id NOT IN (SELECT link_id FROM (SELECT g.link_id FROM link_reviews g) there)"],
    },
];
