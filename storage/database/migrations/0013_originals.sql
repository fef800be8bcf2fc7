-- By the digest of an original, clean-up knows it again whatever became of its copy.

ALTER TABLE begun_writes ADD COLUMN digest TEXT;
