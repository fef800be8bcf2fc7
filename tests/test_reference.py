"""The reference page beside the program: nothing is left out, and nothing is made up."""

from __future__ import annotations

import re
import sqlite3
import tomllib
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from config.defaults import defaults_text
from daemon.cli.main import valenced
from daemon.clock import utc_now
from daemon.monitoring.prometheus_metrics import Metrics
from daemon.monitoring.service_status import Promise, status_of
from daemon.pipeline.run_stats import RunStats
from storage.catalogue import Catalogue
from storage.schema.records import FolderState

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
SHARED = {"--config", "--set", "--quiet", "--verbose", "--debug", "--help"}


@cache
def page() -> str:
    return (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return page().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> dict[str, str]:
    """Return the first and the second column of the tables in a text."""
    found = re.findall(r"^\| `([^`]+)`.*? \| (.*?) \|", text, flags=re.MULTILINE)
    return dict(found)


def leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(command)
    if not isinstance(command, click.Group):
        yield name, command
        return
    for inner in command.list_commands(context):
        found = command.get_command(context, inner)
        assert found is not None
        yield from leaves(found, f"{name} {inner}")


def options(command: click.Command) -> set[str]:
    return {
        name
        for parameter in command.get_params(click.Context(command))
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    }


def documented_commands() -> dict[str, set[str]]:
    found = {}
    for block in section("Commands").split("\n### ")[1:]:
        heading = block.partition("\n")[0].strip("`")
        name = " ".join(word for word in heading.split() if word.islower())
        found[name] = set(re.findall(r"^\* `(--[a-z-]+)", block, flags=re.MULTILINE))
    return found


def test_every_command_and_option_is_documented_and_no_other() -> None:
    program = {name: options(command) - SHARED for name, command in leaves(valenced, "valenced")}
    assert documented_commands() == program
    intro = section("Commands").partition("\n### ")[0]
    assert all(f"`{option}" in intro for option in SHARED)


def test_every_command_takes_what_every_command_takes() -> None:
    for name, command in leaves(valenced, "valenced"):
        assert options(command) >= SHARED, name


def test_the_readme_names_no_command_that_there_is_not() -> None:
    groups = {name.split()[1] for name, _ in leaves(valenced, "valenced")}
    named = re.findall(
        r"(?:^ {4}|`)valenced ([a-z]+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE
    )
    assert named
    assert set(named) <= groups


def flattened(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def test_every_setting_is_documented_with_its_default_and_no_other() -> None:
    documented = rows(section("Settings"))
    defaults = dict(flattened(tomllib.loads(defaults_text())))
    assert set(documented) == set(defaults)
    for key, default in defaults.items():
        if documented[key] != "a list":
            assert tomllib.loads(f"x = {documented[key].strip('`')}")["x"] == default, key
        else:
            assert isinstance(default, list)


def test_every_figure_is_documented_with_its_kind_and_no_other(tmp_path: Path) -> None:
    with closing(Catalogue(f"sqlite:///{tmp_path / 'catalogue.db'}")) as catalogue:
        catalogue.record_folders([FolderState(tmp_path, "events", utc_now(), None)])
        stats = RunStats(1)
        metrics = Metrics(lambda: status_of(catalogue, 900, utc_now(), stats), stats, utc_now)
        text = metrics.text().decode()
    program = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, flags=re.MULTILINE))
    told = rows(section("Health and metrics"))
    promises = {name for name in told if not name.startswith("valenced_")}
    assert promises == set(Promise)
    assert {name: kind for name, kind in told.items() if name not in promises} == program


def test_every_view_is_documented_with_its_columns_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.db"
    Catalogue(f"sqlite:///{file}").close()
    with closing(sqlite3.connect(file)) as plain:
        names = [
            name for (name,) in plain.execute("SELECT name FROM sqlite_master WHERE type = 'view'")
        ]
        program = {
            name: ", ".join(row[1] for row in plain.execute(f"PRAGMA table_info({name})"))
            for name in names
        }
    documented = rows(section("Views"))
    assert {name: text.partition(" (")[0] for name, text in documented.items()} == program
