"""Synthesised corpora of the size and layout of IADS-E and PMEmo, rated by a known rule.

Six traits of a sound are drawn uniformly from [-1, 1]: the pace of its events, their brightness,
level, share of tone against noise, and roughness, and for music the share of major chords. Arousal
and valence are weighted sums of the traits, partly the same for sounds and music. Their signs agree
with known ratings (Juslin and Laukka, 2003; Eerola, Friberg and Bresin, 2013), because ratings that
contradict those of real music would rightly be rejected. Stored is the mean of simulated raters,
who rate with noise on a nine-point scale.
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
RATER_NOISE = 1.5
UNRATED = 27

TRAITS = ("pace", "brightness", "level", "tone", "roughness", "mode")
AROUSAL = {"sound": (0.4, 0.2, 0.3, -0.4, 0.2, 0.0), "music": (0.5, 0.15, 0.2, -0.4, 0.15, 0.0)}
VALENCE = {"sound": (0.0, -0.1, -0.2, 0.5, -0.4, 0.0), "music": (0.2, 0.0, 0.0, 0.4, -0.2, 0.5)}
"""Weights of the traits, in their order."""

HARMONICS = (1, 2, 3, 4, 5, 6)
MAJOR = (0, 4, 7)
MINOR = (0, 3, 7)
DEGREES = (0, 2, 5, 7, 9)
"""Semitones of a chord above its root, and of the roots above the keynote."""

CATEGORIES = {
    "Daily Routine Sound": 187, "Sound Effect": 171, "Music": 170, "People": 74, "Nature": 70,
    "Electric sound": 64, "Transport": 59, "Breaking Sound": 56, "Animals ": 54, "Scenarios": 30,
}  # fmt: skip
"""Number of sounds in each category of IADS-E."""

SONGS = 794

WORKBOOK = (
    "Source", "Description", "Category", "Sound ID", "BE Classification",
    "AroMN", "AroSD", "ValMN", "ValSD", "DomMN", "DomSD",
)  # fmt: skip


@dataclass(frozen=True)
class SyntheticSound:
    """A sound to be made.

    Attributes:
        path: the file to write.
        kind: ``music`` or ``sound``; determines the rule.
        duration_s: its length.
        traits: in the order of `TRAITS`, each in [-1, 1].
        affect: arousal and valence in [-1, 1] by the rule.
        seed: of its pitches and noise.
    """

    path: Path
    kind: str
    duration_s: float
    traits: tuple[float, ...]
    affect: tuple[float, float]
    seed: int


def drawn(path: Path, kind: str, duration_s: float, seed: int) -> SyntheticSound:
    """Draws the traits of a sound, and computes its arousal and valence."""
    traits = np.random.default_rng(seed).uniform(-1, 1, len(TRAITS))
    affect = [float(np.clip(traits @ rule[kind], -1, 1)) for rule in (AROUSAL, VALENCE)]
    return SyntheticSound(
        path, kind, duration_s, tuple(traits.tolist()), (affect[0], affect[1]), seed
    )


def synthesised(sound: SyntheticSound) -> NDArray[np.float32]:
    """Returns mono samples at 44.1 kHz, in [-1, 1]; a chorus repeats its first ten seconds."""
    rng = np.random.default_rng(sound.seed)
    pace, brightness, level, tone, roughness, mode = sound.traits
    count = round(min(sound.duration_s, PATTERN_S) * RATE_HZ)
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
    repeated = np.resize(mixed, round(sound.duration_s * RATE_HZ))
    return np.clip(repeated, -1, 1).astype(np.float32)


def _voices(kind: str, mode: float, events: int, rng: np.random.Generator) -> NDArray[np.floating]:
    """Draws the pitches of each event in Hz, shape (events, voices): one voice, or a chord."""
    if kind == "sound":
        return 160.0 * 2 ** (rng.integers(0, 13, (events, 1)) / 12)
    root = rng.integers(0, 12) + rng.choice(DEGREES, events)
    is_major = rng.random(events) < (1 + mode) / 2
    chord = np.where(is_major[:, None], MAJOR, MINOR)
    pitches: NDArray[np.floating] = 130.8 * 2 ** ((root[:, None] + chord) / 12)
    return pitches


def rated(value: float, raters: int, seed: int) -> tuple[float, float]:
    """Returns mean and standard deviation of the ratings on a nine-point scale."""
    noise = np.random.default_rng(seed).normal(0, RATER_NOISE, raters)
    points = np.clip(np.round(5 + 4 * value + noise), 1, 9)
    return float(points.mean()), float(points.std(ddof=1))


def write_iads_e(folder: Path, share: float, seed: int) -> list[SyntheticSound]:
    """Writes a workbook like that of IADS-E, and returns the sounds to be made for it."""
    book = openpyxl.Workbook()
    page = book.active
    page.title = "SoundsAll"
    page.append(WORKBOOK)
    sounds: list[SyntheticSound] = []
    for category, many in CATEGORIES.items():
        for number in range(max(2, round(many * share))):
            item = f"{len(sounds) + 1:04}"
            kind = "music" if category == "Music" else "sound"
            path = folder / "Sounds" / f"{item}.wav"
            sounds.append(drawn(path, kind, SOUND_S, seed + len(sounds)))
            # Three takes of each sound, which the import puts into one group.
            name = f"{category.strip()} {_letters(number // 3)}{number % 3}"
            ratings = [
                value
                for dim in (0, 1)
                for value in rated(sounds[-1].affect[dim], RATERS_OF_SOUNDS, 2 * len(sounds) + dim)
            ]
            page.append(("Expanded", name, category, item, "F", *ratings, 5.0, 2.0))
    for name in ("SoundsMen", "SoundsFem", "Sounds2nd", "Sounds3rd"):
        book.create_sheet(name)
    folder.mkdir(parents=True, exist_ok=True)
    book.save(folder / "Sound Ratings.xlsx")
    return sounds


def write_pmemo(folder: Path, share: float, seed: int) -> list[SyntheticSound]:
    """Writes tables like those of PMEmo, and returns the choruses to be made for them."""
    songs = [
        drawn(folder / "chorus" / f"{item}.mp3", "music", CHORUS_S, seed + item)
        for item in range(1, round(SONGS * share) + 1)
    ]
    ratings = []
    for item, song in enumerate(songs, 1):
        points = [
            rated(song.affect[dim], RATERS_OF_SONGS, seed + 2 * item + dim)[0] for dim in (0, 1)
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


def write_sounds(sounds: Sequence[SyntheticSound], processes: int) -> None:
    """Writes the sounds that do not exist yet: WAV in mono, MP3 in stereo."""
    for folder in {sound.path.parent for sound in sounds}:
        folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(processes) as pool:
        for _ in pool.map(_make, sounds, chunksize=8):
            pass


def _make(sound: SyntheticSound) -> None:
    if sound.path.exists():
        return
    samples = synthesised(sound)
    partial = sound.path.with_name(f".{sound.path.name}")
    if sound.path.suffix == ".mp3":
        write_audio(partial, stereo(samples, samples), RATE_HZ, kind="mp3", bit_rate=BIT_RATE)
    else:
        write_audio(partial, samples, RATE_HZ, kind="wav")
    partial.rename(sound.path)


def _letters(number: int) -> str:
    return chr(ord("a") + number // 26) + chr(ord("a") + number % 26)


def _write(path: Path, heading: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([heading, *rows])
