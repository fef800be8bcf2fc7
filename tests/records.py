"""Makes records for tests; each field has a default that a test may override."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.settings import AnalysisSettings
from storage.schema.file_stamps import FileStamp
from storage.schema.records import (
    Analysis,
    Clip,
    CurvePoint,
    FeatureRecord,
    Prediction,
    QueueEntry,
    TagState,
)

if TYPE_CHECKING:
    from storage.catalogue import Catalogue

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
A_MINUTE = timedelta(minutes=1)

# No request may time out only because the machine is busy.
WORKER_LIMITS = AnalysisSettings(
    workers=1,
    timeout_s=300,
    memory_mib=1024,
    nice=0,
    renew_after=1000,
    max_load=0,
    on_battery="continue",
    cluster="",
    cluster_path=(),
)


def stamp(size: int = 100, mtime_ns: int = 1, inode: int = 7) -> FileStamp:
    return FileStamp(size, mtime_ns, inode)


def analysis(identity: str, arousal: float, valence: float, **prediction: Any) -> Analysis:
    values: dict[str, Any] = {
        "bundle": "test-1",
        "arousal": arousal,
        "arousal_low": max(arousal - 0.2, -1),
        "arousal_high": min(arousal + 0.2, 1),
        "valence": valence,
        "valence_low": max(valence - 0.3, -1),
        "valence_high": min(valence + 0.3, 1),
        "novelty": 0.5,
        "kind": "music",
        "kind_probability": 0.9,
    }
    return Analysis(
        FeatureRecord(identity, "test/1", 12.5, b"\x01vector"),
        Prediction(**(values | prediction)),
        [CurvePoint(0.0, arousal, valence), CurvePoint(6.0, arousal, valence)],
    )


def record(
    catalogue: Catalogue, path: Path | str, arousal: float = 0.0, valence: float = 0.0
) -> Clip:
    """Add a sound to the catalogue by way of the queue; its identity is made from its path."""
    path = Path(path)
    catalogue.queue.put([(path, stamp())], NOON)
    entry = catalogue.queue.claim(NOON)
    assert entry is not None
    return record_entry(catalogue, entry, arousal, valence)


def record_entry(
    catalogue: Catalogue, entry: QueueEntry, arousal: float = 0.0, valence: float = 0.0
) -> Clip:
    identity = f"identity of {entry.path!r}"
    found = analysis(identity, arousal, valence)
    return catalogue.record(entry, identity, TagState.PENDING, NOON, found)


def stamps_of(catalogue: Catalogue, hearing: str | None = None) -> dict[Path, FileStamp]:
    """Return the stamp by which a comparison knows each file that is not missing."""
    with catalogue.known_files(hearing) as known:
        return {
            Path(folder + name): FileStamp(*numbers)
            for folder, _ in known.folders_below(Path("/"))
            for name, numbers in known.in_folder(folder).items()
        }
