"""Imports a rated data set: reads its table, extracts features in workers, stores the result."""

from __future__ import annotations

import queue
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from daemon.paths import printable
from trainer.audio.sound_file import opened
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

    from daemon.worker.worker_client import WorkerClient
    from trainer.corpora.corpus_store import CorpusStore
    from trainer.corpora.import_request import ImportRequest
    from trainer.corpora.tables.rating_rows import RatingTable
    from trainer.features.feature_cache import FeatureCache


class AnalysedSound(NamedTuple):
    """A sound with its features.

    Attributes:
        identity: hash of its audio packets.
        rows: its mean vector, and below it its windows, shape (1 + windows, descriptors).
    """

    identity: str
    rows: NDArray[np.float32]


@dataclass(frozen=True)
class CorpusImporter:
    """Imports corpora.

    Attributes:
        store: takes them.
        cache: features extracted before, so that an interrupted import continues.
        workers: sandboxed, each for one sound at a time.
        progress: called with the numbers of sounds finished, failed ones included, and in total.
    """

    store: CorpusStore
    cache: FeatureCache
    workers: Sequence[WorkerClient]
    progress: Callable[[int, int], None]

    def run(self, kind: str, request: ImportRequest, now: datetime) -> CorpusManifest:
        """Read a data set, extract the features of its sounds, and store it.

        Args:
            kind: of data set.
            request: what to read.
            now: the time, aware of its zone.

        Raises:
            CorpusError: it cannot be used; nothing is kept but the extracted features.
            WorkerError: no process can be started at the moment.
        """
        self.store.require_free_name(request.name)
        ratings = IMPORTERS[kind].read(request)
        _require_sounds(request, len(ratings.clips), ratings.skipped)
        base = request.folder if request.folder.is_dir() else request.folder.parent
        results = self._extract_all([base / clip.path for clip in ratings.clips])
        usable, skipped = _partition(ratings, results)
        _require_sounds(request, len(usable), skipped)
        rows = list(usable)
        table = table_of([ratings.clips[row] for row in rows], [usable[row].rows for row in rows])
        manifest = CorpusManifest(
            name=request.name,
            kind=kind,
            imported_at=now.isoformat(timespec="seconds"),
            hearing=CANONICAL.key,
            clips=len(table),
            groups=len(set(table.group.tolist())),
            domains=dict(Counter(table.domain.tolist())),
            licence=IMPORTERS[kind].licence,
            notes=[printable(note) for note in ratings.notes],
            items=[printable(ratings.items[row]) for row in rows],
            skipped=[
                OmittedRow(
                    item=printable(each.item), fault=each.fault, reason=printable(each.reason)
                )
                for each in skipped
            ],
            sounds=[cache_key(usable[row].identity) for row in rows],
            groupings={
                name: [values[row] for row in rows] for name, values in ratings.groupings.items()
            },
        )
        self.store.add(manifest, table)
        self.cache.prune(self.store.sounds(), now)
        return manifest

    def _extract_all(self, paths: Sequence[Path]) -> list[AnalysedSound | ClipError]:
        idle: queue.SimpleQueue[WorkerClient] = queue.SimpleQueue()
        for worker in self.workers:
            idle.put(worker)

        def extract(path: Path) -> AnalysedSound | ClipError:
            worker = idle.get()
            try:
                return self._extract(path, worker)
            except ClipError as error:
                return error
            finally:
                idle.put(worker)

        results: list[AnalysedSound | ClipError] = []
        with ExitStack() as stack:
            for worker in self.workers:
                stack.callback(worker.close)
            pool = ThreadPoolExecutor(len(self.workers))
            # After an interruption the sounds in progress are finished, and their features kept.
            stack.callback(pool.shutdown, cancel_futures=True)
            for result in pool.map(extract, paths):
                results.append(result)
                self.progress(len(results), len(paths))
        return results

    def _extract(self, path: Path, worker: WorkerClient) -> AnalysedSound:
        with opened(path) as sound:
            identity = worker.identify(sound)
            rows = self.cache.get(identity)
            if rows is None:
                features, windows = worker.extract(sound, identity)
                rows = np.stack([unpack(packed) for packed in (features.vector, *windows)])
                self.cache.put(identity, rows)
            return AnalysedSound(identity, rows)


def _partition(
    ratings: RatingTable, results: Sequence[AnalysedSound | ClipError]
) -> tuple[dict[int, AnalysedSound], list[SkippedRow]]:
    """Return the usable sounds by their row, and the rows without one, or with one twice."""
    usable: dict[int, AnalysedSound] = {}
    skipped = list(ratings.skipped)
    first: dict[str, str] = {}
    for row, (item, result) in enumerate(zip(ratings.items, results, strict=True)):
        if isinstance(result, ClipError):
            skipped.append(SkippedRow(item, "unreadable", result.reason))
        elif result.identity in first:
            reason = f"same audio as {first[result.identity]}"
            skipped.append(SkippedRow(item, "doubled", reason))
        else:
            first[result.identity] = item
            usable[row] = result
    return usable, skipped


def _require_sounds(request: ImportRequest, count: int, skipped: Sequence[SkippedRow]) -> None:
    if not count:
        faults = ", ".join(_counted(skipped))
        first = f"; the first: {skipped[0].item}: {skipped[0].reason}" if skipped else ""
        raise CorpusError(
            printable(f"{request.folder}: no rated sound can be used ({faults or 'none'}{first})")
        )


def _counted(skipped: Sequence[SkippedRow | OmittedRow]) -> Iterator[str]:
    for fault, count in Counter(each.fault for each in skipped).most_common():
        yield f"{count} {fault}"


def faults(manifest: CorpusManifest) -> str:
    """Return how many items of a corpus were skipped, by fault, as a phrase."""
    return ", ".join(_counted(manifest.skipped)) or "nothing skipped"
