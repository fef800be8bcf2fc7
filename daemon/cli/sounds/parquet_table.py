"""Prints the sounds that `valenced query` finds as a Parquet file, for programs that analyse."""

from __future__ import annotations

import os
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.output import is_on_terminal, print_bytes
from storage.schema.records import Sound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def print_parquet(sounds: Sequence[Sound], distances: Mapping[Path, float | None] | None) -> None:
    """Print the columns of the view `sounds`, with `path_bytes` and perhaps `distance` after them.

    Raises:
        click.UsageError: stdout is a terminal.
    """
    if is_on_terminal():
        raise click.UsageError("--format parquet: not for a terminal; add > sounds.parquet")
    print_bytes(_file_of(sounds, distances))


def _file_of(sounds: Sequence[Sound], distances: Mapping[Path, float | None] | None) -> bytes:
    import pyarrow as pa  # takes half a second
    from pyarrow import parquet

    texts = {"path", "mood", "bundle", "tag_state", "kind"}
    columns: dict[str, Any] = {}
    for name in (column.name for column in fields(Sound)):
        values = [getattr(sound, name) for sound in sounds]
        if name == "path":
            # Parquet's texts are UTF-8; `path_bytes` is exact.
            values = [os.fsencode(path).decode("utf-8", "backslashreplace") for path in values]
        elif name == "analysed_at":
            values = [datetime.fromisoformat(value) for value in values]
            columns[name] = pa.array(values, pa.timestamp("ms", tz="UTC"))
            continue
        columns[name] = pa.array(values, pa.string() if name in texts else pa.float64())
    columns["path_bytes"] = pa.array([os.fsencode(sound.path) for sound in sounds], pa.binary())
    if distances is not None:
        columns["distance"] = pa.array([distances[sound.path] for sound in sounds], pa.float64())
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns), sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content
