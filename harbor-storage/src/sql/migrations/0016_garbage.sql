-- Bytes that were a blob's, and are to be deleted. A blob's row goes with its last link, and its bytes come to be here.
CREATE TABLE garbage (
    id {id},
    location {key:255} NOT NULL,
    size {int} NOT NULL,
    due {int} NOT NULL,
    attempts {int} NOT NULL
) {options};
CREATE INDEX garbage_due ON garbage (due, id);

-- Blobs that nobody linked to were marked, deleted, and their rows last. Their digests are free again from now on.
INSERT INTO garbage (location, size, due, attempts)
    SELECT b.location, b.size, 0, 0 FROM blobs b WHERE NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = b.id);
DELETE FROM blobs WHERE NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = blobs.id);
ALTER TABLE blobs DROP COLUMN state;
-- What somebody linked to in between stays.
DELETE FROM garbage WHERE location IN (SELECT b.location FROM blobs b);

-- So the queue is of links alone.
CREATE TABLE link_reviews (
    link_id {int} NOT NULL PRIMARY KEY,
    due {int} NOT NULL,
    attempts {int} NOT NULL,
    reason {key:64} NOT NULL
) {options};
INSERT INTO link_reviews (link_id, due, attempts, reason)
    SELECT subject_id, due, attempts, reason FROM gc_reviews WHERE kind = 0;
DROP TABLE gc_reviews;
CREATE INDEX link_reviews_due ON link_reviews (due);
