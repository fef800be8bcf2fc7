-- Features that were extracted before this moment do not count for the file; NULL if all do.

ALTER TABLE queue ADD COLUMN fresh_since TEXT;
