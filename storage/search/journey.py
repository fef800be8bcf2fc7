"""Journeys: playlists that glide from one point of the plane to another.

As many points as sounds are needed are placed evenly on the straight line between both ends. Each
sound belongs to the point that it is nearest to, so that none is played twice, and of each point
the nearest ones are considered. Of all ways that take one sound at each point, that with the
smallest largest jump is chosen; among equal ones that with the smallest sum of squared jumps. The
jumps from the start to the first sound and from the last sound to the end count, too.

So no jump is larger than the distance of two neighbouring points plus those of both sounds from
their points, and no other choice of the considered sounds has a smaller largest jump.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import hypot
from typing import TYPE_CHECKING, Final, NamedTuple

from storage.schema.column_formats import MILLION
from storage.schema.records import Mood
from storage.search.found_rows import AROUSAL, DURATION_MS, SOUND_ID, VALENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from storage.schema.records import Sound
    from storage.schema.sound_filter import SoundFilter
    from storage.search.found_rows import Row, SoundSearch

    Point = tuple[float, float]

CONSIDERED: Final = 24
"""Sounds at each point."""

MOST_SOUNDS: Final = 1000
_MOST_LOOKED_AT: Final = 16 * CONSIDERED
_ROUNDS: Final = 6
_FIRST_GUESS_S: Final = 240.0


class Visit(NamedTuple):
    """A sound that a journey may visit: its row and its place in the plane."""

    row: Row
    at: Point

    @property
    def length_s(self) -> float:
        """Its duration."""
        return float(self.row[DURATION_MS]) / 1000


def journey(
    finder: SoundSearch,
    wanted: SoundFilter,
    ends: tuple[Point | Mood, Point | Mood],
    length_s: float,
) -> list[Sound]:
    """Return a playlist that glides between two points, or moods as this library has them.

    Args:
        finder: searches the catalogue.
        wanted: conditions that every sound must meet; its order and limit do not count.
        ends: where it begins and ends.
        length_s: how long it should be; the result comes as near as whole sounds allow.
    """
    start, end = (finder.centre_of(one) if isinstance(one, Mood) else one for one in ends)
    shortest, longest = wanted.duration_s
    longest = length_s if longest is None else min(longest, length_s)
    wanted = replace(wanted, sort=None, duration_s=(shortest, longest))
    count, best, tried = _in_bounds(length_s / _FIRST_GUESS_S), list[Visit](), set[int]()
    looked_at = CONSIDERED
    for _ in range(_ROUNDS):
        tried.add(count)
        layers = _layers(finder, wanted, waypoints(start, end, count), looked_at)
        while not all(layers) and looked_at < _MOST_LOOKED_AT:
            # In a small library, the nearest sounds of neighbouring points are the same.
            looked_at *= 4
            layers = _layers(finder, wanted, waypoints(start, end, count), looked_at)
        stops = smoothest(layers, start, end)
        best = min((best, stops), key=lambda each: abs(_length_s(each) - length_s))
        if not stops:
            break
        count = _in_bounds(len(stops) * length_s / _length_s(stops))
        if count in tried:
            break
    return finder.as_sounds([stop.row for stop in best], wanted)


def waypoints(start: Point, end: Point, count: int) -> list[Point]:
    """Return points that lie evenly from the start to the end; one alone lies between."""
    shares = [number / (count - 1) for number in range(count)] if count > 1 else [0.5]
    return [
        (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
        for share in shares
    ]


def smoothest(layers: Sequence[Sequence[Visit]], start: Point, end: Point) -> list[Visit]:
    """Return one stop of each layer, so that the largest jump is as small as possible."""
    layers = [layer for layer in layers if layer]
    if not layers:
        return []
    largest = _largest_jump(layers, start, end)
    costs = [_squared(start, stop.at, largest) for stop in layers[0]]
    before: list[list[int]] = []
    for last, layer in pairwise(layers):
        ways = [
            min((cost + _squared(a.at, b.at, largest), at) for at, (a, cost) in enumerate(pairs))
            for b in layer
            for pairs in [list(zip(last, costs, strict=True))]
        ]
        costs, chosen = [cost for cost, _ in ways], [at for _, at in ways]
        before.append(chosen)
    ending = [
        cost + _squared(stop.at, end, largest) for stop, cost in zip(layers[-1], costs, strict=True)
    ]
    at = ending.index(min(ending))
    found = [layers[-1][at]]
    for layer, chosen in zip(reversed(layers[:-1]), reversed(before), strict=True):
        at = chosen[at]
        found.append(layer[at])
    return found[::-1]


def _largest_jump(layers: Sequence[Sequence[Visit]], start: Point, end: Point) -> float:
    """Return the smallest largest jump of all ways through the layers."""
    jumps = [_distance(start, stop.at) for stop in layers[0]]
    for last, layer in pairwise(layers):
        jumps = [
            min(max(jump, _distance(a.at, b.at)) for a, jump in zip(last, jumps, strict=True))
            for b in layer
        ]
    return min(
        max(jump, _distance(stop.at, end)) for stop, jump in zip(layers[-1], jumps, strict=True)
    )


def _squared(a: Point, b: Point, largest: float) -> float:
    """Return the square of a jump, infinity if it is too large."""
    jump = _distance(a, b)
    return jump * jump if jump <= largest else float("inf")


def _layers(
    finder: SoundSearch, wanted: SoundFilter, points: Sequence[Point], looked_at: int
) -> list[list[Visit]]:
    """Return the stops that belong to each point, the nearest first."""
    layers: list[list[Visit]] = [[] for _ in points]
    for stop in _candidates(finder, wanted, points, looked_at):
        distances = [_distance(point, stop.at) for point in points]
        layers[distances.index(min(distances))].append(stop)
    return [
        sorted(layer, key=lambda stop: (_distance(point, stop.at), stop.row[0]))[:CONSIDERED]
        for point, layer in zip(points, layers, strict=True)
    ]


def _candidates(
    finder: SoundSearch, wanted: SoundFilter, points: Sequence[Point], looked_at: int
) -> Iterator[Visit]:
    """Yield the sounds near the points, each once, however many files share it."""
    seen: set[int] = set()
    for point in points:
        for row in finder.rows(replace(wanted, near=point, limit=looked_at)):
            if row[SOUND_ID] not in seen:
                seen.add(row[SOUND_ID])
                yield Visit(row, (row[AROUSAL] / MILLION, row[VALENCE] / MILLION))


def _distance(a: Point, b: Point) -> float:
    return hypot(a[0] - b[0], a[1] - b[1])


def _length_s(stops: Sequence[Visit]) -> float:
    return sum(stop.length_s for stop in stops)


def _in_bounds(count: float) -> int:
    return max(1, min(MOST_SOUNDS, round(count)))
