"""Prints the sounds that `valenced query` finds, in one of its formats."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import asdict, astuple, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daemon.cli.output import is_on_terminal, print_bytes, print_json, say
from daemon.cli.sounds.parquet_table import print_parquet
from daemon.paths import printable
from storage.schema.records import Sound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Distances = Mapping[Path, float | None]
    Printer = Callable[[Sequence[Sound], Distances | None], None]


def _print_table(sounds: Sequence[Sound], distances: Distances | None) -> None:
    """Print a line for each sound; its path comes last and is never broken, so it can be copied."""
    if not sounds:
        return
    heading = ["mood", "arousal", "valence", "length"] + ["distance"] * (distances is not None)
    rows = [(heading, "path")]
    for sound in sounds:
        minutes, seconds = divmod(round(sound.duration_s), 60)
        cells = [
            sound.mood.value,
            _spread(sound.arousal, sound.arousal_low, sound.arousal_high),
            _spread(sound.valence, sound.valence_low, sound.valence_high),
            f"{minutes}:{seconds:02d}",
        ]
        if distances is not None:
            distance = distances[sound.path]
            cells.append("-" if distance is None else f"{distance:.3f}")
        rows.append((cells, str(sound.path)))
    widths = [max(map(len, column)) for column in zip(*(cells for cells, _ in rows), strict=True)]
    for cells, path in rows:
        first, *others = (
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        say("  ".join([first, *others, path]))


def _spread(value: float, low: float, high: float) -> str:
    return f"{value:+.2f} ± {(high - low) / 2:.2f}"


def _print_json(sounds: Sequence[Sound], distances: Distances | None) -> None:
    rows = [{**asdict(sound), "path": str(sound.path)} for sound in sounds]
    if distances is not None:
        rows = [
            {**row, "distance": distances[sound.path]}
            for row, sound in zip(rows, sounds, strict=True)
        ]
    print_json(rows)


def _print_csv(sounds: Sequence[Sound], distances: Distances | None) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    further = [] if distances is None else ["distance"]
    writer.writerow([*(column.name for column in fields(Sound)), *further])
    for sound in sounds:
        row = astuple(replace(sound, path=_shown(sound.path)))
        writer.writerow(row if distances is None else [*row, distances[sound.path]])
    print_bytes(text.getvalue().encode("utf-8", "surrogateescape"))


def _print_paths(sounds: Sequence[Sound], _: Distances | None, end: bytes = b"\n") -> None:
    print_bytes(b"".join(os.fsencode(_shown(sound.path)) + end for sound in sounds))


def _shown(path: Path) -> Path:
    """Return a path as it is for programs, escaped for a terminal."""
    return Path(printable(str(path))) if is_on_terminal() else path


PRINTERS: Final[Mapping[str, Printer]] = {
    "table": _print_table,
    "json": _print_json,
    "csv": _print_csv,
    "parquet": print_parquet,
    "paths": _print_paths,
    "paths0": partial(_print_paths, end=b"\0"),
}
