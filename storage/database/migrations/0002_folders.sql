-- How each watched folder stood when the service last looked.

CREATE TABLE folders (
    path          TEXT PRIMARY KEY,
    watched_by    TEXT NOT NULL CHECK (watched_by IN ('events', 'polling', 'nothing')),
    reconciled_at TEXT NOT NULL,
    trouble       TEXT
);
