-- What is kept of what is over is counted by status: what waits may be many more. The latest are those that ended last: one that was
-- tried again is younger than its key.
CREATE INDEX executions_status ON executions (kind, subject_id, status, ended_at, id);
