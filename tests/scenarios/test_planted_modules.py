"""Code that lies in the current directory never runs, whatever is typed there."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from storage.catalogue import Catalogue
from tests.docs.commands import all_commands
from tests.driving import Valenced
from tests.sounds import music_like, write_audio
from trainer.bundles.registry import prepare
from trainer.processes.child_process import child_command

if TYPE_CHECKING:
    from pathlib import Path

OURS = ("config", "daemon", "storage", "trainer")
PLANTED = {
    *OURS,
    *("sitecustomize", "usercustomize"),
    *(name for name in sys.stdlib_module_names if not name.startswith("__")),
    *(name for name in packages_distributions() if name.isidentifier()),
}

FEW = ("--regression", "elasticnet", "--folds", "2", "--repeats", "1")

NOBODY_THERE = "postgresql+psycopg://127.0.0.1:1/sounds"

LINES = {
    "scan": ["scan", "."],
    "show": ["show", "song.flac"],
    "query": ["query", "--like", "song.flac"],
    "annotate": ["annotate", "song.flac", "--arousal", "0.5", "--valence", "0.5"],
    "annotations list": ["annotations", "list"],
    "annotations export": ["annotations", "export"],
    "annotations import": ["annotations", "import", "manifest.csv"],
    "review": ["review"],
    "corpus add": ["corpus", "add", "manifest", "."],
    "corpus list": ["corpus", "list"],
    "corpus remove": ["corpus", "remove", "manifest"],
    "train": ["train"],
    "evaluate": ["evaluate", "--corpora", "vgmidi", "--experiment", "single-domain", *FEW],
    "tags write": ["tags", "write", "."],
    "tags show": ["tags", "show", "."],
    "tags strip": ["tags", "strip", "."],
    "tags restore": ["tags", "restore", "."],
    "bundles list": ["bundles", "list"],
    "bundles show": ["bundles", "show"],
    "bundles publish": ["bundles", "publish", "starter"],
    "bundles rollback": ["bundles", "rollback"],
    "status": ["status"],
    "retry": ["retry"],
    "check": ["check"],
    "backup": ["backup", "backup.tar"],
    "restore": ["restore", "backup.tar"],
    "catalogue copy": ["catalogue", "copy", NOBODY_THERE, "sqlite:///copy.db"],
    "config path": ["config", "path"],
    "config show": ["config", "show"],
    "config init": ["config", "init", "--config", "settings.toml"],
    "config edit": ["config", "edit", "--config", "settings.toml"],
    "install": ["install", "--root", "root"],
    "uninstall": ["uninstall", "--root", "root"],
}
"""A line for every command that ends by itself, in an order in which each has something to do."""


def plant(folder: Path, marker: Path) -> Path:
    """Fill a folder with modules that leave their name in a file when they are imported."""
    folder.mkdir(exist_ok=True)
    code = f"with open({str(marker)!r}, 'a') as marker: print(__name__, file=marker)\n"
    for number, name in enumerate(sorted(PLANTED)):
        if name in OURS or number % 2:
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text(code)
        else:
            (folder / f"{name}.py").write_text(code)
    return folder


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "marker"


@pytest.fixture
def album(tmp_path: Path, marker: Path) -> Path:
    """A folder with songs, a data set, and planted modules."""
    folder = plant(tmp_path / "album", marker)
    for number, name in enumerate(("song.flac", "other.mp3")):
        write_audio(folder / name, music_like(2, seed=number))
    (folder / "manifest.csv").write_text("path,arousal,valence\nsong.flac,0.1,0.2\n")
    return folder


@pytest.fixture
def here(tmp_path: Path, album: Path) -> Valenced:
    """An installation whose commands are all typed in that folder."""
    state = tmp_path / "state"
    return Valenced(state, "watch.settle_s=0.3", by=("env", "--chdir", str(album)))


def test_the_planted_modules_would_run_if_they_were_imported(album: Path, marker: Path) -> None:
    subprocess.run([sys.executable, "-c", "import json"], cwd=album, check=False)
    assert marker.exists()


def test_there_is_a_line_for_every_command() -> None:
    assert {*LINES, "run", "page"} == {name.removeprefix("valenced ") for name in all_commands()}


def test_no_command_and_none_of_its_processes_runs_planted_modules(
    here: Valenced, marker: Path
) -> None:
    for name, line in LINES.items():
        subprocess.run(
            here.line(*line),
            env=here.environment | {"EDITOR": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        assert not marker.exists(), f"{name}: {marker.read_text()}"
    assert here.select("SELECT count(*) FROM clips") == [(2,)]


def test_the_service_and_its_workers_run_no_planted_modules(here: Valenced, marker: Path) -> None:
    with here.start("run", ".", "--debug") as service:
        service.wait_for("song.flac", "arousal")
        service.stop()
    assert not marker.exists()


def test_the_page_runs_no_planted_modules(here: Valenced, marker: Path) -> None:
    here.create_catalogue()
    line = here.line("page", "--listen", "127.0.0.1:0")
    with subprocess.Popen(line, env=here.environment, stdout=subprocess.PIPE, text=True) as page:
        try:
            assert page.stdout is not None
            with build_opener(HTTPCookieProcessor()).open(page.stdout.readline().strip()) as answer:
                assert b"<html" in answer.read()
        finally:
            page.terminate()
    assert not marker.exists()


def test_a_relative_catalogue_is_that_of_the_directory_where_the_command_was_typed(
    here: Valenced, album: Path
) -> None:
    here("scan", ".", "--set", "catalogue.url=sqlite:///own.db")
    assert (album / "own.db").exists()
    assert not here.catalogue.exists()


JOB = """
import sys
from pathlib import Path
from daemon.service import background_job
url, registry = sys.argv[2], Path(sys.argv[3])
if sys.argv[1] == "retrain":
    job = background_job.retrain_job(url, registry, Path("corpora"), 3)
