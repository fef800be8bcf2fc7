-- What people heard, what was learned from it, and what each file's tags say of it.

CREATE TABLE given_annotations (
    id           INTEGER PRIMARY KEY,
    identity     TEXT NOT NULL,
    named        TEXT NOT NULL,
    annotator    TEXT NOT NULL,
    arousal      REAL CHECK (arousal BETWEEN -1 AND 1),
    valence      REAL CHECK (valence BETWEEN -1 AND 1),
    made_at      TEXT NOT NULL,
    source       TEXT NOT NULL,
    origin       TEXT UNIQUE,
    withdrawn_at TEXT,
    CHECK (arousal IS NOT NULL OR valence IS NOT NULL)
);
CREATE INDEX given_annotations_in_force ON given_annotations (identity, annotator)
    WHERE withdrawn_at IS NULL;

CREATE TABLE trainings (
    id          INTEGER PRIMARY KEY,
    begun_at    TEXT NOT NULL,
    ended_at    TEXT NOT NULL,
    annotations INTEGER NOT NULL,
    outcome     TEXT NOT NULL CHECK (outcome IN ('published', 'kept back', 'failed')),
    reason      TEXT NOT NULL,
    bundle      TEXT
);

CREATE TABLE wishes (
    errand   TEXT PRIMARY KEY,
    asked_at TEXT NOT NULL
);

CREATE TABLE timetable (
    job      TEXT PRIMARY KEY,
    schedule TEXT NOT NULL,
    next_at  TEXT NOT NULL
);

ALTER TABLE clips ADD COLUMN tagged_arousal INTEGER;
ALTER TABLE clips ADD COLUMN tagged_valence INTEGER;
ALTER TABLE clips ADD COLUMN tagged_bundle TEXT;

CREATE INDEX predictions_by_bundle ON predictions (bundle);

CREATE VIEW rated AS
SELECT identity, avg(arousal) AS arousal, avg(valence) AS valence, count(*) AS annotators
FROM given_annotations WHERE withdrawn_at IS NULL GROUP BY identity;

-- What a person heard stands in front of what a bundle predicts.
CREATE VIEW felt AS
SELECT
    predicted.identity,
    coalesce(rated.arousal, predicted.arousal) AS arousal,
    coalesce(rated.arousal, arousal_low) AS arousal_low,
    coalesce(rated.arousal, arousal_high) AS arousal_high,
    coalesce(rated.valence, predicted.valence) AS valence,
    coalesce(rated.valence, valence_low) AS valence_low,
    coalesce(rated.valence, valence_high) AS valence_high,
    novelty,
    CASE
        WHEN rated.arousal IS NOT NULL AND rated.valence IS NOT NULL THEN 'annotation'
        ELSE bundle
    END AS bundle,
    analysed_at
FROM predictions AS predicted LEFT JOIN rated USING (identity);

DROP VIEW calm;
DROP VIEW energetic;
DROP VIEW tense;
DROP VIEW sad;
DROP VIEW sounds;

CREATE VIEW sounds AS
SELECT
    clips.path, felt.arousal, arousal_low, arousal_high,
    felt.valence, valence_low, valence_high,
    CASE
        WHEN felt.arousal >= limits.arousal AND felt.valence >= limits.valence THEN 'energetic'
        WHEN felt.arousal >= limits.arousal THEN 'tense'
        WHEN felt.valence < limits.valence THEN 'sad'
        ELSE 'calm'
    END AS mood,
    novelty, duration_s, bundle, analysed_at,
    tag_state || coalesce(': ' || tag_reason, '') AS tag_state
FROM clips
JOIN felt USING (identity)
JOIN hearings USING (identity)
CROSS JOIN mood_thresholds AS limits
WHERE clips.missing_since IS NULL;

CREATE VIEW calm AS SELECT * FROM sounds WHERE mood = 'calm';
CREATE VIEW energetic AS SELECT * FROM sounds WHERE mood = 'energetic';
CREATE VIEW tense AS SELECT * FROM sounds WHERE mood = 'tense';
CREATE VIEW sad AS SELECT * FROM sounds WHERE mood = 'sad';

CREATE VIEW annotations AS
SELECT
    given.id,
    coalesce(
        (SELECT path FROM clips WHERE clips.identity = given.identity
         ORDER BY missing_since IS NOT NULL, path LIMIT 1),
        named
    ) AS path,
    arousal, valence, annotator, made_at, source
FROM given_annotations AS given WHERE withdrawn_at IS NULL;
