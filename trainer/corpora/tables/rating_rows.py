"""From the rows of a rating table to rated clips: what every importer has in common.

A fault of one item (no sound, two sounds, no rating) leaves that item out, with a reason. A fault
that throws doubt on the whole table (another scale, words where numbers belong) stops the import.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from trainer.corpora.rated_clip import CorpusError, Domain, RatedClip
from trainer.corpora.rating_weight import RatingSpread, weight_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from trainer.corpora.tables.csv_tables import CsvRow
    from trainer.rating_scale import RatingScale

Fault: TypeAlias = Literal["missing", "doubled", "unrated", "unreadable", "left out"]

# What stands in published tables where nobody rated.
_NO_RATING: Final = frozenset({"", "-", "na", "n/a", "nan", "none", "null"})

# Means of many items that stay within so small a part of their scale are on another one.
_LEAST_SPAN: Final = 0.15
_ENOUGH_TO_TELL: Final = 10


class SkippedRow(NamedTuple):
    """An item that was not taken in, and why, in one line."""

    item: str
    fault: Fault
    reason: str


class RatingColumns(NamedTuple):
    """The headings of a rating table; spreads are standard deviations, empty if there are none."""

    item: str
    arousal: str
    valence: str
    arousal_spread: str = ""
    valence_spread: str = ""


@dataclass(frozen=True, slots=True)
class RatedRow:
    """A row whose ratings are on the scale, with what they are in [-1, 1].

    Attributes:
        item: what the table calls the sound.
        arousal: in [-1, 1].
        valence: in [-1, 1].
        weight: in (0, 1].
        row: where it stands.
    """

    item: str
    arousal: float
    valence: float
    weight: float
    row: CsvRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingTable:
    """What an importer found in a folder.

    Attributes:
        clips: sounds with a rating; their paths are relative to the folder.
        items: what the corpus calls each of them, one for each clip.
        skipped: items that cannot be used, with reasons.
        notes: what the operator should know of the corpus as a whole.
    """

    clips: tuple[RatedClip, ...]
    items: tuple[str, ...]
    skipped: tuple[SkippedRow, ...]
    notes: tuple[str, ...] = ()


class RowOrigin(NamedTuple):
    """Name and terms of a corpus."""

    corpus: str
    licence: str


class RowGroups(NamedTuple):
    """The domain of a clip, and the group that it is not split from."""

    domain: Domain
    group: str


def rated_rows(
    rows: Sequence[CsvRow],
    columns: RatingColumns,
    scale_at: Callable[[CsvRow], RatingScale],
    raters_at: Callable[[CsvRow], int],
) -> tuple[list[RatedRow], list[SkippedRow]]:
    """Bring the ratings of a table to [-1, 1], and leave out what is unrated or rated twice.

    Args:
        rows: the table.
        columns: its headings.
        scale_at: the scale of a row.
        raters_at: how many people the means of a row are over.

    Raises:
        CorpusError: a rating is no number, lies outside its scale, or all lie so close together
            that the scale must be another.
    """
    seen: dict[str, list[int]] = {}
    for row in rows:
        seen.setdefault(row.text(columns.item), []).append(row.line)
    found, skipped = [], []
    for row in rows:
        item, texts = row.text(columns.item), [row.text(name) for name in columns[1:3]]
        if not item:
            skipped.append(SkippedRow(f"line {row.line}", "unrated", "names no sound"))
        elif len(seen[item]) > 1:
            if row.line == seen[item][0]:
                lines = " and ".join(map(str, seen[item][:3]))
                reason = f"rated twice, in lines {lines}; neither is taken"
                skipped.append(SkippedRow(item, "doubled", reason))
        elif any(text.lower() in _NO_RATING for text in texts):
            skipped.append(SkippedRow(item, "unrated", f"line {row.line} holds no rating"))
        else:
            scale = scale_at(row)
            for name in columns[1:3]:
                _demand_on_scale(rows, row, name, scale)
            found.append(_rated(row, columns, scale, raters_at(row)))
    _demand_span(found, columns, scale_at)
    return found, skipped


def clips_of(
    rated: Sequence[RatedRow],
    files: Mapping[str, Sequence[str]],
    origin: RowOrigin,
    belonging: Callable[[RatedRow], RowGroups],
) -> tuple[list[tuple[str, RatedClip]], list[SkippedRow]]:
    """Join ratings with sounds, and leave out what has no sound or more than one.

    Args:
        rated: the ratings.
        files: for each item the sounds that bear its name.
        origin: of the corpus.
        belonging: domain and group of a row.

    Returns:
        Items with their clips, and what was left out.
    """
    clips, skipped = [], []
    for each in rated:
        paths = files.get(each.item, ())
        if not paths:
            skipped.append(SkippedRow(each.item, "missing", "rated, but there is no such sound"))
        elif len(paths) > 1:
            told = f"several sounds bear this name ({', '.join(paths[:3])}); none is taken"
            skipped.append(SkippedRow(each.item, "doubled", told))
        else:
            place = belonging(each)
            clip = RatedClip(
                path=paths[0],
                corpus=origin.corpus,
                domain=place.domain,
                follows=place.domain,
                arousal=each.arousal,
                valence=each.valence,
                weight=each.weight,
                group=place.group,
                licence=origin.licence,
            )
            clips.append((each.item, clip))
    return clips, skipped


def unrated_files(paths: Sequence[str]) -> list[SkippedRow]:
    """Tell of sounds that no row of the table names."""
    return [SkippedRow(path, "unrated", "no row of the ratings names this sound") for path in paths]


def _rated(row: CsvRow, columns: RatingColumns, scale: RatingScale, raters: int) -> RatedRow:
    arousal, valence = (row.number(name, scale.low, scale.high) for name in columns[1:3])
    width = (scale.high - scale.low) / 2
    spreads = [_spread(row, name, scale) / width for name in columns[3:] if _given(row, name)]
    weight = weight_of(
        [RatingSpread(spread, raters) for spread in spreads] or [RatingSpread(None, raters)]
    )
    return RatedRow(
        row.text(columns.item), scale.affect(arousal), scale.affect(valence), weight, row
    )


def _demand_on_scale(rows: Sequence[CsvRow], row: CsvRow, column: str, scale: RatingScale) -> None:
    value = row.number(column, -math.inf, math.inf)
    if scale.low <= value <= scale.high:
        return
    numbers = []
    for each in rows:
        # Of what is no number, the first is told once the scale is right.
        with suppress(CorpusError):
            numbers.append(each.number(column, -math.inf, math.inf))
    raise CorpusError(
        f"{row.where(column)}: {value:g} is not on the scale {scale}, and the column runs from "
        f"{min(numbers):g} to {max(numbers):g}; correct one or the other; nothing was imported"
    )


def _spread(row: CsvRow, column: str, scale: RatingScale) -> float:
    return row.number(column, 0.0, scale.high - scale.low)


def _given(row: CsvRow, column: str) -> bool:
    return bool(column) and row.text(column).lower() not in _NO_RATING


def _demand_span(
    found: Sequence[RatedRow], columns: RatingColumns, scale_at: Callable[[CsvRow], RatingScale]
) -> None:
    if len(found) < _ENOUGH_TO_TELL:
        return
    for name in ("arousal", "valence"):
        values = [getattr(each, name) for each in found]
        if max(values) - min(values) >= 2 * _LEAST_SPAN:
            return
    row = found[0].row
    raise CorpusError(
        f"{row.source}: all ratings lie close together on the scale {scale_at(row)} "
        f"(line {row.line}: {columns.arousal} {row.text(columns.arousal)}); "
        "they must be on another scale"
    )


def reading_of(
    taken: Sequence[tuple[str, RatedClip]],
    skipped: Iterable[SkippedRow],
    *,
    notes: Iterable[str] = (),
) -> RatingTable:
    """Put together what was taken, what was left out, and what the operator should know."""
    return RatingTable(
        clips=tuple(clip for _, clip in taken),
        items=tuple(item for item, _ in taken),
        skipped=tuple(skipped),
        notes=tuple(notes),
    )
