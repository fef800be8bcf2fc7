-- Made for a million sounds: what each table repeated as text is a number, and what is shown of a
-- sound stands in one table, with indexes for the ways to look for it.

-- Names of bundles, keys of feature settings, and attributes of files.

CREATE TABLE labels (
    id    INTEGER PRIMARY KEY,
    label TEXT NOT NULL UNIQUE
);
INSERT OR IGNORE INTO labels (label) SELECT DISTINCT settings FROM hearings;
INSERT OR IGNORE INTO labels (label) SELECT DISTINCT bundle FROM predictions;
INSERT OR IGNORE INTO labels (label)
    SELECT DISTINCT tagged_bundle FROM clips WHERE tagged_bundle IS NOT NULL;
INSERT OR IGNORE INTO labels (label)
    SELECT DISTINCT attributes FROM clips WHERE attributes IS NOT NULL;

-- Each sound that was ever analysed. In the order of analysis those of one folder are neighbours.

CREATE TABLE identities (
    id       INTEGER PRIMARY KEY,
    identity TEXT NOT NULL
);
INSERT INTO identities SELECT rowid, identity FROM hearings ORDER BY rowid;
CREATE UNIQUE INDEX identities_by_text ON identities (identity);
INSERT OR IGNORE INTO identities (identity)
    SELECT identity FROM clips WHERE identity NOT IN (SELECT identity FROM hearings);
INSERT OR IGNORE INTO identities (identity)
    SELECT identity FROM tag_journal WHERE identity NOT IN (SELECT identity FROM hearings);

-- The folder of each path, to its last "/". `folder_of` takes and returns bytes.

CREATE TEMPORARY TABLE places (id INTEGER PRIMARY KEY, directory TEXT NOT NULL);
INSERT INTO temp.places
SELECT id, CAST(folder_of(CAST(path AS BLOB)) AS TEXT) FROM main.clips;

-- `kinds` has a bit for each kind of sound that is or was in the folder itself: 1 music, 2 voice,
-- 4 sound, 8 others and none. So a search for one kind passes over folders without it.

CREATE TABLE directories (
    id    INTEGER PRIMARY KEY,
    path  TEXT NOT NULL,
    kinds INTEGER NOT NULL DEFAULT 0
);
INSERT INTO directories (path) SELECT DISTINCT directory FROM temp.places ORDER BY 1;
CREATE UNIQUE INDEX directories_by_path ON directories (path);

CREATE TABLE new_clips (
    id             INTEGER PRIMARY KEY,
    directory_id   INTEGER NOT NULL REFERENCES directories (id),
    name           TEXT NOT NULL,
    sound_id       INTEGER NOT NULL REFERENCES identities (id),
    size           INTEGER NOT NULL,
    mtime_ns       INTEGER NOT NULL,
    inode          INTEGER NOT NULL,
    found_at       INTEGER NOT NULL,
    missing_since  INTEGER,
    tag_state      TEXT NOT NULL CHECK (tag_state IN ('pending', 'written', 'off', 'not written')),
    tag_reason     TEXT,
    tagged_arousal INTEGER,
    tagged_valence INTEGER,
    tagged_bundle  INTEGER,
    tag_tries      INTEGER NOT NULL DEFAULT 0,
    ctime_ns       INTEGER,
    attributes     INTEGER,
    sample         BLOB,
    tag_contests   INTEGER NOT NULL DEFAULT 0
);
INSERT INTO new_clips
SELECT
    clips.id, directories.id,
    CAST(substr(CAST(clips.path AS BLOB), length(CAST(directory AS BLOB)) + 1) AS TEXT),
    identities.id, size, mtime_ns, inode,
    1000 * CAST(strftime('%s', found_at) AS INTEGER) + CAST(substr(found_at, 21, 3) AS INTEGER),
    1000 * CAST(strftime('%s', missing_since) AS INTEGER) + CAST(substr(missing_since, 21, 3) AS INTEGER),
    tag_state, tag_reason, tagged_arousal, tagged_valence,
    (SELECT id FROM labels WHERE label = tagged_bundle), tag_tries, ctime_ns,
    (SELECT id FROM labels WHERE label = attributes), bytes_of(sample), tag_contests
