"""A small library with real sounds, whose places in the plane are chosen, and its page."""

from __future__ import annotations

import re
import subprocess
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from storage.catalogue import Catalogue
from storage.schema.file_stamps import FileStamp
from storage.schema.records import TagState
from tests.driving import Valenced
from tests.records import NOON, analysis
from tests.sounds import tone, write_audio
from trainer.bundles import bundle
from trainer.features.vector_codec import pack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DURATION_S: Final = 4.0
PLACES: Final = {
    "morning/soft rain.wav": (-0.6, 0.5),
    "morning/slow <b>bell.wav": (-0.5, 0.3),
    "morning/quiet field.wav": (-0.3, 0.7),
    "city/crowd.wav": (0.5, 0.6),
    "city/alarm.wav": (0.8, -0.6),
    "city/old engine.aiff": (0.3, -0.4),
    "night/empty house.wav": (-0.5, -0.6),
    "night/wind.wav": (-0.2, -0.3),
}
"""Arousal and valence of each sound, by its path below the music."""

PLAYED: Final = re.compile("0:0[1-4] / 0:04")
"""What the player shows once a sound has been played for a while, and after its end."""


@dataclass(frozen=True)
class Site:
    """A page that is being served, for the sounds of a library."""

    url: str
    opened: str
    """Its URL with the token."""

    music: Path
    valenced: Valenced


def make_library(folder: Path) -> tuple[Valenced, Path]:
    """Write the sounds and their catalogue, with features that the shipped bundle can judge."""
    music = folder / "music"
    valenced = Valenced(folder / "state")
    shipped = bundle.verify(bundle.SHIPPED, guarded=False, fitted=False)
    rng = np.random.default_rng(3)
    with closing(Catalogue(f"sqlite:///{valenced.catalogue}")) as catalogue:
        for name, (arousal, valence) in PLACES.items():
            file = music / name
            file.parent.mkdir(parents=True, exist_ok=True)
            write_audio(file, tone(DURATION_S, 8000), 8000)
            catalogue.queue.put([(file, FileStamp.of(file.stat()))], NOON)
            entry = catalogue.queue.claim(NOON)
            assert entry is not None
            found = analysis(f"identity of {name}", arousal, valence, bundle=shipped.name)
            vector = pack(rng.normal(0, 1, shipped.features).astype(np.float32))
            features = replace(
                found.features, settings=shipped.hearing, vector=vector, duration_s=DURATION_S
            )
            found = replace(found, features=features)
            catalogue.record(entry, features.identity, TagState.OFF, NOON, found)
    return valenced, music


@contextmanager
def served(folder: Path) -> Iterator[Site]:
    """Serve the page of a new library for the duration of a block."""
    valenced, music = make_library(folder)
    line = valenced.line("page", "--listen", "127.0.0.1:0")
    process = subprocess.Popen(line, env=valenced.environment, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        opened = process.stdout.readline().decode().strip()
        yield Site(opened.partition("/?")[0], opened, music, valenced)
    finally:
        process.terminate()
        process.communicate()
