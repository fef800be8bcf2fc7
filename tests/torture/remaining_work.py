"""Counts in the catalogue what the service has still to do, and commands that do the rest."""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.catalogue_rows import CLIPS, PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.driving import Valenced

MOST_PASSES = 6
POLL_S = 0.2
UNFINISHED = f"""
SELECT count(*) FROM (
    SELECT path FROM queue WHERE reason IS NULL OR path IN (SELECT path FROM {CLIPS})
    UNION SELECT path FROM {CLIPS}
    WHERE tag_state IN ('pending', 'not written') AND missing_since IS NULL
)
"""
UNTAGGED = """
SELECT count(*) FROM clips WHERE tag_state IN ('pending', 'not written') AND missing_since IS NULL
"""
UNTAGGED_FILES = UNTAGGED.replace("count(*) FROM clips", f"path, tag_reason FROM {CLIPS}")
UNTRIED = "SELECT count(*) FROM queue WHERE reason IS NULL"
NOT_RESCORED = f"""
SELECT
    (SELECT count(*) FROM {PREDICTIONS} WHERE bundle <> (SELECT name FROM bundles WHERE in_service))
    + (SELECT count(*) FROM wishes)
    + (SELECT count(*) FROM clips WHERE tag_state = 'pending' AND missing_since IS NULL)
    + (SELECT count(*) FROM queue WHERE reason IS NULL)
"""
"""Predictions by another bundle, requested trainings, pending tags and untried files."""

TRAININGS = "SELECT outcome, count(*) FROM trainings GROUP BY 1"


def falls_to_zero(valenced: Valenced, count: str, patience_s: float) -> bool:
    """Wait until a count in the catalogue is 0; return whether that happened in time."""
    until_s = time.monotonic() + patience_s
    while time.monotonic() < until_s:
        with suppress(sqlite3.Error):
            if valenced.select(count) == [(0,)]:
                return True
        time.sleep(POLL_S)
    return False


def finish_all(valenced: Valenced, folders: Sequence[Path], log: Path) -> None:
    """Retry what failed and process the rest by commands, until nothing is left."""
    for _ in range(MOST_PASSES):
        run_command(valenced, log, "retry")
        run_command(valenced, log, "scan", *folders)
        if valenced.select(UNFINISHED) == [(0,)]:
            return


def run_command(valenced: Valenced, log: Path, *command: str | Path) -> None:
    """Run a command to its end, whatever its exit code; its stderr is added to the log."""
    with log.open("ab") as stderr:
        valenced.launch(*command, stderr=stderr.fileno()).wait()
