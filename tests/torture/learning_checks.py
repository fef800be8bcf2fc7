"""Checks of bundles, predictions and annotations once all work is done."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from config.errors import ValencedError
from tests.catalogue_rows import CURVE_POINTS, HEARINGS, PREDICTIONS
from trainer.bundles import registry
from trainer.bundles.bundle import load
from trainer.features.vector_codec import unpack_many

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.torture.annotators import Annotators

TOLERANCE: Final = 1e-5
CURVE_TOLERANCE: Final = 1.1e-2
"""A curve is kept in thousandths, and each of up to ten rescorings rounds it again."""

_FIGURES = "arousal, arousal_low, arousal_high, valence, valence_low, valence_high, novelty"
_PREDICTED = f"""
SELECT identity, vector, {_FIGURES} FROM {PREDICTIONS} JOIN {HEARINGS} USING (identity)
"""
_BY_ANOTHER_BUNDLE = f"SELECT identity, bundle FROM {PREDICTIONS} WHERE bundle <> ?"
_OFF_THE_SCALE = f"""
SELECT identity, start_s, arousal, valence FROM {CURVE_POINTS}
WHERE max(abs(arousal), abs(valence)) > 1
"""
# A short sound has one window, whose point equals the prediction of the whole sound. A rescoring
# that moved it twice, or not at all, left it somewhere else.
_POINT_DIFFERS = f"""
SELECT point.identity, point.arousal, point.valence, predicted.arousal, predicted.valence
FROM {CURVE_POINTS} AS point JOIN {PREDICTIONS} AS predicted USING (identity)
GROUP BY point.identity HAVING count(*) = 1
AND max(abs(point.arousal - predicted.arousal), abs(point.valence - predicted.valence)) > ?
"""
_GIVEN = "SELECT annotator, arousal, valence, withdrawn_at FROM given_annotations"


def unusable(registry_dir: Path) -> Iterator[str]:
    """Yield why the published bundle cannot be used, if it cannot."""
    try:
        registry.published_bundle(registry_dir)
    except ValencedError as error:
        yield f"the published bundle: {error}"


def learning_faults(catalogue: Path, registry_dir: Path, annotators: Annotators) -> Iterator[str]:
    """Yield each broken promise in a line."""
    yield from annotators.faults
    yield from unusable(registry_dir)
    for entry in registry_dir.iterdir():
        if entry.name.startswith("."):
            yield f"{entry}: left behind"
    with closing(sqlite3.connect(catalogue)) as opened:
        yield from _wrong_predictions(opened, registry_dir)
        yield from _wrong_curves(opened)
        given = opened.execute(_GIVEN).fetchall()
    yield from _wrong_annotations(given, annotators, catalogue.parent / "annotations")


def living_jobs(catalogue: Path, pids: Iterable[int] | None = None) -> list[int]:
    """Return which processes, of all or of some, are background jobs on a catalogue."""
    if pids is None:
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if _is_job_on(catalogue, pid)]


def _is_job_on(catalogue: Path, pid: int) -> bool:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"trainer.processes.die_with_parent" in line and str(catalogue).encode() in line


def _wrong_predictions(catalogue: sqlite3.Connection, registry_dir: Path) -> Iterator[str]:
    bundle = load(registry.published_bundle(registry_dir))
    (published,) = catalogue.execute("SELECT name FROM bundles WHERE in_service").fetchall()
    if published != (bundle.name,):
        yield f"{bundle.name} is in service, the catalogue says {published[0]}"
    for identity, name in catalogue.execute(_BY_ANOTHER_BUNDLE, [bundle.name]):
        yield f"{identity}: predicted by {name}, not by {bundle.name}"
    rows = catalogue.execute(_PREDICTED).fetchall()
    predicted = bundle.predict(unpack_many([row[1] for row in rows]))
    right = np.stack([getattr(predicted, name) for name in _FIGURES.split(", ")], axis=1)
    stored = np.array([row[2:] for row in rows])
    for index in np.flatnonzero(np.abs(right - stored).max(axis=1) > TOLERANCE):
        yield f"{rows[index][0]}: {stored[index]} is stored, should be {right[index]}"


def _wrong_curves(catalogue: sqlite3.Connection) -> Iterator[str]:
    for row in catalogue.execute(_OFF_THE_SCALE):
        yield f"a curve point outside [-1, 1]: {row}"
    for row in catalogue.execute(_POINT_DIFFERS, [CURVE_TOLERANCE]):
        yield f"a curve that differs from its prediction: {row}"


def _wrong_annotations(
    given: list[tuple[str, float, float, str | None]], annotators: Annotators, folder: Path
) -> Iterator[str]:
    expected = {name for name, rating in annotators.given.items() if rating.must_be_stored}
    for table, names in annotators.tables.items():
        imported, rejected = ((folder / into / table).exists() for into in ("done", "refused"))
        if imported == rejected or (folder / table).exists():
            yield f"{table}: neither imported nor rejected, or both"
        expected |= set(names) if imported else set()
        if rejected and {annotator for annotator, *_ in given} & set(names):
            yield f"{table}: rejected, but some of its rows were stored"
    for name in sorted(expected - {annotator for annotator, *_ in given}):
        yield f"{name}: the annotation is lost"
    seen: set[str] = set()
    for annotator, arousal, valence, withdrawn_at in given:
        rating = annotators.given.get(annotator)
        if rating is None or annotator in seen or withdrawn_at is not None:
            yield f"{annotator}: gave {arousal}, {valence} twice, never, or withdrew it"
        elif max(abs(rating.arousal - arousal), abs(rating.valence - valence)) > TOLERANCE:
            yield f"{annotator}: gave {rating}, not {arousal}, {valence}"
        seen.add(annotator)
