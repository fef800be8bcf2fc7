from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemon.training_data.annotation_csv import AnnotationTable
from daemon.training_data.annotation_import import (
    MOST_ANNOTATORS,
    AnnotationsRefused,
    ImportPostponed,
    import_table,
)
from storage.catalogue import Catalogue
from storage.schema.sound_filter import SoundFilter
from tests.records import NOON, record
from trainer.rating_scale import RatingScale, scale_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.annotations import Annotation, AnnotationStore


@pytest.fixture
def known(tmp_path: Path) -> Iterator[AnnotationStore]:
    with closing(Catalogue(f"sqlite:///{tmp_path / 'catalogue.db'}")) as catalogue:
        for path in ("/m/a/x.mp3", "/m/b/x.mp3", "/m/b/y, z.mp3"):
            record(catalogue, path)
        record(catalogue, os.fsdecode(b"/m/b/caf\xe9.mp3"))
        yield catalogue.annotations


def imported(known: AnnotationStore, text: str | bytes, **how: Any) -> tuple[int, int]:
    with tempfile.TemporaryFile() as stream:
        stream.write(text.encode() if isinstance(text, str) else text)
        stream.seek(0)
        return import_table(AnnotationTable("t.csv", stream, **how), known, NOON)


def read(known: AnnotationStore, text: str | bytes, **how: Any) -> list[Annotation]:
    imported(known, text, **how)
    return known.all()


def refusal(known: AnnotationStore, text: str | bytes, **how: Any) -> str:
    with pytest.raises(AnnotationsRefused) as caught:
        read(known, text, **how)
    lines = str(caught.value).splitlines()
    assert all(line.startswith("t.csv: ") for line in lines)
    assert len(lines) <= 21
    assert known.all() == []
    return "\n".join(lines)


def values(given: list[Annotation]) -> list[tuple[float | None, float | None]]:
    return [(one.arousal, one.valence) for one in given]


def test_absolute_paths_ends_of_paths_and_names_find_their_sounds(known: AnnotationStore) -> None:
    given = read(
        known,
        'path,arousal,valence\n/m/a/x.mp3,0.5,-1\nb/x.mp3,1,0\n"y, z.mp3",0,0\n',
        annotator="ann",
    )
    paths = ["/m/a/x.mp3", "/m/b/x.mp3", "/m/b/y, z.mp3"]
    assert [str(one.path) for one in given] == paths
    assert values(given) == [(0.5, -1), (1, 0), (0, 0)]
    assert {one.annotator for one in given} == {"ann"}


def test_a_scale_is_declared_for_the_table_or_line_by_line(known: AnnotationStore) -> None:
    table = "file,arousal,valence,scale\na/x.mp3,9,1,\nb/x.mp3,50,100,0:100\n"
    assert values(read(known, table, scale=RatingScale(1, 9))) == [(1, -1), (0, 1)]


def test_one_dimension_may_be_left_out(known: AnnotationStore) -> None:
    assert values(read(known, "path,arousal\na/x.mp3,0.5\n")) == [(0.5, None)]
    assert values(read(known, "path,arousal,valence\na/x.mp3,,0.25\n")) == [(0.5, 0.25)]


def test_each_line_may_name_its_annotator(known: AnnotationStore) -> None:
    table = "path,arousal,annotator\na/x.mp3,0,bob\na/x.mp3,1,eve\nb/x.mp3,1,\n"
    given = read(known, table, annotator="ann")
    assert [one.annotator for one in given] == ["bob", "eve", "ann"]


