"""Scans that hear on a real Dask cluster, whose machines die, lie and differ."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.cluster.dask_cluster import GONE, DaskCluster
from tests.driving import PATIENCE_S, Valenced, scanned
from tests.sounds import music_like, write_audio

if TYPE_CHECKING:
    from tests.daemon.cluster.machines import Machine, Machines
    from tests.driving import Running

SOUNDS = {"killed": 36, "lost": 5, "lies": 5, "seen": 2, "unseen": 2}
VALUES = (
    "SELECT path, duration_s, arousal, arousal_low, arousal_high, valence, valence_low,"
    " valence_high, novelty, kind_probability FROM sounds"
)
HEARD_HERE = "sounds are heard here meanwhile"


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders with sounds, all of them different."""
    music = tmp_path_factory.mktemp("music")
    seed = 0
    for name, count in SOUNDS.items():
        (music / name).mkdir()
        for _ in range(count):
            seed += 1
            sound = music_like(0.5 + seed / 1000, 16000, seed=seed)
            write_audio(music / name / f"{seed}.wav", sound, rate_hz=16000)
    return music


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, music: Path) -> dict[str, list[float]]:
    """What this machine hears in each sound, by its path."""
    here = Valenced(tmp_path_factory.mktemp("here"), "watch.settle_s=0.3")
    assert here.read("scan", "--no-tags", music) == scanned(sum(SOUNDS.values()))
    return values(here)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Valenced:
    """An installation whose scans use a cluster."""
    return Valenced(tmp_path_factory.mktemp("there"), "watch.settle_s=0.3", "tags.mode=none")


def values(installed: Valenced) -> dict[str, list[float]]:
    return {os.fsdecode(path): [*found] for path, *found in installed.select(VALUES)}


def require_same(installed: Valenced, folder: Path, local: dict[str, list[float]]) -> None:
    """Every sound of a folder is there once, as this machine has heard it."""
    found = values(installed)
    expected = {path: each for path, each in local.items() if path.startswith(f"{folder}/")}
    assert {path for path in found if path.startswith(f"{folder}/")} == expected.keys()
    for path, numbers in expected.items():
        assert found[path] == pytest.approx(numbers, abs=1e-6), path
    assert installed.select("SELECT count(*) FROM sounds") == [(len(found),)]


def lines_about(running: Running, text: str) -> list[str]:
    return [line for line in running.lines if text in line]


@pytest.mark.xdist_group("cluster")
def test_two_of_three_workers_are_killed_and_an_old_one_gets_no_work(
    there: Valenced,
    cluster: Machines,
    scheduler: Machine,
    music: Path,
    local: dict[str, list[float]],
) -> None:
    first, second, third = (cluster.worker(scheduler, name) for name in ("w1", "w2", "w3"))
    old = cluster.worker(scheduler, "old", "old")
    with there.start("scan", "--cluster", scheduler.address, music / "killed") as running:
        running.wait_for("arousal")
        first.kill()
        second.kill()
        running.wait_for("one pass done: 36 files processed, 0 failed")
        assert running.process.wait(PATIENCE_S) == 0
    assert len(lines_about(running, old.address)) == 1
    assert "gets no work: it has numpy 1.0.0, here is" in lines_about(running, old.address)[0]
    assert lines_about(running, HEARD_HERE) == lines_about(running, "never retrieved") == []
    require_same(there, music / "killed", local)
    assert cluster.heard("old") == []
    # No more was heard twice than the two had in hand.
    heard = [path for name in ("w1", "w2", "w3") for _, path in cluster.heard(name)]
    assert {str(path) for path in heard} <= local.keys()
    assert SOUNDS["killed"] <= len(heard) <= SOUNDS["killed"] + 4

    third.kill()
    before = values(there)
    there("scan", "--cluster", scheduler.address, music / "lost", exit_code=1)
    assert "cannot be used" in there.stderr.splitlines()[-1]
    assert values(there) == before


