"""The charts of the ablation: how much each family of descriptors tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.experiments.report.charts import (
    LOWEST_R2,
    figures_of,
    label_rows,
    panels,
    rows_plot,
    signed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trainer.experiments.report.charts import Document, Panel

Scored = dict[str, tuple[float, float, float]]


def ablations(document: Document, experiment: Document) -> Iterator[Panel]:
    """Draw, for each family, the fall of R2 without it or with it permuted, with intervals."""
    for name, families, scores, falls in _families(document, experiment):
        rows = [f"{kind}: {family}" for family in families for kind in ("without", "permuted")]
        ends = [end for row in rows for end in falls[row]]
        span = (min(0.0, *ends) * 1.1, max(0.02, *ends) * 1.1)
        label = f"R2 falls by (from {signed(scores['everything'][0])}, n = {scores['clips'][0]:g})"
        plot = rows_plot(span, len(families), label, name)
        plot.rule(across=0.0, kind="rule")
        for family, up in zip(families, label_rows(plot, families), strict=True):
            for kind, colour, shift in (("without", "c0", 0.18), ("permuted", "c1", -0.18)):
                fall, low, high = falls[f"{kind}: {family}"]
                title = f"{kind}: {family}: {fall:+.3f} [{low:+.3f}, {high:+.3f}]"
                plot.bar((0, fall), up + shift, f"bar {colour}", title)
                plot.whisker((low, up + shift), (high, up + shift), "ink")
        yield name, plot


def lone_families(document: Document, experiment: Document) -> Iterator[Panel]:
    """Draw R2 of each family alone, with its interval."""
    for name, families, scores, _ in _families(document, experiment):
        alone = [scores[f"only: {family}"] for family in families]
        low = max(min(0.0, *(each[1] for each in alone)) * 1.1, LOWEST_R2)
        full = scores["everything"][0]
        top = max(0.05, full, *(each[2] for each in alone)) * 1.1
        label = f"R2 (of all families {signed(full)}, n = {scores['clips'][0]:g})"
        plot = rows_plot((low, top), len(families), label, name)
        plot.rule(across=0.0, kind="rule")
        plot.rule(across=full, kind="goal")
        for family, up, score in zip(families, label_rows(plot, families), alone, strict=True):
            title = f"only {family}: {score[0]:.3f} [{score[1]:.3f}, {score[2]:.3f}]"
            plot.bar((0, score[0]), up, "bar c2", title, 12)
            plot.whisker((score[1], up), (score[2], up), "ink")
        yield name, plot


def _families(
    document: Document, experiment: Document
) -> Iterator[tuple[str, list[str], Scored, Scored]]:
    """Yield the name of each panel, the families, and R2 and its fall by condition.

    Both are given with their intervals; `clips` among the scores is their number.
    """
    families = [
        each["name"].removeprefix("without: ")
        for each in experiment["conditions"]
        if each["line"] == "without"
    ]
    for domain, _, dimension in panels(document):
        own = figures_of(experiment, domain, dimension)
        scores = {each["condition"]: _ends(each, "r2", "r2_low", "r2_high") for each in own}
        scores["clips"] = (own[0]["clips"], 0.0, 0.0)
        falls = {
            each["condition"]: _ends(each, "fall", "low", "high")
            for each in experiment["falls"]
            if (each["part"], each["dimension"]) == (f"all {domain}", dimension)
        }
        yield f"{dimension} of {domain}", families, scores, falls


def _ends(scored: Mapping[str, Any], value: str, low: str, high: str) -> tuple[float, float, float]:
    """Return a value and its interval; 0 where it is not defined."""
    middle = scored[value] or 0.0
    ends = [middle if scored[end] is None else scored[end] for end in (low, high)]
    return middle, ends[0], ends[1]
