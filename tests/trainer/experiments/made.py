"""Experiments on small tables whose ratings depend on their descriptors in a known way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.trainer.regression.rated import small_draft, small_table
from trainer.experiments.cells import CellStore, Study, fit_cells, on_threads
from trainer.experiments.dataset import Dataset
from trainer.experiments.fitting import Fitting
from trainer.experiments.grouping import Grouping
from trainer.experiments.outcomes import outcome_of
from trainer.experiments.plans import plan_of
from trainer.experiments.report.document import document_of
from trainer.experiments.run_experiments import ReportContext
from trainer.experiments.splits import SplitProtocol
from trainer.regression.joint import JointRegression

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.experiments.fitting import Regression
    from trainer.experiments.outcomes import ExperimentResult
    from trainer.regression.training_table import TrainingTable

FAMILIES = {"telling": np.arange(2), "domain": np.arange(2, 8), "noise": np.arange(8, 30)}


def spoken(music: int = 300, sounds: int = 40, seed: int = 5) -> TrainingTable:
    """Return the small table with descriptors that a linear regression can read."""
    table = small_table(music, sounds, seed)
    return replace(table, vectors=np.log(table.vectors))


def experiment(
    name: str,
    table: TrainingTable,
    folder: Path,
    regression: Regression = "svr",
    protocol: SplitProtocol | None = None,
    grouping: Grouping | None = None,
) -> ExperimentResult:
    """Make one experiment on a small table."""
    protocol = protocol or SplitProtocol(4, 2, 1)
    plan = plan_of(name, table, FAMILIES, grouping)
    splits = protocol.splits(table, grouping)
    study = Study(table, splits, fitting(regression), FAMILIES, grouping)
    store = CellStore(folder / "cells", study.fingerprint)
    results = fit_cells(
        study, plan.recipes, store=store, fitters=on_threads(2), progress=lambda _done, _total: None
    )
    return outcome_of(plan, study, results, 1)


def three_kinds(music: int = 60, others: int = 80) -> TrainingTable:
    """Return the small table with half of its sounds called voices."""
    table = spoken(music, others)
    is_voice = np.arange(len(table)) >= music + others // 2
    return replace(
        table,
        domain=np.where(is_voice, "voice", table.domain),
        corpus=np.where(is_voice, "voices", table.corpus),
    )


def by_kind(table: TrainingTable) -> Grouping:
    """Return a column whose groups agree on arousal, and feel valence the other way round."""
    values = np.where(table.domain == "music", "west", "east")
    return Grouping("culture", values, ("east", "west"))


def fitting(regression: Regression) -> Fitting:
    """Return how to fit, with the settings a bundle would bring."""
    return Fitting(regression, JointRegression().get_params() if regression == "own" else {})


def document(
    table: TrainingTable,
    outcomes: Sequence[ExperimentResult],
    command: str = "valenced evaluate",
    grouping: Grouping | None = None,
) -> dict[str, Any]:
    """Return the document of some outcomes."""
    context = ReportContext(
        made_at="2026-01-02T03:04:05+00:00",
        command=command,
        dataset=Dataset(table, small_draft(table), [], [], grouping),
        fitting=fitting("own"),
        protocol=SplitProtocol(4, 2, 1),
    )
    return document_of(context, outcomes)
