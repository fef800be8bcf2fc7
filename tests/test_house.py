"""The rules of the house that a tool can read."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections import Counter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("config", "storage", "trainer", "daemon")

LAYERS = (
    "config",
    "storage/schema",
    "storage/database",
    "storage/search",
    "storage",
    "trainer",
    "trainer/audio",
    "trainer/audio/packets",
    "trainer/files",
    "trainer/features/harmony",
    "trainer/features",
    "trainer/regression",
    "trainer/personal",
    "trainer/bundles",
    "trainer/corpora",
    "trainer/corpora/tables",
    "trainer/corpora/data_sets",
    "trainer/evaluation",
    "trainer/retraining",
    "trainer/starter",
    "trainer/experiments",
    "trainer/experiments/report",
    "trainer/processes",
    "daemon",
    "daemon/system",
    "daemon/tagging/basics",
    "daemon/tagging/formats",
    "daemon/tagging/parsing",
    "daemon/tagging/disk",
    "daemon/tagging",
    "daemon/worker",
    "daemon/cluster",
    "daemon/backup",
    "daemon/watch",
    "daemon/pipeline",
    "daemon/install",
    "daemon/monitoring",
    "daemon/training_data",
    "daemon/querying",
    "daemon/sharing",
    "daemon/service",
    "daemon/page/http",
    "daemon/page/routes",
    "daemon/page",
    "daemon/cli",
    "daemon/cli/sounds",
    "daemon/cli/learning",
    "daemon/cli/service",
)
"""From the ground up: a folder imports only from itself and from those before it."""

AT_A_ROOT = {
    "config": {"default_paths", "defaults", "errors", "loading", "settings"},
    "trainer": {"arrays", "rating_scale", "trainer_errors"},
    "daemon": {"clock", "paths", "service_errors", "wording"},
}
"""The modules that lie at the root of a package; all others have a folder that says their stage."""

MOST_MODULES = 15
MEDIAN_LINES = 120
LONGEST_FUNCTION = 40

OWNERS = {
    "pydantic": {"config", "trainer", "daemon"},
    "sqlalchemy": {"storage"},
    "psycopg": {"storage"},
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
    "fastapi": {"daemon"},
    "uvicorn": {"daemon"},
    "distributed": {"daemon"},
}
SINGLE_MODULES = {
    "opensmile": {"trainer/features/opensmile.py"},
    "joblib": {"trainer/bundles/bundle.py", "trainer/experiments/cells.py"},
    "psycopg": {"storage/database/plain_postgresql.py"},
    "openpyxl": {"trainer/corpora/tables/xlsx.py"},
    "mutagen": {
        "daemon/tagging/formats/ape_tag.py",
        "daemon/tagging/formats/foreign_tags.py",
        "daemon/tagging/formats/mp4_boxes.py",
        "daemon/tagging/formats/mutagen_formats.py",
    },
    "apscheduler": {"daemon/service/scheduler.py"},
    "watchdog": {
        "daemon/watch/kernel_watches.py",
        "daemon/watch/paced_polling.py",
        "daemon/watch/watcher.py",
    },
    "prometheus_client": {"daemon/monitoring/prometheus_metrics.py"},
    "distributed": {"daemon/cluster/dask_cluster.py"},
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


ALL = [module for room in ROOMS for module in modules(room)]
WRITTEN = [module for module in ALL if module.name != "__init__.py"]


def name_of(module: Path) -> str:
    return ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def folder_of(module: Path) -> str:
    return module.relative_to(ROOT).parent.as_posix()


FOLDERS = {name_of(module): folder_of(module) for module in ALL}


def folders_imported_by(module: Path) -> set[str]:
    """Every import, also those for type checking and those inside functions."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in FOLDERS else node.module for name in names}
    return {FOLDERS[name] for name in found if name in FOLDERS}


def test_every_folder_has_its_layer_and_imports_only_from_below() -> None:
    assert {folder_of(module) for module in WRITTEN} == set(LAYERS)
    wrong = [
        f"{name_of(module)} imports from {folder}"
        for module in WRITTEN
        for folder in folders_imported_by(module)
        if LAYERS.index(folder) > LAYERS.index(folder_of(module))
    ]
    assert wrong == []


@pytest.mark.parametrize("room", AT_A_ROOT)
def test_no_module_lies_at_a_root_without_a_folder(room: str) -> None:
    found = {module.stem for module in (ROOT / room).glob("*.py")} - {"__init__"}
    assert found == AT_A_ROOT[room]


