"""The report as a JSON document, from which page and terminal output are made."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trainer.bundles.bundle_manifest import library_versions
from trainer.corpora.repeated_clips import repeats_told
from trainer.evaluation.cross_validation import parts_of
from trainer.experiments.paired_test import TEST
from trainer.experiments.report.verdicts import verdict_of
from trainer.regression.joint import LEVEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.experiments.conditions import TrainingRecipe
    from trainer.experiments.outcomes import CellPredictions, ExperimentResult
    from trainer.experiments.run_experiments import ReportContext
    from trainer.regression.training_table import TrainingTable

FORMAT: Final = 1

PROTOCOL: Final = (
    "Folds are stratified by Ward clusters of the two ratings within each kind of sound, and by "
    "corpus, with --by also by that column; "
    "groups of related clips, and copies of one sound, are never split, so clusters are spread as "
    "evenly as whole groups allow. Clips are added, left out or shuffled, and settings are tuned, "
    "in the training part of a fold only. One split serves all kinds: added clips of other kinds "
    "come from the training part, too. Scores are of held-out clips, averaged over the "
    "repeats; intervals of R2 are a bootstrap of whole groups."
)


def document_of(context: ReportContext, outcomes: Sequence[ExperimentResult]) -> dict[str, Any]:
    """Return all results as JSON data."""
    table = context.dataset.table
    return {
        "format": FORMAT,
        "made_at": context.made_at,
        "command": context.command,
        "seed": context.protocol.seed,
        "folds": context.protocol.folds,
        "repeats": context.protocol.repeats,
        "regression": {
            "name": context.fitting.regression,
            "settings": dict(context.fitting.settings),
        },
        "bundle": context.dataset.manifest.name,
        "hearing": context.dataset.manifest.hearing,
        "interval_level": LEVEL,
        "versions": library_versions(),
        "python": platform.python_version(),
        "protocol": PROTOCOL,
        "test": TEST,
        "problems": context.dataset.problems,
        "repeated": list(repeats_told(context.dataset.repeated)),
        "by": "" if context.dataset.grouping is None else context.dataset.grouping.column,
        "corpora": [
            {
                "part": part,
                "clips": int(rows.sum()),
                "groups": len(np.unique(table.group[rows])),
                "mean": _numbers(table.ratings[rows].mean(axis=0)),
                "deviation": _numbers(table.ratings[rows].std(axis=0)),
            }
            for part, rows in parts_of(table)
            if rows.any()
        ],
        "clips": _clips(table),
        "experiments": [_experiment(outcome) for outcome in outcomes],
    }


def encoded(document: dict[str, Any]) -> bytes:
    """Return a document as JSON in ASCII."""
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode("ascii")


def _clips(table: TrainingTable) -> list[dict[str, Any]]:
    columns = (table.path.tolist(), table.corpus.tolist(), table.domain.tolist())
    return [
        {"path": path, "corpus": corpus, "domain": domain, "rated": rated}
        for path, corpus, domain, rated in zip(*columns, _numbers(table.ratings), strict=True)
    ]


def _experiment(outcome: ExperimentResult) -> dict[str, Any]:
    plan = outcome.plan
    return {
        "name": plan.name,
        "question": plan.question,
        "verdict": verdict_of(outcome),
        "axis": plan.axis,
        "tested_on": _tested_on(outcome),
        "conditions": [
            {
                "name": condition.name,
                "line": condition.line,
                "at": condition.at,
                "recipes": {kind: _recipe(recipe) for kind, recipe in condition.recipes.items()},
            }
            for condition in plan.conditions
        ],
        "figures": [asdict(each) for each in outcome.figures],
        "falls": [asdict(each) for each in outcome.falls],
        "tests": [asdict(each) | {"verdict": each.verdict} for each in outcome.tests],
        "against_best": [
            asdict(each) | {"verdict": each.strict_verdict} for each in outcome.against_best
        ],
        "predicted": {name: _first_repeat(each) for name, each in outcome.predicted.items()},
    }


def _recipe(recipe: TrainingRecipe) -> dict[str, Any]:
    """Return a recipe as JSON data, which has lists only."""
    fields = asdict(recipe)
    return {name: list(each) if isinstance(each, tuple) else each for name, each in fields.items()}


def _tested_on(outcome: ExperimentResult) -> list[str]:
    """Return the kinds, or values of the grouping column, in order."""
    recipes = (name for condition in outcome.plan.conditions for name in condition.recipes)
    return list(dict.fromkeys(recipes))


def _first_repeat(predicted: CellPredictions) -> dict[str, Any]:
    """Return the predictions of the first repeat, in the order of `clips`."""
    return {name: _numbers(getattr(predicted, name)[0]) for name in ("affect", "low", "high")}


def _numbers(values: NDArray[np.float64]) -> list[Any]:
    """Round to four digits, with None for NaN."""
    plain = np.round(values, 4).astype(object)
    plain[~np.isfinite(values)] = None
    listed: list[Any] = plain.tolist()
    return listed
