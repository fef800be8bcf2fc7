"""Extracts the features of the files of a folder, and nothing else.

python -m bench.speed.hearing_alone FOLDER PROCESSES
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path

from trainer.features.extract import extract_features
from trainer.trainer_errors import ClipError


def main() -> None:
    """Extract the features of all files."""
    folder, processes = Path(sys.argv[1]), int(sys.argv[2])
    with ProcessPoolExecutor(processes) as pool:
        for _ in pool.map(_hear, sorted(folder.iterdir())):
            pass


def _hear(path: Path) -> None:
    with suppress(ClipError):
        extract_features(path)


if __name__ == "__main__":
    main()
