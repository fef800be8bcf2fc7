-- The change time of each file, and what tells whether only its attributes have changed.

ALTER TABLE clips ADD COLUMN ctime_ns INTEGER;
ALTER TABLE clips ADD COLUMN attributes TEXT;
ALTER TABLE clips ADD COLUMN sample TEXT;
ALTER TABLE queue ADD COLUMN ctime_ns INTEGER;
CREATE INDEX clips_by_inode ON clips (inode);