def test_a_table_that_may_name_nobody_speaks_for_its_owner_alone(known: AnnotationStore) -> None:
    assert len(read(known, "path,arousal,annotator\na/x.mp3,1,bob\n", annotator="bob")) == 1
    table = "path,arousal,annotator\na/x.mp3,-1,bob\nb/x.mp3,-1,\xff\n"
    given = read(known, table, annotator="eve", may_name_annotators=False)
    found = [(one.annotator, one.arousal) for one in given]
    assert found == [("bob", 1), ("eve", -1), ("eve", -1)]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfpath;arousal;valence\r\na/x.mp3;0,5;-0,5\r\n",
        b"PATH\tArousal\tvalence\tnotes\na/x.mp3\t0.5\t-0.5\tloud\n",
        b"path,arousal,valence\n\n\na/x.mp3,0.5,-0.5\n\n",
        b"path,arousal,valence,,\na/x.mp3,0.5,-0.5,,\n,,,,\n",
        b"path,arousal,valence\na/x.mp3,0.5,-0.5,,\n",
        b"sep=;\npath;arousal;valence\na/x.mp3;0,5;-0,5\n",
    ],
    ids=["spreadsheet", "tabs", "empty lines", "empty columns", "empty cells", "delimiter named"],
)
def test_what_spreadsheets_write_is_read(known: AnnotationStore, content: bytes) -> None:
    assert values(read(known, content)) == [(0.5, -0.5)]


def test_a_name_is_found_in_the_other_unicode_form(tmp_path: Path) -> None:
    composed, apart = "/m/caf\u00e9.mp3", "/m/cafe\u0301.mp3"
    with closing(Catalogue(f"sqlite:///{tmp_path / 'catalogue.db'}")) as catalogue:
        known = catalogue.annotations
        record(catalogue, apart)
        for name in (composed, "m/caf\u00e9.mp3", "caf\u00e9.mp3"):
            imported(known, f"path,arousal\n{name},1\n", annotator=name)
        assert [str(one.path) for one in known.all()] == [apart] * 3
        # Where both are there, each is meant by its own form.
        record(catalogue, composed)
        imported(known, f"path,arousal\n{composed},-1\n{apart},0\n", annotator="both")
        found = {str(one.path): one.arousal for one in known.all() if one.annotator == "both"}
        assert found == {composed: -1, apart: 0}


def test_a_table_in_utf_16_is_refused_with_advice(known: AnnotationStore) -> None:
    table = "path\tarousal\na/x.mp3\t1\n"
    for content in (table.encode("utf-16"), b"\xfe\xff" + table.encode("utf-16-be")):
        assert "save it as CSV in UTF-8" in refusal(known, content)


def test_names_of_any_bytes_are_found(known: AnnotationStore) -> None:
    assert len(read(known, b"path,arousal\ncaf\xe9.mp3,1\n")) == 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a/x.mp3,5.5,0", "line 3: arousal 5.5 is not on the scale -1:1"),
        ("a/x.mp3,loud,0", "line 3: arousal 'loud' is not a number"),
        ("a/x.mp3,nan,0", "line 3: arousal 'nan' is not a number"),
        ("a/x.mp3,,", "line 3: neither arousal nor valence"),
        ("a/x.mp3,0", "line 3: 2 cells, not 3"),
        (",0,0", "line 3: names no sound"),
        ("x.mp3,0,0", "line 3: x.mp3: 2 different sounds have this name"),
        ("q.mp3,0,0", "line 3: q.mp3: not in the catalogue"),
        ("/m/q.mp3,0,0", "line 3: /m/q.mp3: not in the catalogue"),
        ("/m/b/x.mp3,0,0", "line 3: same audio as in line 2"),
        ("/" + "x" * 5000 + ",0,0", "line 3: /xxx"),
        ("a/x.mp3,0_1,0", "line 3: arousal '0_1' is not a number"),
        ("a/x.mp3,\u0661,0", "line 3: arousal '\u0661' is not a number"),
        ("a/x.mp3,1e999,0", "line 3: arousal 1e999 is not on the scale"),
        ("a/x.mp3,0,-inf", "line 3: valence '-inf' is not a number"),
        ("a/x.mp3," + "9" * 5000 + ",0", "line 3: arousal 999"),
    ],
)
def test_one_wrong_line_refuses_the_table_and_is_reported(
    known: AnnotationStore, line: str, told: str
) -> None:
    assert told in refusal(known, f"path,arousal,valence\nb/x.mp3,0,0\n{line}\n")


