"""The charts of an experiment, drawn from its part of the JSON document."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from trainer.experiments.report.svg import Plot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Document = Mapping[str, Any]
    Panel = tuple[str, Plot]
    """A title, and a plot."""

DIMENSIONS: Final = ("arousal", "valence")
LOWEST_R2: Final = -0.3
"""Least lower end of an axis of R2; what lies below it is marked."""

_BINS: Final = 8
_ROW_HEIGHT: Final = 26
_FRAME: Final = 46


def corpora_in(document: Document) -> list[str]:
    """Return the names of the corpora, in the order of their colours."""
    return sorted({clip["corpus"] for clip in document["clips"]})


def lines_in(experiment: Document) -> list[str]:
    """Return the names of an experiment's lines, in the order of their colours."""
    return list(dict.fromkeys(each["line"] for each in experiment["conditions"] if each["line"]))


def scatters(document: Document, predicted: Mapping[str, Any]) -> Iterator[Panel]:
    """Draw predictions against ratings, for each kind and dimension."""
    for domain, dim, dimension in panels(document):
        name = f"{dimension} of {domain}"
        points = list(_points(document, predicted, domain, dim))
        values = [value for *_, value in points]
        span = (min(-1.0, *values), max(1.0, *values))
        plot = Plot((-1, 1), span, ("rated", "predicted"), name)
        plot.line([(-1, -1), (1, 1)], "rule")
        for clip, colour, value in points:
            rated = clip["rated"][dim]
            title = f"{clip['path']}: rated {rated:.2f}, predicted {value:.2f}"
            plot.point((rated, value), colour, title, 2.4)
        plot.note(_fit_note([(clip["rated"][dim], value) for clip, _, value in points]))
        yield name, plot


def residuals(document: Document, predicted: Mapping[str, Any]) -> Iterator[Panel]:
    """Draw residuals against predictions, with the mean of each eighth of the clips."""
    for domain, dim, dimension in panels(document):
        name = f"{dimension} of {domain}"
        points = [
            (value, clip["rated"][dim] - value, colour, clip["path"])
            for clip, colour, value in _points(document, predicted, domain, dim)
        ]
        points.sort()
        low, high = points[0][0], points[-1][0]
        room = max(0.05 * (high - low), 0.02)
        reach = max(1.0, *(abs(residual) for _, residual, *_ in points)) * 1.15
        labels = ("predicted", "rated minus predicted")
        plot = Plot((low - room, high + room), (-reach, reach), labels, f"residuals of {name}")
        plot.rule(up=0.0, kind="rule")
        for value, residual, colour, path in points:
            plot.point((value, residual), colour, f"{path}: {residual:+.2f}", 2.2)
        plot.line(_means([each[:2] for each in points]), "mean")
        plot.note(_fit_note([(value + residual, value) for value, residual, *_ in points]))
        yield name, plot


def coverage(document: Document, figures: Sequence[Mapping[str, Any]]) -> Plot:
    """Draw, for each part, the share of held-out ratings inside the intervals."""
    rows = [each for each in figures if each["coverage"] is not None]
    level = document["interval_level"]
    # In steps of a fifth, down to the least share.
    low = min([0.4, *(int(5 * each["coverage"]) / 5 for each in rows)])
    ticks = [tick / 5 for tick in range(round(low * 5), 6)]
    label = "share of held-out ratings inside"
    plot = rows_plot((low, 1.0), len(rows), label, "coverage", ticks, percent=True)
    plot.zone(level - 0.04, level + 0.04, "zone")
    plot.rule(across=level, kind="rule")
    names = [f"{each['part']}, {each['dimension']} (n {each['clips']})" for each in rows]
    for name, up, each in zip(names, label_rows(plot, names), rows, strict=True):
        plot.line([(low, up), (each["coverage"], up)], "stem")
        title = f"{name}: {each['coverage']:.1%} of {each['clips']}"
        plot.point((each["coverage"], up), f"mark {each['dimension']}", title, 4)
    return plot


