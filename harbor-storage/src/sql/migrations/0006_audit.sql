-- The audit log as lists of it are asked: who by name, what as Harbor calls it, and all of it in words.

ALTER TABLE audit_log ADD COLUMN username {name:255} NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN resource_type {key:128} NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN description {text};

-- Earlier lines have the permission as resource:action, and the kind of actor before the name.
UPDATE audit_log SET
    username = CASE WHEN actor LIKE 'user:%' THEN SUBSTR(actor, 6)
        WHEN actor LIKE 'admin:%' OR actor LIKE 'robot:%' THEN SUBSTR(actor, 7) ELSE actor END,
    resource_type = CASE WHEN operation = 'repository:push' THEN 'artifact'
        ELSE REPLACE(REPLACE(REPLACE(REPLACE(operation, ':create', ''), ':update', ''), ':delete', ''), 'project-member', 'member')
        END,
    description = resource;
UPDATE audit_log SET operation = CASE WHEN operation LIKE '%:push' OR operation LIKE '%:create' THEN 'create'
    WHEN operation LIKE '%:update' THEN 'update' WHEN operation LIKE '%:delete' THEN 'delete' ELSE operation END;

-- Pages of the log of a project; and what was at a time.
CREATE INDEX audit_log_of_project ON audit_log (project_id, id);
CREATE INDEX audit_log_at ON audit_log (happened_at);