@pytest.mark.xdist_group("cluster")
def test_sounds_come_from_where_the_workers_see_them_or_are_sent(
    there: Valenced,
    cluster: Machines,
    scheduler: Machine,
    music: Path,
    tmp_path: Path,
    local: dict[str, list[float]],
) -> None:
    worker = cluster.worker(scheduler, "w4")
    for file in (music / "seen").iterdir():
        os.link(file, tmp_path / file.name)
    paths = ", ".join(
        f'{{here="{here}", there="{path}"}}'
        for here, path in ((music, "/nowhere"), (music / "seen", tmp_path))
    )
    mapped = ("--set", f"analysis.cluster_path=[{paths}]", "--cluster", scheduler.address)
    folders = (music / "seen", music / "unseen")
    assert there.read("scan", *mapped, *folders) == scanned(4)
    for folder in folders:
        require_same(there, folder, local)
    heard = cluster.heard("w4")
    assert sorted(path for how, path in heard if how == "windows") == sorted(
        Path("/nowhere/unseen") / file.name for file in (music / "unseen").iterdir()
    )
    assert {path.parent for how, path in heard if how == "file"} == {
        tmp_path,
        Path("/nowhere/unseen"),
    }
    worker.kill()


@pytest.mark.xdist_group("cluster")
def test_lies_give_no_result_and_cost_the_liar_its_work(
    there: Valenced,
    cluster: Machines,
    scheduler: Machine,
    music: Path,
    local: dict[str, list[float]],
) -> None:
    liar = cluster.worker(scheduler, "liar", "lying")
    assert there.read("scan", "--cluster", scheduler.address, music / "lies") == scanned(5)
    require_same(there, music / "lies", local)
    said = [line for line in there.stderr.splitlines() if liar.address in line]
    assert len(said) == 3
    assert any("answered for another sound; tried elsewhere" in line for line in said)
    assert any("gave an invalid answer; " in line for line in said)
    assert sum("gets no more work after 3 faults in a row" in line for line in said) == 1
    liar.kill()


@pytest.mark.xdist_group("cluster")
def test_a_worker_that_hangs_dies_or_fails_gives_no_answer(
    cluster: Machines, scheduler: Machine
) -> None:
    slow, dead = (cluster.worker(scheduler, name) for name in ("slow", "dead"))
    with closing(DaskCluster(scheduler.address)) as dask:
        assert dask.workers()[slow.address] == 1
        both = [dead.address, slow.address]
        assert dask.ask(both, float, "2", limit_s=300) == dict.fromkeys(both, 2.0)
        dead.kill()
        answers = dask.ask([dead.address], time.sleep, 3600, limit_s=300)
        assert str(answers[dead.address]) == GONE
        answers = dask.ask([slow.address], float, "no number", limit_s=300)
        assert "no number" in str(answers[slow.address])
        answers = dask.ask([slow.address], time.sleep, 3600, limit_s=0)
        assert str(answers[slow.address]) == "did not answer in time"
    slow.kill()


@pytest.mark.xdist_group("cluster")
def test_sounds_are_heard_here_when_the_scheduler_goes(
    there: Valenced,
    cluster: Machines,
    scheduler: Machine,
    music: Path,
    local: dict[str, list[float]],
) -> None:
    cluster.worker(scheduler, "w5")
    with there.start("scan", "--cluster", scheduler.address, music / "lost") as running:
        running.wait_for("arousal")
        scheduler.kill()
        running.wait_for("one pass done: 5 files processed, 0 failed")
        assert running.process.wait(PATIENCE_S) == 0
    assert len(lines_about(running, HEARD_HERE)) <= 1
    require_same(there, music / "lost", local)
    there("scan", "--cluster", scheduler.address, music / "lost", exit_code=1)
    said = [line for line in there.stderr.splitlines() if "running as root" not in line]
    assert len(said) == 1
    assert said[0].startswith(f"valenced: cluster {scheduler.address}: Timed out")
