"""README and the pages of docs/ beside the program: what they name exists, what they show is so."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from config.defaults import defaults_text
from daemon.cli.main import valenced as program
from storage.catalogue import Catalogue
from tests.docs import commands, examples
from tests.docs.pages import PAGES, README, REFERENCE, ROOT, Page, page_at
from tests.shared_data import INBOX

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDERS = "config|storage|trainer|daemon|tests|bench|docs|systemd|\\.ci"
CATALOGUE_PAGES = (README, ROOT / "docs" / "catalogue.md")
SHORTEST, LONGEST = 100, 160
"""How many lines a README may have that is read to its end."""

with_recordings = pytest.mark.skipif(
    not INBOX.is_dir(), reason=f"the eleven recordings are not in {INBOX}"
)
each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> examples.Examples:
    return examples.Examples(tmp_path_factory.mktemp("recordings"))


@with_recordings
@pytest.mark.xdist_group("recordings")
def test_the_readme_shows_what_the_program_answers(recordings: examples.Examples) -> None:
    shown = examples.transcript_in(page_at(README).text)
    real = recordings.transcript(examples.commands_in(shown))
    assert real
    assert examples.is_same(shown, real), real


@with_recordings
@pytest.mark.xdist_group("recordings")
def test_the_picture_shows_what_the_program_answers(recordings: examples.Examples) -> None:
    shown = examples.words_of(examples.PICTURE.read_text(encoding="utf-8"))
    real = examples.words_of(recordings.picture())
    assert "valenced query calm" in real
    assert examples.is_same(shown, real), real


def test_the_examples_may_differ_by_rounding_and_time_alone() -> None:
    shown = "calm +0.14 /a.ogg 2026-01-02T03:04:05.678Z"
    assert examples.is_same(shown, "calm +0.15 /a.ogg 2027-01-02T03:04:05.000Z")
    assert not examples.is_same(shown, "calm +0.16 /a.ogg 2026-01-02T03:04:05.678Z")
    assert not examples.is_same(shown, "calm -0.14 /a.ogg 2026-01-02T03:04:05.678Z")
    assert not examples.is_same(shown, "calm +0.14 /b.ogg 2026-01-02T03:04:05.678Z")


def test_the_picture_fetches_nothing() -> None:
    picture = examples.PICTURE.read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\"'\s]+", picture) == ["http://www.w3.org/2000/svg"]


def test_the_readme_is_short() -> None:
    assert SHORTEST <= len(page_at(README).text.splitlines()) <= LONGEST


def test_the_reference_has_the_help_texts_of_the_program() -> None:
    text = page_at(REFERENCE).text
    assert commands.updated(text) == text, "make examples writes them again"


@each_page
def test_every_command_and_option_that_is_named_exists(path: Path) -> None:
    known = commands.all_commands()
    for line in command_lines(page_at(path), "valenced"):
        words = line.split()
        name = next((n for n in prefixes(words) if n in known), None)
        if name is None:
            assert is_group(words[1:]), line
            continue
        assert options_in(line) <= commands.option_names(known[name]) | {"--version"}, line


@each_page
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for line in command_lines(page_at(path), "make"):
        assert line.split()[1] in targets, line


@each_page
def test_every_module_that_is_to_be_run_exists_with_its_options(path: Path) -> None:
    for line in command_lines(page_at(path), "python"):
        words = shlex.split(line)
        if words[1:3] == ["-m", "pytest"]:
            assert (ROOT / words[3]).exists(), line
            continue
        source = module_of(words[2]) if words[1] == "-m" else ROOT / words[1]
        assert source.is_file(), line
        folder = [file.read_text(encoding="utf-8") for file in source.parent.glob("*.py")]
        for option in options_in(line):
            assert any(f'"{option}"' in text for text in folder), f"{option} in {line}"


@each_page
def test_every_path_that_is_named_exists(path: Path) -> None:
    for span in page_at(path).spans:
        if re.fullmatch(rf"({FOLDERS})/[\w./-]*", span):
            assert (ROOT / span).exists(), span


@each_page
def test_every_setting_that_is_named_exists(path: Path) -> None:
    settings = set(flattened(tomllib.loads(defaults_text())))
    sections = {name.partition(".")[0] for name in settings}
    for span in page_at(path).spans:
        named = re.match(r"([a-z]+)\.([a-z_]+)(?: = .*)?$", span)
        if named and named[1] in sections and named[2] not in {"db", "npz"}:
            assert f"{named[1]}.{named[2]}" in settings, span


@pytest.mark.parametrize("path", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda path: path.stem)
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in page_at(path).links:
        if re.match(r"https?://", link):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        if anchor:
            assert anchor in page_at(target).anchors, link


@pytest.mark.parametrize("path", CATALOGUE_PAGES, ids=lambda path: path.stem)
def test_the_views_have_the_columns_that_the_pages_give(path: Path, tmp_path: Path) -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.+) \|$", page_at(path).text, re.MULTILINE)
    columns: dict[str, list[str]] = {}
    with plain_catalogue(tmp_path) as plain:
        for names, text in rows:
            for view in re.findall(r"\w+", names):
                same = text == "the same, of one mood"
                columns[view] = columns["sounds"] if same else re.findall(r"\w+", text)
                real = [row[1] for row in plain.execute(f"PRAGMA table_info({view})")]
                assert real, view
                assert view == "felt" or columns[view][: len(real)] == real, view
    assert len(columns) > 5


def test_every_query_of_the_catalogue_page_runs(tmp_path: Path) -> None:
    text = page_at(ROOT / "docs" / "catalogue.md").text
    queries = re.findall(r"^```sql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(queries) == 3
    with plain_catalogue(tmp_path) as plain:
        for query in queries:
            plain.execute(query)


def plain_catalogue(folder: Path) -> closing[sqlite3.Connection]:
    file = folder / "catalogue.db"
    Catalogue(f"sqlite:///{file}").close()
    return closing(sqlite3.connect(file))


def command_lines(page: Page, name: str) -> Iterator[str]:
    """Yield every line of a program that a page gives, comments and further programs cut off."""
    for block in (*page.blocks, *page.spans):
        for line in block.splitlines():
            found = re.search(rf"(?<![\w.-])({name} [a-z-].+)", line.partition(" #")[0])
            if found and not re.match(r"[\w ]*Essentia", found[1]):
                yield re.split(r"[|>] ", found[1])[0]


def prefixes(words: list[str]) -> Iterator[str]:
    for length in range(len(words), 1, -1):
        yield " ".join(words[:length])


def is_group(words: list[str]) -> bool:
    """Tell whether words name a group of commands, and behind it some of these: `a|b`."""
    if not words or words[0].startswith("-"):
        return set(words) <= {"--version", "--help"}
    group = program.commands.get(words[0])
    if not isinstance(group, click.Group):
        return False
    inner = group.list_commands(click.Context(group))
    return all(name in inner for name in " ".join(words[1:2]).split("|") if name)


def options_in(line: str) -> set[str]:
    return set(re.findall(r"(?<=\s)--[a-z][a-z-]*", line))


def module_of(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{name}.__main__")
    assert spec is not None, name
    assert spec.origin is not None, name
    return Path(spec.origin)


def flattened(table: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{prefix}{name}.")
        else:
            yield prefix + name
