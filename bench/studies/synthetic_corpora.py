"""Synthesised corpora of the size and shape of IADS-E and PMEmo, rated by a rule that is known.

Six traits of a sound are drawn, uniform in [-1, 1]: how fast events follow one another, how bright
they are, how loud, how much of them is tone and not noise, how rough they are, and of music how
many of its chords are major and not minor. Arousal and valence follow from the traits, by a rule
that is partly the same for sounds and for music. It agrees in its signs with what listeners are
known to say (Juslin and Laukka, 2003; Eerola, Friberg and Bresin, 2013), because ratings that
contradict those of real music would rightly be refused. What is written down is the mean over
raters who waver around that, each on nine points.
"""

from __future__ import annotations

import csv
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import openpyxl

from tests.sounds import stereo, write_audio

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

RATE_HZ = 44100
SOUND_S = 6.0
CHORUS_S = 30.0
PATTERN_S = 10.0
BIT_RATE = 128_000
RATERS_OF_SOUNDS = 22
RATERS_OF_SONGS = 10
WAVERING = 1.5
UNRATED = 27

TRAITS = ("pace", "brightness", "level", "tone", "roughness", "mode")
AROUSAL = {"sound": (0.4, 0.2, 0.3, -0.4, 0.2, 0.0), "music": (0.5, 0.15, 0.2, -0.4, 0.15, 0.0)}
VALENCE = {"sound": (0.0, -0.1, -0.2, 0.5, -0.4, 0.0), "music": (0.2, 0.0, 0.0, 0.4, -0.2, 0.5)}
"""Weights of the traits, in their order."""

HARMONICS = (1, 2, 3, 4, 5, 6)
MAJOR = (0, 4, 7)
MINOR = (0, 3, 7)
DEGREES = (0, 2, 5, 7, 9)
"""Semitones above the root of a chord, and those above the keynote that chords are built on."""

CATEGORIES = {
    "Daily Routine Sound": 187, "Sound Effect": 171, "Music": 170, "People": 74, "Nature": 70,
    "Electric sound": 64, "Transport": 59, "Breaking Sound": 56, "Animals ": 54, "Scenarios": 30,
}  # fmt: skip
"""How many sounds of IADS-E are in each."""

SONGS = 794

WORKBOOK = (
    "Source", "Description", "Category", "Sound ID", "BE Classification",
    "AroMN", "AroSD", "ValMN", "ValSD", "DomMN", "DomSD",
)  # fmt: skip


@dataclass(frozen=True)
class Rated:
    """A sound to be made.

    Attributes:
        path: where to.
        kind: whose rule it follows, ``music`` or ``sound``.
        lasts_s: how long it is.
        traits: in the order of `TRAITS`, each in [-1, 1].
        felt: arousal and valence in [-1, 1], as the rule has it.
        seed: of its pitches and its noise.
    """

    path: Path
    kind: str
    lasts_s: float
    traits: tuple[float, ...]
    felt: tuple[float, float]
    seed: int


def drawn(path: Path, kind: str, lasts_s: float, seed: int) -> Rated:
    """Draws a sound's traits, and what is felt at them."""
    traits = np.random.default_rng(seed).uniform(-1, 1, len(TRAITS))
    felt = [float(np.clip(traits @ rule[kind], -1, 1)) for rule in (AROUSAL, VALENCE)]
    return Rated(path, kind, lasts_s, tuple(traits.tolist()), (felt[0], felt[1]), seed)


def synthesised(sound: Rated) -> NDArray[np.float32]:
    """Returns mono samples at 44.1 kHz, in [-1, 1]; a chorus repeats its first ten seconds."""
    rng = np.random.default_rng(sound.seed)
    pace, brightness, level, tone, roughness, mode = sound.traits
    count = round(min(sound.lasts_s, PATTERN_S) * RATE_HZ)
    time_s = np.arange(count, dtype=np.float32) / RATE_HZ
    event_s = 0.5 / 2 ** (1.5 * pace)
    event = (time_s / event_s).astype(int)
    tones = np.zeros(count, np.float32)
    for voice in _voices(sound.kind, mode, event[-1] + 1, rng).T:
        turn = np.exp(2j * np.pi * np.cumsum(voice[event] / RATE_HZ)).astype(np.complex64)
        partial = np.ones_like(turn)
        for harmonic in HARMONICS:
            partial *= turn
            tones += np.float32(harmonic ** (-2.0 + 1.5 * brightness)) * partial.imag
    hiss = rng.standard_normal(count, dtype=np.float32)
    share = (1 + tone) / 2
    mixed = share * tones / tones.std() + (1 - share) * hiss / hiss.std()
    mixed *= 0.3 + np.exp(-3 * (time_s - event * np.float32(event_s)) / np.float32(event_s))
    mixed *= 1 + (1 + roughness) / 2 * np.sin(2 * np.pi * 70 * time_s)
    mixed *= 10 ** ((-24 + 8 * level) / 20) / mixed.std()
    repeated = np.resize(mixed, round(sound.lasts_s * RATE_HZ))
    return np.clip(repeated, -1, 1).astype(np.float32)


