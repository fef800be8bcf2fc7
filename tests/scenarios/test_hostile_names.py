"""Files and folders whose names are made to mean something to a shell, a terminal or a program."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

import pytest

from daemon.cli.main import main
from daemon.paths import printable
from tests.driving import Valenced, same_logging
from tests.sounds import music_like, write_audio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Each process that runs these tests would scan the library again.
pytestmark = pytest.mark.xdist_group("hostile names")

SETTINGS = ("watch.settle_s=0.3", "watch.ignore=[]", "analysis.workers=1")
NAMES = {
    "line break": "a\nvalenced: all is well",
    "carriage return": "a\rvalenced: all is well",
    "tabulator": "a\tb",
    "terminal": "\x1b]0;title\x07\x1b[2J",
    "C1 control": "\x9b31m\x85",
    "right to left": "\u202egnp.3pm",
    "isolate": "\u2066a\u2069\u2028b",
    "option": "--help",
    "short option": "-rf",
    "shell": "$(touch x);`id`&&|>y",
    "bytes": os.fsdecode(b"caf\xe9\xff\xc3"),
    "long": "x" * 250,
    "format": "%s%n%(a)d{}{0}{a.b}",
    "markup": "[red]x[bold]:smile:[link=y]",
    "wildcards": "100%_a*?[!b]",
    "quotes": '\'"\\\\"',
    "space": " a ",
    "dot": "a. .",
    "device": "CON",
    "joined emoji": "\U0001f469\u200d\U0001f469",
    "composed": "\u00e9",
    "decomposed": "e\u0301",
    "dots": "..foo",
    "home": "~root",
    "url": "file:",
    "playlist": "#EXTM3U",
    "formula": "=cmd|'calc'!A0",
    "list": "a;b,c:d",
}


class Library(NamedTuple):
    """A scanned library: in a folder by each of the names a sound by the same name."""

    valenced: Valenced
    folder: Path

    def sound(self, kind: str) -> Path:
        return self.folder / NAMES[kind] / f"{NAMES[kind]}.flac"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("library")
    made = Library(Valenced(folder / "state", *SETTINGS), folder / "music")
    for seed, kind in enumerate(NAMES):
        path = made.sound(kind)
        path.parent.mkdir(parents=True)
        write_audio(folder / "sound.flac", music_like(1.5, 22050, seed=seed), 22050)
        (folder / "sound.flac").rename(path)
    assert made.valenced.read("scan", made.folder)["done"] == len(NAMES)
    return made


class Outcome(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: bytes
    err: str


@pytest.fixture
def run(
    library: Library, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Iterator[Callable[..., Outcome]]:
    """Yield a function that runs a command in this process, as there are hundreds to run."""
    for key, value in library.valenced.environment.items():
        monkeypatch.setenv(key, value)

    def run(*arguments: str | Path) -> Outcome:
        line = [str(part) for part in library.valenced.line(*arguments)]
        monkeypatch.setattr(sys, "argv", line)
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfdbinary.readouterr()
        text = err.decode()
        assert "unexpected" not in text
        assert "Traceback" not in text
        assert all(shown.isprintable() for shown in text.split("\n"))
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, out, text)

    with same_logging():
        yield run


def lines(out: bytes) -> list[str]:
    """Return the lines of a text for people, which must hold no control character."""
    found = out.decode().split("\n")
    assert all(line.isprintable() for line in found)
    return found


@pytest.mark.parametrize("kind", NAMES)
def test_a_query_finds_exactly_the_sound_below_a_folder_and_names_it_exactly(
    library: Library, run: Callable[..., Outcome], kind: str
) -> None:
    sound = library.sound(kind)
    query = ("query", "--under", sound.parent, "--format")
    assert run(*query, "paths").out == os.fsencode(sound) + b"\n"
    assert run(*query, "paths0").out == os.fsencode(sound) + b"\0"
    assert [row["path"] for row in json.loads(run(*query, "json").out)] == [str(sound)]
    text = run(*query, "csv").out.decode("utf-8", "surrogateescape")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["path"] == str(sound)
    head, _, entry, end = lines(run(*query, "m3u8").out)
    assert (head, end) == ("#EXTM3U", "")
    named = unquote_to_bytes(entry.removeprefix("file://")) if "://" in entry else entry.encode()
    assert named == os.fsencode(sound)
    (_, shown, _) = lines(run(*query, "table").out)
    assert shown.rstrip().endswith(printable(str(sound)).rstrip())


@pytest.mark.parametrize("kind", NAMES)
def test_every_command_on_one_file_takes_its_name(
    library: Library, run: Callable[..., Outcome], kind: str, tmp_path: Path
) -> None:
    sound = library.sound(kind)
    document = json.loads(run("show", "--format", "json", sound).out)
    assert document["path"] == document["sound"]["path"] == str(sound)
    assert lines(run("show", sound).out)[0] == printable(str(sound))
    assert printable(str(sound)) in lines(run("tags", "show", sound).out)[0]
    assert run("retry", sound).code == 0
    assert run("scan", "--dry-run", sound).err.startswith("0 to analyse, 1 known")
    annotated = run("annotate", sound, "--arousal", "0.5")
    assert annotated.err == f"{printable(str(sound))}: annotated\n"
    assert "1 annotation withdrawn" in run("annotate", "--withdraw", sound).err
    table = tmp_path / "table.csv"
    with table.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        csv.writer(stream).writerows(
            [["path", "arousal"], [f"{sound.parent.name}/{sound.name}", 1]]
        )
    assert run("annotate", "--from", table).err == "1 annotation imported, 1 new\n"
    assert run("annotate", "--withdraw", sound).code == 0


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_that_is_relative_or_unknown_is_only_a_name(
    library: Library, run: Callable[..., Outcome], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = library.sound(kind)
    monkeypatch.chdir(sound.parent)
    document = json.loads(run("show", "--format", "json", "--", sound.name).out)
    assert document["path"] == str(sound)
    unknown = run("show", "--", NAMES[kind])
    assert unknown.code == 1
    (line,) = unknown.err.splitlines()
    assert line.startswith(f"valenced: {printable(str(sound.parent))}")
    missing = run("tags", "show", "--", NAMES[kind])
    assert missing.code == 2
    for value in (("--format", NAMES[kind]), ("--set", NAMES[kind]), ("--config", NAMES[kind])):
        assert run("query", *value).code in {2, 78}
    assert list(sound.parent.iterdir()) == [sound]


@pytest.mark.parametrize(
    "kind", ["line break", "terminal", "right to left", "option", "bytes", "long", "url", "format"]
)
def test_a_backup_under_any_name_is_written_and_restored(
    run: Callable[..., Outcome], kind: str, tmp_path: Path
) -> None:
    archive = tmp_path / NAMES[kind]
    assert run("backup", archive).err.startswith(printable(str(archive)))
    assert list(tmp_path.iterdir()) == [archive]
    archive.write_bytes(b"no tar")
    refused = run("restore", archive)
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert printable(str(archive)) in refused.err


def test_commands_on_all_files_name_each_in_one_line(library: Library) -> None:
    valenced, folder = library.valenced, library.folder
    shown = {printable(str(library.sound(kind))) for kind in NAMES}
    for action in (["strip"], ["write"], ["restore", "--dry-run"]):
        outcomes = [
            line.split("  ", 1)[1] for line in lines(valenced("tags", *action, folder))[:-1]
        ]
        assert set(outcomes) == shown
        assert len(outcomes) == len(NAMES)
    assert set(lines(valenced("review", "--list", "--limit", "1000"))) == shown | {""}


def on_a_terminal(library: Library, *arguments: str | Path) -> str:
    """Return what a command writes to a terminal."""
    outer, inner = pty.openpty()
    environment = library.valenced.environment | {"TERM": "dumb", "COLUMNS": "100"}
    line = library.valenced.line(*arguments)
    with subprocess.Popen(
        line, env=environment, stdin=inner, stdout=inner, stderr=inner
    ) as process:
        os.close(inner)
        pieces = []
        while True:
            try:
                pieces.append(os.read(outer, 65536))
            except OSError:
                break
        process.wait()
    os.close(outer)
    return b"".join(pieces).decode()


@pytest.mark.parametrize(
    "line",
    [
        *(
            ["query", "--format", form]
            for form in ("table", "json", "csv", "m3u8", "paths", "paths0")
        ),
        ["tags", "show", "FOLDER"],
        ["tags", "write", "FOLDER"],
        ["review", "--list", "--limit", "1000"],
        ["scan", "--dry-run", "FOLDER"],
        ["check", "--set", 'watch.folder=[{path="/nowhere\\u001b[2J\\u202e"}]'],
        ["scan", "--dry-run", "--set", "catalogue.url=sqlite:////\x1b[2J/\x9b.db", "FOLDER"],
        ["annotate", "/\x1b[2J\n\x9b"],
        ["annotate", "/\x1b[2J\n\x9b", "--arousal", "0"],
        ["config", "show", "--set", "log.level=\x1b[2J"],
        ["bundles", "show", "\x1b[2J"],
        ["corpus", "remove", "\x1b[2J"],
        ["corpus", "add", "manifest", "/\x1b[2J"],
        ["\x1b[2J"],
    ],
    ids=lambda line: " ".join(line[:3])[:30],
)
def test_no_command_lets_a_name_control_the_terminal(library: Library, line: list[str]) -> None:
    text = on_a_terminal(
        library, *(str(library.folder) if part == "FOLDER" else part for part in line)
    )
    assert "Traceback" not in text
    assert "unexpected" not in text
    # Lines of CSV end as its standard says; NUL, which ends the names of `paths0`, shows nothing.
    for shown in text.replace("\r\r\n", "\r\n").split("\r\n"):
        assert shown.replace("\0", "").isprintable()
