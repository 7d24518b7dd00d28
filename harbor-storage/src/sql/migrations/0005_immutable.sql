-- Rules of immutable tags.

-- selection: which tags of which repositories, as JSON that has a version.
CREATE TABLE immutable_rules (
    id {id},
    project_id {int} NOT NULL,
    priority {int} NOT NULL,
    is_disabled {int} NOT NULL,
    selection {text} NOT NULL,
    FOREIGN KEY (project_id) REFERENCES projects (id)
) {options};
CREATE INDEX immutable_rules_project ON immutable_rules (project_id, is_disabled);
