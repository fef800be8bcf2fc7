"""The figures of a report: plots that belong together, with a title, an explanation, a legend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trainer.experiments.cross_cultural import ALL, AS_MANY, CROSS_CULTURAL, OTHERS, OWN
from trainer.experiments.report import charts, family_charts
from trainer.experiments.report.svg import KeyEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from trainer.experiments.report.charts import Document, Panel

FEW_CONDITIONS: Final = 4
"""With more conditions, the tests of single pairs are listed but not drawn."""

_TESTED: Final = (
    KeyEntry("dot", "mark better", "significantly better"),
    KeyEntry("dot", "mark worse", "significantly worse"),
    KeyEntry("dot", "mark nothing", "no significant difference"),
    KeyEntry("line", "rule", "no change"),
)
_INTERVAL: Final = KeyEntry("line", "whisker ink", "95 % interval")


class FigureBlock(NamedTuple):
    """Plots under one heading.

    Attributes:
        name: of their files, unique in the experiment.
        title: the heading.
        text: what is shown.
        key: the legend of every panel.
        panels: title and plot of each.
    """

    name: str
    title: str
    text: str
    key: Sequence[KeyEntry]
    panels: Sequence[Panel]


def blocks_of(document: Document, experiment: Document) -> Iterator[FigureBlock]:
    """Yield all figures of an experiment."""
    pairs = {(each["first"], each["second"]) for each in experiment["tests"]}
    if experiment["against_best"]:
        yield FigureBlock(
            "tests-against-best",
            "The joint fit against the best fit on a single kind",
            "Mean squared error of held-out clips, with the 95 % interval of the paired test; the "
            "best of the single fits is chosen for each row by the same clips, which favours it. "
            "Worse means that the whole interval is; better, that p after Holm says so, too.",
            _TESTED,
            [("", charts.forest(experiment, experiment["against_best"]))],
        )
    if 0 < len(pairs) <= FEW_CONDITIONS:
        yield FigureBlock(
            "tests",
            "Change of the error",
            "Mean squared error of held-out clips, with the 95 % interval of the paired test. An "
            "arrow marks an interval that continues outside the plot.",
            _TESTED,
            list(_forests(experiment)),
        )
    if experiment["name"] == CROSS_CULTURAL:
        yield _groups(document, experiment)
    for number, (name, predicted) in enumerate(experiment["predicted"].items()):
        suffix = f"-{number + 1}" if number else ""
        yield from _predicted(document, experiment, name, predicted, suffix)
    if experiment["axis"]:
        lines = [
            KeyEntry("line", f"curve c{number % 8}", name)
            for number, name in enumerate(charts.lines_in(experiment))
        ]
        yield FigureBlock(
            "curves",
            "R2 of held-out clips",
            "Mean over the repeats, with 95 % intervals over groups. An arrow marks a point or an "
            "interval that continues outside the plot.",
            [*lines, KeyEntry("line", "rule", "R2 of predicting the mean")],
            list(charts.curves(document, experiment)),
        )
    if experiment["falls"]:
        yield from _ablation(document, experiment)


def _predicted(
    document: Document, experiment: Document, name: str, predicted: Mapping[str, Any], suffix: str
) -> Iterator[FigureBlock]:
    dots = _corpora(document, predicted)
    yield FigureBlock(
        f"predictions{suffix}",
        f"Predictions against ratings: {name}",
        "Each clip with its group held out, first repeat; n and R2 are of the clips shown.",
        [*dots, KeyEntry("line", "rule", "prediction equals rating")],
        list(charts.scatters(document, predicted)),
    )
    yield FigureBlock(
        f"residuals{suffix}",
        f"Residuals: {name}",
        "Where the line differs from zero, predictions of that size are too low or too high.",
        [*dots, KeyEntry("line", "mean", "mean of each eighth of the clips")],
        list(charts.residuals(document, predicted)),
    )
    own = [each for each in experiment["figures"] if each["condition"] == name]
    if all(each["coverage"] is None for each in own):
        return
    level = f"{document['interval_level']:.0%}"
    yield FigureBlock(
        f"coverage{suffix}",
        f"Coverage of the {level} intervals: {name}",
        "How many of the held-out ratings lie inside their intervals.",
        [
            KeyEntry("dot", "mark arousal", "arousal"),
            KeyEntry("dot", "mark valence", "valence"),
            KeyEntry("line", "rule", f"nominal coverage, {level}"),
            KeyEntry("area", "zone", "within four percentage points of it"),
        ],
        [("", charts.coverage(document, own))],
    )


def _ablation(document: Document, experiment: Document) -> Iterator[FigureBlock]:
    yield FigureBlock(
        "losses",
        "Loss without a family",
        "The fall of R2 if a family is left out of the fit, or is permuted among the held-out "
        "clips of a kind. Left of zero, predictions are better without it.",
        [
            KeyEntry("area", "bar c0", "left out of the fit"),
            KeyEntry("area", "bar c1", "permuted"),
            KeyEntry("line", "whisker ink", "95 % interval of the fall, over groups"),
        ],
        list(family_charts.ablations(document, experiment)),
    )
    yield FigureBlock(
        "alone",
        "Each family alone",
        "R2 of a fit on one family of descriptors.",
        [
            KeyEntry("area", "bar c2", "the family alone"),
            _INTERVAL,
            KeyEntry("line", "goal", "all families"),
        ],
        list(family_charts.lone_families(document, experiment)),
    )


def _groups(document: Document, experiment: Document) -> FigureBlock:
    names = (OWN, AS_MANY, OTHERS, ALL)
    return FigureBlock(
        "groups",
        f"R2 by {document['by']}",
        "R2 of the held-out clips of each group, by fits on its own group and on others, within "
        "the same folds, with 95 % intervals over groups of related clips. Where the second lies "
        "left of the first, what was learned on the others does not fully hold here. Groups may "
        "also differ in corpus, kind of sound, level or raters: the difference is that of all.",
        [
            *(KeyEntry("dot", f"mark c{n}", f"fitted on {name}") for n, name in enumerate(names)),
            KeyEntry("line", "rule", "R2 of predicting the mean"),
        ],
        list(charts.groups(experiment, names)),
    )


def _forests(experiment: Document) -> Iterator[Panel]:
    tests = experiment["tests"]
    for first, second in dict.fromkeys((t["first"], t["second"]) for t in tests):
        own = [t for t in tests if (t["first"], t["second"]) == (first, second)]
        yield f"{first} against {second}", charts.forest(experiment, own)


def _corpora(document: Document, predicted: Mapping[str, Any]) -> list[KeyEntry]:
    """Return the entries of the corpora of which clips are shown."""
    shown = {
        clip["corpus"]
        for clip, affect in zip(document["clips"], predicted["affect"], strict=True)
        if any(value is not None for value in affect)
    }
    return [
        KeyEntry("dot", charts.corpus_class(number), name)
        for number, name in enumerate(charts.corpora_in(document))
        if name in shown
    ]
