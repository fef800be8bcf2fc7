-- The files of the published bundle, so that every service has it. None of them is ever unpickled.

CREATE TABLE bundle_files (
    bundle  TEXT COLLATE "C" NOT NULL,
    name    TEXT COLLATE "C" NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (bundle, name)
);

-- They are compressed already.

ALTER TABLE bundle_files ALTER COLUMN content SET STORAGE EXTERNAL;
