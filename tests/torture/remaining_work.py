"""What is left to do, asked of the catalogue, and how to have it done."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.driving import Valenced

SETTLING_ROUNDS = 6
LOOK_S = 0.2
LEFT = """
SELECT count(*) FROM (
    SELECT path FROM queue WHERE reason IS NULL OR path IN (SELECT path FROM clips)
    UNION SELECT path FROM clips
    WHERE tag_state IN ('pending', 'not written') AND missing_since IS NULL
)
"""
OWED = """
SELECT count(*) FROM clips WHERE tag_state IN ('pending', 'not written') AND missing_since IS NULL
"""
UNLEARNED = """
SELECT
    (SELECT count(*) FROM predictions WHERE bundle <> (SELECT name FROM bundles WHERE in_service))
    + (SELECT count(*) FROM wishes)
    + (SELECT count(*) FROM clips WHERE tag_state = 'pending' AND missing_since IS NULL)
    + (SELECT count(*) FROM queue WHERE reason IS NULL)
"""
TRAININGS = "SELECT outcome, count(*) FROM trainings GROUP BY 1"
OWING = OWED.replace("count(*)", "path, tag_reason")
UNTRIED = "SELECT count(*) FROM queue WHERE reason IS NULL"


def caught_up(valenced: Valenced, left: str, patience_s: float) -> bool:
    """Wait until a count in the catalogue comes down to nothing; tell whether it did."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        with suppress(sqlite3.Error):
            if valenced.select(left) == [(0,)]:
                return True
        time.sleep(LOOK_S)
    return False


def settle(valenced: Valenced, folders: Sequence[Path], log: Path) -> None:
    """Try again what failed and take in what is left, as a user would, until nothing is."""
    for _ in range(SETTLING_ROUNDS):
        end(valenced, log, "retry")
        end(valenced, log, "scan", *folders)
        if valenced.select(LEFT) == [(0,)]:
            return


def end(valenced: Valenced, log: Path, *command: str | Path) -> None:
    """Run a command to its end, whatever that is."""
    with log.open("ab") as said:
        subprocess.run(
            valenced.line(*command),
            env=valenced._environment,
            stdout=subprocess.DEVNULL,
            stderr=said,
            check=False,
        )
