"""The orders in which a query can ask for sounds, as SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from storage.schema.column_formats import MILLION
from storage.schema.records import SOUND_KINDS, Mood
from storage.search.demands import Clause, Thresholds, spans_of_mood
from storage.search.found_rows import HIGH, LOW, TAG_STATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.schema.sound_filter import SoundFilter
    from storage.search.demands import Demands

_BY_PATH: Final = "d.path, c.name"

INDEXED: Final = {
    "arousal": "p.shown_arousal",
    "valence": "p.shown_valence",
    "novelty": "p.novelty",
    "duration_s": "p.duration_ms",
    "analysed_at": "p.analysed_at",
    "interval": "p.width",
}
"""Keys of which each has an index."""

INDEXES: Final = {
    "shown_arousal": "shown_by_arousal",
    "shown_valence": "shown_by_valence",
    "novelty": "shown_by_novelty",
    "duration_ms": "shown_by_duration",
    "analysed_at": "shown_by_time",
    "width": "shown_by_width",
}
"""The index of each of their columns."""

AXES: Final = ("shown_arousal", "shown_valence")
"""The columns of the plane, in the order in which `shown_counts` numbers them."""

COUNTED_STEP: Final = 1_000
"""In millionths; `shown_counts` has the sounds of each step of an axis."""

_OTHERS: Final = {
    "arousal_low": LOW.format("arousal"),
    "arousal_high": HIGH.format("arousal"),
    "valence_low": LOW.format("valence"),
    "valence_high": HIGH.format("valence"),
    "kind": "p.kind",
    "kind_probability": "p.kind_probability",
    "bundle": (
        "CASE WHEN p.rated_arousal IS NOT NULL AND p.rated_valence IS NOT NULL"
        " THEN 'annotation' ELSE (SELECT label FROM labels WHERE id = p.bundle) END"
    ),
    "tag_state": TAG_STATE,
}


class Order(NamedTuple):
    """An order.

    Attributes:
        clause: what follows ORDER BY.
        column: of `predictions`, if an index has this order.
        is_by_path: whether it is that of folders and names, or the reverse.
        key: an expression of the sound alone that comes first in the order, if no index has it.
        groups: the name of that key if it has few values, which can be looked for one by one.
        is_down: whether that comes in descending order.
    """

    clause: Clause
    column: str | None = None
    is_by_path: bool = False
    key: Clause | None = None
    groups: str | None = None
    is_down: bool = False


BY_PATH: Final = Order(Clause(_BY_PATH), is_by_path=True)


def order_of(wanted: SoundFilter) -> Order:
    """Return the order of a query: by nearness, then by its key, then by path."""
    key, down = (wanted.sort or "path").removeprefix("-"), (wanted.sort or "").startswith("-")
    by = " DESC" if down else ""
    if key == "path":
        last = f"d.path{by}, c.name{by}"
        own = Order(Clause(last), is_by_path=True, is_down=bool(down))
    elif key == "mood":
        mood = Clause(_MOOD, _mood_values(wanted.thresholds))
        own = Order(
            Clause(f"{_MOOD}{by}, {_BY_PATH}", mood.values), key=mood, groups=key, is_down=down
        )
    elif key in INDEXED:
        column = INDEXED[key]
        own = Order(Clause(f"{column}{by}, {_BY_PATH}"), column.removeprefix("p."))
    else:
        of_sound = None if key == "tag_state" else Clause(_OTHERS[key])
        groups = key if key == "kind" else None
        clause = Clause(f"{_OTHERS[key]}{by}, {_BY_PATH}")
        own = Order(clause, key=of_sound, groups=groups, is_down=down)
    if wanted.near is None:
        return own
    distance = distance_from(wanted.near)
    return Order(Clause(f"{distance.sql}, {own.clause.sql}", distance.values + own.clause.values))


def groups_of(demands: Demands, order: Order, thresholds: tuple[float, float]) -> Iterator[Demands]:
    """Yield the conditions for each value of the key of an order, in this order."""
    if order.groups == "mood":
        arousal, valence = (round(MILLION * value) for value in thresholds)
        bounds = Thresholds(arousal, arousal, valence, valence)
        for mood in sorted(Mood, reverse=order.is_down):
            yield demands.within(spans_of_mood(mood, bounds))
    elif demands.has_kind:
        yield demands
    else:
        kinds = [None, *sorted(SOUND_KINDS)]
        for kind in reversed(kinds) if order.is_down else kinds:
            yield demands.of_kind(kind)


def distance_from(point: tuple[float, float]) -> Clause:
    """Return the squared distance of a sound from a point (arousal, valence)."""
    arousal, valence = (round(MILLION * value) for value in point)
    return Clause(
        "(p.shown_arousal - ?) * (p.shown_arousal - ?)"
        " + (p.shown_valence - ?) * (p.shown_valence - ?)",
        (arousal, arousal, valence, valence),
    )


_MOOD: Final = (
    "CASE WHEN p.shown_arousal >= ? AND p.shown_valence >= ? THEN 'energetic'"
    " WHEN p.shown_arousal >= ? THEN 'tense' WHEN p.shown_valence < ? THEN 'sad' ELSE 'calm' END"
)


def _mood_values(thresholds: tuple[float, float]) -> tuple[int, ...]:
    """Return the values for the question marks of the mood of a sound."""
    arousal, valence = (round(MILLION * value) for value in thresholds)
    return arousal, valence, arousal, valence