@pytest.mark.parametrize(
    "content",
    [
        b"path,arousal,annotator\na/x.mp3,0,\xff\n",
        b"path,arousal,annotator\na/x.mp3,0,\x1b[2J\n",
        b"path,arousal,annotator\na/x.mp3,0," + b"x" * 201 + b"\n",
        b"path,arousal,scale\na/x.mp3,0,-1e308:1e308\n",
        b"path,arousal,scale\na/x.mp3,0,0:1e999\n",
        b"",
        b"path,arousal,valence\n",
        b"arousal,valence\n0,0\n",
        b"path,path,arousal\na,b,0\n",
        b"\xff\xfep\x00a\x00t\x00h\x00\n\x00",
        b"\x00" * 1000,
        b'path,arousal\n"a/x.mp3,0\n',
        b"path,arousal\n" + b"x" * 200_000 + b",0\n",
        b"path,arousal\na\0b,0\n",
        b"path,arousal\n../../../etc/passwd,0\n",
        b"path,arousal\n\x1b[2Jy.mp3,0\n",
        b"path,arousal,scale\na/x.mp3,0,9:1\n",
        b"path,arousal,scale\na/x.mp3,0,nan:1\n",
        b"\n" * 1000,
    ],
)
def test_what_is_not_a_table_is_refused_in_printable_lines(
    known: AnnotationStore, content: bytes
) -> None:
    assert refusal(known, content).isprintable() or "\n" in refusal(known, content)
    assert "\x1b" not in refusal(known, content)


def test_a_thousand_problems_are_reported_in_twenty_lines(known: AnnotationStore) -> None:
    told = refusal(known, "path,arousal\n" + "a/x.mp3,7\n" * 1000)
    assert "and 980 more like these" in told


def test_ten_thousand_lines_are_imported_together(tmp_path: Path) -> None:
    with closing(Catalogue(f"sqlite:///{tmp_path / 'many.db'}")) as catalogue:
        for number in range(200):
            record(catalogue, f"/m/{number}.mp3")
        known = catalogue.annotations
        lines = [
            f"/m/{n % 200}.mp3,{n % 9 + 1},{n % 7 + 1},rater {n // 200}" for n in range(10_000)
        ]
        table = "\n".join(["path,arousal,valence,annotator", *lines])
        assert imported(known, table, scale=RatingScale(1, 9)) == (10_000, 10_000)


def test_a_table_that_is_read_twice_counts_once(known: AnnotationStore) -> None:
    table = "path,arousal\na/x.mp3,0.5\nb/x.mp3,0.5\n"
    assert imported(known, table, may_repeat=True) == (2, 2)
    later = "path,arousal\na/x.mp3,-0.5\n"
    assert imported(known, later, may_repeat=True) == (1, 1)
    assert imported(known, table, may_repeat=True) == (0, 0)
    assert {one.arousal for one in known.all()} == {0.5, -0.5}


HEADING = b"path,arousal,annotator\n"
MEBIBYTE = 1 << 20


def huge(kind: str) -> bytes:
    """Return what follows the heading of a table that costs as much as it can, up to 64 MiB."""
    rows = {"rows": b"a/x.mp3,0,\n", "one row": b",", "cell": b"x\n", "wrong rows": b"\xff,\n"}
    if kind in rows:
        start = b'"' if kind == "cell" else b""
        return start + rows[kind] * ((60 * MEBIBYTE) // len(rows[kind]))
    if kind == "columns":
        return b"a/x.mp3" + b",x" * 300 + b"\n"
    return b"".join(b"a/x.mp3,0,%d\n" % number for number in range(100_000))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("rows", "more than 100000 rows; divide it"),
        ("one row", "line 2: a row of more than 65536 characters"),
        ("cell", "a row of more than 65536 characters"),
        ("annotators", f"more than {MOST_ANNOTATORS} annotators"),
        ("wrong rows", "more than 100000 rows"),
        ("columns", "line 2: more than 200 columns"),
    ],
)
def test_a_huge_table_is_refused_by_the_limit_that_it_breaks_in_little_memory(
    tmp_path: Path, kind: str, told: str
) -> None:
    table = tmp_path / "t.csv"
    table.write_bytes(HEADING + huge(kind))
    catalogue = f"sqlite:///{tmp_path / 'catalogue.db'}"
    with closing(Catalogue(catalogue)) as made:
        record(made, "/m/a/x.mp3")
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, str(table), catalogue],
        capture_output=True,
        text=True,
        check=True,
    )
    problem, _, mebibytes = done.stdout.rpartition(" used ")
    assert told in problem
    # 64 MiB of text alone would be as much; what it was made of took gigabytes.
    assert int(mebibytes) < 64


