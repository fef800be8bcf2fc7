-- How often a worker was asked to handle the tags of a file, and failed at it.

ALTER TABLE clips ADD COLUMN tag_tries INTEGER NOT NULL DEFAULT 0;
