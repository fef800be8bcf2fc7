"""Known files that are to be analysed again keep what they have until there is something new."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from storage.catalogue import Catalogue
from tests.sounds import noise, write_audio
from tests.torture.disks import NoDisk, memory_disk

if TYPE_CHECKING:
    from pathlib import Path

    from tests.driving import Valenced

HEARD = "SELECT heard_at FROM hearings ORDER BY sound_id"
STALE = (
    "SELECT name FROM clips JOIN predictions USING (sound_id)"
    " WHERE abs(tagged_arousal * 10000 - shown_arousal) > 5000"
)


def test_the_rest_of_a_scan_that_was_killed_is_analysed_by_the_next(
    valenced: Valenced, music: Path
) -> None:
    for seed, name in enumerate(("a.flac", "b.flac")):
        write_audio(music / name, noise(2, seed=seed))
    (music / "copy.flac").write_bytes((music / "a.flac").read_bytes())
    valenced("scan", music)
    before = valenced.select(HEARD)
    with closing(Catalogue(f"sqlite:///{valenced.catalogue}")) as catalogue:
        now = datetime.now(UTC)
        assert catalogue.rescoring.analyse_below([music], now, is_there=lambda _: True) == 3
        assert catalogue.queue.claim(now)
    valenced("scan", music)
    assert "2 files processed" in valenced.stderr
    # A sound is analysed once, however many files have it.
    assert valenced.stderr.count("arousal") == 2
    after = valenced.select(HEARD)
    assert len(after) == len(before) == 2
    assert all(now > then for now, then in zip(after, before, strict=True))
    valenced("scan", music)
    assert "0 files processed" in valenced.stderr


def test_every_copy_of_a_sound_has_its_new_values_in_its_tags(
    valenced: Valenced, music: Path
) -> None:
    sound = write_audio(music / "a.flac", noise(2, seed=1)).read_bytes()
    for name in ("b.flac", "c.flac"):
        (music / name).write_bytes(sound)
    valenced("scan", music)
    # As if an earlier release had heard it otherwise.
    with closing(sqlite3.connect(valenced.catalogue)) as plain, plain:
        plain.execute("UPDATE predictions SET arousal = arousal - 300000")
        plain.execute("UPDATE clips SET tagged_arousal = tagged_arousal - 30")
    assert len(valenced.select(STALE)) == 0
    # What the catalogue says was written is not in the files, and must not look like an annotation.
    valenced("scan", "--again", "--set", "annotations.from_tags=false", music)
    assert valenced.stderr.count("arousal") == 1
    assert valenced.select("SELECT count(*) FROM clips WHERE tag_state = 'written'") == [(3,)]
    assert valenced.select(STALE) == []


def test_what_is_on_a_disk_that_is_not_mounted_waits_for_it(
    valenced: Valenced, music: Path
) -> None:
    try:
        with memory_disk(music / "disk", "size=32m"):
            for seed in range(2):
                write_audio(music / "disk" / f"{seed}.flac", noise(2, seed=seed))
            valenced("scan", music)
            with closing(Catalogue(f"sqlite:///{valenced.catalogue}")) as catalogue:
                again = catalogue.rescoring.analyse_below
                again([music], datetime.now(UTC), is_there=lambda _: True)
    except NoDisk as reason:
        pytest.skip(str(reason))
    write_audio(music / "new.flac", noise(2, seed=2))
    valenced("scan", music, "--set", "watch.settle_s=0.1", exit_code=1)
    assert "1 file processed" in valenced.stderr
    assert (
        "0.flac and 1 more: not there; run scan again when its disk is mounted" in valenced.stderr
    )
    assert valenced.select("SELECT count(*) FROM clips WHERE missing_since IS NULL") == [(3,)]
    assert valenced.select("SELECT count(*) FROM queue WHERE fresh_since IS NOT NULL") == [(2,)]
