"""Rated data sets as their users receive them, in small, with sounds that can be heard."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import openpyxl

from tests.sounds import music_like, write_audio
from trainer.corpora.import_request import ImportRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

SUFFIXES = frozenset({"wav", "mp3", "flac"})
PMEMO = ("musicId", "Arousal(mean)", "Valence(mean)")
SONGS = ("song_id", "valence_mean", "valence_std", "arousal_mean", "arousal_std")
IADS_E = (
    "Source", "Description", "Category", "Sound ID", "BE Classification",
    "AroMN", "AroSD", "ValMN", "ValSD",
)  # fmt: skip


def asked(folder: Path, name: str = "ours", **more: Any) -> ImportRequest:
    """Return a request for a folder."""
    return ImportRequest(folder=folder, name=name, suffixes=SUFFIXES, **more)


def put_table(path: Path, heading: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([heading, *rows])
    return path


def put_sounds(folder: Path, names: Iterable[str]) -> None:
    """Write a second of sound under each name, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        seed = int.from_bytes(name.encode())
        write_audio(folder / name, music_like(1.0, 16000, seed=seed), 16000)


def put_empty(folder: Path, names: Iterable[str]) -> None:
    """Put files where an importer looks for sound; no importer opens one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")


def put_pmemo(folder: Path, rows: Iterable[Sequence[object]]) -> Path:
    """Write PMEmo's ratings and song table."""
    put_table(folder / "annotations" / "static_annotations.csv", PMEMO, rows)
    put_table(
        folder / "metadata.csv",
        ("musicId", "fileName", "title", "artist", "album"),
        [
            (1, "1.mp3", "A", "The Band", "X"),
            (4, "4.mp3", "B", "The Band feat. Somebody", "X"),
            (5, "5.mp3", "C", "Various Artists", "Y"),
        ],
    )
    return folder


def put_songs(folder: Path, rows: Iterable[Sequence[object]], name: str = "") -> Path:
    """Write a table of song ratings as emoMusic and DEAM have it."""
    put_table(folder / (name or "static_annotations.csv"), SONGS, rows)
    return folder


def iads_row(item: object, description: str, arousal: object, valence: object, **more: str) -> Any:
    """Return a row of IADS-E's workbook."""
    source, category = more.get("source", "Expanded"), more.get("category", "Nature")
    return (source, description, category, item, "F", arousal, 1.5, valence, 1.2)


def put_workbook(
    path: Path,
    rows: Iterable[Sequence[object]],
    heading: Sequence[str] = IADS_E,
    sheet: str = "SoundsAll",
) -> Path:
    """Write a workbook with one sheet of ratings behind another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook()
    book.active.title = "Read me"
    page = book.create_sheet(sheet)
    for row in (heading, *rows):
        page.append(list(row))
    book.save(path)
    return path
