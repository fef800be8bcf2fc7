"""What must be true of bundles, predictions and annotations once everything has settled."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from config.errors import ValencedError
from trainer.bundles import registry
from trainer.bundles.bundle import load
from trainer.features.vector_codec import unpack_many

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.torture.annotators import People

LIKENESS: Final = 1e-5
_FIGURES = "arousal, arousal_low, arousal_high, valence, valence_low, valence_high, novelty"
_PREDICTED = f"""
SELECT identity, vector, {_FIGURES} FROM predictions JOIN hearings USING (identity)
"""
_ELSEWHERE = "SELECT identity, bundle FROM predictions WHERE bundle <> ?"
_OFF_THE_SCALE = """
SELECT identity, start_s, arousal, valence FROM curve_points
WHERE max(abs(arousal), abs(valence)) > 1
"""
# The one window of a short sound is the whole of it, so its point is what is predicted: moved
# twice, or not at all, it is somewhere else.
_ASTRAY = """
SELECT point.identity, point.arousal, point.valence, predicted.arousal, predicted.valence
FROM curve_points AS point JOIN predictions AS predicted USING (identity)
GROUP BY point.identity HAVING count(*) = 1
AND max(abs(point.arousal - predicted.arousal), abs(point.valence - predicted.valence)) > ?
"""
_GIVEN = "SELECT annotator, arousal, valence, withdrawn_at FROM given_annotations"


def unusable(registry_dir: Path) -> Iterator[str]:
    """Yield why the bundle in service cannot be used, if it cannot."""
    try:
        registry.published_bundle(registry_dir)
    except ValencedError as error:
        yield f"the bundle in service: {error}"


def lesson_faults(catalogue: Path, registry_dir: Path, people: People) -> Iterator[str]:
    """Yield whatever is not as it must be, in a line each."""
    yield from people.faults
    yield from unusable(registry_dir)
    for entry in registry_dir.iterdir():
        if entry.name.startswith("."):
            yield f"{entry}: litter"
    with closing(sqlite3.connect(catalogue)) as opened:
        yield from _mispredicted(opened, registry_dir)
        yield from _astray(opened)
        given = opened.execute(_GIVEN).fetchall()
    yield from _misheard(given, people, catalogue.parent / "annotations")


def outliving(catalogue: Path, pids: Iterable[int] | None = None) -> list[int]:
    """Return the errands on a catalogue that live, of all processes or of some."""
    if pids is None:
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if _is_errand_on(catalogue, pid)]


def _is_errand_on(catalogue: Path, pid: int) -> bool:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"trainer.processes.die_with_parent" in line and str(catalogue).encode() in line


def _mispredicted(catalogue: sqlite3.Connection, registry_dir: Path) -> Iterator[str]:
    bundle = load(registry.published_bundle(registry_dir))
    (noted,) = catalogue.execute("SELECT name FROM bundles WHERE in_service").fetchall()
    if noted != (bundle.name,):
        yield f"{bundle.name} is in service, the catalogue says {noted[0]}"
    for identity, name in catalogue.execute(_ELSEWHERE, [bundle.name]):
        yield f"{identity}: predicted by {name}, not by {bundle.name}"
    rows = catalogue.execute(_PREDICTED).fetchall()
    said = bundle.predict(unpack_many([row[1] for row in rows]))
    fresh = np.stack([getattr(said, name) for name in _FIGURES.split(", ")], axis=1)
    kept = np.array([row[2:] for row in rows])
    for index in np.flatnonzero(np.abs(fresh - kept).max(axis=1) > LIKENESS):
        yield f"{rows[index][0]}: predicted {kept[index]}, should be {fresh[index]}"


def _astray(catalogue: sqlite3.Connection) -> Iterator[str]:
    for row in catalogue.execute(_OFF_THE_SCALE):
        yield f"a curve off the scale: {row}"
    for row in catalogue.execute(_ASTRAY, [LIKENESS]):
        yield f"a curve that did not go with its prediction: {row}"


def _misheard(
    given: list[tuple[str, float, float, str | None]], people: People, folder: Path
) -> Iterator[str]:
    surely = {name for name, said in people.said.items() if said.surely}
    for table, names in people.tables.items():
        taken, refused = ((folder / into / table).exists() for into in ("done", "refused"))
        if taken == refused or (folder / table).exists():
            yield f"{table}: neither taken up nor refused, or both"
        surely |= set(names) if taken else set()
        if refused and {annotator for annotator, *_ in given} & set(names):
            yield f"{table}: refused, yet something of it was taken in"
    for name in sorted(surely - {annotator for annotator, *_ in given}):
        yield f"{name}: what was said is lost"
    seen: set[str] = set()
    for annotator, arousal, valence, withdrawn_at in given:
        said = people.said.get(annotator)
        if said is None or annotator in seen or withdrawn_at is not None:
            yield f"{annotator}: said {arousal}, {valence} twice, never, or took it back"
        elif max(abs(said.arousal - arousal), abs(said.valence - valence)) > LIKENESS:
            yield f"{annotator}: said {said}, not {arousal}, {valence}"
        seen.add(annotator)
