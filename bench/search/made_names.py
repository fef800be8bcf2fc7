"""Invents names of folders and files, as long and as alike as those of real libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator

_SYLLABLES: Final = [
    "an",
    "ar",
    "ba",
    "bel",
    "ca",
    "cor",
    "da",
    "del",
    "dra",
    "el",
    "en",
    "fa",
    "fi",
    "ga",
    "gar",
    "ha",
    "hel",
    "in",
    "is",
    "ka",
    "kel",
    "la",
    "lan",
    "li",
    "lo",
    "ma",
    "mar",
    "me",
    "mi",
    "mo",
    "na",
    "ne",
    "no",
    "or",
    "pa",
    "pel",
    "qua",
    "ra",
    "ri",
    "ro",
    "sa",
    "sel",
    "shi",
    "so",
    "ta",
    "ten",
    "ti",
    "to",
    "tra",
    "u",
    "va",
    "vel",
    "vi",
    "wa",
    "win",
    "yo",
    "ze",
]
_EFFECTS: Final = [
    "AMBIENCE/Forest",
    "ANIMALS/Birds",
    "AIR/Whoosh",
    "CROWDS/Market",
    "DOORS/Wood",
    "FIRE/Burning",
    "FOLEY/Steps",
    "GLASS/Break",
    "MACHINES/Motor",
    "RAIN/Roof",
    "VEHICLES/Truck",
    "WATER/River",
    "WEATHER/Thunder",
    "WIND/Howl",
]
_SUFFIXES: Final = {
    "music": ("flac", "flac", "mp3", "mp3", "m4a", "opus"),
    "voice": ("wav", "mp3", "ogg"),
    "sound": ("wav", "wav", "wav", "aiff", "flac"),
}
_SHARES: Final = {"music": 0.6, "voice": 0.1, "sound": 0.3}


def folders(rng: Generator, count: int) -> list[tuple[str, str]]:
    """Return path and kind of sound of each folder, all different."""
    kinds = rng.choice(list(_SHARES), count, p=list(_SHARES.values()))
    made = {}
    for number, kind in enumerate(map(str, kinds)):
        made[_folder(rng, kind, number)] = kind
    return list(made.items())


def _folder(rng: Generator, kind: str, number: int) -> str:
    if kind == "music":
        artist, album = _words(rng, 2), _words(rng, 3)
        return f"/srv/library/music/{artist}/{album} ({1960 + number % 65}) [{number}]"
    if kind == "voice":
        return f"/srv/library/voices/{_words(rng, 2)}/session {number:06d}"
    category = _EFFECTS[rng.integers(len(_EFFECTS))]
    return f"/srv/library/effects/{_words(rng, 1)} Collection/{category}/{_words(rng, 1)} {number}"


def names_in(rng: Generator, kind: str, count: int) -> Iterator[str]:
    """Yield the names of the files of one folder, all different."""
    suffixes = _SUFFIXES[kind]
    suffix = suffixes[rng.integers(len(suffixes))]
    lengths = rng.integers(2, 6, count).tolist()
    words = _words(rng, sum(lengths)).split()
    for number, length in enumerate(lengths, start=1):
        title, words = words[:length], words[length:]
        yield f"{number:02d} - {' '.join(title)}.{suffix}"


def _words(rng: Generator, count: int) -> str:
    lengths = rng.integers(2, 4, count)
    chosen = iter(rng.integers(0, len(_SYLLABLES), int(lengths.sum())).tolist())
    return " ".join(
        "".join(_SYLLABLES[next(chosen)] for _ in range(length)).capitalize()
        for length in lengths.tolist()
    )
