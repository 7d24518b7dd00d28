-- Manifests that were deleted, for as long as garbage collection leaves what they refer to.

-- tags: those that went with it, as a JSON list. until: when it is forgotten.
CREATE TABLE trash (
    id {id},
    repository_id {int} NOT NULL,
    digest {key:135} NOT NULL,
    media_type {key:255} NOT NULL,
    artifact_type {key:255},
    subject {key:135},
    accessory {key:64},
    accessory_subject {key:135},
    attributes {text},
    payload {bytes} NOT NULL,
    tags {text} NOT NULL,
    pushed_at {int} NOT NULL,
    deleted_at {int} NOT NULL,
    deleted_by {name:255} NOT NULL,
    until {int} NOT NULL,
    UNIQUE (repository_id, digest)
) {options};
CREATE INDEX trash_subject ON trash (repository_id, accessory_subject);
CREATE INDEX trash_until ON trash (until);
