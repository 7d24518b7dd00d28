-- How often each manifest, and each tag whatever it named, was pulled. Those from before count from now on.
ALTER TABLE manifests ADD COLUMN pull_count {int} NOT NULL DEFAULT 0;
ALTER TABLE tags ADD COLUMN pull_count {int} NOT NULL DEFAULT 0;
