"""`valenced annotations`: what is exported is imported elsewhere as it was."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from storage.annotations import GivenAnnotation
from storage.catalogue import Catalogue
from tests.driving import answer
from tests.records import NOON, record

PATHS = (Path("/m/a.flac"), Path('/m/b, "c".flac'), Path("/m", os.fsdecode(b"two\nl\xe9.flac")))
VALUES = ((0.1, -1.0), (1 / 3, None), (None, 0.25))


def known(state: Path) -> Catalogue:
    """Return an open catalogue that knows the sounds."""
    catalogue = Catalogue(f"sqlite:///{state / 'catalogue.db'}")
    for path in PATHS:
        record(catalogue, path)
    return catalogue


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    os.umask(0o077)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    with closing(known(tmp_path)) as catalogue:
        catalogue.annotations.add(
            [
                GivenAnnotation(
                    catalogue.annotations.sounds_at([path])[path], path, annotator, *values, "t"
                )
                for path, values in zip(PATHS, VALUES, strict=True)
                for annotator in ("ann", "=bob, é")
            ],
            NOON,
        )
    return tmp_path


def test_an_export_is_imported_elsewhere_with_the_same_values(
    state: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert answer(monkeypatch, "annotations", "export") == 0
    table = state / "table.csv"
    table.write_bytes(capfdbinary.readouterr().out)
    assert answer(monkeypatch, "annotations", "list", "--format", "json") == 0
    before = json.loads(capfdbinary.readouterr().out)
    (state / "other").mkdir()
    known(state / "other").close()
    monkeypatch.setenv("STATE_DIRECTORY", str(state / "other"))
    for said in (b"6 annotations imported, 6 new", b"imported, 0 new"):
        assert answer(monkeypatch, "annotations", "import", str(table)) == 0
        assert said in capfdbinary.readouterr().err
    assert answer(monkeypatch, "annotations", "list", "--format", "json") == 0
    after = json.loads(capfdbinary.readouterr().out)
    kept = ("path", "arousal", "valence", "annotator")
    assert [[one[key] for key in kept] for one in after] == [
        [one[key] for key in kept] for one in before
    ]
    assert [Path(one["path"]) for one in after[::2]] == sorted(PATHS)


def test_a_list_takes_a_line_for_each_and_a_selection(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert answer(monkeypatch, "annotations", "list", "--by", "ann") == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "+0.10  -1.00  ann  2026-01-31  /m/a.flac"
    assert lines[2] == r"  -    +0.25  ann  2026-01-31  /m/two\nl\xe9.flac"
    assert answer(monkeypatch, "annotations", "list", "--under", str(PATHS[0])) == 0
    assert len(capfd.readouterr().out.splitlines()) == 2
    assert answer(monkeypatch, "annotations", "list", "--under", "/m/a") == 0
    shown = capfd.readouterr()
    assert (shown.out, "no annotation matches" in shown.err) == ("", True)


def test_a_table_with_a_wrong_line_is_refused_as_a_whole(
    state: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    table = state / "table.csv"
    table.write_text("path,arousal,valence\n/m/a.flac,1,1\n/m/unknown.flac,0,0\n/m/a.flac,9,0\n")
    assert answer(monkeypatch, "annotations", "import", str(table), "--by", "eve") == 1
    lines = capfd.readouterr().err.splitlines()
    assert [line.partition("line ")[2][:2] for line in lines] == ["3:", "4:"], lines
    assert answer(monkeypatch, "annotations", "list", "--by", "eve", "--format", "json") == 0
    assert json.loads(capfd.readouterr().out) == []
    monkeypatch.setenv("VALENCED_ANNOTATIONS_FROM_COMMANDS", "false")
    assert answer(monkeypatch, "annotations", "import", str(table)) == 1
    assert "annotations.from_commands is false" in capfd.readouterr().err
