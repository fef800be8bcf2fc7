-- The order in which files are claimed, to the end of it: of tens of thousands that arrive at
-- once most are due in the same moment, and would be sorted by name for each claim.

DROP INDEX queue_by_due;
CREATE INDEX queue_by_due ON queue (state, due_at, path);
