"""`valenced query` on a catalogue with hostile names: what it accepts, refuses and prints."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import pytest
from pyarrow import parquet

from daemon.cli.main import valenced
from storage.catalogue import Catalogue
from tests.driving import same_logging
from tests.records import record

if TYPE_CHECKING:
    from collections.abc import Callable

HOSTILE = [
    "/m/new\nline - #EXTM3U.mp3",
    "/m/bell\x07 \x1b[2J.mp3",
    os.fsdecode(b"/m/caf\xe9.mp3"),
    "/m/#comment.mp3",
    "/m/ spaces .mp3",
    '/m/quote" comma,.mp3',
    "/m/50%_off\\x.mp3",
]
PLAIN = ["/m/ann/first/01 - Rain.mp3", "/m/ann/first/02 - Sun.mp3", "/m/bob/b.mp3"]


class Answer(NamedTuple):
    """What a command has printed."""

    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout.decode("utf-8", "surrogateescape")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a catalogue of sounds with hostile names."""
    folder = tmp_path_factory.mktemp("state")
    with closing(Catalogue(f"sqlite:///{folder / 'catalogue.db'}")) as catalogue:
        for number, path in enumerate([*HOSTILE, *PLAIN]):
            record(catalogue, path, number / 10 - 0.5, 0.5 - number / 10)
    return folder


@pytest.fixture
def query(
    state: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., Answer]:
    """Run queries in this process."""
    monkeypatch.setenv("STATE_DIRECTORY", str(state))
    monkeypatch.setenv("HOME", str(state))

    def run(*line: str, exit_code: int = 0) -> Answer:
        told = ""
        with same_logging():
            try:
                valenced.main(["query", *line], "valenced", standalone_mode=False)
                code = 0
            except click.UsageError as error:
                code, told = error.exit_code, error.format_message()
        sys.stdout.flush()
        found = capfdbinary.readouterr()
        assert code == exit_code, told
        return Answer(found.out, told)

    return run


def paths(found: Answer) -> list[str]:
    return [os.fsdecode(path) for path in found.stdout.split(b"\0")[:-1]]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (["--text", "rain"], ["01 - Rain.mp3"]),
        (["--text", "RAIN", "--text", "ann/f"], ["01 - Rain.mp3"]),
        (["--text", "%_off\\"], ["50%_off\\x.mp3"]),
        (["--text", "first/02"], ["02 - Sun.mp3"]),
        (["--text", "t\n"], []),
        (["--text", "\n"], ["new\nline - #EXTM3U.mp3"]),
        (["--duration", "12s:0.5m", "--under", "/m/bob"], ["b.mp3"]),
        (["--duration", "9e99:"], []),
        (["--duration", ":1e-300"], []),
        (["--novelty", "0.5:", "--under", "/m/bob"], ["b.mp3"]),
        (["--interval", "0.6", "--text", "b.mp3"], ["b.mp3"]),
        (["--interval", "0.59"], []),
        (["--sort", "-interval", "--limit", "1", "--under", "/m/bob"], ["b.mp3"]),
        (["--near", "0.4,-0.4", "--limit", "2"], ["b.mp3", "02 - Sun.mp3"]),
        (["--text", "' OR 1=1 --"], []),
    ],
)
def test_every_option_finds_what_it_says(
    query: Callable[..., Answer], line: list[str], names: list[str]
) -> None:
    found = paths(query(*line, "--format", "paths0"))
    assert [Path(path).name for path in found] == names


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (["--near", "nan,0"], "A,V is accepted"),
        (["--near", "inf,0"], "A,V is accepted"),
        (["--near", "0,2"], "A,V is accepted"),
        (["--arousal", "nan:"], "LO:HI is accepted"),
        (["--arousal", "0.5:-0.5"], "the lower end first"),
        (["--arousal", "3:4"], "from -1 to 1"),
        (["--duration", "5"], "LO:HI is accepted"),
        (["--duration", "5m:4m"], "the lower end first"),
        (["--duration", "-1:"], "LO:HI is accepted"),
        (["--duration", "nan:"], "LO:HI is accepted"),
        (["--duration", "1d:"], "LO:HI is accepted"),
        (["--novelty", "1s:"], "LO:HI is accepted"),
        (["--interval", "-1"], "not in the range"),
        (["--interval", "nan"], "not"),
        (["--sort", "path; DROP TABLE clips"], "is not one of"),
        (["--sort", "sound_id"], "is not one of"),
        (["--limit", "0"], "not in the range"),
        (["--kind", "noise"], "is not one of"),
        (["--from", "calm"], "belong together"),
        (["--from", "calm", "--to", "glad", "--length", "9m"], "A,V is accepted"),
        (["--from", "calm", "--to", "sad", "--length", "0"], "a length such as"),
        (["--from", "calm", "--to", "sad", "--length", "9e999"], "a length such as"),
        (["--from", "calm", "--to", "sad", "--length", "9m", "--limit", "3"], "say the order"),
        (["--format", "nsp", "--near", "0,0"], "no rule for --near"),
        (["--format", "nsp", "--sort", "novelty"], "cannot sort by novelty"),
        (["--format", "nsp", "--under", "/m"], "--relative-to"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    query: Callable[..., Answer], line: list[str], word: str
) -> None:
    assert word in query(*line, exit_code=2).stderr


