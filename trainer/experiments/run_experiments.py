"""Running experiments from beginning to end: plans, fits, results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trainer.experiments.cells import CellStore, Study, fit_cells
from trainer.experiments.families import families_of
from trainer.experiments.outcomes import outcome_of
from trainer.experiments.plans import plan_of
from trainer.features.extract import descriptor_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from trainer.experiments.cells import Fitters
    from trainer.experiments.dataset import Dataset
    from trainer.experiments.fitting import Fitting
    from trainer.experiments.outcomes import ExperimentResult
    from trainer.experiments.splits import SplitProtocol

CELLS: Final = "cells"
"""Folder of the finished cells until the report is written."""


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What is evaluated, how and when (ISO 8601, UTC), and the user's command line."""

    made_at: str
    command: str
    dataset: Dataset
    fitting: Fitting
    protocol: SplitProtocol


def evaluate(
    names: Sequence[str],
    context: ReportContext,
    folder: Path,
    *,
    fitters: Fitters,
    progress: Callable[[int, int], None],
) -> tuple[list[ExperimentResult], CellStore]:
    """Run experiments, many fits at a time. A cell that several of them need is fitted once.

    Finished cells are stored below `folder`, which must exist, to be cleared once the report is
    written. `progress` is called with the number of finished fits and of all.

    Raises:
        TrainingError: there are too few clips, or only one kind where several are needed.
    """
    table, grouping = context.dataset.table, context.dataset.grouping
    families = families_of(descriptor_names())
    splits = context.protocol.splits(table, grouping)
    plans = [plan_of(name, table, families, grouping) for name in dict.fromkeys(names)]
    study = Study(table, splits, context.fitting, families, grouping)
    store = CellStore(folder / CELLS, study.fingerprint)
    recipes = [recipe for plan in plans for recipe in plan.recipes]
    results = fit_cells(study, recipes, store=store, fitters=fitters, progress=progress)
    return [outcome_of(plan, study, results, context.protocol.seed) for plan in plans], store
