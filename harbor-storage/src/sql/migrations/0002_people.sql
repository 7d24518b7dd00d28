-- Who there is and what they may do: users, groups, members, roles, robots, personal access tokens, sessions.

ALTER TABLE projects ADD COLUMN owner_id {int} NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN metadata {text};
ALTER TABLE projects ADD COLUMN cve_allowlist {text};
ALTER TABLE projects ADD COLUMN updated_at {int} NOT NULL DEFAULT 0;

CREATE TABLE users (
    id {id},
    name {name:255} NOT NULL UNIQUE,
    email {name:255} UNIQUE,
    real_name {text} NOT NULL,
    note {text} NOT NULL,
    is_administrator {int} NOT NULL,
    password {text},
    second_factor {text},
    epoch {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
) {options};

CREATE TABLE user_groups (
    id {id},
    name {name:255} NOT NULL,
    kind {int} NOT NULL,
    dn {name:255} UNIQUE,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    UNIQUE (kind, name)
) {options};

-- Who is in a group, as of the last login.
CREATE TABLE user_group_users (
    user_id {int} NOT NULL,
    group_id {int} NOT NULL,
    PRIMARY KEY (user_id, group_id),
    FOREIGN KEY (user_id) REFERENCES users (id),
    FOREIGN KEY (group_id) REFERENCES user_groups (id)
) {options};
CREATE INDEX user_group_users_group ON user_group_users (group_id);

-- One of user_id and group_id is NULL. role_id: 1 to 5 are built in, others are in roles.
CREATE TABLE project_members (
    id {id},
    project_id {int} NOT NULL,
    user_id {int},
    group_id {int},
    role_id {int} NOT NULL,
    repositories {text},
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    UNIQUE (project_id, user_id),
    UNIQUE (project_id, group_id),
    FOREIGN KEY (project_id) REFERENCES projects (id),
    FOREIGN KEY (user_id) REFERENCES users (id),
    FOREIGN KEY (group_id) REFERENCES user_groups (id)
) {options};
CREATE INDEX project_members_user ON project_members (user_id);
CREATE INDEX project_members_group ON project_members (group_id);
CREATE INDEX project_members_role ON project_members (role_id);

-- Keys begin above those of the built-in roles: the statements add 100.
CREATE TABLE roles (
    id {id},
    name {name:255} NOT NULL UNIQUE,
    description {text} NOT NULL,
    permissions {text} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
) {options};

-- project_id 0: of the whole registry. expires_at, earlier_until: 0 is never.
CREATE TABLE robots (
    id {id},
    name {name:255} NOT NULL,
    description {text} NOT NULL,
    project_id {int} NOT NULL,
    secret {text} NOT NULL,
    earlier_secret {text},
    earlier_until {int} NOT NULL,
    duration {int} NOT NULL,
    expires_at {int} NOT NULL,
    is_disabled {int} NOT NULL,
    permissions {text} NOT NULL,
    creator {name:255} NOT NULL,
    epoch {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    UNIQUE (project_id, name)
) {options};

CREATE TABLE personal_tokens (
    id {id},
    user_id {int} NOT NULL,
    name {name:255} NOT NULL,
    digest {key:64} NOT NULL UNIQUE,
    scopes {text} NOT NULL,
    expires_at {int} NOT NULL,
    created_at {int} NOT NULL,
    used_at {int} NOT NULL,
    UNIQUE (user_id, name),
    FOREIGN KEY (user_id) REFERENCES users (id)
) {options};

CREATE TABLE sessions (
    digest {key:64} NOT NULL PRIMARY KEY,
    user_id {int} NOT NULL,
    epoch {int} NOT NULL,
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    FOREIGN KEY (user_id) REFERENCES users (id)
) {options};
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expires ON sessions (expires_at);

CREATE TABLE revisions (
    kind {key:64} NOT NULL PRIMARY KEY,
    number {int} NOT NULL
) {options};
