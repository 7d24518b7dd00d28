-- Policies of webhooks.

-- project_id 0: of the whole registry. webhook: events and targets, as JSON that has a version.
CREATE TABLE webhook_policies (
    id {id},
    project_id {int} NOT NULL,
    name {name:191} NOT NULL,
    description {text} NOT NULL,
    is_enabled {int} NOT NULL,
    creator {text} NOT NULL,
    webhook {text} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    UNIQUE (project_id, name)
) {options};
CREATE INDEX webhook_policies_enabled ON webhook_policies (is_enabled, id);