FROM main.clips
CROSS JOIN temp.places ON places.id = clips.id
CROSS JOIN directories ON directories.path = places.directory
CROSS JOIN identities ON identities.identity = clips.identity;

CREATE TABLE new_tag_journal (
    id         INTEGER PRIMARY KEY,
    clip_id    INTEGER NOT NULL REFERENCES new_clips (id) ON DELETE CASCADE,
    sound_id   INTEGER NOT NULL REFERENCES identities (id),
    written_at INTEGER NOT NULL,
    before     TEXT NOT NULL,
    size       INTEGER
);
INSERT INTO new_tag_journal
SELECT
    tag_journal.id, clip_id, identities.id,
    1000 * CAST(strftime('%s', written_at) AS INTEGER) + CAST(substr(written_at, 21, 3) AS INTEGER),
    before, size
FROM tag_journal CROSS JOIN identities USING (identity)
-- Other programs that delete clips leave their entries.
WHERE clip_id IN (SELECT id FROM new_clips);

CREATE TABLE new_hearings (
    sound_id INTEGER PRIMARY KEY REFERENCES identities (id),
    settings INTEGER NOT NULL REFERENCES labels (id),
    heard_at INTEGER NOT NULL,
    vector   BLOB NOT NULL
);
INSERT INTO new_hearings
SELECT
    identities.id, labels.id,
    1000 * CAST(strftime('%s', heard_at) AS INTEGER) + CAST(substr(heard_at, 21, 3) AS INTEGER),
    vector
FROM hearings CROSS JOIN identities ON identities.id = hearings.rowid
JOIN labels ON labels.label = settings
ORDER BY hearings.rowid;

-- What is shown of each sound: the mean of its annotations, else the prediction. Values, intervals,
-- novelty and probability are in millionths. The columns that are named after the view `rated` are
-- empty without annotations. `files` is the number of its files that are not missing; the triggers
-- below keep all these right. `width` is that of the wider interval. `curve` is a JSON array: of
-- each window its start in ms, arousal and valence in thousandths.

CREATE TABLE new_predictions (
    sound_id         INTEGER PRIMARY KEY REFERENCES new_hearings (sound_id) ON DELETE CASCADE,
    bundle           INTEGER NOT NULL REFERENCES labels (id),
    arousal          INTEGER NOT NULL,
    arousal_low      INTEGER NOT NULL,
    arousal_high     INTEGER NOT NULL,
    valence          INTEGER NOT NULL,
    valence_low      INTEGER NOT NULL,
    valence_high     INTEGER NOT NULL,
    novelty          INTEGER NOT NULL,
    kind             TEXT,
    kind_probability INTEGER,
    analysed_at      INTEGER NOT NULL,
    duration_ms      INTEGER NOT NULL,
    curve            TEXT NOT NULL,
    files            INTEGER NOT NULL DEFAULT 0,
    rated_arousal    INTEGER,
    arousal_reach    INTEGER,
    rated_valence    INTEGER,
    valence_reach    INTEGER,
    shown_arousal    INTEGER AS (coalesce(rated_arousal, arousal)),
    shown_valence    INTEGER AS (coalesce(rated_valence, valence)),
    width            INTEGER AS (max(
        coalesce(min(rated_arousal + arousal_reach, 1000000), arousal_high)
            - coalesce(max(rated_arousal - arousal_reach, -1000000), arousal_low),
        coalesce(min(rated_valence + valence_reach, 1000000), valence_high)
            - coalesce(max(rated_valence - valence_reach, -1000000), valence_low)
    ))
);
CREATE TEMPORARY TABLE courses (id INTEGER PRIMARY KEY, curve TEXT NOT NULL);
INSERT INTO temp.courses
SELECT identities.id, curve FROM (
    SELECT identity, '[' || group_concat(printf('%d,%d,%d',
        round(1000 * start_s), round(1000 * arousal), round(1000 * valence))) || ']' AS curve
    FROM (SELECT * FROM curve_points ORDER BY identity, start_s) GROUP BY identity
) JOIN identities USING (identity) ORDER BY identities.id;
CREATE INDEX clips_by_sound ON new_clips (sound_id);
INSERT INTO new_predictions
SELECT
    identities.id, labels.id,
    CAST(round(1e6 * arousal) AS INTEGER), CAST(round(1e6 * arousal_low) AS INTEGER),
    CAST(round(1e6 * arousal_high) AS INTEGER), CAST(round(1e6 * valence) AS INTEGER),
    CAST(round(1e6 * valence_low) AS INTEGER), CAST(round(1e6 * valence_high) AS INTEGER),
    CAST(round(1e6 * min(novelty, 1e12)) AS INTEGER), kind, CAST(round(1e6 * kind_probability) AS INTEGER),
    1000 * CAST(strftime('%s', analysed_at) AS INTEGER) + CAST(substr(analysed_at, 21, 3) AS INTEGER),
    CAST(round(1000 * duration_s) AS INTEGER),
    coalesce((SELECT curve FROM temp.courses WHERE courses.id = identities.id), '[]'),
    (SELECT count(*) FROM new_clips WHERE sound_id = identities.id AND missing_since IS NULL),
    NULL, NULL, NULL, NULL
