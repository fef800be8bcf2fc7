-- How often in a row another program changed our tags, and we wrote them again.

ALTER TABLE clips ADD COLUMN tag_contests INTEGER NOT NULL DEFAULT 0;

-- The record of a file that was copied is found by the size that we left it with.

ALTER TABLE tag_journal ADD COLUMN size INTEGER;
UPDATE tag_journal SET size = CASE WHEN json_valid(before) THEN json_extract(before, '$.size') END;
DROP INDEX tag_journal_by_identity;
CREATE INDEX tag_journal_by_copy ON tag_journal (identity, size);