def forest(experiment: Document, tests: Sequence[Mapping[str, Any]]) -> Plot:
    """Draw the change of the squared error with its interval, a row for each test."""
    reach = min(max(max(abs(t["low"]), abs(t["high"])) for t in tests) * 1.05, 1.0)
    label = "change of the squared error; left is better"
    plot = rows_plot((-reach, reach), len(tests), label, "tests", percent=True)
    plot.rule(across=0.0, kind="rule")
    clips = {each["part"]: each["clips"] for each in experiment["figures"]}
    names = [f"{t['dimension']} of {t['domain']} (n {clips['all ' + t['domain']]})" for t in tests]
    for up, test in zip(label_rows(plot, names), tests, strict=True):
        kind = test["verdict"] if test["verdict"] in {"better", "worse"} else "nothing"
        title = (
            f"{test['first']} against {test['second']}: {-test['gain']:+.1%} "
            f"[{-test['high']:+.1%}, {-test['low']:+.1%}], p {test['p']:.2g}, "
            f"after Holm {test['p_holm']:.2g}"
        )
        plot.whisker((-test["high"], up), (-test["low"], up), kind)
        plot.point((-test["gain"], up), f"mark {kind}", title, 4.5)
    return plot


def curves(document: Document, experiment: Document) -> Iterator[Panel]:
    """Draw R2 along every line of an experiment, for each kind and dimension."""
    names = lines_in(experiment)
    for domain, _, dimension in panels(document):
        own = [each for each in figures_of(experiment, domain, dimension) if each["r2"] is not None]
        top = max((each["r2_high"] for each in own), default=1.0)
        low = min((each["r2_low"] for each in own), default=0.0)
        # Room for the note above.
        room = 0.12 * (top - max(low, LOWEST_R2))
        plot = Plot(
            (-0.03, 1.03),
            (max(low - 0.03, LOWEST_R2), top + max(room, 0.03)),
            (experiment["axis"], "R2"),
            f"{dimension} of {domain}",
            ticks=((0, 0.25, 0.5, 0.75, 1.0), None),
        )
        plot.rule(up=0.0, kind="rule")
        for number, name in enumerate(names):
            # Lines are shifted a little, so that their intervals do not overlap.
            shift = (number - (len(names) - 1) / 2) * 0.012
            _curve(plot, [each for each in own if each["line"] == name], number, shift)
        if own:
            best = max(each["r2"] for each in own)
            plot.note(f"n = {own[0]['clips']}, best R2 = {signed(best)}")
        yield f"{dimension} of {domain}", plot


def groups(experiment: Document, names: Sequence[str]) -> Iterator[Panel]:
    """Draw R2 of some conditions on each group of the clips, for each dimension."""
    for dimension in DIMENSIONS:
        own = [
            each
            for label in experiment["tested_on"]
            for each in figures_of(experiment, label, dimension)
            if each["condition"] in names
        ]
        drawn = [each for each in own if each["r2"] is not None and each["r2_low"] is not None]
        ends = [end for each in drawn for end in (each["r2_low"], each["r2_high"])]
        span = (max(min(0.0, *ends, 0.0) - 0.02, LOWEST_R2), max(0.1, *ends, 0.1) + 0.02)
        rows = [label.removeprefix("all ") for label in dict.fromkeys(each["part"] for each in own)]
        clips = {each["part"]: each["clips"] for each in own}
        labels = [f"{name} (n {clips[f'all {name}']})" for name in rows]
        plot = rows_plot(span, len(rows), f"R2 of {dimension}", f"{dimension} by group")
        plot.rule(across=0.0, kind="rule")
        for name, up in zip(rows, label_rows(plot, labels), strict=True):
            for each in drawn:
                if each["part"] != f"all {name}":
                    continue
                number = names.index(each["condition"])
                at = up + 0.3 - 0.6 * number / max(len(names) - 1, 1)
                plot.whisker((each["r2_low"], at), (each["r2_high"], at), f"c{number}")
                title = (
                    f"{each['condition']}: {each['r2']:.3f} "
                    f"[{each['r2_low']:.3f}, {each['r2_high']:.3f}]"
                )
                plot.point((each["r2"], at), f"mark c{number}", title, 3.2)
        yield dimension, plot


