"""The wheel: what is in it, and that it is installed in a clean environment."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.docs.commands import all_commands, option_names
from tests.docs.pages import ROOT, page_at

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("wheel")


def run(*line: str | Path, **environment: str | Path) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {name: str(value) for name, value in environment.items()}
    done = subprocess.run(
        [*map(str, line)], env=variables, capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def files(wheel: Path) -> dict[str, str]:
    """Return the text of what the wheel holds, by its name; of what is no text, none."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: archive.read(name).decode("utf-8", "replace")
            for name in archive.namelist()
            if not name.endswith((".npz", ".joblib"))
        } | dict.fromkeys((n for n in archive.namelist() if n.endswith((".npz", ".joblib"))), "")


def below_share(files: dict[str, str]) -> dict[str, str]:
    parts = (name.partition(".data/data/share/") for name in files)
    return {name: files[f"{a}{b}{name}"] for a, b, name in parts if b}


def test_the_wheel_has_all_that_the_command_needs_and_nothing_else(files: dict[str, str]) -> None:
    tracked = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "config", "storage", "trainer", "daemon", "systemd"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    sources = ("systemd/", "daemon/page/source/")  # elsewhere in the wheel, and built into another
    wanted = {name for name in tracked if not name.startswith(sources)}
    assert wanted <= set(files)
    assert not [name for name in files if name.startswith(sources)]
    assert {name.split("/")[0].split("-")[0] for name in files} == {
        "config",
        "storage",
        "trainer",
        "daemon",
        "valenced",
    }
    shared = below_share(files)
    assert {f"systemd/{name.removeprefix('valenced/systemd/')}" for name in shared} >= {
        name for name in tracked if name.startswith("systemd/")
    }


def test_each_command_has_a_man_page_with_its_options(files: dict[str, str]) -> None:
    shared = below_share(files)
    pages = {name[9:-2]: text for name, text in shared.items() if name.startswith("man/man1/")}
    commands = all_commands()
    assert {name.replace(" ", "-") for name in commands} <= set(pages)
    for name, command in commands.items():
        text = pages[name.replace(" ", "-")].replace("\\-", "-")
        missing = {option for option in option_names(command) if option not in text}
        # Click remembers the short name, too, once a command has run in this process.
        assert missing <= {"-h", "--help"}, name
    for name in {name.split()[1] for name in commands}:
        assert f"See \\fBvalenced-{name}(1)\\fP" in pages["valenced"]
    for text in pages.values():
        # A line that begins so would be taken for a request of the page's language.
        assert not re.findall(r"^(?!\.(?:TH|SH|TP|PP|B)\b)['.].*", text, re.MULTILINE)
        assert "..." not in text.partition(".SH SYNOPSIS")[0]


def test_the_completions_are_the_scripts_of_the_shells(files: dict[str, str]) -> None:
    shared = below_share(files)
    assert "complete -o nosort -F" in shared["bash-completion/completions/valenced"]
    assert shared["zsh/site-functions/_valenced"].startswith("#compdef valenced\n")
    assert "complete --no-files" in shared["fish/vendor_completions.d/valenced.fish"]
    assert all("_VALENCED_COMPLETE" in text for name, text in shared.items() if "compl" in name)


def test_the_lists_beside_the_wheel_are_those_of_the_lock_file(dist: Path) -> None:
    lock = (ROOT / "requirements-run.lock").read_text(encoding="utf-8")
    assert (dist / "requirements.txt").read_text(encoding="utf-8") == lock
    pinned = (dist / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [re.sub(r" ?\\$", "", line) for line in lock.splitlines() if line[0] != " "] == pinned
    run("sh", "-c", f"cd {dist} && sha256sum --check --strict SHA256SUMS")


def test_version_changelog_and_upgrade_page_name_the_same_release(wheel: Path) -> None:
    changelog = page_at(ROOT / "CHANGELOG.md").text
    unreleased, *releases = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    assert unreleased == "Unreleased"
    for release in releases:
        assert re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)", release)
    newest, before = (release.split()[0] for release in releases[:2])
    assert newest == wheel.name.split("-")[1]
    upgrading = page_at(ROOT / "docs" / "upgrading.md").text
    assert re.findall(r"^## (From .+)$", upgrading, re.MULTILINE)[0] == f"From {before} to {newest}"
