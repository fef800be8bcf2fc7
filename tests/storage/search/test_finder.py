"""Every plan finds what reading every row of the view `sounds` finds."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from storage.annotations import GivenAnnotation
from storage.catalogue import Catalogue
from storage.database.catalogue_file import file_of
from storage.schema.records import Mood, Sound, TagState
from storage.schema.sound_filter import SORT_KEYS, SoundFilter
from storage.search.catalogue_view import open_view
from storage.search.finder import Finder
from storage.search.reader import open_finder
from tests.catalogue_rows import rows_outside
from tests.records import NOON, analysis, stamp, stamps_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.schema.records import QueueEntry
    from tests.postgresql_server import PostgresqlServer

SOUNDS = 150
FOLDERS = ("/m", "/m/a", "/m/a b", "/m/a/deep", "/m/50%_off", "/n")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    url = f"sqlite:///{tmp_path_factory.mktemp('find') / 'catalogue.db'}"
    with filled(url) as catalogue:
        yield catalogue


@pytest.fixture(scope="module")
def server_library(server: PostgresqlServer) -> Iterator[Catalogue]:
    with filled(server.new_catalogue()) as catalogue:
        yield catalogue


@contextmanager
def filled(url: str) -> Iterator[Catalogue]:
    """Open sounds with equal values, copies, missing files, annotations, and one that failed."""
    chance = random.Random(5)
    with closing(Catalogue(url)) as catalogue:
        for number in range(SOUNDS):
            folder = chance.choice(FOLDERS)
            path = (
                Path(folder)
                / f"{number % 7} {chance.choice(['Rain', 'rain', 'Song'])} {number}.mp3"
            )
            catalogue.queue.put([(path, stamp(inode=number))], NOON)
            entry = catalogue.queue.claim(NOON)
            assert entry is not None
            _record(catalogue, entry, chance, number)
        given = [
            GivenAnnotation(
                f"sound {number}", Path("x"), someone, chance.uniform(-1, 1), 0.5, "test"
            )
            for number in range(0, SOUNDS, 20)
            for someone in ("ann", "bob")
        ]
        catalogue.annotations.add(given, NOON)
        catalogue.mark_missing(list(stamps_of(catalogue))[::17], NOON)
        yield catalogue


def _record(catalogue: Catalogue, entry: QueueEntry, chance: random.Random, number: int) -> None:
    identity = f"sound {number - number % 2}" if number % 10 == 1 else f"sound {number}"
    kind = chance.choice(["music", "music", "music", "voice", "sound", None])
    found = analysis(
        identity,
        round(chance.gauss(0, 0.4) % 2 - 1, 2),
        round(chance.gauss(0, 0.4) % 2 - 1, 1),
        novelty=chance.random() * 2,
        kind=kind,
        kind_probability=None if kind is None else chance.random(),
    )
    found = replace(found, features=replace(found.features, duration_s=chance.choice([1.5, 90.0])))
    catalogue.record(entry, identity, TagState.OFF, NOON, found)


@pytest.fixture(scope="module")
def everything(library: Catalogue) -> list[Sound]:
    return sounds_outside(library)


def sounds_outside(library: Catalogue) -> list[Sound]:
    """Return every row of the view `sounds`."""
    rows = rows_outside(library, "SELECT * FROM sounds")
    return [Sound(**{**_named(row), "path": Path(row[0])}) for row in rows]


def _named(row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip((column.name for column in fields(Sound)), row, strict=True))


def _matches(sound: Sound, wanted: SoundFilter) -> bool:
    path = str(sound.path)
    low_s, high_s = wanted.duration_s
    low, high = wanted.novelty
    width = max(sound.arousal_high - sound.arousal_low, sound.valence_high - sound.valence_low)
    return (
        wanted.mood in {None, sound.mood}
        and wanted.kind in {None, sound.kind}
        and wanted.arousal[0] <= sound.arousal <= wanted.arousal[1]
        and wanted.valence[0] <= sound.valence <= wanted.valence[1]
        and (low_s is None or sound.duration_s >= low_s)
        and (high_s is None or sound.duration_s <= high_s)
        and (low is None or sound.novelty >= low)
        and (high is None or sound.novelty <= high)
        and (wanted.interval is None or width <= wanted.interval + 1e-9)
        and (wanted.under is None or path.startswith(f"{wanted.under}/"))
        and all(text.lower() in path.lower() for text in wanted.text)
        and sound.path != wanted.but
    )


def _key(sound: Sound, wanted: SoundFilter) -> tuple[Any, ...]:
    folder, _, name = str(sound.path).rpartition("/")
    distance = 0.0
    if wanted.near is not None:
        distance = round(
            (sound.arousal - wanted.near[0]) ** 2 + (sound.valence - wanted.near[1]) ** 2, 9
        )
    key = (wanted.sort or "path").removeprefix("-")
    if key == "path":
        return distance, f"{folder}/", name
    if key == "interval":
        value: Any = round(
            max(sound.arousal_high - sound.arousal_low, sound.valence_high - sound.valence_low), 6
        )
    else:
        value = getattr(sound, key)
    return distance, value is not None, value or 0, f"{folder}/", name


def expected(everything: list[Sound], wanted: SoundFilter) -> list[Path]:
    """Return the paths, in order; Python's sorting is stable, and so the last key comes first."""
    found = [sound for sound in everything if _matches(sound, wanted)]
    is_down = (wanted.sort or "").startswith("-")
    if not is_down:
        found.sort(key=lambda sound: _key(sound, wanted))
    elif wanted.sort == "-path":
        found.sort(key=lambda sound: _key(sound, wanted)[1:], reverse=True)
        found.sort(key=lambda sound: _key(sound, wanted)[0])
    else:
        found.sort(key=lambda sound: _key(sound, wanted)[3:])
        found.sort(key=lambda sound: _key(sound, wanted)[1:3], reverse=True)
        found.sort(key=lambda sound: _key(sound, wanted)[0])
    return [sound.path for sound in found[: wanted.limit]]


