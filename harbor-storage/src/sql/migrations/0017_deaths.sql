-- How many workers of a task ended in the midst of it without a word. It was told from how often it was begun, as which stops of a whole
-- server and somebody's retries count.
ALTER TABLE tasks ADD COLUMN deaths {int} NOT NULL DEFAULT 0;