FROM predictions CROSS JOIN identities ON identities.identity = predictions.identity
CROSS JOIN hearings ON hearings.rowid = identities.id
JOIN labels ON labels.label = bundle
ORDER BY predictions.rowid;

-- Sketches of the vectors of 4096 sounds a row, by which alike sounds are found; made when needed.

CREATE TABLE sketches (
    block    INTEGER PRIMARY KEY,
    sketches BLOB NOT NULL
);

-- By which bundle they are, and up to which sound; and the sounds that were heard again since.

CREATE TABLE sketch_state (
    only   INTEGER PRIMARY KEY CHECK (only = 1),
    bundle INTEGER REFERENCES labels (id),
    up_to  INTEGER NOT NULL
);
INSERT INTO sketch_state VALUES (1, NULL, 0);
CREATE TABLE unsketched (
    sound_id INTEGER PRIMARY KEY
);

DROP VIEW calm;
DROP VIEW energetic;
DROP VIEW tense;
DROP VIEW sad;
DROP VIEW sounds;
DROP VIEW curves;
DROP VIEW felt;
DROP VIEW annotations;
DROP TABLE temp.places;
DROP TABLE temp.courses;
DROP TABLE tag_journal;
DROP TABLE main.clips;
DROP TABLE curve_points;
DROP TABLE predictions;
DROP TABLE hearings;
ALTER TABLE new_clips RENAME TO clips;
ALTER TABLE new_tag_journal RENAME TO tag_journal;
ALTER TABLE new_hearings RENAME TO hearings;
ALTER TABLE new_predictions RENAME TO predictions;

CREATE UNIQUE INDEX clips_by_path ON clips (directory_id, name);
CREATE INDEX clips_by_inode ON clips (inode);
CREATE INDEX clips_by_tag_state ON clips (tag_state) WHERE tag_state = 'pending';
CREATE INDEX tag_journal_by_clip ON tag_journal (clip_id);
CREATE INDEX tag_journal_by_copy ON tag_journal (sound_id, size);
CREATE INDEX hearings_by_time ON hearings (heard_at);
CREATE INDEX predictions_by_bundle ON predictions (bundle);
CREATE INDEX shown_by_arousal ON predictions
    (shown_arousal, shown_valence, kind, duration_ms, novelty, width) WHERE files > 0;
CREATE INDEX shown_by_valence ON predictions (shown_valence, shown_arousal) WHERE files > 0;
CREATE INDEX shown_by_duration ON predictions (duration_ms) WHERE files > 0;
CREATE INDEX shown_by_novelty ON predictions (novelty) WHERE files > 0;
CREATE INDEX shown_by_width ON predictions (width) WHERE files > 0;
CREATE INDEX shown_by_time ON predictions (analysed_at) WHERE files > 0;

UPDATE predictions
SET (rated_arousal, arousal_reach, rated_valence, valence_reach) =
    (SELECT round(1e6 * rated.arousal), round(1e6 * rated.arousal_reach),
            round(1e6 * rated.valence), round(1e6 * rated.valence_reach)
     FROM rated JOIN identities USING (identity) WHERE id = sound_id)
WHERE sound_id IN
    (SELECT identities.id FROM identities JOIN given_annotations USING (identity)
     WHERE withdrawn_at IS NULL);

