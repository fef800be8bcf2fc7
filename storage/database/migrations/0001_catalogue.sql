-- Paths are TEXT that holds the exact bytes of the file's name, also where those
-- are not valid UTF-8. Times are ISO 8601 UTC text.

CREATE TABLE clips (
    id            INTEGER PRIMARY KEY,
    path          TEXT NOT NULL UNIQUE,
    identity      TEXT NOT NULL,
    size          INTEGER NOT NULL,
    mtime_ns      INTEGER NOT NULL,
    inode         INTEGER NOT NULL,
    found_at      TEXT NOT NULL,
    missing_since TEXT,
    tag_state     TEXT NOT NULL CHECK (tag_state IN ('pending', 'written', 'off', 'not written')),
    tag_reason    TEXT
);
CREATE INDEX clips_by_identity ON clips (identity);
CREATE INDEX clips_by_tag_state ON clips (tag_state) WHERE tag_state = 'pending';

CREATE TABLE hearings (
    identity   TEXT PRIMARY KEY,
    settings   TEXT NOT NULL,
    duration_s REAL NOT NULL,
    heard_at   TEXT NOT NULL,
    vector     BLOB NOT NULL
);

CREATE TABLE predictions (
    identity     TEXT PRIMARY KEY REFERENCES hearings (identity) ON DELETE CASCADE,
    bundle       TEXT NOT NULL,
    arousal      REAL NOT NULL,
    arousal_low  REAL NOT NULL,
    arousal_high REAL NOT NULL,
    valence      REAL NOT NULL,
    valence_low  REAL NOT NULL,
    valence_high REAL NOT NULL,
    novelty      REAL NOT NULL,
    analysed_at  TEXT NOT NULL
);

CREATE TABLE curve_points (
    identity TEXT NOT NULL REFERENCES hearings (identity) ON DELETE CASCADE,
    start_s  REAL NOT NULL,
    arousal  REAL NOT NULL,
    valence  REAL NOT NULL,
    PRIMARY KEY (identity, start_s)
) WITHOUT ROWID;

CREATE TABLE queue (
    path      TEXT PRIMARY KEY,
    size      INTEGER NOT NULL,
    mtime_ns  INTEGER NOT NULL,
    inode     INTEGER NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'given up')),
    attempts  INTEGER NOT NULL DEFAULT 0,
    queued_at TEXT NOT NULL,
    due_at    TEXT NOT NULL,
    reason    TEXT
);
CREATE INDEX queue_by_due ON queue (state, due_at);

CREATE TABLE tag_journal (
    id         INTEGER PRIMARY KEY,
    clip_id    INTEGER NOT NULL REFERENCES clips (id) ON DELETE CASCADE,
    identity   TEXT NOT NULL,
    written_at TEXT NOT NULL,
    before     TEXT NOT NULL
);
CREATE INDEX tag_journal_by_clip ON tag_journal (clip_id);
CREATE INDEX tag_journal_by_identity ON tag_journal (identity);

CREATE TABLE known_bundles (
    name       TEXT PRIMARY KEY,
    created_at TEXT NOT NULL,
    manifest   TEXT NOT NULL,
    in_service INTEGER NOT NULL
);

CREATE TABLE mood_thresholds (
    only    INTEGER PRIMARY KEY CHECK (only = 1),
    arousal REAL NOT NULL,
    valence REAL NOT NULL
);
INSERT INTO mood_thresholds VALUES (1, 0.0, 0.0);

CREATE VIEW sounds AS
SELECT
    clips.path, predicted.arousal, arousal_low, arousal_high,
    predicted.valence, valence_low, valence_high,
    CASE
        WHEN predicted.arousal >= limits.arousal AND predicted.valence >= limits.valence THEN 'energetic'
        WHEN predicted.arousal >= limits.arousal THEN 'tense'
        WHEN predicted.valence < limits.valence THEN 'sad'
        ELSE 'calm'
    END AS mood,
    novelty, duration_s, bundle, analysed_at,
    tag_state || coalesce(': ' || tag_reason, '') AS tag_state
FROM clips
JOIN predictions AS predicted USING (identity)
JOIN hearings USING (identity)
CROSS JOIN mood_thresholds AS limits
WHERE clips.missing_since IS NULL;

CREATE VIEW calm AS SELECT * FROM sounds WHERE mood = 'calm';
CREATE VIEW energetic AS SELECT * FROM sounds WHERE mood = 'energetic';
CREATE VIEW tense AS SELECT * FROM sounds WHERE mood = 'tense';
CREATE VIEW sad AS SELECT * FROM sounds WHERE mood = 'sad';

CREATE VIEW curves AS
SELECT path, start_s, arousal, valence
FROM clips JOIN curve_points USING (identity)
WHERE missing_since IS NULL;

CREATE VIEW failures AS
SELECT path, reason, attempts, CASE state WHEN 'given up' THEN NULL ELSE due_at END AS retry_at
FROM queue WHERE reason IS NOT NULL;

CREATE VIEW bundles AS
SELECT name, created_at, in_service, manifest FROM known_bundles;
