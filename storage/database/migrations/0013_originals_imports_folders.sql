-- By the digest of an original, clean-up knows it again whatever became of its copy.

ALTER TABLE begun_writes ADD COLUMN digest TEXT;

-- While this table has its row, what is shown of a sound does not follow each annotation: for the
-- hundredth of a sound, a hundred were read. Who adds many touches one of each sound afterwards.

CREATE TABLE import_under_way (
    only INTEGER PRIMARY KEY CHECK (only = 1)
);
DROP TRIGGER annotation_added;
DROP TRIGGER annotation_changed;
CREATE TRIGGER annotation_added AFTER INSERT ON given_annotations
WHEN NOT EXISTS (SELECT 1 FROM import_under_way) BEGIN
    UPDATE predictions
    SET (rated_arousal, arousal_reach, rated_valence, valence_reach) =
        (SELECT round(1e6 * rated.arousal), round(1e6 * rated.arousal_reach),
                round(1e6 * rated.valence), round(1e6 * rated.valence_reach)
         FROM rated WHERE identity = NEW.identity)
    WHERE sound_id = (SELECT id FROM identities WHERE identity = NEW.identity);
END;
CREATE TRIGGER annotation_changed AFTER UPDATE ON given_annotations
WHEN NOT EXISTS (SELECT 1 FROM import_under_way) BEGIN
    UPDATE predictions
    SET (rated_arousal, arousal_reach, rated_valence, valence_reach) =
        (SELECT round(1e6 * rated.arousal), round(1e6 * rated.arousal_reach),
                round(1e6 * rated.valence), round(1e6 * rated.valence_reach)
         FROM rated WHERE identity = NEW.identity)
    WHERE sound_id = (SELECT id FROM identities WHERE identity = NEW.identity);
END;

-- With the folder in it, this index tells in which folders some sounds are, without reading rows.

DROP INDEX clips_by_sound;
CREATE INDEX clips_by_sound ON clips (sound_id, directory_id);
