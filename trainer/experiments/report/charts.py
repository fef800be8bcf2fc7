"""The charts of an experiment, drawn from its part of the JSON document."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from trainer.experiments.report.svg import Plot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Document = Mapping[str, Any]
    Panel = tuple[str, str]
    """A title, and a plot."""

DIMENSIONS: Final = ("arousal", "valence")
LOWEST_R2: Final = -0.3
"""Lower limit of the axis of R2."""

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
    """Draw predictions against ratings, for each domain and dimension."""
    for domain, dim, dimension in _panels(document):
        name = f"{dimension} of {domain}"
        plot = Plot((-1, 1), (-1, 1), ("rated", "predicted"), name)
        plot.line([(-1, -1), (1, 1)], "rule")
        for clip, colour, value in _points(document, predicted, domain, dim):
            rated = clip["rated"][dim]
            title = f"{clip['path']}: rated {rated:.2f}, predicted {value:.2f}"
            plot.point((rated, value), colour, title, 2.4)
        yield name, plot.drawn()


def residuals(document: Document, predicted: Mapping[str, Any]) -> Iterator[Panel]:
    """Draw residuals against predictions, with the mean of each eighth of the clips."""
    for domain, dim, dimension in _panels(document):
        name = f"{dimension} of {domain}"
        points = [
            (value, clip["rated"][dim] - value, colour, clip["path"])
            for clip, colour, value in _points(document, predicted, domain, dim)
        ]
        points.sort()
        low, high = points[0][0], points[-1][0]
        room = max(0.05 * (high - low), 0.02)
        labels = ("predicted", "rated minus predicted")
        plot = Plot((low - room, high + room), (-1.2, 1.2), labels, f"residuals of {name}")
        plot.rule(up=0.0, kind="rule")
        for value, residual, colour, path in points:
            plot.point((value, residual), colour, f"{path}: {residual:+.2f}", 2.2)
        plot.line(_means([each[:2] for each in points]), "mean")
        yield name, plot.drawn()


def coverage(document: Document, figures: Sequence[Mapping[str, Any]]) -> str:
    """Draw, for each part, the share of held-out ratings inside the intervals."""
    rows = [each for each in figures if each["coverage"] is not None]
    level = document["interval_level"]
    plot = _rows_plot(
        (0.4, 1.0),
        len(rows),
        "share of held-out ratings inside",
        "coverage",
        [0.4, 0.6, 0.8, 1.0],
        percent=True,
    )
    plot.zone(level - 0.04, level + 0.04, "zone")
    plot.rule(across=level, kind="rule")
    names = [f"{each['part']}, {each['dimension']}" for each in rows]
    for name, up, each in zip(names, _rows(plot, names), rows, strict=True):
        plot.line([(0.4, up), (each["coverage"], up)], "stem")
        title = f"{name}: {each['coverage']:.1%} of {each['clips']}"
        plot.point((each["coverage"], up), f"mark {each['dimension']}", title, 4)
    return plot.drawn()


def forest(tests: Sequence[Mapping[str, Any]]) -> str:
    """Draw the change of the squared error with its interval, a row for each test."""
    reach = min(max(max(abs(t["low"]), abs(t["high"])) for t in tests) * 1.05, 1.0)
    label = "change of the squared error; left is better"
    plot = _rows_plot((-reach, reach), len(tests), label, "tests", percent=True)
    plot.rule(across=0.0, kind="rule")
    names = [f"{test['dimension']} of {test['domain']}" for test in tests]
    for up, test in zip(_rows(plot, names), tests, strict=True):
        kind = test["verdict"] if test["verdict"] in {"better", "worse"} else "nothing"
        title = (
            f"{test['first']} against {test['second']}: {-test['gain']:+.1%} "
            f"[{-test['high']:+.1%}, {-test['low']:+.1%}], p {test['p']:.2g}, "
            f"after Holm {test['p_holm']:.2g}"
        )
        plot.line([(-test["high"], up), (-test["low"], up)], f"whisker {kind}")
        plot.point((-test["gain"], up), f"mark {kind}", title, 4.5)
    return plot.drawn()


def curves(document: Document, experiment: Document) -> Iterator[Panel]:
    """Draw R2 along every line of an experiment, for each domain and dimension."""
    names = lines_in(experiment)
    for domain, _, dimension in _panels(document):
        own = [each for each in _of(experiment, domain, dimension) if each["r2"] is not None]
        top = max((each["r2_high"] for each in own), default=1.0)
        low = min((each["r2_low"] for each in own), default=0.0)
        plot = Plot(
            (-0.03, 1.03),
            (max(low - 0.03, LOWEST_R2), top + 0.03),
            (experiment["axis"], "R2"),
            f"{dimension} of {domain}",
            ticks=((0, 0.25, 0.5, 0.75, 1.0), None),
        )
        plot.rule(up=0.0, kind="rule")
        for number, name in enumerate(names):
            # Lines are shifted a little, so that their intervals do not overlap.
            shift = (number - (len(names) - 1) / 2) * 0.012
            _curve(plot, [each for each in own if each["line"] == name], number, shift)
        yield f"{dimension} of {domain}", plot.drawn()


def ablations(document: Document, experiment: Document) -> Iterator[Panel]:
    """Draw, for each family, the fall of R2 without it or with it permuted."""
    for name, families, scores in _families(document, experiment):
        full = scores["everything"]
        without = [full - scores[f"without: {family}"] for family in families]
        permuted = [full - scores[f"permuted: {family}"] for family in families]
        span = (min(0.0, *without, *permuted) * 1.1, max(0.02, *without, *permuted) * 1.1)
        plot = _rows_plot(span, len(families), "R2 falls by", name)
        plot.rule(across=0.0, kind="rule")
        for family, up, absent, mixed in zip(
            families, _rows(plot, families), without, permuted, strict=True
        ):
            plot.bar((0, absent), up + 0.18, "bar c0", f"without {family}: {absent:+.3f}")
            plot.bar((0, mixed), up - 0.18, "bar c1", f"{family} permuted: {mixed:+.3f}")
        yield name, plot.drawn()


def lone_families(document: Document, experiment: Document) -> Iterator[Panel]:
    """Draw R2 of each family alone."""
    for name, families, scores in _families(document, experiment):
        alone = [scores[f"only: {family}"] for family in families]
        low = max(min(0.0, *alone) * 1.1, LOWEST_R2)
        top = max(0.05, scores["everything"], *alone) * 1.1
        plot = _rows_plot((low, top), len(families), "R2", name)
        plot.rule(across=0.0, kind="rule")
        plot.rule(across=scores["everything"], kind="goal")
        for family, up, score in zip(families, _rows(plot, families), alone, strict=True):
            plot.bar((0, score), up, "bar c2", f"only {family}: {score:.3f}", 12)
        yield name, plot.drawn()


def _panels(document: Document) -> Iterator[tuple[str, int, str]]:
    """Yield each domain with the number and the name of each dimension."""
    for domain in sorted({clip["domain"] for clip in document["clips"]}):
        for dim, dimension in enumerate(DIMENSIONS):
            yield domain, dim, dimension


def _points(
    document: Document, predicted: Mapping[str, Any], domain: str, dim: int
) -> Iterator[tuple[Mapping[str, Any], str, float]]:
    """Yield each predicted clip of a domain with the class of its dot and its prediction."""
    numbers = {corpus: number for number, corpus in enumerate(corpora_in(document))}
    for clip, affect in zip(document["clips"], predicted["affect"], strict=True):
        if clip["domain"] == domain and affect[dim] is not None:
            yield clip, f"dot c{numbers[clip['corpus']] % 8}", affect[dim]


def _of(experiment: Document, domain: str, dimension: str) -> list[Mapping[str, Any]]:
    wanted = (f"all {domain}", dimension)
    return [f for f in experiment["figures"] if (f["part"], f["dimension"]) == wanted]


def _families(
    document: Document, experiment: Document
) -> Iterator[tuple[str, list[str], dict[str, float]]]:
    """Yield the name of each panel, the families, and R2 by condition."""
    families = [
        each["name"].removeprefix("without: ")
        for each in experiment["conditions"]
        if each["line"] == "without"
    ]
    for domain, _, dimension in _panels(document):
        own = _of(experiment, domain, dimension)
        scores = {each["condition"]: each["r2"] or 0.0 for each in own}
        yield f"{dimension} of {domain}", families, scores


def _curve(plot: Plot, figures: Sequence[Mapping[str, Any]], number: int, shift: float) -> None:
    colour = f"c{number % 8}"
    figures = sorted(figures, key=lambda each: each["at"])
    plot.line([(each["at"] + shift, each["r2"]) for each in figures], f"curve {colour}")
    for each in figures:
        at, low, high = each["at"] + shift, each["r2_low"], each["r2_high"]
        plot.line([(at, low), (at, high)], f"whisker {colour}")
        title = f"{each['condition']}: {each['r2']:.3f} [{low:.3f}, {high:.3f}]"
        plot.point((at, each["r2"]), f"mark {colour}", title, 3.2)


def _rows_plot(
    across: tuple[float, float],
    rows: int,
    label: str,
    name: str,
    ticks: Sequence[float] | None = None,
    *,
    percent: bool = False,
) -> Plot:
    return Plot(
        across,
        (0, max(rows, 1)),
        (label, ""),
        name,
        size=(480, _FRAME + _ROW_HEIGHT * max(rows, 1)),
        left=168,
        ticks=(ticks, ()),
        percent=percent,
    )


def _rows(plot: Plot, labels: Sequence[str]) -> Iterator[float]:
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
