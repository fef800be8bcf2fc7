-- Where people disagree, the interval of an annotated sound says how far their mean is uncertain.
-- Half its width is a factor, by the number of people, times the range of their values (Lord,
-- "The use of range in place of standard deviation in the t-test", Biometrika 34, 1947): an 80 %
-- interval, as those of predictions are. A range needs no square root, which some builds of
-- SQLite lack. Beyond ten people the factor of the next smaller number listed is used.

DROP VIEW rated;
CREATE VIEW rated AS
SELECT
    identity, avg(arousal) AS arousal, avg(valence) AS valence, count(*) AS annotators,
    (max(arousal) - min(arousal)) * CASE min(count(arousal), 10)
        WHEN 1 THEN 0.0 WHEN 2 THEN 1.539 WHEN 3 THEN 0.572 WHEN 4 THEN 0.368 WHEN 5 THEN 0.279
        WHEN 6 THEN 0.228 WHEN 7 THEN 0.195 WHEN 8 THEN 0.171 WHEN 9 THEN 0.154
        ELSE CASE
            WHEN count(arousal) < 15 THEN 0.140 WHEN count(arousal) < 20 THEN 0.100
            WHEN count(arousal) < 30 THEN 0.080 WHEN count(arousal) < 50 THEN 0.059 ELSE 0.041
        END
    END AS arousal_reach,
    (max(valence) - min(valence)) * CASE min(count(valence), 10)
        WHEN 1 THEN 0.0 WHEN 2 THEN 1.539 WHEN 3 THEN 0.572 WHEN 4 THEN 0.368 WHEN 5 THEN 0.279
        WHEN 6 THEN 0.228 WHEN 7 THEN 0.195 WHEN 8 THEN 0.171 WHEN 9 THEN 0.154
        ELSE CASE
            WHEN count(valence) < 15 THEN 0.140 WHEN count(valence) < 20 THEN 0.100
            WHEN count(valence) < 30 THEN 0.080 WHEN count(valence) < 50 THEN 0.059 ELSE 0.041
        END
    END AS valence_reach
FROM given_annotations WHERE withdrawn_at IS NULL GROUP BY identity;

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
    analysed_at
FROM predictions AS predicted LEFT JOIN rated USING (identity);
