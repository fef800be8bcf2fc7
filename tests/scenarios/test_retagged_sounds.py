from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.fuzz.crafted_files import dff, dsf, speex
from tests.sounds import music_like, write_audio
from tests.trainer.audio.outer_blocks import ID3V1, apev2, id3v2

if TYPE_CHECKING:
    from pathlib import Path

    from tests.driving import Valenced

ANALYSES = "SELECT count(*), max(heard_at) FROM hearings"


@pytest.fixture
def library(music: Path) -> list[Path]:
    """Sounds of kinds whose demuxers mistake tags for sound, or fail at them."""
    paths = [
        write_audio(music / f"sound.{kind}", music_like(1.5, seed=seed), kind=kind)
        for seed, kind in enumerate(("flac", "ac3", "mp3", "wav"))
    ]
    for ending, craft in (("dsf", dsf), ("dff", dff), ("spx", speex)):
        paths.append(music / f"sound.{ending}")
        paths[-1].write_bytes(craft())
    return paths


def test_tags_of_another_program_do_not_make_a_new_sound(
    valenced: Valenced, music: Path, library: list[Path]
) -> None:
    valenced("scan", music, "--no-tags")
    before = valenced.select(ANALYSES)
    assert before[0][0] == len(library)
    for path in library:
        path.write_bytes(id3v2() + path.read_bytes() + apev2() + ID3V1)
    valenced("scan", music, "--no-tags")
    assert valenced.select(ANALYSES) == before
    assert len(valenced.read("query")) == len(library)


def test_another_sound_between_the_same_tags_is_a_new_sound(
    valenced: Valenced, music: Path
) -> None:
    path = music / "sound.flac"
    for count, seed in enumerate((1, 2), start=1):
        sound = write_audio(path, music_like(1.5, seed=seed)).read_bytes()
        path.write_bytes(sound + apev2() + ID3V1)
        valenced("scan", music, "--no-tags")
        assert valenced.select("SELECT count(*) FROM hearings") >= [(count,)]
