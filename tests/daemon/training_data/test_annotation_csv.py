from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.training_data.annotation_csv import AnnotationsRefused, AnnotationTable, annotations_in
from storage.catalogue import Catalogue
from tests.records import NOON, record
from trainer.rating_scale import RatingScale, scale_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.annotations import AnnotationStore, GivenAnnotation


@pytest.fixture
def known(tmp_path: Path) -> Iterator[AnnotationStore]:
    with closing(Catalogue(f"sqlite:///{tmp_path / 'catalogue.db'}")) as catalogue:
        for path in ("/m/a/x.mp3", "/m/b/x.mp3", "/m/b/y, z.mp3"):
            record(catalogue, path)
        record(catalogue, os.fsdecode(b"/m/b/caf\xe9.mp3"))
        yield catalogue.annotations


def read(known: AnnotationStore, text: str | bytes, **how: object) -> list[GivenAnnotation]:
    content = text.encode() if isinstance(text, str) else text
    return annotations_in(AnnotationTable("t.csv", content, **how), known)  # type: ignore[arg-type]


def refusal(known: AnnotationStore, text: str | bytes, **how: object) -> str:
    with pytest.raises(AnnotationsRefused) as caught:
        read(known, text, **how)
    lines = str(caught.value).splitlines()
    assert all(line.startswith("t.csv: ") for line in lines)
    assert len(lines) <= 21
    return "\n".join(lines)


def values(given: list[GivenAnnotation]) -> list[tuple[float | None, float | None]]:
    return [(one.arousal, one.valence) for one in given]


def test_absolute_paths_ends_of_paths_and_names_find_their_sounds(known: AnnotationStore) -> None:
    given = read(
        known,
        'path,arousal,valence\n/m/a/x.mp3,0.5,-1\nb/x.mp3,1,0\n"y, z.mp3",0,0\n',
        annotator="ann",
    )
    assert [one.identity for one in given] == [
        f"identity of {Path(path)!r}" for path in ("/m/a/x.mp3", "/m/b/x.mp3", "/m/b/y, z.mp3")
    ]
    assert values(given) == [(0.5, -1), (1, 0), (0, 0)]
    assert {one.annotator for one in given} == {"ann"}
    assert known.add(given, NOON) == 3


def test_a_scale_is_declared_for_the_table_or_line_by_line(known: AnnotationStore) -> None:
    table = "file,arousal,valence,scale\na/x.mp3,9,1,\nb/x.mp3,50,100,0:100\n"
    assert values(read(known, table, scale=RatingScale(1, 9))) == [(1, -1), (0, 1)]


def test_one_dimension_may_be_left_out(known: AnnotationStore) -> None:
    assert values(read(known, "path,arousal\na/x.mp3,0.5\n")) == [(0.5, None)]
    assert values(read(known, "path,arousal,valence\na/x.mp3,,0.5\n")) == [(None, 0.5)]


def test_each_line_may_name_its_annotator(known: AnnotationStore) -> None:
    table = "path,arousal,annotator\na/x.mp3,0,bob\na/x.mp3,1,eve\nb/x.mp3,1,\n"
    given = read(known, table, annotator="ann")
    assert [one.annotator for one in given] == ["bob", "eve", "ann"]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfpath;arousal;valence\r\na/x.mp3;0,5;-0,5\r\n",
        b"PATH\tArousal\tvalence\tnotes\na/x.mp3\t0.5\t-0.5\tloud\n",
        b"path,arousal,valence\n\n\na/x.mp3,0.5,-0.5\n\n",
    ],
    ids=["spreadsheet", "tabs", "empty lines"],
)
def test_what_spreadsheets_write_is_read(known: AnnotationStore, content: bytes) -> None:
    assert values(read(known, content)) == [(0.5, -0.5)]


def test_names_of_any_bytes_are_found(known: AnnotationStore) -> None:
    assert len(read(known, b"path,arousal\ncaf\xe9.mp3,1\n")) == 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a/x.mp3,5.5,0", "line 3: arousal 5.5 is not on the scale -1:1"),
        ("a/x.mp3,loud,0", "line 3: arousal 'loud' is not a number"),
        ("a/x.mp3,nan,0", "line 3: arousal nan is not on the scale"),
        ("a/x.mp3,,", "line 3: neither arousal nor valence"),
        ("a/x.mp3,0", "line 3: 2 cells, not 3"),
        (",0,0", "line 3: names no sound"),
        ("x.mp3,0,0", "line 3: x.mp3: 2 different sounds have this name"),
        ("q.mp3,0,0", "line 3: q.mp3: not in the catalogue"),
        ("/m/q.mp3,0,0", "line 3: /m/q.mp3: not in the catalogue"),
        ("/m/b/x.mp3,0,0", "line 3: same audio as in line 2"),
    ],
)
def test_one_wrong_line_refuses_the_table_and_is_reported(
    known: AnnotationStore, line: str, told: str
) -> None:
    assert told in refusal(known, f"path,arousal,valence\nb/x.mp3,0,0\n{line}\n")


@pytest.mark.parametrize(
    "content",
    [
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
        given = read(known, table, scale=RatingScale(1, 9))
        assert known.add(given, NOON) == 10_000


def test_a_table_that_is_read_twice_counts_once(known: AnnotationStore) -> None:
    table = "path,arousal\na/x.mp3,0.5\nb/x.mp3,0.5\n"
    assert known.add(read(known, table, may_repeat=True), NOON) == 2
    later = "path,arousal\na/x.mp3,-0.5\n"
    assert known.add(read(known, later, may_repeat=True), NOON) == 1
    assert known.add(read(known, table, may_repeat=True), NOON) == 0
    assert {one.arousal for one in known.all()} == {0.5, -0.5}


@pytest.mark.parametrize("bad", ["", "1", "9:1", "1:1", "a:b", "0:inf", "nan:1"])
def test_an_invalid_scale_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        scale_of(bad)
