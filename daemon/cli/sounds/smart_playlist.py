"""Smart playlists for Navidrome: a query as rules over the tags that we write."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import click

from storage.schema.column_formats import MILLION
from storage.search.demands import FARTHEST, Span, spans_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from storage.schema.sound_filter import SoundFilter
    from storage.search.demands import Thresholds

_HUNDREDTHS: Final = MILLION // 100
_FIELDS: Final = {"shown_arousal": "mood_arousal", "shown_valence": "mood_valence"}
_ANY: Final = Span()
_SORTS: Final = {
    "arousal": "mood_arousal",
    "valence": "mood_valence",
    "duration_s": "duration",
    "path": "filepath",
}


def smart_playlist(
    wanted: SoundFilter, thresholds: Thresholds, library: Path | None
) -> dict[str, Any]:
    """Return a smart playlist (.nsp) that means the same as a query, to a hundredth.

    Navidrome reads the tags `MOOD_AROUSAL` and `MOOD_VALENCE`, so these must be written with
    `tags.preset = "songkong"`, and be declared as whole numbers in its settings.

    Args:
        wanted: the query.
        thresholds: of its mood.
        library: Navidrome's music folder, to which its paths are relative.

    Raises:
        click.UsageError: Navidrome has no rule for a condition or the order.
    """
    _require_rules(wanted, library)
    rules = list(_rules(wanted, thresholds, library))
    document: dict[str, Any] = {"name": "valenced", "all": rules or [_between("mood_arousal")]}
    if wanted.sort is not None:
        key = wanted.sort.removeprefix("-")
        document["sort"] = _SORTS[key]
        document["order"] = "desc" if wanted.sort.startswith("-") else "asc"
    if wanted.limit is not None:
        document["limit"] = wanted.limit
    return document


def _require_rules(wanted: SoundFilter, library: Path | None) -> None:
    given = {
        "--near": wanted.near,
        "--kind": wanted.kind,
        "--interval": wanted.interval,
        "--novelty": None if wanted.novelty == (None, None) else wanted.novelty,
    }
    for option, value in given.items():
        if value is not None:
            raise click.UsageError(f"--format nsp: Navidrome has no rule for {option}")
    if wanted.sort is not None and wanted.sort.removeprefix("-") not in _SORTS:
        raise click.UsageError(f"--format nsp: Navidrome cannot sort by {wanted.sort}")
    if wanted.under is not None and library is None:
        raise click.UsageError(
            "--format nsp: with --under, give Navidrome's music folder by --relative-to"
        )


def _rules(
    wanted: SoundFilter, thresholds: Thresholds, library: Path | None
) -> Iterator[dict[str, Any]]:
    for column, span in spans_of(wanted, thresholds).items():
        if column in _FIELDS:
            yield _between(_FIELDS[column], span)
        elif column == "duration_ms":
            if span.low > -FARTHEST:
                yield {"gt": {"duration": span.low / 1000 - 0.001}}
            if span.high < FARTHEST:
                yield {"lt": {"duration": span.high / 1000 + 0.001}}
    if wanted.under is not None and library is not None:
        start = os.path.relpath(wanted.under, library)
        if start != ".":
            yield {"startsWith": {"filepath": f"{start}/"}}
    for text in wanted.text:
        yield {"contains": {"filepath": text}}


def _between(field: str, span: Span = _ANY) -> dict[str, Any]:
    """Return the rule that a tag, in hundredths, lies in a span of millionths."""
    low, high = (max(-MILLION, min(MILLION, end)) for end in span)
    return {"inTheRange": {field: [-(-low // _HUNDREDTHS), high // _HUNDREDTHS]}}
