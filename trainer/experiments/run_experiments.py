"""An evaluation from beginning to end: plans, fits, outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trainer.experiments.cells import CellStore, Study, run
from trainer.experiments.families import families_of
from trainer.experiments.outcomes import outcome_of
from trainer.experiments.plans import plan_of
from trainer.features.extract import descriptor_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from trainer.experiments.dataset import Dataset
    from trainer.experiments.fitting import Fitting
    from trainer.experiments.outcomes import ExperimentResult
    from trainer.experiments.splits import SplitProtocol

CELLS: Final = "cells"
"""Folder of the finished cells, while the report is not written."""


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What an evaluation was made of, and when.

    Attributes:
        made_at: ISO 8601, UTC.
        command: as it was given.
        dataset: what was evaluated on.
        fitting: what was fitted.
        protocol: how the clips were split.
    """

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
    jobs: int,
    progress: Callable[[int, int], None],
) -> tuple[list[ExperimentResult], CellStore]:
    """Make experiments. A cell that several of them need is fitted once.

    Args:
        names: of the experiments.
        context: what is evaluated, and how.
        folder: where finished cells are kept; must exist.
        jobs: how many fits at a time.
        progress: called with the number of fits done and of all.

    Returns:
        An outcome for each name, and the cells, to be cleared once all is written.

    Raises:
        TrainingError: there are too few clips, or one domain only where both are needed.
    """
    table = context.dataset.table
    families = families_of(descriptor_names())
    splits = context.protocol.splits(table)
    plans = [plan_of(name, table, families) for name in dict.fromkeys(names)]
    study = Study(table, splits, context.fitting, families)
    store = CellStore(folder / CELLS, study.fingerprint)
    recipes = [recipe for plan in plans for recipe in plan.recipes]
    answers = run(study, recipes, store=store, jobs=jobs, progress=progress)
    seed = context.protocol.seed
    return [outcome_of(plan, study, answers, seed) for plan in plans], store
