"""The rules of the house that a tool can read."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("config", "storage", "trainer", "daemon")
"""From the ground up: each may import from itself and from those before it."""

OWNERS = {
    "pydantic": {"config", "trainer"},
    "sqlalchemy": {"storage"},
    "opensmile": {"trainer"},
    "av": {"trainer"},
    "sklearn": {"trainer"},
    "joblib": {"trainer"},
    "openpyxl": {"trainer"},
    "threadpoolctl": {"trainer"},
    "watchdog": {"daemon"},
    "mutagen": {"daemon"},
    "apscheduler": {"daemon"},
    "click": {"daemon"},
    "rich": {"daemon"},
    "prometheus_client": {"daemon"},
}
SINGLE_MODULES = {
    "opensmile": {"trainer/features/opensmile.py"},
    "openpyxl": {"trainer/corpora/tables/xlsx.py"},
    "mutagen": {"daemon/tagging/formats/opinion.py"},
    "apscheduler": {"daemon/service/scheduler.py"},
    "watchdog": {"daemon/watch/watcher.py"},
    "prometheus_client": {"daemon/monitoring/prometheus_metrics.py"},
}
TAKEN_NAMES = {
    "daemon": {"daemon", "pidfile"},
    "config": {"parser", "tokens"},
    "trainer": {"model", "io", "trainer", "logger"},
    "storage": {"servers", "ssh"},
}


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imports(module: Path) -> set[str]:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("find_spec"):
            found |= {str(ast.literal_eval(argument)) for argument in node.args}
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_below(room: str) -> None:
    above = set(ROOMS[ROOMS.index(room) + 1 :])
    wrong = {
        str(module.relative_to(ROOT)): imports(module) & above
        for module in modules(room)
        if imports(module) & above
    }
    assert wrong == {}


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_is_imported_only_where_it_belongs(library: str) -> None:
    users = {
        module.relative_to(ROOT)
        for room in ROOMS
        for module in modules(room)
        if library in imports(module)
    }
    assert users, f"nothing imports {library} any more; drop it from pyproject.toml"
    assert {path.parts[0] for path in users} <= OWNERS[library]
    if library in SINGLE_MODULES:
        assert {path.as_posix() for path in users} == SINGLE_MODULES[library]


@pytest.mark.parametrize("room", ROOMS)
def test_nobody_else_installed_our_top_level_names(room: str) -> None:
    assert set(packages_distributions().get(room, ["valenced"])) == {"valenced"}


@pytest.mark.parametrize("room", ROOMS)
def test_no_module_is_named_like_one_of_a_namesake_package(room: str) -> None:
    names = {module.stem for module in (ROOT / room).glob("*.py")}
    assert not names & TAKEN_NAMES[room]
    assert not names & {"utils", "helpers", "misc", "common"}


@pytest.mark.parametrize("room", ROOMS)
def test_no_module_outgrew_its_purpose(room: str) -> None:
    long = {
        str(module.relative_to(ROOT)): lines
        for module in modules(room)
        if (lines := len(module.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert long == {}


@pytest.mark.parametrize("room", ROOMS)
def test_the_package_file_holds_a_docstring_only(room: str) -> None:
    tree = ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8"))
    assert len(tree.body) == 1
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("lock", ["run", "dev", "bench"])
def test_lock_files_hold_versions_and_hashes_only(lock: str) -> None:
    text = (ROOT / f"requirements-{lock}.lock").read_text(encoding="utf-8")
    for line in text.splitlines():
        assert re.fullmatch(
            r"[a-z0-9._-]+==\S+( ;.*)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line
        )


def test_the_service_process_stays_free_of_heavy_libraries() -> None:
    """Workers load them; the service that idles for a year must not."""

    script = (
        "import sys, daemon.service.app, daemon.cli.service.run, daemon.cli.service.status;"
        "heavy = {'sklearn', 'opensmile', 'pandas', 'av', 'scipy', 'prometheus_client'};"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
