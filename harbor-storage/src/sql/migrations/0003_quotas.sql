-- What a project may hold, and what it holds.

-- hard: -1 is no limit.
CREATE TABLE quotas (
    id {id},
    project_id {int} NOT NULL UNIQUE,
    hard {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    FOREIGN KEY (project_id) REFERENCES projects (id)
) {options};

-- The distinct content of a project; holders: how many links and manifests of its repositories have it.
-- No foreign key, here and below: checking it would lock the project's row in every push, and where there is a link or a
-- manifest, there is a project.
CREATE TABLE project_content (
    project_id {int} NOT NULL,
    digest {key:135} NOT NULL,
    size {int} NOT NULL,
    holders {int} NOT NULL,
    PRIMARY KEY (project_id, digest)
) {keyed};

-- The sum of a project's sizes, in parts, so that those who add at once need not wait for each other. A part may be negative.
CREATE TABLE project_usage (
    project_id {int} NOT NULL,
    stripe {int} NOT NULL,
    used {int} NOT NULL,
    PRIMARY KEY (project_id, stripe)
) {keyed};

-- The call that made the link, by a number of its own: so that it can tell whether it did.
ALTER TABLE blob_links ADD COLUMN maker {int} NOT NULL DEFAULT 0;

INSERT INTO quotas (project_id, hard, created_at, updated_at) SELECT id, -1, created_at, created_at FROM projects;

INSERT INTO project_content (project_id, digest, size, holders)
SELECT project_id, digest, MAX(size), COUNT(*) FROM (
    SELECT r.project_id AS project_id, b.digest AS digest, b.size AS size FROM blob_links l
    JOIN blobs b ON b.id = l.blob_id JOIN repositories r ON r.id = l.repository_id
    UNION ALL
    SELECT r.project_id AS project_id, m.digest AS digest, m.size AS size FROM manifests m
    JOIN repositories r ON r.id = m.repository_id
) held GROUP BY project_id, digest;

INSERT INTO project_usage (project_id, stripe, used)
SELECT project_id, 0, SUM(size) FROM project_content GROUP BY project_id;
