"""`valenced check`, with the rights of several users and on folders in all states."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.driving import Valenced

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = "nobody"


def watching(*folders: Path, **more: str) -> str:
    """Return the setting that watches some folders."""
    rest = "".join(f', {key} = "{value}"' for key, value in more.items())
    return "watch.folder=[" + ", ".join(f'{{path = "{path}"{rest}}}' for path in folders) + "]"


def of(findings: list[dict[str, str]], part: str) -> list[str]:
    """Return the levels of what is said about something."""
    return [finding["level"] for finding in findings if part in finding["what"]]


def test_a_plain_folder_passes_every_check(valenced: Valenced, music: Path) -> None:
    findings: Any = valenced.read("check", "--set", watching(music))
    assert of(findings, "the first start makes it") == ["ok"]
    assert not valenced.catalogue.exists()
    valenced.create_catalogue()
    findings = valenced.read("check", "--set", watching(music))
    assert {finding["level"] for finding in findings} == {"ok"}
    for part in (
        "settings",
        "SQLite",
        "opens",
        "clock",
        "MiB free",
        "bundle",
        "tags written",
        "Landlock",
    ):
        assert of(findings, part) == ["ok"]
    assert b"ok       " in valenced("check", "--set", watching(music))


def test_who_may_teach_is_said(valenced: Valenced, music: Path, tmp_path: Path) -> None:
    folder = tmp_path / "annotations"
    folder.mkdir(mode=0o700)
    line = ("check", "--set", watching(music), "--set", f'annotations.folder="{folder}"')
    assert of(valenced.read(*line), "may teach") == ["ok"] * 3
    assert of(valenced.read(*line), "may teach: its owner, by tables in") == ["ok"]
    folder.chmod(0o777)
    assert of(valenced.read(*line), "everybody on this machine may annotate there") == ["warn"]
    folder.chmod(0o770)
    assert of(valenced.read(*line), f"the group of the folder ({folder.group()})") == ["ok", "warn"]
    column = "annotations.annotator_column=false"
    assert of(valenced.read(*line, "--set", column), "in anybody's name") == []
    off = ("from_folder", "from_tags", "from_commands")
    switched = [part for key in off for part in ("--set", f"annotations.{key}=false")]
    assert of(valenced.read(*line, *switched), "may teach") == []


def test_a_clock_in_the_past_and_a_running_service_are_reported(
    valenced: Valenced, music: Path
) -> None:
    with valenced.start("run", music) as service:
        service.wait_for("watching")
        with closing(sqlite3.connect(valenced.catalogue)) as plain, plain:
            # In the year 2999.
            plain.execute("INSERT INTO hearings VALUES (1, 1, 32472144000000, x'00')")
        findings = valenced.read("check")
        assert of(findings, "no folder is set") == []
        assert of(findings, f"{music}: can be read") == ["ok"]
        assert of(findings, "set the clock") == ["warn"]
        assert of(findings, f"process {service.process.pid} works") == ["ok"]
        assert service.stop() == 0


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user can reach, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can look as another user")
def test_folders_are_checked_with_the_rights_of_the_given_user(shared: Path) -> None:
    music, secret, state = (shared / name for name in ("music", "secret", "state"))
    for folder in (music, music / "open", state):
        folder.mkdir(mode=0o755)
    secret.mkdir(mode=0o700)
    (music / "closed").mkdir(mode=0o700)
    valenced = Valenced(state)
    assert of(valenced.read("check", "--set", watching(music)), "tags written") == ["ok"]
    as_user = "check", "--user", NOBODY, "--set"
    findings = valenced.read(*as_user, watching(music), exit_code=1)
    assert of(findings, "may not read") == ["warn"]
    assert of(findings, "so no tags there") == ["warn"]
    assert of(findings, f"may not look into {state}") == ["fail"]
    valenced.create_catalogue()
    # What root has made there is not theirs to write.
    findings = valenced.read(*as_user, watching(music), exit_code=1)
    assert "fail" in of(findings, "catalogue.db")
    findings = valenced.read(*as_user, watching(secret), exit_code=1)
    assert of(findings, f"{secret}: this user may not read it") == ["fail"]
    hidden = Valenced(secret / "deep" / "state")
    findings = hidden.read(*as_user, watching(music), exit_code=1)
    assert of(findings, f"may not look into {secret}") == ["fail"]
    assert not hidden.catalogue.exists()


def test_an_unknown_user_is_a_usage_error(valenced: Valenced) -> None:
    valenced("check", "--user", "no one\nat all", exit_code=2)
    assert "there is no such user" in valenced.stderr
