-- What lists of artifacts are made of, without looking into a manifest: what each is, what it belongs to, when it was pulled;
-- labels; descriptions and pulls of repositories.

-- kind: Harbor's type, '' in rows from before, until a worker has looked at them. config_type: Harbor's media_type.
-- content_size: of the manifest and all that it refers to. accessory, accessory_subject: what it is to which other manifest.
-- hidden: lists leave it out, for it is an accessory, or an untagged manifest that an index lists. attributes: JSON.
ALTER TABLE manifests ADD COLUMN project_id {int} NOT NULL DEFAULT 0;
ALTER TABLE manifests ADD COLUMN kind {key:255} NOT NULL DEFAULT '';
ALTER TABLE manifests ADD COLUMN config_type {key:255} NOT NULL DEFAULT '';
ALTER TABLE manifests ADD COLUMN content_size {int} NOT NULL DEFAULT 0;
ALTER TABLE manifests ADD COLUMN accessory {key:64};
ALTER TABLE manifests ADD COLUMN accessory_subject {key:135};
ALTER TABLE manifests ADD COLUMN hidden {int} NOT NULL DEFAULT 0;
ALTER TABLE manifests ADD COLUMN attributes {text};
ALTER TABLE manifests ADD COLUMN pulled_at {int} NOT NULL DEFAULT 0;

-- What the index says of the manifest beside its digest, as JSON.
ALTER TABLE manifest_children ADD COLUMN says {text};

ALTER TABLE tags ADD COLUMN pulled_at {int} NOT NULL DEFAULT 0;

ALTER TABLE repositories ADD COLUMN description {text};
ALTER TABLE repositories ADD COLUMN pull_count {int} NOT NULL DEFAULT 0;
ALTER TABLE repositories ADD COLUMN updated_at {int} NOT NULL DEFAULT 0;

-- How many manifests of a repository are not hidden, in parts, so that those who push at once need not wait for each other. A
-- part may be negative. No foreign keys, for checking them would lock the repository's row in every push.
CREATE TABLE artifact_counts (
    repository_id {int} NOT NULL,
    stripe {int} NOT NULL,
    number {int} NOT NULL,
    PRIMARY KEY (repository_id, stripe)
) {keyed};

-- project_id 0: of the whole registry.
CREATE TABLE labels (
    id {id},
    project_id {int} NOT NULL,
    name {name:255} NOT NULL,
    description {text} NOT NULL,
    color {name:64} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    UNIQUE (project_id, name)
) {options};

CREATE TABLE artifact_labels (
    manifest_id {int} NOT NULL,
    label_id {int} NOT NULL,
    PRIMARY KEY (manifest_id, label_id),
    FOREIGN KEY (manifest_id) REFERENCES manifests (id),
    FOREIGN KEY (label_id) REFERENCES labels (id)
) {options};
CREATE INDEX artifact_labels_label ON artifact_labels (label_id);

UPDATE repositories SET updated_at = created_at;

UPDATE manifests SET project_id = (SELECT r.project_id FROM repositories r WHERE r.id = manifests.repository_id);

UPDATE manifests SET hidden = 1 WHERE EXISTS (SELECT 1 FROM manifest_children c
    WHERE c.repository_id = manifests.repository_id AND c.digest = manifests.digest)
    AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = manifests.id);

INSERT INTO artifact_counts (repository_id, stripe, number)
SELECT repository_id, 0, COUNT(*) FROM manifests WHERE hidden = 0 GROUP BY repository_id;

-- A page of a list is read from these in its order.
CREATE INDEX manifests_listed ON manifests (repository_id, hidden, pushed_at, id);
CREATE INDEX manifests_of_project ON manifests (project_id, hidden, pushed_at, id);
CREATE INDEX manifests_accessories ON manifests (repository_id, accessory_subject);
CREATE INDEX repositories_made ON repositories (created_at, id);
CREATE INDEX repositories_of_project ON repositories (project_id, created_at, id);
CREATE INDEX tags_of_manifest ON tags (manifest_id, pushed_at, id);
