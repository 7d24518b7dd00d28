-- Projects, repositories, blobs, manifests, tags, uploads, the review queue, the outbox, the audit log, settings.

CREATE TABLE projects (
    id {id},
    name {key:255} NOT NULL UNIQUE,
    is_public {int} NOT NULL,
    created_at {int} NOT NULL
) {options};

CREATE TABLE repositories (
    id {id},
    project_id {int} NOT NULL,
    name {key:255} NOT NULL UNIQUE,
    created_at {int} NOT NULL,
    FOREIGN KEY (project_id) REFERENCES projects (id)
) {options};
CREATE INDEX repositories_project ON repositories (project_id);

-- Bytes, whoever links to them. state: 0 live, 1 condemned.
CREATE TABLE blobs (
    id {id},
    digest {key:135} NOT NULL UNIQUE,
    size {int} NOT NULL,
    location {key:255} NOT NULL,
    state {int} NOT NULL,
    created_at {int} NOT NULL
) {options};

-- The visibility of a blob in a repository.
CREATE TABLE blob_links (
    id {id},
    repository_id {int} NOT NULL,
    blob_id {int} NOT NULL,
    created_at {int} NOT NULL,
    UNIQUE (repository_id, blob_id),
    FOREIGN KEY (repository_id) REFERENCES repositories (id),
    FOREIGN KEY (blob_id) REFERENCES blobs (id)
) {options};
CREATE INDEX blob_links_blob ON blob_links (blob_id);

CREATE TABLE manifests (
    id {id},
    repository_id {int} NOT NULL,
    digest {key:135} NOT NULL,
    media_type {key:255} NOT NULL,
    artifact_type {key:255},
    subject {key:135},
    size {int} NOT NULL,
    annotations {text} NOT NULL,
    payload {bytes} NOT NULL,
    pushed_at {int} NOT NULL,
    UNIQUE (repository_id, digest),
    FOREIGN KEY (repository_id) REFERENCES repositories (id)
) {options};
CREATE INDEX manifests_subject ON manifests (repository_id, subject);

-- The blobs that a manifest refers to. The link cannot go while a row here names it.
CREATE TABLE manifest_blobs (
    manifest_id {int} NOT NULL,
    link_id {int} NOT NULL,
    PRIMARY KEY (manifest_id, link_id),
    FOREIGN KEY (manifest_id) REFERENCES manifests (id),
    FOREIGN KEY (link_id) REFERENCES blob_links (id)
) {options};
CREATE INDEX manifest_blobs_link ON manifest_blobs (link_id);

-- The blobs that a sparse manifest refers to and that its repository lacked.
CREATE TABLE manifest_missing (
    manifest_id {int} NOT NULL,
    repository_id {int} NOT NULL,
    digest {key:135} NOT NULL,
    PRIMARY KEY (manifest_id, digest),
    FOREIGN KEY (manifest_id) REFERENCES manifests (id)
) {options};
CREATE INDEX manifest_missing_digest ON manifest_missing (repository_id, digest);

-- The manifests that an index lists, by digest: they may be absent.
CREATE TABLE manifest_children (
    manifest_id {int} NOT NULL,
    repository_id {int} NOT NULL,
    digest {key:135} NOT NULL,
    PRIMARY KEY (manifest_id, digest),
    FOREIGN KEY (manifest_id) REFERENCES manifests (id)
) {options};
CREATE INDEX manifest_children_digest ON manifest_children (repository_id, digest);

CREATE TABLE tags (
    id {id},
    repository_id {int} NOT NULL,
    name {key:128} NOT NULL,
    manifest_id {int} NOT NULL,
    pushed_at {int} NOT NULL,
    UNIQUE (repository_id, name),
    FOREIGN KEY (repository_id) REFERENCES repositories (id),
    FOREIGN KEY (manifest_id) REFERENCES manifests (id)
) {options};
CREATE INDEX tags_manifest ON tags (manifest_id);

CREATE TABLE uploads (
    id {key:36} NOT NULL PRIMARY KEY,
    repository_id {int} NOT NULL,
    principal {name:255} NOT NULL,
    received {int} NOT NULL,
    hash_state {bytes} NOT NULL,
    driver_state {bytes} NOT NULL,
    touched_at {int} NOT NULL,
    lease_holder {key:36},
    lease_until {int} NOT NULL,
    FOREIGN KEY (repository_id) REFERENCES repositories (id)
) {options};
CREATE INDEX uploads_touched ON uploads (touched_at);

-- What garbage collection has to look at. kind: 0 link, 1 blob.
CREATE TABLE gc_reviews (
    kind {int} NOT NULL,
    subject_id {int} NOT NULL,
    due {int} NOT NULL,
    attempts {int} NOT NULL,
    reason {key:64} NOT NULL,
    PRIMARY KEY (kind, subject_id)
) {options};
CREATE INDEX gc_reviews_due ON gc_reviews (due);

CREATE TABLE events (
    id {id},
    happened_at {int} NOT NULL,
    body {text} NOT NULL
) {options};

CREATE TABLE event_cursors (
    sink {name:191} NOT NULL PRIMARY KEY,
    event_id {int} NOT NULL
) {options};

CREATE TABLE audit_log (
    id {id},
    happened_at {int} NOT NULL,
    actor {name:255} NOT NULL,
    operation {key:128} NOT NULL,
    project_id {int} NOT NULL,
    resource {text} NOT NULL
) {options};

CREATE TABLE settings (
    name {key:128} NOT NULL PRIMARY KEY,
    content {text} NOT NULL
) {options};