def test_a_playlist_has_two_whole_lines_for_each_sound(query: Callable[..., Answer]) -> None:
    lines = query("--format", "m3u8").text.split("\n")
    assert lines[0] == "#EXTM3U"
    assert lines[-1] == ""
    entries = lines[1:-1]
    assert len(entries) == 2 * len([*HOSTILE, *PLAIN])
    assert all(line.startswith("#EXTINF:12,") for line in entries[::2])
    assert all(line.startswith(("/m/", "file:///m/")) for line in entries[1::2])
    assert all(line.isprintable() for line in entries)
    assert "#EXTINF:12,ann - Rain" in entries


def test_paths_of_a_playlist_may_be_relative(query: Callable[..., Answer]) -> None:
    line = ("--format", "m3u8", "--relative-to", "/m/ann", "--text")
    assert query(*line, "Rain").text.splitlines()[2] == "./first/01 - Rain.mp3"
    assert query(*line, "b.mp3").text.splitlines()[2] == "../bob/b.mp3"
    assert query(*line, "#comment").text.splitlines()[2] == "../#comment.mp3"
    assert query(*line, "bell").text.splitlines()[2].startswith("file:///m/bell%07")


def test_parquet_gives_back_every_name_and_the_types(query: Callable[..., Answer]) -> None:
    found = query("--near", "0,0", "--format", "parquet").stdout
    table = parquet.read_table(io.BytesIO(found))
    rows = table.to_pylist()
    assert {row["path_bytes"] for row in rows} == set(map(os.fsencode, [*HOSTILE, *PLAIN]))
    assert "/m/caf\\xe9.mp3" in {row["path"] for row in rows}
    expected = json.loads(query("--near", "0,0", "--format", "json").text)
    assert [row["arousal"] for row in rows] == [row["arousal"] for row in expected]
    times = [row["analysed_at"].isoformat(timespec="milliseconds") for row in rows]
    assert times == [row["analysed_at"].replace("Z", "+00:00") for row in expected]
    nothing = parquet.read_table(io.BytesIO(query("--text", "zzz", "--format", "parquet").stdout))
    assert (nothing.num_rows, nothing.schema) == (0, table.schema)


def test_csv_and_json_give_back_every_name(query: Callable[..., Answer]) -> None:
    text = query("--format", "csv").text
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {row["path"] for row in rows} == {*HOSTILE, *PLAIN}
    documents = json.loads(query("--format", "json").text)
    assert {one["path"] for one in documents} == {*HOSTILE, *PLAIN}


def test_a_smart_playlist_says_the_same_as_the_query(query: Callable[..., Answer]) -> None:
    line = ["calm", "--arousal", "-0.5:0.2", "--duration", "60:", "--under", "/m/ann"]
    line += ["--text", 'a"\n', "--sort", "-arousal", "--limit", "9", "--relative-to", "/m"]
    document: dict[str, Any] = json.loads(query(*line, "--format", "nsp").text)
    assert document["all"] == [
        {"inTheRange": {"mood_arousal": [-50, -1]}},
        {"inTheRange": {"mood_valence": [0, 100]}},
        {"gt": {"duration": pytest.approx(60, abs=0.01)}},
        {"startsWith": {"filepath": "ann/"}},
        {"contains": {"filepath": 'a"\n'}},
    ]
    assert (document["sort"], document["order"], document["limit"]) == ("mood_arousal", "desc", 9)
    everything = json.loads(query("--format", "nsp").text)
    assert everything["all"] == [{"inTheRange": {"mood_arousal": [-100, 100]}}]