UPDATE directories SET kinds = (
    SELECT coalesce(sum(kind_bit), 0) FROM (
        SELECT DISTINCT CASE kind WHEN 'music' THEN 1 WHEN 'voice' THEN 2 WHEN 'sound' THEN 4 ELSE 8 END
            AS kind_bit
        FROM clips CROSS JOIN predictions USING (sound_id) WHERE directory_id = directories.id
    )
);

-- How many sounds with a file have an arousal (axis 0) or a valence (1) in each thousandth of the
-- scale, for ranks.

CREATE TABLE shown_counts (
    axis   INTEGER NOT NULL,
    step   INTEGER NOT NULL,
    sounds INTEGER NOT NULL,
    PRIMARY KEY (axis, step)
) WITHOUT ROWID;
INSERT INTO shown_counts
SELECT 0, (shown_arousal + 1000000) / 1000, count(*) FROM predictions WHERE files > 0 GROUP BY 2;
INSERT INTO shown_counts
SELECT 1, (shown_valence + 1000000) / 1000, count(*) FROM predictions WHERE files > 0 GROUP BY 2;

-- Which names contain a text of three characters or more.

CREATE VIRTUAL TABLE names USING fts5
    (name, content = 'clips', content_rowid = 'id', columnsize = 0, detail = none, tokenize = 'trigram');
INSERT INTO names (names) VALUES ('rebuild');
INSERT INTO names (names) VALUES ('optimize');

CREATE TRIGGER name_added AFTER INSERT ON clips BEGIN
    INSERT INTO names (rowid, name) VALUES (NEW.id, NEW.name);
END;
CREATE TRIGGER name_deleted AFTER DELETE ON clips BEGIN
    INSERT INTO names (names, rowid, name) VALUES ('delete', OLD.id, OLD.name);
END;
CREATE TRIGGER name_changed AFTER UPDATE OF id, name ON clips
WHEN OLD.id <> NEW.id OR OLD.name <> NEW.name BEGIN
    INSERT INTO names (names, rowid, name) VALUES ('delete', OLD.id, OLD.name);
    INSERT INTO names (rowid, name) VALUES (NEW.id, NEW.name);
END;
CREATE TRIGGER sound_counted AFTER UPDATE OF files, arousal, rated_arousal, valence, rated_valence
ON predictions WHEN OLD.files > 0 OR NEW.files > 0 BEGIN
    UPDATE shown_counts SET sounds = sounds - 1
    WHERE axis = 0 AND step = (OLD.shown_arousal + 1000000) / 1000 AND OLD.files > 0;
    UPDATE shown_counts SET sounds = sounds - 1
    WHERE axis = 1 AND step = (OLD.shown_valence + 1000000) / 1000 AND OLD.files > 0;
    INSERT INTO shown_counts
    SELECT 0, (NEW.shown_arousal + 1000000) / 1000, 1 WHERE NEW.files > 0
    ON CONFLICT DO UPDATE SET sounds = sounds + 1;
    INSERT INTO shown_counts
    SELECT 1, (NEW.shown_valence + 1000000) / 1000, 1 WHERE NEW.files > 0
    ON CONFLICT DO UPDATE SET sounds = sounds + 1;
END;
CREATE TRIGGER sound_forgotten AFTER DELETE ON predictions WHEN OLD.files > 0 BEGIN
    UPDATE shown_counts SET sounds = sounds - 1
    WHERE axis = 0 AND step = (OLD.shown_arousal + 1000000) / 1000;
    UPDATE shown_counts SET sounds = sounds - 1
    WHERE axis = 1 AND step = (OLD.shown_valence + 1000000) / 1000;
END;
CREATE TRIGGER kind_found AFTER UPDATE OF files, kind ON predictions
WHEN NEW.files > OLD.files OR NEW.kind IS NOT OLD.kind BEGIN
    UPDATE directories
    SET kinds = kinds
        | CASE NEW.kind WHEN 'music' THEN 1 WHEN 'voice' THEN 2 WHEN 'sound' THEN 4 ELSE 8 END
    WHERE id IN (SELECT directory_id FROM clips WHERE sound_id = NEW.sound_id);