def _random_filter(chance: random.Random) -> SoundFilter:
    def maybe(value: Any, other: Any = None, share: float = 0.25) -> Any:
        return value if chance.random() < share else other

    low = round(chance.uniform(-1, 0.8), 2)
    sort = chance.choice(SORT_KEYS)
    return SoundFilter(
        mood=maybe(chance.choice(list(Mood))),
        kind=maybe(chance.choice(["music", "voice"])),
        arousal=maybe((low, low + chance.choice([0.05, 0.8])), (-1.0, 1.0)),
        valence=maybe((-low, 1.0), (-1.0, 1.0)),
        novelty=maybe((chance.random(), None), (None, None)),
        duration_s=maybe((None, 60.0), (None, None)),
        interval=maybe(chance.choice([0.1, 0.6])),
        text=maybe((chance.choice(["rain", "SONG 1", "a/", "%", "n/3 R", "_", "a b/"]),), ()),
        near=maybe((round(low, 3), -0.25)),
        under=maybe(Path(chance.choice(FOLDERS))),
        sort=maybe(chance.choice([sort, f"-{sort}"]), share=0.7),
        limit=maybe(chance.choice([1, 5, 40, 1000]), share=0.8),
    )


@pytest.mark.parametrize(("few", "budget"), [(5_000, 1_000_000), (3, 1_000_000), (3, 1_000)])
def test_any_filter_in_any_order_finds_what_every_row_says(
    library: Catalogue, everything: list[Sound], few: int, budget: int
) -> None:
    chance, plans = random.Random(few + budget), set()
    with closing(sqlite3.connect(file_of(library.url))) as plain:
        plain.text_factory = os.fsdecode
        finder = Finder(plain, few=few, few_paths=40, many=40, budget=budget)
        for _ in range(300):
            wanted = _random_filter(chance)
            if chance.random() < 0.2:
                alike = chance.choice(everything)
                near = (alike.arousal, alike.valence)
                wanted = replace(wanted, but=alike.path, near=near)
            found = [sound.path for sound in finder.sounds(wanted)]
            plans |= {plan.name.split(" within")[0] for plan in finder.plans}
            plan = finder.plans[-1].sql if finder.plans else ""
            assert found == expected(everything, wanted), f"{wanted} {plan}"
    assert plans >= (
        {"few files", "few by shown_arousal"} if few > 100 else {"nearest", "few sounds"}
    )
    if few < 100:
        assert plans >= {"before the last", "by novelty", "all sorted", "by path", "first folders"}


def test_a_server_finds_the_same_as_a_file(
    server_library: Catalogue, everything: list[Sound]
) -> None:
    assert {sound.path: sound for sound in sounds_outside(server_library)} == {
        sound.path: sound for sound in everything
    }
    chance = random.Random(11)
    with open_view(server_library.url) as view:
        for _ in range(300):
            wanted = _random_filter(chance)
            found = [sound.path for sound in view.finder.sounds(wanted)]
            assert found == expected(everything, wanted), wanted


def test_a_view_of_a_server_shows_what_that_of_a_file_shows(
    library: Catalogue, server_library: Catalogue
) -> None:
    wanted = SoundFilter(arousal=(-0.5, 0.9))
    with open_view(library.url) as file, open_view(server_library.url) as server:
        assert sorted(server.folders()) == sorted(file.folders())
        shown, same = (
            sorted((*row[1:5], *row[6:]) for rows in finder.points(wanted, 999) for row in rows)
            for finder in (file.finder, server.finder)
        )
        assert shown == same
        assert len(server.points(wanted)) == len(file.points(wanted))
        numbered = server.sounds(SoundFilter(sort="-arousal"), skipped=3)
        numbers = [each.number for each in numbered[::-1]]
        again = server.sounds_numbered([*numbers, 10**9], (0.0, 0.0))
        assert [each.number for each in again] == numbers
        path = numbered[0].sound.path
        assert server.numbers_of([path, Path("/none")]) == {path: numbers[-1]}
        assert server.path_of(numbers[-1]) == path
        assert server.curve_of(numbers[-1]) == file.curve_of(file.numbers_of([path])[path])
        sounds = [row[-1] for row in server.finder.rows(wanted)]
        assert [one for _, one in server.finder.among(wanted, sounds)] == server.finder.sounds(
            wanted
        )


@pytest.mark.parametrize(
    "asked",
    [
        {"near": (float("nan"), 0.0)},
        {"near": (1.5, 0.0)},
        {"arousal": (float("nan"), 1.0)},
        {"interval": float("nan")},
        {"percentile": float("nan")},
        {"sort": "p.arousal; DROP TABLE clips"},
    ],
)
def test_a_filter_that_makes_no_sense_cannot_be_made(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"numbers only|plane|not a key"):
        SoundFilter(**asked)


@pytest.mark.parametrize("name", ["library", "server_library"])
def test_a_percentile_is_that_of_the_sounds_that_have_files(
    name: str, request: pytest.FixtureRequest
) -> None:
    library: Catalogue = request.getfixturevalue(name)
    shown = "SELECT shown_arousal FROM predictions WHERE files > 0 ORDER BY 1"
    values = [value for (value,) in rows_outside(library, shown)]
    bound = values[round(0.25 * (len(values) - 1))] / 1e6
    with open_finder(library.url) as finder:
        calm = finder.sounds(SoundFilter(mood=Mood.CALM, percentile=25.0))
    assert calm
    assert all(sound.arousal < bound for sound in calm)