def _voices(kind: str, mode: float, events: int, rng: np.random.Generator) -> NDArray[np.floating]:
    """Draws the pitches of each event in Hz, shape (events, voices): one of a sound, a chord."""
    if kind == "sound":
        return 160.0 * 2 ** (rng.integers(0, 13, (events, 1)) / 12)
    root = rng.integers(0, 12) + rng.choice(DEGREES, events)
    is_major = rng.random(events) < (1 + mode) / 2
    chord = np.where(is_major[:, None], MAJOR, MINOR)
    pitches: NDArray[np.floating] = 130.8 * 2 ** ((root[:, None] + chord) / 12)
    return pitches


def rated(felt: float, raters: int, seed: int) -> tuple[float, float]:
    """Returns mean and standard deviation of raters on nine points."""
    wavering = np.random.default_rng(seed).normal(0, WAVERING, raters)
    points = np.clip(np.round(5 + 4 * felt + wavering), 1, 9)
    return float(points.mean()), float(points.std(ddof=1))


def put_iads_e(folder: Path, share: float, seed: int) -> list[Rated]:
    """Writes the workbook of IADS-E, and returns the sounds to be made beside it."""
    book = openpyxl.Workbook()
    page = book.active
    page.title = "SoundsAll"
    page.append(WORKBOOK)
    sounds: list[Rated] = []
    for category, many in CATEGORIES.items():
        for number in range(max(2, round(many * share))):
            item = f"{len(sounds) + 1:04}"
            kind = "music" if category == "Music" else "sound"
            path = folder / "Sounds" / f"{item}.wav"
            sounds.append(drawn(path, kind, SOUND_S, seed + len(sounds)))
            # Three takes of everything: such are kept together.
            name = f"{category.strip()} {_letters(number // 3)}{number % 3}"
            ratings = [
                value
                for dim in (0, 1)
                for value in rated(sounds[-1].felt[dim], RATERS_OF_SOUNDS, 2 * len(sounds) + dim)
            ]
            page.append(("Expanded", name, category, item, "F", *ratings, 5.0, 2.0))
    for name in ("SoundsMen", "SoundsFem", "Sounds2nd", "Sounds3rd"):
        book.create_sheet(name)
    folder.mkdir(parents=True, exist_ok=True)
    book.save(folder / "Sound Ratings.xlsx")
    return sounds


def put_pmemo(folder: Path, share: float, seed: int) -> list[Rated]:
    """Writes the tables of PMEmo, and returns the choruses to be made beside them."""
    songs = [
        drawn(folder / "chorus" / f"{item}.mp3", "music", CHORUS_S, seed + item)
        for item in range(1, round(SONGS * share) + 1)
    ]
    ratings = []
    for item, song in enumerate(songs, 1):
        points = [
            rated(song.felt[dim], RATERS_OF_SONGS, seed + 2 * item + dim)[0] for dim in (0, 1)
        ]
        ratings.append((item, *((each - 1) / 8 for each in points)))
    unrated = round(UNRATED * share)
    _write(
        folder / "annotations" / "static_annotations.csv",
        ("musicId", "Arousal(mean)", "Valence(mean)"),
        ratings[: len(ratings) - unrated],
    )
    _write(
        folder / "metadata.csv",
        ("musicId", "fileName", "title", "artist", "album"),
        [(i, f"{i}.mp3", f"Song {i}", f"Band {i // 2}", "") for i in range(1, len(songs) + 1)],
    )
    return songs


def make(sounds: Sequence[Rated], processes: int) -> None:
    """Writes the sounds that are not there yet: WAV in mono, MP3 in stereo."""
    for folder in {sound.path.parent for sound in sounds}:
        folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(processes) as pool:
        for _ in pool.map(_make, sounds, chunksize=8):
            pass


def _make(sound: Rated) -> None:
    if sound.path.exists():
        return
    samples = synthesised(sound)
    beside = sound.path.with_name(f".{sound.path.name}")
    if sound.path.suffix == ".mp3":
        write_audio(beside, stereo(samples, samples), RATE_HZ, kind="mp3", bit_rate=BIT_RATE)
    else:
        write_audio(beside, samples, RATE_HZ, kind="wav")
    beside.rename(sound.path)


def _letters(number: int) -> str:
    return chr(ord("a") + number // 26) + chr(ord("a") + number % 26)


def _write(path: Path, heading: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([heading, *rows])