def test_no_folder_is_crowded_and_the_median_module_is_short() -> None:
    count = Counter(folder_of(module) for module in WRITTEN)
    assert {folder: n for folder, n in count.items() if n > MOST_MODULES} == {}
    lines = [len(module.read_text(encoding="utf-8").splitlines()) for module in WRITTEN]
    assert statistics.median(lines) <= MEDIAN_LINES


def test_no_two_modules_have_one_name() -> None:
    count = Counter(module.stem for module in ALL if not module.stem.startswith("__"))
    assert {name: n for name, n in count.items() if n > 1} == {}


def test_no_two_public_classes_have_one_name() -> None:
    count = Counter(
        node.name
        for module in ALL
        for node in ast.parse(module.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name: n for name, n in count.items() if n > 1} == {}


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


def test_only_a_bundle_is_unpickled() -> None:
    """What else could unpickle is not used at all, as it would run what others wrote."""
    unpickling = {"pickle", "shelve", "marshal", "dill", "cloudpickle", "skops"}
    assert [name_of(module) for module in ALL if imports(module) & unpickling] == []
    for module in ALL:
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert ast.unparse(node.value) == "False", name_of(module)
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"np.load", "numpy.load"}:
                assert "allow_pickle" in {each.arg for each in node.keywords}, name_of(module)
            # `multiprocessing` sends pickles by these; `send_bytes` and `recv_bytes` do not.
            if isinstance(node, ast.Attribute) and "connection" in ast.unparse(node.value):
                assert node.attr not in {"send", "recv"}, name_of(module)


def test_only_storage_reaches_for_the_engine_of_a_catalogue() -> None:
    users = [
        name_of(module)
        for module in ALL
        if not name_of(module).startswith("storage.")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"engine", "_engine"}
    ]
    assert users == []


def test_only_one_module_prints_for_the_commands() -> None:
    """It escapes what could control a terminal; rich's own output is escaped where it is made."""
    users = [
        name_of(module)
        for module in modules("daemon")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"print", "click.echo", "click.secho", "sys.stdout.write"}
    ]
    assert set(users) == {"daemon.cli.output"}


PARSERS = {"daemon/tagging/formats", "daemon/tagging/parsing"}
"""What parses the bytes of sound files for their tags."""


def test_only_workers_parse_tags() -> None:
    users = {
        name_of(module)
        for module in ALL
        if folder_of(module) not in PARSERS and folders_imported_by(module) & PARSERS
    }
    assert users == {"daemon.worker.worker_process"}


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


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_function_is_long() -> None:
    long = {
        f"{name_of(module)}.{node.name}": lines
        for module in ALL
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := body_lines(node)) > LONGEST_FUNCTION
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


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        # Workers load them; the service that idles for a year must not.
        (
            "daemon.service.app, daemon.cli.service.run, daemon.cli.service.status",
            {"sklearn", "opensmile", "pandas", "av", "scipy", "prometheus_client", "mutagen"},
        ),
        # A training would take seconds before it begins.
        ("trainer.processes.retrain_process", {"sklearn", "opensmile", "pandas", "scipy.stats"}),
        # Commands that do not open the catalogue ask only for its file.
        ("storage.database.catalogue_file", {"sqlalchemy", "pydantic"}),
    ],
)
def test_a_process_stays_free_of_libraries_that_it_does_not_need(
    modules: str, heavy: set[str]
) -> None:
    script = f"import sys, {modules}; print(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_help_and_completion_load_no_heavy_library() -> None:
    """Whoever asks for them waits."""

    script = """
import os, sys
from daemon.cli.command_groups import COMMANDS
from daemon.cli.main import valenced

lines = [[], *([name] for name in COMMANDS), ["bundles", "show"], ["tags", "write"]]
for line in lines:
    valenced([*line, "--help"], prog_name="valenced", standalone_mode=False)
os.environ["_VALENCED_COMPLETE"] = "bash_complete"
for line in ("valenced ", "valenced tags ", "valenced query --sort ", "valenced bundles show "):
    os.environ |= {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    try:
        valenced([], prog_name="valenced")
    except SystemExit as end:
        assert not end.code, line
heavy = {"sqlalchemy", "pydantic", "numpy", "mutagen", "rich", "importlib.metadata"}
print("heavy:", *sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert "-arousal" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy:"
