"""Scores every known sound again from its stored features, in a process of its own.

    python -m trainer.processes.rescore_process CATALOGUE_URL BUNDLE_DIR [--step HUNDREDTHS] [--nice
    N]

No file is opened. It ends with 0 when no stored vector is left that another bundle predicted from,
and with a line that says why otherwise. Killed at any point and started again, it goes on where it
stopped: what is done is told by the catalogue alone, chunk by chunk.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from config.errors import ValencedError
from storage.catalogue import Catalogue
from storage.database.engine import file_of
from storage.rescoring import OutdatedSound, Rescoring
from storage.schema.catalogue_errors import CatalogueError
from storage.schema.records import Prediction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from trainer.bundles.bundle import Bundle

CHUNK: Final = 1000
"""Sounds in one transaction, which keeps other writers waiting for about a tenth of a second."""

_PROGRESS_S: Final = 10.0

Fresh = list[tuple[OutdatedSound, Prediction]]


@dataclass(frozen=True)
class RescoreJob:
    """Scores sounds again with all cores, and records them chunk by chunk.

    Args:
        scores: of the catalogue.
        bundle: the one in service.
        step: the least difference that is worth writing tags for, in hundredths.
        clock: the time, aware of its zone.
        say: told how many sounds are done, after each chunk.
    """

    scores: Rescoring
    bundle: Bundle
    step: int
    clock: Callable[[], datetime]
    say: Callable[[int], None]

    def run(self, cores: int, chunk: int = CHUNK) -> int:
        """Score until nothing is outdated.

        Returns:
            How many sounds were scored.

        Raises:
            CatalogueError: the catalogue cannot be read or written, or another bundle has come
                into service meanwhile.
        """
        done, left = 0, True
        with ThreadPoolExecutor(cores) as pool:
            while left:
                left = False
                for predicted in _one_ahead(self._predicting(pool, cores, chunk)):
                    left = True
                    fresh = [pair for part in predicted for pair in part.result()]
                    done += self.scores.record(fresh, self.clock(), step=self.step)
                    self.say(done)
        return done

    def _predicting(
        self, pool: ThreadPoolExecutor, cores: int, chunk: int
    ) -> Iterator[list[Future[Fresh]]]:
        """Go through what is outdated, a part of each chunk for each core."""
        hearing = self.bundle.manifest.hearing
        for outdated in self.scores.outdated_chunks(self.bundle.name, hearing, chunk):
            readable = self._readable(outdated)
            parts = [readable[core::cores] for core in range(min(cores, len(readable)))]
            yield [pool.submit(self._predict, part) for part in parts]

    def _readable(self, outdated: list[OutdatedSound]) -> list[OutdatedSound]:
        """Leave out what is damaged; its files are heard again."""
        from trainer.features.vector_codec import is_packed  # noqa: PLC0415 - see `main`

        features = self.bundle.manifest.features
        damaged = [sound for sound in outdated if not is_packed(sound.vector, features)]
        if not damaged:
            return outdated
        files = self.scores.analyse_again(damaged, self.clock())
        _tell(f"features of {len(damaged)} sounds are damaged: {files} files are heard again")
        return [sound for sound in outdated if is_packed(sound.vector, features)]

    def _predict(self, outdated: list[OutdatedSound]) -> Fresh:
        from trainer.features.vector_codec import unpack_many  # noqa: PLC0415 - see `main`

        said = asdict(self.bundle.predict(unpack_many([sound.vector for sound in outdated])))
        rows = zip(*(column.tolist() for column in said.values()), strict=True)
        return [
            (sound, Prediction(self.bundle.name, **dict(zip(said, row, strict=True))))
            for sound, row in zip(outdated, rows, strict=True)
        ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    chosen = _parser().parse_args(arguments)
    # Whoever stops us loses at most one chunk, which was not recorded.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.nice(chosen.nice)
    # We predict on all cores ourselves; NumPy, not yet loaded, shall not do so once more.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from trainer.bundles.bundle import load  # noqa: PLC0415

    try:
        bundle = load(chosen.bundle)
        file = file_of(chosen.catalogue)
        if not file.is_file():
            raise CatalogueError(f"{file}: there is no catalogue")
        with closing(Catalogue(chosen.catalogue)) as catalogue:
            progress = _Progress(time.monotonic)
            rescoring = RescoreJob(
                catalogue.rescoring,
                bundle,
                chosen.step,
                lambda: datetime.now(UTC),
                progress,
            )
            done = rescoring.run(len(os.sched_getaffinity(0)))
    except ValencedError as error:
        _tell(str(error))
        return error.exit_code
    _tell(f"{done} sounds scored again by {bundle.name}")
    return 0


class _Progress:
    """Says now and then how far it is."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due = clock() + _PROGRESS_S

    def __call__(self, done: int) -> None:
        if self._clock() >= self._due:
            self._due = self._clock() + _PROGRESS_S
            _tell(f"{done} sounds scored again")


def _one_ahead(chunks: Iterable[list[Future[Fresh]]]) -> Iterator[list[Future[Fresh]]]:
    """Yield each only when the next is being worked on, so that no core waits for the disk."""
    earlier: list[Future[Fresh]] | None = None
    for chunk in chunks:
        if earlier is not None:
            yield earlier
        earlier = chunk
    if earlier is not None:
        yield earlier


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer.processes.rescore_process")
    parser.add_argument("catalogue", help="URL of the catalogue")
    parser.add_argument("bundle", type=Path, help="directory of the bundle in service")
    parser.add_argument(
        "--step",
        type=int,
        choices=range(1, 201),
        default=2,
        metavar="HUNDREDTHS",
        help="the least difference that is worth writing tags for, 1 to 200 (%(default)s)",
    )
    parser.add_argument(
        "--nice",
        type=int,
        choices=range(20),
        default=10,
        metavar="N",
        help="how far to stand back, 0 to 19 (%(default)s)",
    )
    return parser


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