END;
CREATE TRIGGER clip_moved AFTER UPDATE OF directory_id ON clips
WHEN OLD.directory_id <> NEW.directory_id BEGIN
    UPDATE directories
    SET kinds = kinds | coalesce(
        (SELECT CASE kind WHEN 'music' THEN 1 WHEN 'voice' THEN 2 WHEN 'sound' THEN 4 ELSE 8 END
         FROM predictions WHERE sound_id = NEW.sound_id), 0)
    WHERE id = NEW.directory_id;
END;
CREATE TRIGGER clip_added AFTER INSERT ON clips WHEN NEW.missing_since IS NULL BEGIN
    UPDATE predictions SET files = files + 1 WHERE sound_id = NEW.sound_id;
END;
CREATE TRIGGER clip_deleted AFTER DELETE ON clips WHEN OLD.missing_since IS NULL BEGIN
    UPDATE predictions SET files = files - 1 WHERE sound_id = OLD.sound_id;
END;
CREATE TRIGGER clip_changed AFTER UPDATE OF sound_id, missing_since ON clips
WHEN OLD.sound_id <> NEW.sound_id OR (OLD.missing_since IS NULL) <> (NEW.missing_since IS NULL) BEGIN
    UPDATE predictions SET files = files - 1
    WHERE sound_id = OLD.sound_id AND OLD.missing_since IS NULL;
    UPDATE predictions SET files = files + 1
    WHERE sound_id = NEW.sound_id AND NEW.missing_since IS NULL;
END;
CREATE TRIGGER sound_heard AFTER INSERT ON hearings
WHEN NEW.sound_id <= (SELECT up_to FROM sketch_state) BEGIN
    INSERT OR IGNORE INTO unsketched VALUES (NEW.sound_id);
END;
CREATE TRIGGER sound_predicted AFTER INSERT ON predictions BEGIN
    UPDATE predictions
    SET files = (SELECT count(*) FROM clips WHERE sound_id = NEW.sound_id AND missing_since IS NULL)
    WHERE sound_id = NEW.sound_id;
    UPDATE predictions
    SET (rated_arousal, arousal_reach, rated_valence, valence_reach) =
        (SELECT round(1e6 * rated.arousal), round(1e6 * rated.arousal_reach),
                round(1e6 * rated.valence), round(1e6 * rated.valence_reach)
         FROM rated WHERE identity = (SELECT identity FROM identities WHERE id = NEW.sound_id))
    WHERE sound_id = NEW.sound_id AND EXISTS (
        SELECT 1 FROM given_annotations JOIN identities USING (identity)
        WHERE identities.id = NEW.sound_id AND withdrawn_at IS NULL
    );
END;
CREATE TRIGGER annotation_added AFTER INSERT ON given_annotations BEGIN
    UPDATE predictions
    SET (rated_arousal, arousal_reach, rated_valence, valence_reach) =
        (SELECT round(1e6 * rated.arousal), round(1e6 * rated.arousal_reach),
                round(1e6 * rated.valence), round(1e6 * rated.valence_reach)
         FROM rated WHERE identity = NEW.identity)
    WHERE sound_id = (SELECT id FROM identities WHERE identity = NEW.identity);
END;
CREATE TRIGGER annotation_changed AFTER UPDATE ON given_annotations BEGIN
    UPDATE predictions
    SET (rated_arousal, arousal_reach, rated_valence, valence_reach) =
        (SELECT round(1e6 * rated.arousal), round(1e6 * rated.arousal_reach),
                round(1e6 * rated.valence), round(1e6 * rated.valence_reach)
         FROM rated WHERE identity = NEW.identity)
    WHERE sound_id = (SELECT id FROM identities WHERE identity = NEW.identity);
END;
CREATE TRIGGER annotation_deleted AFTER DELETE ON given_annotations BEGIN
    UPDATE predictions
    SET (rated_arousal, arousal_reach, rated_valence, valence_reach) =
        (SELECT round(1e6 * rated.arousal), round(1e6 * rated.arousal_reach),
                round(1e6 * rated.valence), round(1e6 * rated.valence_reach)
         FROM rated WHERE identity = OLD.identity)
    WHERE sound_id = (SELECT id FROM identities WHERE identity = OLD.identity);
END;

