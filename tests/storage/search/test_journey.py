"""Journeys: nothing twice, and no jump larger than it must be."""

from __future__ import annotations

import random
from itertools import pairwise, product
from math import hypot
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from storage.schema.records import Mood, Prediction
from storage.schema.sound_filter import SoundFilter
from storage.search.journey import Visit, journey, smoothest, waypoints
from storage.search.reader import open_finder
from tests.catalogue_rows import KnownSound, add_sounds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.catalogue import Catalogue
    from storage.search.found_rows import SoundSearch

Point = tuple[float, float]
points = st.tuples(*(st.floats(-1, 1).map(lambda value: round(value, 2)),) * 2)


def jumps(way: list[Point]) -> list[float]:
    return [hypot(a[0] - b[0], a[1] - b[1]) for a, b in pairwise(way)]


@given(st.lists(st.lists(points, max_size=3), max_size=4), points, points)
def test_no_other_choice_has_a_smaller_largest_jump(
    layers: list[list[Point]], start: Point, end: Point
) -> None:
    stops = [[Visit((), at) for at in layer] for layer in layers]
    chosen = [stop.at for stop in smoothest(stops, start, end)]
    filled = [layer for layer in layers if layer]
    assert len(chosen) == len(filled)
    assert all(at in layer for at, layer in zip(chosen, filled, strict=True))
    if filled:
        ways = [jumps([start, *way, end]) for way in product(*filled)]
        own = jumps([start, *chosen, end])
        assert max(own) == pytest.approx(min(map(max, ways)))
        smooth = [way for way in ways if max(way) <= max(own) + 1e-12]
        assert sum(x * x for x in own) == pytest.approx(
            min(sum(x * x for x in way) for way in smooth)
        )


@given(points, points, st.integers(1, 30))
def test_waypoints_lie_evenly_between_both_ends(start: Point, end: Point, count: int) -> None:
    way = waypoints(start, end, count)
    assert len(way) == count
    if count > 1:
        assert way[0] == pytest.approx(start)
        assert way[-1] == pytest.approx(end)
        assert max(jumps(way)) == pytest.approx(min(jumps(way)), abs=1e-9)


@pytest.fixture
def finder(catalogue: Catalogue) -> Iterator[SoundSearch]:
    """400 sounds all over the plane, each with a copy in another folder."""
    chance = random.Random(3)
    sounds = [KnownSound(f"{number}", Path(f"/m/{number}.mp3"), b"") for number in range(400)]
    values = Prediction("test-1", *(0.0,) * 7)
    add_sounds(catalogue, sounds, settings="x/1", prediction=values, curve=[])
    with catalogue.engine.begin() as connection:
        for number in range(1, 401):
            drawn = (chance.randint(-(10**6), 10**6), chance.randint(-(10**6), 10**6))
            place = {"a": drawn[0], "v": drawn[1], "d": chance.randint(120_000, 360_000)}
            connection.execute(
                text(
                    "UPDATE predictions SET arousal = :a, valence = :v, duration_ms = :d"
                    " WHERE sound_id = :number"
                ),
                place | {"number": number},
            )
        connection.exec_driver_sql(
            "INSERT INTO clips (directory_id, name, sound_id, size, mtime_ns, inode, found_at,"
            " tag_state) SELECT directory_id, name || '.copy', sound_id, 1, 1, 1, 1, 'off'"
            " FROM clips"
        )
    with open_finder(catalogue.url) as opened:
        yield opened


@pytest.mark.parametrize("minutes", [1, 20, 45, 120])
def test_a_journey_is_as_long_as_wanted_and_plays_nothing_twice(
    finder: SoundSearch, minutes: int
) -> None:
    ends = (-0.7, 0.6), (0.8, 0.5)
    sounds = journey(finder, SoundFilter(), ends, 60 * minutes)
    names = [sound.path.name.removesuffix(".copy") for sound in sounds]
    assert len(set(names)) == len(names)
    length_s = sum(sound.duration_s for sound in sounds)
    if minutes == 1:
        # No sound is as short.
        assert sounds == []
        return
    assert abs(length_s - 60 * minutes) <= 360
    way = [(sound.arousal, sound.valence) for sound in sounds]
    step = hypot(1.5, 0.1) / max(len(sounds) - 1, 1)
    # On 400 sounds in a plane of 4, the nearest lies at .05 from any point, at the most .2.
    assert max(jumps([ends[0], *way, ends[1]])) <= step + 0.4


def test_moods_are_those_of_the_library_and_conditions_hold(finder: SoundSearch) -> None:
    wanted = SoundFilter(valence=(0.0, 1.0))
    sounds = journey(finder, wanted, (Mood.CALM, Mood.ENERGETIC), 1800)
    assert sounds
    assert all(sound.valence >= 0 for sound in sounds)
    assert sounds[0].arousal < -0.3 < 0.3 < sounds[-1].arousal
    calm, energetic = finder.centre_of(Mood.CALM), finder.centre_of(Mood.ENERGETIC)
    assert calm[0] == pytest.approx(-0.5, abs=0.1)
    assert energetic[0] == pytest.approx(0.5, abs=0.1)


def test_a_library_without_sounds_has_no_journey(catalogue: Catalogue) -> None:
    with open_finder(catalogue.url) as opened:
        assert journey(opened, SoundFilter(), (Mood.SAD, (1.0, 1.0)), 600) == []
