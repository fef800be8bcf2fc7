"""Scores every known sound again from its stored features, in a process of its own.

    python -m trainer.processes.rescore_process CATALOGUE_URL BUNDLE_DIR [--step HUNDREDTHS] [--nice
    N]

No file is opened. The exit code is 0 when no sound is left that another bundle predicted; otherwise
one line gives the reason. Killed at any point and started again, it continues where it stopped: the
catalogue alone records what is done, chunk by chunk.
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
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from config.errors import ValencedError
from storage.catalogue import Catalogue
from storage.database.catalogue_file import is_there, place_of
from storage.rescoring import OutdatedSound, Rescoring
from storage.schema.catalogue_errors import CatalogueError
from storage.schema.records import Prediction

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from trainer.bundles.bundle import Bundle

CHUNK: Final = 1000
"""Sounds in one transaction, which keeps other writers waiting for about a tenth of a second."""

_PROGRESS_S: Final = 10.0

Predicted = list[tuple[OutdatedSound, Prediction]]


@dataclass(frozen=True)
class RescoreJob:
    """Scores sounds again on all cores, and records them chunk by chunk.

    Args:
        scores: of the catalogue.
        bundle: the published one.
        step: the least difference that tags are written for, in hundredths.
    """

    scores: Rescoring
    bundle: Bundle
    step: int

    def run(self, cores: int) -> int:
        """Score until nothing is outdated, and return the number of sounds scored.

        Raises:
            CatalogueError: the catalogue cannot be read or written, or another bundle was published
                meanwhile.
        """
        done, left, report_at_s = 0, True, time.monotonic() + _PROGRESS_S
        with ThreadPoolExecutor(cores) as pool:
            while left:
                left, chunks = False, self._submit_chunks(pool, cores)
                # Each chunk is awaited when the next is submitted: no core waits for the disk.
                for parts, _ in pairwise(chain(chunks, [[]])):
                    left = True
                    predicted = [pair for part in parts for pair in part.result()]
                    done += self.scores.record(predicted, datetime.now(UTC), step=self.step)
                    if time.monotonic() >= report_at_s:
                        report_at_s = time.monotonic() + _PROGRESS_S
                        _report(f"{done} sounds scored again")
        return done

    def _submit_chunks(
        self, pool: ThreadPoolExecutor, cores: int
    ) -> Iterator[list[Future[Predicted]]]:
        """Split each chunk of outdated sounds in one part for each core."""
        feature_key = self.bundle.manifest.hearing
        for outdated in self.scores.outdated_chunks(self.bundle.name, feature_key, CHUNK):
            readable = self._readable(outdated)
            parts = [readable[core::cores] for core in range(min(cores, len(readable)))]
            yield [pool.submit(self._predict, part) for part in parts]

    def _readable(self, outdated: list[OutdatedSound]) -> list[OutdatedSound]:
        """Leave out sounds with damaged features; their files are analysed again."""
        from trainer.features.packed_vector import is_stored  # noqa: PLC0415 - see `main`

        features = self.bundle.manifest.features
        damaged = [sound for sound in outdated if not is_stored(sound.vector, features)]
        if not damaged:
            return outdated
        files = self.scores.analyse_again(damaged, datetime.now(UTC))
        _report(f"features of {len(damaged)} sounds are damaged: {files} files are analysed again")
        return [sound for sound in outdated if is_stored(sound.vector, features)]

    def _predict(self, outdated: list[OutdatedSound]) -> Predicted:
        from trainer.features.vector_codec import unpack_many  # noqa: PLC0415 - see `main`

        columns = asdict(self.bundle.predict(unpack_many([sound.vector for sound in outdated])))
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        return [
            (sound, Prediction(self.bundle.name, **dict(zip(columns, row, strict=True))))
            for sound, row in zip(outdated, rows, strict=True)
        ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    chosen = _parser().parse_args(arguments)
    # An interrupt loses at most one chunk, which was not recorded.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.nice(chosen.nice)
    # The job uses all cores itself; NumPy, which is not imported yet, must not start more threads.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from trainer.bundles.bundle import load  # noqa: PLC0415

    try:
        bundle = load(chosen.bundle)
        if not is_there(chosen.catalogue):
            raise CatalogueError(f"{place_of(chosen.catalogue)}: there is no catalogue")
        with closing(Catalogue(chosen.catalogue)) as catalogue:
            job = RescoreJob(catalogue.rescoring, bundle, chosen.step)
            done = job.run(len(os.sched_getaffinity(0)))
    except ValencedError as error:
        _report(str(error))
        return error.exit_code
    _report(f"{done} sounds scored again by {bundle.name}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer.processes.rescore_process")
    parser.add_argument("catalogue", help="URL of the catalogue")
    parser.add_argument("bundle", type=Path, help="directory of the published bundle")
    parser.add_argument(
        "--step",
        type=int,
        choices=range(1, 201),
        default=2,
        metavar="HUNDREDTHS",
        help="the least difference that tags are written for, 1 to 200 (%(default)s)",
    )
    parser.add_argument(
        "--nice",
        type=int,
        choices=range(20),
        default=10,
        metavar="N",
        help="niceness of the process, 0 to 19 (%(default)s)",
    )
    return parser


def _report(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
