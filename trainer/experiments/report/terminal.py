"""The report in a few lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def summary_of(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield, for each experiment of a document, a table of R2 by kind and its conclusions."""
    parts = ", ".join(
        f"{part['clips']} of {part['part']}"
        for part in document["corpora"]
        if not part["part"].startswith("all ")
    )
    name = document["regression"]["name"]
    chosen = name if name == "own" else f"{name} instead of the"
    yield f"{chosen} regression of {document['bundle']} on {parts}"
    yield (
        f"{document['repeats']} x {document['folds']} grouped folds, seed "
        f"{document['seed']}; R2 of held-out clips, 95 % interval over groups"
    )
    for line in document["repeated"]:
        yield f"held out together: {line}"
    for experiment in document["experiments"]:
        yield ""
        yield f"{experiment['name']}: {experiment['question']}"
        yield from _table(experiment)
        for line in experiment["verdict"]:
            yield f"  {line}"


def _table(experiment: Mapping[str, Any]) -> Iterator[str]:
    columns = [
        (f"all {label}", dimension)
        for label in experiment["tested_on"]
        for dimension in ("arousal", "valence")
    ]
    found = {
        (each["condition"], each["part"], each["dimension"]): each for each in experiment["figures"]
    }
    columns = [column for column in columns if any(key[1:] == column for key in found)]
    names = list(dict.fromkeys(each["condition"] for each in experiment["figures"]))
    heads = (f"{part.removeprefix('all ')} {dimension}" for part, dimension in columns)
    rows = [("", *heads)]
    rows += [(name, *(_figure(found[name, *column]) for column in columns)) for name in names]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for name, *cells in rows:
        figures = (f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        yield "  ".join(("", f"{name:<{widths[0]}}", *figures))


def _figure(figure: Mapping[str, Any]) -> str:
    if figure["r2"] is None or figure["r2_low"] is None:
        return "-"
    return f"{figure['r2']:.3f} [{figure['r2_low']:.2f}, {figure['r2_high']:.2f}]"