IMPORT = """
import resource, sys
from daemon.clock import utc_now
from daemon.training_data.annotation_csv import AnnotationTable
from daemon.training_data.annotation_import import AnnotationsRefused, import_table
from storage.catalogue import Catalogue

known = Catalogue(sys.argv[2]).annotations
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    with open(sys.argv[1], "rb") as stream:
        import_table(AnnotationTable("t.csv", stream, may_repeat=True), known, utc_now())
except AnnotationsRefused as error:
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(error, "used", (after - before) // 1024)
"""


def test_as_many_rows_as_are_accepted_are_imported_in_little_memory(tmp_path: Path) -> None:
    with closing(Catalogue(f"sqlite:///{tmp_path / 'many.db'}")) as catalogue:
        for number in range(100):
            record(catalogue, f"/m/{number}.mp3")
        rows = (f"{n % 100}.mp3,0.5,rater {n // 100}\n".encode() for n in range(100_000))
        assert imported(catalogue.annotations, HEADING + b"".join(rows)) == (100_000, 100_000)
        sounds = catalogue.queries.sounds(SoundFilter())
        assert [sound.arousal for sound in sounds] == [0.5] * 100


def test_the_mean_of_all_is_shown_also_after_a_table_was_imported_again(tmp_path: Path) -> None:
    with closing(Catalogue(f"sqlite:///{tmp_path / 'catalogue.db'}")) as catalogue:
        for name in ("a", "b"):
            record(catalogue, f"/m/{name}.mp3")
        heading = "path,annotator,arousal\n"
        imported(catalogue.annotations, f"{heading}a.mp3,ann,0.5\na.mp3,bob,0.25\nb.mp3,ann,1\n")
        imported(catalogue.annotations, f"{heading}a.mp3,ann,-0.5\n")
        shown = {sound.path.stem: sound for sound in catalogue.queries.sounds(SoundFilter())}
        assert (shown["a"].arousal, shown["b"].arousal) == (-0.125, 1.0)
        assert shown["a"].arousal_low < -0.125 < shown["a"].arousal_high
        catalogue.annotations.withdraw(identity_of(catalogue, "/m/a.mp3"), "bob", NOON)
        assert catalogue.queries.sounds(SoundFilter())[0].arousal == -0.5


def identity_of(catalogue: Catalogue, path: str) -> str:
    clip = catalogue.clip_at(Path(path))
    assert clip is not None
    return clip.identity


def test_a_table_that_changes_while_it_is_read_is_postponed(
    known: AnnotationStore, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("path,arousal\na/x.mp3,1\n")

    def change() -> bool:
        with path.open("a") as stream:
            stream.write("b/x.mp3,1\n")
        return False

    with path.open("rb") as stream:
        table = AnnotationTable("t.csv", stream, may_repeat=True, stopped=change)
        with pytest.raises(ImportPostponed):
            import_table(table, known, NOON)
    assert known.all() == []


def test_reading_a_table_can_be_stopped(known: AnnotationStore) -> None:
    with pytest.raises(ImportPostponed):
        imported(known, "path,arousal\na/x.mp3,1\n", stopped=lambda: True)
    assert known.all() == []


@pytest.mark.parametrize("bad", ["", "1", "9:1", "1:1", "a:b", "0:inf", "nan:1", "0:1e10"])
def test_an_invalid_scale_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        scale_of(bad)
