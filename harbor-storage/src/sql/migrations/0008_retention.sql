-- Policies of retention.

-- project_id 0: of all projects that have none of their own. policy: as JSON that has a version.
CREATE TABLE retention_policies (
    id {id},
    project_id {int} NOT NULL UNIQUE,
    policy {text} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
) {options};
