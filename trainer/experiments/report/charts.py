"""Which plots show an experiment, drawn from the figures of its document."""

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
"""Below it a plot does not say how much worse than the mean a prediction is."""

_BINS: Final = 8
_ROW_HEIGHT: Final = 26
_FRAME: Final = 46


def domains_in(document: Document) -> list[str]:
    """Return the domains that clips were evaluated of."""
    return sorted({clip["domain"] for clip in document["clips"]})


def places_in(document: Document) -> Iterator[tuple[str, int, str]]:
    """Yield each domain with each dimension: name, number and name."""
    for domain in domains_in(document):
        for dim, dimension in enumerate(DIMENSIONS):
            yield domain, dim, dimension


def corpora_in(document: Document) -> list[str]:
    """Return the names of the corpora; their places are those of their colours."""
    return sorted({clip["corpus"] for clip in document["clips"]})


def scatters(document: Document, predicted: Mapping[str, Any]) -> Iterator[Panel]:
    """Draw what was predicted against what was rated, for each domain and dimension."""
    colours = {corpus: place for place, corpus in enumerate(corpora_in(document))}
    for domain, dim, dimension in places_in(document):
        plot = Plot((-1, 1), (-1, 1), ("rated", "predicted"), f"{dimension} of {domain}")
        plot.line([(-1, -1), (1, 1)], "rule")
        for clip, said in zip(document["clips"], predicted["affect"], strict=True):
            if clip["domain"] == domain and said[dim] is not None:
                told = f"{clip['path']}: rated {clip['rated'][dim]:.2f}, predicted {said[dim]:.2f}"
                colour = f"dot c{colours[clip['corpus']] % 8}"
                plot.point((clip["rated"][dim], said[dim]), colour, told, 2.4)
        yield f"{dimension} of {domain}", plot.drawn()


def residuals(document: Document, predicted: Mapping[str, Any]) -> Iterator[Panel]:
    """Draw what is left over against what was predicted, with its mean in eighths of the clips."""
    colours = {corpus: place for place, corpus in enumerate(corpora_in(document))}
    for domain, dim, dimension in places_in(document):
        left = sorted(
            (said[dim], clip["rated"][dim] - said[dim], clip["corpus"], clip["path"])
            for clip, said in zip(document["clips"], predicted["affect"], strict=True)
            if clip["domain"] == domain and said[dim] is not None
        )
        low, high = left[0][0], left[-1][0]
        room = max(0.05 * (high - low), 0.02)
        plot = Plot(
            (low - room, high + room), (-1.2, 1.2), ("predicted", "rated minus predicted"),
            f"residuals of {dimension} of {domain}",
        )  # fmt: skip
        plot.rule(up=0.0, kind="rule")
        for said, rest, corpus, path in left:
            plot.point((said, rest), f"dot c{colours[corpus] % 8}", f"{path}: {rest:+.2f}", 2.2)
        plot.line(_means([each[:2] for each in left]), "mean")
        yield f"{dimension} of {domain}", plot.drawn()


def coverage(document: Document, figures: Sequence[Mapping[str, Any]]) -> str:
    """Draw for each part how many of the held-out ratings its intervals hold."""
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
    for place, each in enumerate(rows):
        up = len(rows) - place - 0.5
        plot.row(up, f"{each['part']}, {each['dimension']}")
        said = f"{each['part']}, {each['dimension']}: {each['coverage']:.1%} of {each['clips']}"
        plot.line([(0.4, up), (each["coverage"], up)], "stem")
        plot.point((each["coverage"], up), f"mark {each['dimension']}", said, 4)
    return plot.drawn()


def forest(tests: Sequence[Mapping[str, Any]]) -> str:
    """Draw by how much the squared error changes, with its interval, a row for each test."""
    reach = min(max(max(abs(t["low"]), abs(t["high"])) for t in tests) * 1.05, 1.0)
    plot = _rows_plot(
        (-reach, reach),
        len(tests),
        "change of the squared error; left is better",
        "tests",
        percent=True,
    )
    plot.rule(across=0.0, kind="rule")
    for place, test in enumerate(tests):
        up = len(tests) - place - 0.5
        plot.row(up, f"{test['dimension']} of {test['domain']}")
        kind = test["verdict"] if test["verdict"] in {"better", "worse"} else "nothing"
        said = (
            f"{test['first']} against {test['second']}: {-test['gain']:+.1%} "
            f"[{-test['high']:+.1%}, {-test['low']:+.1%}], p {test['p']:.2g}, "
            f"after Holm {test['p_holm']:.2g}"
        )
        plot.line([(-test["high"], up), (-test["low"], up)], f"whisker {kind}")
        plot.point((-test["gain"], up), f"mark {kind}", said, 4.5)
    return plot.drawn()


