"""From the rows of a rating table to rated clips, for every importer.

A fault of one item (no sound, two sounds, no rating) leaves that item out, with a reason. A fault
of the whole table (another scale, words instead of numbers) stops the import.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from trainer.corpora.rated_clip import CorpusError, Domain, RatedClip
from trainer.corpora.rating_weight import RatingSpread, weight_of
from trainer.corpora.tables.grouping_columns import grouping_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from trainer.corpora.tables.csv_tables import CsvRow
    from trainer.corpora.tables.sound_files import SoundFiles
    from trainer.rating_scale import RatingScale

Fault: TypeAlias = Literal["missing", "doubled", "unrated", "unreadable", "left out"]

# What published tables contain where there is no rating.
_NO_RATING: Final = frozenset({"", "-", "na", "n/a", "nan", "none", "null"})

# If many means stay within so small a part of the scale, they are on another one.
_LEAST_SPAN: Final = 0.15
_FEWEST_FOR_SPAN: Final = 10


class SkippedRow(NamedTuple):
    """An item that is not imported, and why, in one line."""

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
    """A row with a valid rating: the name of its sound, affect in [-1, 1], and weight in (0, 1]."""

    item: str
    arousal: float
    valence: float
    weight: float
    row: CsvRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingTable:
    """The result of an importer: clips, with paths relative to the folder, and their names there.

    `skipped` are the items that cannot be used; `notes` are for the user. `groupings` are the
    columns that divide the clips, with the value of each.
    """

    clips: tuple[RatedClip, ...]
    items: tuple[str, ...]
    skipped: tuple[SkippedRow, ...]
    notes: tuple[str, ...] = ()
    groupings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class RowGroups(NamedTuple):
    """The domain and the group of a clip."""

    domain: Domain
    group: str


def rated_rows(
    rows: Sequence[CsvRow],
    columns: RatingColumns,
    scale_at: Callable[[CsvRow], RatingScale],
    raters_at: Callable[[CsvRow], int],
) -> tuple[list[RatedRow], list[SkippedRow]]:
    """Convert the ratings of a table to [-1, 1]; skip what is unrated or rated twice.

    `scale_at` and `raters_at` return the scale of a row and the number of people behind its means.

    Raises:
        CorpusError: a rating is not a number, lies outside its scale, or all lie so close together
            that the scale must be another.
    """
    lines: dict[str, list[int]] = {}
    for row in rows:
        lines.setdefault(row.text(columns.item), []).append(row.line)
    found, skipped = [], []
    for row in rows:
        item, texts = row.text(columns.item), [row.text(name) for name in columns[1:3]]
        if not item:
            skipped.append(SkippedRow(f"line {row.line}", "unrated", "names no sound"))
        elif len(lines[item]) > 1:
            if row.line == lines[item][0]:
                shown = " and ".join(map(str, lines[item][:3]))
                reason = f"rated twice, in lines {shown}; neither rating is used"
                skipped.append(SkippedRow(item, "doubled", reason))
        elif any(text.lower() in _NO_RATING for text in texts):
            skipped.append(SkippedRow(item, "unrated", f"line {row.line} has no rating"))
        else:
            scale = scale_at(row)
            for name in columns[1:3]:
                _check_on_scale(rows, row, name, scale)
            found.append(_rated(row, columns, scale, raters_at(row)))
    _check_span(found, columns, scale_at)
    return found, skipped


def rating_table(
    rated: Iterable[RatedRow],
    files: SoundFiles,
    groups_of: Callable[[RatedRow], RowGroups],
    *,
    corpus: str,
    licence: str,
    skipped: Iterable[SkippedRow] = (),
    notes: Iterable[str] = (),
    may_group: Iterable[str] = (),
) -> RatingTable:
    """Join ratings with sounds; skip items without a sound or with several, and unrated sounds.

    `groups_of` returns domain and group of a row; `skipped` are the items that were skipped before;
    `may_group` are the columns that may divide the clips.
    """
    clips, items, left_out, kept = [], [], list(skipped), []
    for row in rated:
        paths = files.by_item.get(row.item, ())
        if not paths:
            left_out.append(SkippedRow(row.item, "missing", "rated, but there is no such sound"))
        elif len(paths) > 1:
            reason = f"several sounds have this name ({', '.join(paths[:3])}); none is used"
            left_out.append(SkippedRow(row.item, "doubled", reason))
        else:
            domain, group = groups_of(row)
            clip = RatedClip(
                path=paths[0],
                corpus=corpus,
                domain=domain,
                arousal=row.arousal,
                valence=row.valence,
                weight=row.weight,
                group=group,
                licence=licence,
            )
            clips.append(clip)
            items.append(row.item)
            kept.append(row.row)
    left_out += [
        SkippedRow(path, "unrated", "no row of the ratings names this sound")
        for path in files.unmatched
    ]
    groupings, told = grouping_columns(kept, may_group)
    return RatingTable(
        clips=tuple(clips),
        items=tuple(items),
        skipped=tuple(left_out),
        notes=(*notes, *told),
        groupings=groupings,
    )


def _rated(row: CsvRow, columns: RatingColumns, scale: RatingScale, raters: int) -> RatedRow:
    arousal, valence = (row.number(name, scale.low, scale.high) for name in columns[1:3])
    width = scale.high - scale.low
    spreads = [
        RatingSpread(row.number(name, 0.0, width) / (width / 2), raters)
        for name in columns[3:]
        if name and row.text(name).lower() not in _NO_RATING
    ]
    weight = weight_of(spreads or [RatingSpread(None, raters)])
    return RatedRow(
        row.text(columns.item), scale.affect(arousal), scale.affect(valence), weight, row
    )


def _check_on_scale(rows: Sequence[CsvRow], row: CsvRow, column: str, scale: RatingScale) -> None:
    value = row.number(column, -math.inf, math.inf)
    if scale.low <= value <= scale.high:
        return
    numbers = []
    for each in rows:
        # A cell that is not a number is reported once the scale is right.
        with suppress(CorpusError):
            numbers.append(each.number(column, -math.inf, math.inf))
    raise CorpusError(
        f"{row.where(column)}: {value:g} is not on the scale {scale}, and the column runs from "
        f"{min(numbers):g} to {max(numbers):g}; correct one or the other; nothing was imported"
    )


def _check_span(
    found: Sequence[RatedRow], columns: RatingColumns, scale_at: Callable[[CsvRow], RatingScale]
) -> None:
    if len(found) < _FEWEST_FOR_SPAN:
        return
    for name in ("arousal", "valence"):
        values = [getattr(each, name) for each in found]
        if max(values) - min(values) >= 2 * _LEAST_SPAN:
            return
    row = found[0].row
    raise CorpusError(
        f"{row.source}: all ratings are close together on the scale {scale_at(row)} "
        f"(line {row.line}: {columns.arousal} {row.text(columns.arousal)}); "
        "they must be on another scale"
    )
