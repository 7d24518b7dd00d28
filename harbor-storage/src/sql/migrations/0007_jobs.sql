-- Executions, their tasks with logs, and schedules.

-- token: by which whoever makes a row finds its key. triggered_by, status: as Harbor calls them. detail: a JSON object.
CREATE TABLE executions (
    id {id},
    token {key:36} NOT NULL UNIQUE,
    kind {key:64} NOT NULL,
    subject_id {int} NOT NULL,
    triggered_by {key:16} NOT NULL,
    status {key:16} NOT NULL,
    message {text} NOT NULL,
    waiting {int} NOT NULL,
    running {int} NOT NULL,
    succeeded {int} NOT NULL,
    failed {int} NOT NULL,
    stopped {int} NOT NULL,
    detail {text} NOT NULL,
    started_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    ended_at {int} NOT NULL
) {options};
CREATE INDEX executions_kind ON executions (kind, subject_id, id);

-- status: as Harbor calls it. priority: 0 high, 1 normal, 2 low.
-- due_at: while it waits, when its turn may come; while it runs, when the lease of its worker ends.
-- running_key, running_slot: what at most one running task can have; nothing while it does not run.
CREATE TABLE tasks (
    id {id},
    execution_id {int} NOT NULL,
    job {key:36} NOT NULL UNIQUE,
    kind {key:64} NOT NULL,
    payload {text} NOT NULL,
    priority {int} NOT NULL,
    serial_key {name:191},
    running_key {name:191} UNIQUE,
    running_slot {key:96} UNIQUE,
    slot {int},
    status {key:16} NOT NULL,
    due_at {int} NOT NULL,
    failures {int} NOT NULL,
    runs {int} NOT NULL,
    owner {key:36} NOT NULL,
    is_stopping {int} NOT NULL,
    progress {text} NOT NULL,
    message {text} NOT NULL,
    detail {text} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    started_at {int} NOT NULL,
    ended_at {int} NOT NULL,
    FOREIGN KEY (execution_id) REFERENCES executions (id)
) {options};
CREATE INDEX tasks_execution ON tasks (execution_id, id);
CREATE INDEX tasks_due ON tasks (status, priority, due_at);
CREATE INDEX tasks_serial ON tasks (serial_key, status, id);
CREATE INDEX tasks_owner ON tasks (owner);

CREATE TABLE task_logs (
    task_id {int} NOT NULL,
    number {int} NOT NULL,
    content {text} NOT NULL,
    PRIMARY KEY (task_id, number),
    FOREIGN KEY (task_id) REFERENCES tasks (id)
) {keyed};

-- next_at: 0 for never again.
CREATE TABLE schedules (
    id {id},
    kind {key:64} NOT NULL,
    subject_id {int} NOT NULL,
    rhythm {key:16} NOT NULL,
    cron {key:128} NOT NULL,
    time_zone {key:64} NOT NULL,
    payload {text} NOT NULL,
    next_at {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    UNIQUE (kind, subject_id)
) {options};
CREATE INDEX schedules_next ON schedules (next_at);

-- The nodes that run jobs.
CREATE TABLE worker_pools (
    id {key:36} NOT NULL PRIMARY KEY,
    host {name:255} NOT NULL,
    pid {int} NOT NULL,
    workers {int} NOT NULL,
    started_at {int} NOT NULL,
    seen_at {int} NOT NULL
) {options};