else:
    job = background_job.rescore_job(url, registry, 2)
job.wait()
print(*job.exit_status())
job.stop()
"""


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize(
    ("kind", "outcome"), [("retrain", "1 nothing is annotated yet"), ("rescore", "0 0 sounds")]
)
def test_background_jobs_run_no_planted_modules(
    album: Path, marker: Path, kind: str, outcome: str, *, relative: bool
) -> None:
    Catalogue(f"sqlite:///{album / 'catalogue.db'}").close()
    directory, _ = prepare(album / "bundles")
    named = directory if kind == "rescore" else album / "bundles"
    place = "catalogue.db" if relative else str(album / "catalogue.db")
    arguments = [kind, f"sqlite:///{place}", named.relative_to(album) if relative else named]
    done = subprocess.run(
        [sys.executable, "-P", "-c", JOB, *map(str, arguments)],
        cwd=album,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(outcome)
    assert not marker.exists()


def test_every_kind_of_child_ignores_an_empty_element_of_pythonpath(
    album: Path, marker: Path
) -> None:
    script = (
        "import sys; from trainer.processes.child_process import start_child\n"
        "start_child(sys.argv[1], sys.argv[2:], {'PYTHONPATH': ':'}).wait()"
    )
    for module in (
        "daemon.worker.worker_process",
        "trainer.processes.retrain_process",
        "trainer.processes.rescore_process",
    ):
        subprocess.run(
            [sys.executable, "-P", "-c", script, module], cwd=album, check=True, capture_output=True
        )
        assert not marker.exists(), module


def test_empty_folders_named_like_packages_change_nothing(
    valenced: Valenced, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    for name in OURS:
        (empty / name).mkdir(parents=True)
    write_audio(empty / "song.flac", music_like(2))
    there = Valenced(tmp_path / "there", "watch.settle_s=0.3", by=("env", "-C", str(empty)))
    there("scan", empty)
    valenced("scan", empty)
    found = [each.read("query") for each in (there, valenced)]
    assert len(found[0]) == 1
    assert found[0][0]["arousal"] == found[1][0]["arousal"]


def test_the_line_of_a_child_keeps_the_current_directory_out() -> None:
    assert child_command("a.b", ["c"])[1] == "-P"
