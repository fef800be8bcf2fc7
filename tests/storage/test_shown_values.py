"""What the triggers keep in `predictions` is what the rows elsewhere say."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from storage.annotations import GivenAnnotation
from storage.database.sessions import driver_connection, is_sqlite
from storage.schema.numbers import numbers_of
from storage.schema.records import Prediction, TagState
from storage.schema.row_mapping import analysis_texts, record_analysis
from tests.records import NOON, analysis, stamp

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from storage.catalogue import Catalogue

_KEPT = """
SELECT identity, files, rated_arousal, arousal_reach, rated_valence, valence_reach
FROM predictions JOIN identities ON identities.id = sound_id ORDER BY identity
"""
_COMPUTED = """
SELECT
    identity,
    (SELECT count(*) FROM clips WHERE sound_id = identities.id AND missing_since IS NULL),
    CAST(round(1e6 * rated.arousal) AS INTEGER), CAST(round(1e6 * rated.arousal_reach) AS INTEGER),
    CAST(round(1e6 * rated.valence) AS INTEGER), CAST(round(1e6 * rated.valence_reach) AS INTEGER)
FROM predictions JOIN identities ON identities.id = sound_id LEFT JOIN rated USING (identity)
ORDER BY identity
"""
_COUNTED = "SELECT axis, step, sounds FROM shown_counts WHERE sounds <> 0 ORDER BY axis, step"
_COUNTS = """
SELECT 0, (shown_arousal + 1000000) / 1000 AS step, count(*) FROM predictions
WHERE files > 0 GROUP BY step
UNION ALL
SELECT 1, (shown_valence + 1000000) / 1000 AS step, count(*) FROM predictions
WHERE files > 0 GROUP BY step
ORDER BY 1, 2
"""
_UNMARKED = """
SELECT directories.path, kind FROM clips
JOIN directories ON directories.id = directory_id JOIN predictions USING (sound_id)
WHERE missing_since IS NULL AND 0 = kinds
    & CASE kind WHEN 'music' THEN 1 WHEN 'voice' THEN 2 WHEN 'sound' THEN 4 ELSE 8 END
"""
_IN_NAMES = "SELECT rowid FROM names WHERE names MATCH ? ORDER BY 1"


class Library:
    """A catalogue in which anything may happen next."""

    def __init__(self, catalogue: Catalogue, seed: int) -> None:
        self.catalogue, self.chance = catalogue, random.Random(seed)
        self.paths = [Path(f"/m/{folder}/{name}.mp3") for folder in "abc" for name in range(4)]
        self.identities = [f"sound {number}" for number in range(6)]

    def analyse(self) -> None:
        path, identity = self.chance.choice(self.paths), self.chance.choice(self.identities)
        self.catalogue.queue.put([(path, stamp(inode=self.chance.randrange(9)))], NOON)
        entry = self.catalogue.queue.claim(NOON)
        assert entry is not None
        known = self.catalogue.is_analysed(identity, "test/1")
        kind = self.chance.choice(["music", "voice", None])
        found = analysis(identity, self.value(), self.value(), kind=kind)
        is_new = not known or self.chance.random() < 0.3
        state = TagState.WRITTEN if self.chance.random() < 0.5 else TagState.OFF
        self.catalogue.record(entry, identity, state, NOON, found if is_new else None)

    def lose(self) -> None:
        self.catalogue.mark_missing(self.chance.sample(self.paths, 2), NOON)

    def rename(self) -> None:
        old, new = self.chance.sample(self.paths, 2)
        if (clip := self.catalogue.clip_at(old)) is None:
            return
        if (other := self.catalogue.clip_at(new)) is not None:
            self.catalogue.set_aside(other, NOON)
        self.catalogue.rename_clip(clip, new)

    def annotate(self) -> None:
        self.catalogue.annotations.add([self.given()], NOON)

    def import_table(self) -> None:
        lines = {(one.identity, one.annotator): one for one in (self.given() for _ in range(4))}
        with self.catalogue.annotations.staging() as staging:
            staging.put(list(enumerate(lines.values())))
            staging.add(f"table {self.chance.random()}", NOON)

    def withdraw(self) -> None:
        someone = self.chance.choice(["ann", "bob", None])
        self.catalogue.annotations.withdraw(self.chance.choice(self.identities), someone, NOON)

    def score_again(self) -> None:
        bundle = f"test-{self.chance.randrange(3)}"
        for chunk in self.catalogue.rescoring.outdated_chunks(bundle, "test/1", 3):
            values = analysis("", self.value(), self.value(), kind="sound").prediction
            fresh = [(sound, replace(values, bundle=bundle)) for sound in chunk]
            self.catalogue.rescoring.record(fresh, NOON, step=1)

    def given(self) -> GivenAnnotation:
        identity, someone = self.chance.choice(self.identities), self.chance.choice(["ann", "bob"])
        arousal = self.value() if self.chance.random() < 0.8 else None
        valence = self.value() if arousal is None or self.chance.random() < 0.8 else None
        return GivenAnnotation(identity, self.paths[0], someone, arousal, valence, "test")

    def value(self) -> float:
        return self.chance.uniform(-1, 1)


def check_own_tables_of_sqlite(connection: Connection) -> None:
    """Check what PostgreSQL's planner knows by itself."""
    counted, counts = (
        [tuple(row) for row in connection.execute(text(sql))] for sql in (_COUNTED, _COUNTS)
    )
    assert counted == counts
    for name in ("1.mp", "3.mp"):
        sql = "SELECT id FROM clips WHERE name LIKE :name || '%' ORDER BY id"
        expected = [row[0] for row in connection.execute(text(sql), {"name": name})]
        match = f'"{name[:3]}" AND "{name[1:]}"'
        assert connection.exec_driver_sql(_IN_NAMES, (match,)).scalars().all() == expected


