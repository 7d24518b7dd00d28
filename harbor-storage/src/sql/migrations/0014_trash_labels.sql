-- The labels that a deleted manifest had, by their keys, as JSON. Those that went before this come back without.
ALTER TABLE trash ADD COLUMN labels {text};
