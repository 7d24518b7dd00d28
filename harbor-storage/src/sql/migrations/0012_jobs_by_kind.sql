-- What waits is found by its kind: what is paused, or has no place, may be many.
CREATE INDEX tasks_kind ON tasks (status, kind, priority, due_at, id);
DROP INDEX tasks_due {of:tasks};