@pytest.mark.parametrize("seed", range(3))
def test_after_any_operations_what_is_kept_is_what_would_be_computed(
    catalogue: Catalogue, seed: int
) -> None:
    library = Library(catalogue, seed)
    operations = [library.analyse, library.analyse, library.lose, library.rename]
    operations += [library.annotate, library.import_table, library.withdraw, library.score_again]
    kept: list[tuple[Any, ...]] = []
    for _ in range(60):
        operation = library.chance.choice(operations)
        operation()
        with catalogue.engine.connect() as connection:
            kept, computed, unmarked = (
                [tuple(row) for row in connection.execute(text(statement))]
                for statement in (_KEPT, _COMPUTED, _UNMARKED)
            )
            if is_sqlite(connection):
                check_own_tables_of_sqlite(connection)
        assert kept == computed, operation.__name__
        assert unmarked == [], operation.__name__
    assert any(row[2] is not None for row in kept)
    assert {row[1] for row in kept} > {0}


def test_a_sound_is_shown_as_its_annotation_from_the_moment_it_is_analysed(
    catalogue: Catalogue,
) -> None:
    """Its annotation may be older than its analysis, as after a change of the feature settings."""
    given = GivenAnnotation("early", Path("/m/a.mp3"), "ann", -0.5, 0.25, "test")
    catalogue.annotations.add([given], NOON)
    catalogue.queue.put([(Path("/m/a.mp3"), stamp())], NOON)
    entry = catalogue.queue.claim(NOON)
    assert entry is not None
    catalogue.record(entry, "early", TagState.OFF, NOON, analysis("early", 0.5, 0.5))
    affect = catalogue.affect_of("early")
    assert isinstance(affect, Prediction)
    assert (affect.arousal, affect.valence, affect.bundle) == (-0.5, 0.25, "annotation")


def test_an_analysis_takes_no_longer_with_many_annotations_of_others(
    file_catalogue: Catalogue,
) -> None:
    catalogue = file_catalogue
    catalogue.queue.put([(Path("/m/a.mp3"), stamp())], NOON)
    entry = catalogue.queue.claim(NOON)
    assert entry is not None
    steps = []
    for first, last in ((0, 1), (1, 1000)):
        given = [
            GivenAnnotation(f"sound {number}", Path("/m/a.mp3"), "ann", 0.5, 0.5, "test")
            for number in range(first, last)
        ]
        catalogue.annotations.add(given, NOON)
        found = analysis("sound 0", 0.1, 0.1)
        catalogue.record(entry, "sound 0", TagState.OFF, NOON, found)
        with catalogue.engine.begin() as connection:
            numbers = numbers_of(connection, sound="sound 0", **analysis_texts(found))
            steps.append(0)
            plain = driver_connection(connection)

            def count() -> None:
                steps[-1] += 1

            plain.set_progress_handler(count, 100)
            record_analysis(connection, found, numbers, NOON)
            plain.set_progress_handler(None, 0)
    few, many = steps
    assert many <= few + 5