def panels(document: Document) -> Iterator[tuple[str, int, str]]:
    """Yield each kind with the number and the name of each dimension."""
    for domain in sorted({clip["domain"] for clip in document["clips"]}):
        for dim, dimension in enumerate(DIMENSIONS):
            yield domain, dim, dimension


def _points(
    document: Document, predicted: Mapping[str, Any], domain: str, dim: int
) -> Iterator[tuple[Mapping[str, Any], str, float]]:
    """Yield each predicted clip of a kind with the class of its dot and its prediction."""
    numbers = {corpus: number for number, corpus in enumerate(corpora_in(document))}
    for clip, affect in zip(document["clips"], predicted["affect"], strict=True):
        if clip["domain"] == domain and affect[dim] is not None:
            yield clip, corpus_class(numbers[clip["corpus"]]), affect[dim]


def figures_of(experiment: Document, domain: str, dimension: str) -> list[Mapping[str, Any]]:
    """Return the scores of an experiment on all clips of a kind, by condition."""
    wanted = (f"all {domain}", dimension)
    return [f for f in experiment["figures"] if (f["part"], f["dimension"]) == wanted]


def corpus_class(number: int) -> str:
    """Return the class of a corpus's dots: filled in eight colours, then rings in the same."""
    return f"dot c{number % 8}{' ring' if number // 8 % 2 else ''}"


def _fit_note(pairs: Sequence[tuple[float, float]]) -> str:
    """Return number and R2 of pairs of rating and prediction."""
    mean = sum(rated for rated, _ in pairs) / max(len(pairs), 1)
    spread = sum((rated - mean) ** 2 for rated, _ in pairs)
    if spread <= 0.0:
        return f"n = {len(pairs)}"
    error = sum((rated - predicted) ** 2 for rated, predicted in pairs)
    return f"n = {len(pairs)}, R2 = {signed(1 - error / spread)}"


def signed(value: float) -> str:
    """Return a value with two digits and a proper minus sign."""
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _curve(plot: Plot, figures: Sequence[Mapping[str, Any]], number: int, shift: float) -> None:
    colour = f"c{number % 8}"
    figures = sorted(figures, key=lambda each: each["at"])
    plot.curve([(each["at"] + shift, each["r2"]) for each in figures], f"curve {colour}")
    for each in figures:
        at, low, high = each["at"] + shift, each["r2_low"], each["r2_high"]
        plot.whisker((at, low), (at, high), colour)
        title = f"{each['condition']}: {each['r2']:.3f} [{low:.3f}, {high:.3f}]"
        plot.point((at, each["r2"]), f"mark {colour}", title, 3.2)


def rows_plot(
    across: tuple[float, float],
    rows: int,
    label: str,
    name: str,
    ticks: Sequence[float] | None = None,
    *,
    percent: bool = False,
) -> Plot:
    """Return a plot with room for a number of labelled rows."""
    return Plot(
        across,
        (0, max(rows, 1)),
        (label, ""),
        name,
        size=(500, _FRAME + _ROW_HEIGHT * max(rows, 1)),
        left=188,
        ticks=(ticks, ()),
        percent=percent,
    )


def label_rows(plot: Plot, labels: Sequence[str]) -> Iterator[float]:
    """Label the rows of a plot from the top, and yield the vertical position of each."""
    for number, label in enumerate(labels):
        up = len(labels) - number - 0.5
        plot.row(up, label)
        yield up


def _means(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the mean point of each eighth."""
    ends = [round(number * len(points) / _BINS) for number in range(_BINS + 1)]
    parts = [points[start:end] for start, end in pairwise(ends) if end > start]
    return [
        (sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts
    ]
