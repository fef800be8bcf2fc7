-- The kind of each sound (music, voice or everyday sound) and its probability, as predicted. Both are
-- NULL until the published bundle has scored the sound.

ALTER TABLE predictions ADD COLUMN kind TEXT;
ALTER TABLE predictions ADD COLUMN kind_probability REAL;

DROP VIEW calm;
DROP VIEW energetic;
DROP VIEW tense;
DROP VIEW sad;
DROP VIEW sounds;
DROP VIEW felt;

CREATE VIEW felt AS
SELECT
    predicted.identity,
    coalesce(rated.arousal, predicted.arousal) AS arousal,
    coalesce(max(rated.arousal - arousal_reach, -1.0), arousal_low) AS arousal_low,
    coalesce(min(rated.arousal + arousal_reach, 1.0), arousal_high) AS arousal_high,
    coalesce(rated.valence, predicted.valence) AS valence,
    coalesce(max(rated.valence - valence_reach, -1.0), valence_low) AS valence_low,
    coalesce(min(rated.valence + valence_reach, 1.0), valence_high) AS valence_high,
    novelty,
    CASE
        WHEN rated.arousal IS NOT NULL AND rated.valence IS NOT NULL THEN 'annotation'
        ELSE bundle
    END AS bundle,
    analysed_at, kind, kind_probability
FROM predictions AS predicted LEFT JOIN rated USING (identity);

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
    tag_state || coalesce(': ' || tag_reason, '') AS tag_state,
    kind, kind_probability
FROM clips
JOIN felt USING (identity)
JOIN hearings USING (identity)
CROSS JOIN mood_thresholds AS limits
WHERE clips.missing_since IS NULL;

CREATE VIEW calm AS SELECT * FROM sounds WHERE mood = 'calm';
CREATE VIEW energetic AS SELECT * FROM sounds WHERE mood = 'energetic';
CREATE VIEW tense AS SELECT * FROM sounds WHERE mood = 'tense';
CREATE VIEW sad AS SELECT * FROM sounds WHERE mood = 'sad';