CREATE VIEW felt AS
SELECT
    identity,
    shown_arousal / 1e6 AS arousal,
    coalesce(max(rated_arousal - arousal_reach, -1000000), arousal_low) / 1e6 AS arousal_low,
    coalesce(min(rated_arousal + arousal_reach, 1000000), arousal_high) / 1e6 AS arousal_high,
    shown_valence / 1e6 AS valence,
    coalesce(max(rated_valence - valence_reach, -1000000), valence_low) / 1e6 AS valence_low,
    coalesce(min(rated_valence + valence_reach, 1000000), valence_high) / 1e6 AS valence_high,
    novelty / 1e6 AS novelty,
    CASE
        WHEN rated_arousal IS NOT NULL AND rated_valence IS NOT NULL THEN 'annotation'
        ELSE (SELECT label FROM labels WHERE labels.id = bundle)
    END AS bundle,
    strftime('%Y-%m-%dT%H:%M:%S', analysed_at / 1000, 'unixepoch')
        || printf('.%03dZ', analysed_at % 1000) AS analysed_at,
    kind, kind_probability / 1e6 AS kind_probability
FROM predictions JOIN identities ON identities.id = sound_id;

CREATE VIEW sounds AS
SELECT
    directories.path || name AS path,
    shown_arousal / 1e6 AS arousal,
    coalesce(max(rated_arousal - arousal_reach, -1000000), arousal_low) / 1e6 AS arousal_low,
    coalesce(min(rated_arousal + arousal_reach, 1000000), arousal_high) / 1e6 AS arousal_high,
    shown_valence / 1e6 AS valence,
    coalesce(max(rated_valence - valence_reach, -1000000), valence_low) / 1e6 AS valence_low,
    coalesce(min(rated_valence + valence_reach, 1000000), valence_high) / 1e6 AS valence_high,
    CASE
        WHEN shown_arousal >= 1e6 * limits.arousal AND shown_valence >= 1e6 * limits.valence
        THEN 'energetic'
        WHEN shown_arousal >= 1e6 * limits.arousal THEN 'tense'
        WHEN shown_valence < 1e6 * limits.valence THEN 'sad'
        ELSE 'calm'
    END AS mood,
    novelty / 1e6 AS novelty, duration_ms / 1e3 AS duration_s,
    CASE
        WHEN rated_arousal IS NOT NULL AND rated_valence IS NOT NULL THEN 'annotation'
        ELSE (SELECT label FROM labels WHERE labels.id = bundle)
    END AS bundle,
    strftime('%Y-%m-%dT%H:%M:%S', analysed_at / 1000, 'unixepoch')
        || printf('.%03dZ', analysed_at % 1000) AS analysed_at,
    tag_state || coalesce(': ' || tag_reason, '') AS tag_state,
    kind, kind_probability / 1e6 AS kind_probability
FROM clips
JOIN directories ON directories.id = directory_id
JOIN predictions USING (sound_id)
CROSS JOIN mood_thresholds AS limits
WHERE missing_since IS NULL;

CREATE VIEW calm AS SELECT * FROM sounds WHERE mood = 'calm';
CREATE VIEW energetic AS SELECT * FROM sounds WHERE mood = 'energetic';
CREATE VIEW tense AS SELECT * FROM sounds WHERE mood = 'tense';
CREATE VIEW sad AS SELECT * FROM sounds WHERE mood = 'sad';

CREATE VIEW curves AS
SELECT
    directories.path || name AS path,
    start.value / 1e3 AS start_s,
    json_extract(curve, '$[' || (start.key + 1) || ']') / 1e3 AS arousal,
    json_extract(curve, '$[' || (start.key + 2) || ']') / 1e3 AS valence
FROM clips
JOIN directories ON directories.id = directory_id
JOIN predictions USING (sound_id)
JOIN json_each(curve) AS start ON start.key % 3 = 0
WHERE missing_since IS NULL;

CREATE VIEW annotations AS
SELECT
    given.id,
    coalesce(
        (SELECT directories.path || name
         FROM identities
         JOIN clips ON sound_id = identities.id
         JOIN directories ON directories.id = directory_id
         WHERE identity = given.identity
         ORDER BY missing_since IS NOT NULL, 1 LIMIT 1),
        named
    ) AS path,
    arousal, valence, annotator, made_at, source
FROM given_annotations AS given WHERE withdrawn_at IS NULL;
