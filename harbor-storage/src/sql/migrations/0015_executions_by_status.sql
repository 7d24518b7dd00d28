-- What is kept of what is over is counted by status: what waits may be many more.
CREATE INDEX executions_status ON executions (kind, subject_id, status, id);
