"""Evaluations that fit on a real Dask cluster, whose workers die and differ."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.driving import PATIENCE_S, Valenced

if TYPE_CHECKING:
    from tests.daemon.cluster.machines import Machine, Machines

FITS = (
    *("--experiment", "mixing", "--corpora", "vgmidi,naturalsounds"),
    *("--folds", "2", "--repeats", "1", "--seed", "7"),
)


def figures(report: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((report / "report.json").read_bytes())
    return {key: value for key, value in document.items() if key not in {"made_at", "command"}}


def worked_s(machine: Machine) -> float:
    """Return the processor time of a process."""
    fields = Path(f"/proc/{machine.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.xdist_group("cluster")
def test_figures_are_those_of_this_machine_though_a_worker_dies_and_another_is_old(
    valenced: Valenced, cluster: Machines, scheduler: Machine, tmp_path: Path
) -> None:
    valenced("evaluate", *FITS, "--output", tmp_path / "here")
    mortal = cluster.worker(scheduler, "w1", "mortal")
    staying, old = cluster.worker(scheduler, "w2"), cluster.worker(scheduler, "old", "old")
    before_s, report = worked_s(staying), tmp_path / "there"
    line = ("evaluate", *FITS, "--cluster", scheduler.address, "--output", report)
    with valenced.start(*line) as evaluating:
        evaluating.wait_for(f"{old.address} gets no work: it has numpy 1.0.0, here is")
        evaluating.wait_for("report: ")
        assert evaluating.process.wait(PATIENCE_S) == 0
    assert worked_s(staying) > before_s + 0.2
    assert figures(report) == figures(tmp_path / "here")
    # The one that dies may have been asked for too few fits.
    for worker in (mortal, staying, old):
        worker.kill()


@pytest.mark.xdist_group("cluster")
def test_an_evaluation_ends_with_one_line_when_its_workers_are_gone_and_continues_here(
    valenced: Valenced, cluster: Machines, scheduler: Machine, tmp_path: Path
) -> None:
    for name in ("w3", "w4"):
        cluster.worker(scheduler, name, "mortal")
    report = tmp_path / "report"
    line = ("evaluate", *FITS, "--output", report)
    with valenced.start(*line, "--cluster", scheduler.address) as evaluating:
        evaluating.wait_for(f"cluster {scheduler.address}: its scheduler has no worker")
        assert evaluating.process.wait(PATIENCE_S) == 1
        assert "Traceback" not in "\n".join(evaluating.lines)
    # Before the last worker ended, it had sent some fits.
    kept = {path: path.stat().st_mtime_ns for path in (report / "cells").glob("*.npz")}
    assert kept
    with valenced.start(*line) as evaluating:
        evaluating.wait_until(lambda: len(list((report / "cells").glob("*.npz"))) > len(kept))
        evaluating.stop()
    assert all(path.stat().st_mtime_ns == at for path, at in kept.items())


def test_an_evaluation_without_its_scheduler_is_one_line_and_leaves_nothing(
    valenced: Valenced, cluster: Machines, tmp_path: Path
) -> None:
    gone = cluster.scheduler()
    gone.kill()
    report = tmp_path / "report"
    valenced(
        *("evaluate", *FITS, "--cluster", gone.address, "--output", report, "--quiet"), exit_code=1
    )
    assert f"cluster {gone.address}: " in valenced.stderr.splitlines()[-1]
    assert not report.exists()
    valenced("evaluate", "--cluster", "here", exit_code=2)
    assert "tcp://" in valenced.stderr
