"""Brings rated data sets in: read, heard by confined workers, kept as tables."""

from __future__ import annotations

import queue
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.paths import printable
from trainer.corpora.corpus_store import CorpusManifest, OmittedRow
from trainer.corpora.data_sets.importers import IMPORTERS
from trainer.corpora.rated_clip import CorpusError
from trainer.corpora.tables.rating_rows import SkippedRow
from trainer.corpora.training_rows import table_of
from trainer.features.extract import CANONICAL
from trainer.features.feature_cache import cache_key
from trainer.features.vector_codec import unpack
from trainer.trainer_errors import ClipError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from daemon.pipeline.worker_client import WorkerClient
    from trainer.corpora.corpus_store import CorpusStore
    from trainer.corpora.import_request import ImportRequest
    from trainer.corpora.tables.rating_rows import RatingTable
    from trainer.features.feature_cache import FeatureCache
    from trainer.regression.training_table import TrainingTable


@dataclass(frozen=True)
class HeardSound:
    """A sound as its worker heard it.

    Attributes:
        identity: hash of its audio packets.
        rows: its mean vector and below it its windows, shape (1 + windows, descriptors).
    """

    identity: str
    rows: NDArray[np.float32]


@dataclass(frozen=True)
class CorpusImporter:
    """What brings corpora in.

    Attributes:
        shelf: where they are put.
        store: how sounds were heard before; what is interrupted goes on from there.
        workers: that read the sounds, each confined, one file at a time.
        tell: called with sounds done and sounds that cannot be heard, of how many.
    """

    shelf: CorpusStore
    store: FeatureCache
    workers: Sequence[WorkerClient]
    tell: Callable[[int, int, int], None]

    def bring_in(self, kind: str, request: ImportRequest, now: datetime) -> CorpusManifest:
        """Read a data set, hear its sounds, and put it on the shelf.

        Args:
            kind: of data set.
            request: what to read.
            now: the time, aware of its zone.

        Raises:
            CorpusError: it cannot be used as a whole; nothing is kept but what was heard.
            WorkerError: no process can be started just now.
        """
        self.shelf.require_free_name(request.name)
        reading = IMPORTERS[kind].read(request)
        _demand_some(request, len(reading.clips), reading.skipped)
        base = request.folder if request.folder.is_dir() else request.folder.parent
        heard = self._hear([base / clip.path for clip in reading.clips])
        taken, skipped = _sorted_out(reading, heard)
        _demand_some(request, len(taken), skipped)
        clips = [reading.clips[place] for place, _ in taken]
        table = table_of(clips, [sound.rows for _, sound in taken])
        manifest = _manifest(kind, request, table, now).model_copy(
            update={
                "notes": [printable(note) for note in reading.notes],
                "items": [printable(reading.items[place]) for place, _ in taken],
                "skipped": [_left_out(each) for each in skipped],
                "sounds": [cache_key(sound.identity) for _, sound in taken],
            }
        )
        self.shelf.add(manifest, table)
        self.store.prune(self.shelf.sounds(), now)
        return manifest

    def _hear(self, paths: Sequence[Path]) -> list[HeardSound | ClipError]:
        idle: queue.SimpleQueue[WorkerClient] = queue.SimpleQueue()
        for worker in self.workers:
            idle.put(worker)

        def attend(path: Path) -> HeardSound | ClipError:
            worker = idle.get()
            try:
                return self._recalled_or_heard(path, worker)
            except ClipError as error:
                return error
            finally:
                idle.put(worker)

        heard: list[HeardSound | ClipError] = []
        failed = 0
        with ExitStack() as stack:
            for worker in self.workers:
                stack.callback(worker.close)
            pool = ThreadPoolExecutor(len(self.workers))
            # Interrupted, it finishes what is in hand, and that is kept.
            stack.callback(pool.shutdown, cancel_futures=True)
            for each in pool.map(attend, paths):
                heard.append(each)
                failed += isinstance(each, ClipError)
                self.tell(len(heard) - failed, failed, len(paths))
        return heard

    def _recalled_or_heard(self, path: Path, worker: WorkerClient) -> HeardSound:
        identity = worker.identify(path)
        rows = self.store.get(identity)
        if rows is None:
            features, windows = worker.extract(path, identity)
            rows = np.stack([unpack(packed) for packed in (features.vector, *windows)])
            self.store.put(identity, rows)
        return HeardSound(identity, rows)


def _sorted_out(
    reading: RatingTable, heard: Sequence[HeardSound | ClipError]
) -> tuple[list[tuple[int, HeardSound]], list[SkippedRow]]:
    """Tell which clips are taken, by their place, and leave out the unheard and the doubled."""
    skipped = list(reading.skipped)
    taken: list[tuple[int, HeardSound]] = []
    first: dict[str, str] = {}
    for place, (item, sound) in enumerate(zip(reading.items, heard, strict=True)):
        if isinstance(sound, ClipError):
            skipped.append(SkippedRow(item, "unreadable", sound.reason))
        elif sound.identity in first:
            reason = f"the very same sound as {first[sound.identity]}, which is taken"
            skipped.append(SkippedRow(item, "doubled", reason))
        else:
            first[sound.identity] = item
            taken.append((place, sound))
    return taken, skipped


def _demand_some(request: ImportRequest, count: int, skipped: Sequence[SkippedRow]) -> None:
    if not count:
        faults = ", ".join(_counted(skipped))
        first = f"; the first: {skipped[0].item}: {skipped[0].reason}" if skipped else ""
        raise CorpusError(
            printable(f"{request.folder}: no rated sound can be used ({faults or 'none'}{first})")
        )


def _counted(skipped: Sequence[SkippedRow | OmittedRow]) -> Iterator[str]:
    for fault, count in Counter(each.fault for each in skipped).most_common():
        yield f"{count} {fault}"


def _manifest(
    kind: str, request: ImportRequest, table: TrainingTable, now: datetime
) -> CorpusManifest:
    return CorpusManifest(
        name=request.name,
        kind=kind,
        imported_at=now.isoformat(timespec="seconds"),
        hearing=CANONICAL.key,
        clips=len(table),
        groups=len(set(table.group.tolist())),
        domains=dict(Counter(table.domain.tolist())),
        licence=IMPORTERS[kind].licence,
        notes=[],
        items=[],
        skipped=[],
    )


def _left_out(skipped: SkippedRow) -> OmittedRow:
    return OmittedRow(
        item=printable(skipped.item), fault=skipped.fault, reason=printable(skipped.reason)
    )


def faults(manifest: CorpusManifest) -> str:
    """Return how many items of a corpus were left out for what, as a phrase."""
    return ", ".join(_counted(manifest.skipped)) or "nothing left out"