def curves(document: Document, experiment: Document) -> Iterator[Panel]:
    """Draw R2 along every line of an experiment, for each domain and dimension."""
    names = lines_in(experiment)
    for domain, _, dimension in places_in(document):
        own = [
            each
            for each in experiment["figures"]
            if (each["part"], each["dimension"]) == (f"all {domain}", dimension)
            and each["r2"] is not None
        ]
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
        for place, name in enumerate(names):
            # Lines of one plot stand a little apart, so that their intervals can be told.
            shift = (place - (len(names) - 1) / 2) * 0.012
            _curve(plot, [each for each in own if each["line"] == name], place, shift)
        yield f"{dimension} of {domain}", plot.drawn()


def lines_in(experiment: Document) -> list[str]:
    """Return the names of an experiment's lines; their places are those of their colours."""
    return list(dict.fromkeys(each["line"] for each in experiment["conditions"] if each["line"]))


def ablations(document: Document, experiment: Document) -> Iterator[Panel]:
    """Draw for each family how far R2 falls without it or with it permuted."""
    for domain, dimension, families, scores in _families(document, experiment):
        whole = scores["everything"]
        falls = {
            family: (whole - scores[f"without: {family}"], whole - scores[f"permuted: {family}"])
            for family in families
        }
        least = min(0.0, *(min(pair) for pair in falls.values()))
        most = max(0.02, *(max(pair) for pair in falls.values()))
        plot = _rows_plot(
            (least * 1.1, most * 1.1),
            len(families),
            "R2 falls by",
            f"{dimension} of {domain}",
        )
        plot.rule(across=0.0, kind="rule")
        for place, (family, (without, mixed)) in enumerate(falls.items()):
            up = len(families) - place - 0.5
            plot.row(up, family)
            plot.bar((0, without), up + 0.18, "bar c0", f"without {family}: {without:+.3f}")
            plot.bar((0, mixed), up - 0.18, "bar c1", f"{family} permuted: {mixed:+.3f}")
        yield f"{dimension} of {domain}", plot.drawn()


def lone_families(document: Document, experiment: Document) -> Iterator[Panel]:
    """Draw the R2 that each family reaches by itself."""
    for domain, dimension, families, scores in _families(document, experiment):
        alone = {family: scores[f"only: {family}"] for family in families}
        low = max(min(0.0, *alone.values()) * 1.1, LOWEST_R2)
        top = max(0.05, scores["everything"], *alone.values()) * 1.1
        plot = _rows_plot((low, top), len(families), "R2", f"{dimension} of {domain}")
        plot.rule(across=0.0, kind="rule")
        plot.rule(across=scores["everything"], kind="goal")
        for place, (family, score) in enumerate(alone.items()):
            up = len(families) - place - 0.5
            plot.row(up, family)
            plot.bar((0, score), up, "bar c2", f"only {family}: {score:.3f}", 12)
        yield f"{dimension} of {domain}", plot.drawn()


def _families(
    document: Document, experiment: Document
) -> Iterator[tuple[str, str, list[str], dict[str, float]]]:
    families = [
        each["name"].removeprefix("without: ")
        for each in experiment["conditions"]
        if each["line"] == "without"
    ]
    for domain, _, dimension in places_in(document):
        scores = {
            each["condition"]: each["r2"] or 0.0
            for each in experiment["figures"]
            if (each["part"], each["dimension"]) == (f"all {domain}", dimension)
        }
        yield domain, dimension, families, scores


def _curve(plot: Plot, figures: Sequence[Mapping[str, Any]], place: int, shift: float) -> None:
    colour = f"c{place % 8}"
    figures = sorted(figures, key=lambda each: each["at"])
    plot.line([(each["at"] + shift, each["r2"]) for each in figures], f"curve {colour}")
    for each in figures:
        at = each["at"] + shift
        plot.line([(at, each["r2_low"]), (at, each["r2_high"])], f"whisker {colour}")
        said = (
            f"{each['condition']}: {each['r2']:.3f} [{each['r2_low']:.3f}, {each['r2_high']:.3f}]"
        )
        plot.point((at, each["r2"]), f"mark {colour}", said, 3.2)


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


def _means(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the mean point of each eighth."""
    ends = [round(place * len(points) / _BINS) for place in range(_BINS + 1)]
    parts = [points[start:end] for start, end in pairwise(ends) if end > start]
    return [
        (sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts
    ]
