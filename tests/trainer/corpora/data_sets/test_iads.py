from __future__ import annotations

import shutil
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.shared_data import REFERENCE
from tests.trainer.corpora.brought import asked, iads_row, put_empty, put_workbook
from trainer.corpora.data_sets.iads import read_iads_2, read_iads_e
from trainer.corpora.rated_clip import CorpusError

if TYPE_CHECKING:
    from pathlib import Path

BOOK = "Sound Ratings.xlsx"

ROWS = [
    iads_row("0001", "LightMusic24", 1, 9, category="Music"),
    iads_row("0003", "Wind", 5, 5),
    iads_row("0003_b", "Storm2", 9, 1),
    iads_row("0004", "LightMusic3", 3, 7, category="Music"),
    iads_row(113, "Cows", 4.5, 6.5, source="IADS"),
    iads_row("0113", "Horror Film7", 7, 2),
]
SOUNDS = ["0001.wav", "0003.wav", "0003_b.wav", "0004.wav", "113.wav", "0113.wav"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put_workbook(tmp_path / BOOK, ROWS)
    put_empty(tmp_path / "sounds" / "all", SOUNDS)
    return tmp_path


def test_ratings_sounds_and_groups_are_found(folder: Path) -> None:
    reading = read_iads_e(asked(folder))
    clips = dict(zip(reading.items, reading.clips, strict=True))
    assert not reading.skipped
    assert (clips["0001"].arousal, clips["0001"].valence) == (-1.0, 1.0)
    assert (clips["0003"].arousal, clips["0003"].valence) == (0.0, 0.0)
    assert clips["0003"].group == clips["0003_b"].group
    assert clips["0001"].group == clips["0004"].group != clips["0003"].group
    # A sound of IADS-2 and one of the expansion have numbers that are the same only as numbers.
    assert clips["113"].path.endswith("/113.wav")
    assert clips["113"].group != clips["0113"].group
    assert all(0 < clip.weight <= 1 for clip in reading.clips)


@pytest.mark.parametrize(
    ("music", "domains"),
    [("move", ["music", "sound", "sound", "music"]), ("keep", ["sound"] * 4), ("drop", [])],
)
def test_music_is_moved_kept_or_left_out(folder: Path, music: str, domains: list[str]) -> None:
    reading = read_iads_e(asked(folder, music=music))
    if music == "drop":
        assert [(each.item, each.fault) for each in reading.skipped][:2] == [
            ("0001", "left out"), ("0004", "left out"),
        ]  # fmt: skip
        assert {clip.domain for clip in reading.clips} == {"sound"}
        assert len(reading.clips) == 4
    else:
        assert [clip.domain for clip in reading.clips][:4] == domains


def test_people_are_voices(tmp_path: Path) -> None:
    rows = [*ROWS, iads_row("0120", "Giggling", 6, 7, category="People")]
    put_workbook(tmp_path / BOOK, rows)
    put_empty(tmp_path / "sounds", [*SOUNDS, "0120.wav"])
    reading = read_iads_e(asked(tmp_path))
    domains = dict(zip(reading.items, (clip.domain for clip in reading.clips), strict=True))
    assert domains["0120"] == "voice"
    assert domains["0003"] == "sound"


def test_iads_2_reads_only_its_own_sounds_from_the_workbook_of_iads_e(folder: Path) -> None:
    reading = read_iads_2(asked(folder))
    assert reading.items == ("113",)
    assert not reading.skipped


def test_file_names_may_continue_after_the_id(tmp_path: Path) -> None:
    put_workbook(tmp_path / BOOK, ROWS)
    names = ["0001 LightMusic24.wav", "0003-wind.wav", "0003_b_storm.wav", "0004.wav"]
    put_empty(tmp_path, [*names, "0004 (copy).wav"])
    reading = read_iads_e(asked(tmp_path))
    assert reading.items == ("0001", "0003", "0003_b", "0004")
    assert [clip.path for clip in reading.clips] == names
    assert ("0004 (copy).wav", "unrated") in [each[:2] for each in reading.skipped]


def test_two_files_for_one_id_leave_it_out(folder: Path) -> None:
    put_empty(folder / "again", ["0003.flac"])
    reading = read_iads_e(asked(folder))
    (told,) = reading.skipped
    assert (told.item, told.fault) == ("0003", "doubled")
    assert "0003.flac" in told.reason
    assert len(reading.clips) == 5


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (iads_row("0009", "Bee", 0.4, 5), "line 8, column AroMN: 0.4 is not on the scale 1:9"),
        (iads_row("0009", "Bee", 5, 10), "line 8, column ValMN: 10 is not on the scale 1:9"),
        (iads_row("0009", "Bee", "five", 5), "column AroMN: 'five' is not a number"),
        (iads_row("0009", "Bee", "=1/0", 5), ""),
    ],
)
def test_an_invalid_rating_stops_the_import_but_an_empty_one_is_skipped(
    tmp_path: Path, row: tuple[object, ...], told: str
) -> None:
    put_workbook(tmp_path / BOOK, [*ROWS, row])
    put_empty(tmp_path, SOUNDS)
    if told:
        with pytest.raises(CorpusError, match=told):
            read_iads_e(asked(tmp_path))
    else:
        # A formula is never computed; without a stored value there is no rating.
        (skipped,) = read_iads_e(asked(tmp_path)).skipped
        assert skipped == ("0009", "unrated", "line 8 has no rating")


def test_a_workbook_of_another_shape_is_refused_in_a_line(tmp_path: Path) -> None:
    put_empty(tmp_path, SOUNDS)
    with pytest.raises(CorpusError, match=r"no Sound Ratings\.xlsx"):
        read_iads_e(asked(tmp_path))
    put_workbook(tmp_path / BOOK, ROWS, sheet="SoundsMen")
    with pytest.raises(CorpusError, match="no sheet SoundsAll, only Read me, SoundsMen"):
        read_iads_e(asked(tmp_path))
    put_workbook(tmp_path / BOOK, [row[:5] for row in ROWS])
    put_workbook(tmp_path / BOOK, [("a", 1)], heading=("Sound ID", "AroMN"))
    with pytest.raises(CorpusError, match="no column named ValMN, AroSD, ValSD"):
        read_iads_e(asked(tmp_path))
    put_workbook(tmp_path / BOOK, [])
    with pytest.raises(CorpusError, match="no ratings below the heading"):
        read_iads_e(asked(tmp_path))


def test_ratings_from_0_to_1_are_not_taken_for_1_to_9(tmp_path: Path) -> None:
    put_workbook(tmp_path / BOOK, [iads_row(f"{i:04}", "a", i / 20, i / 20) for i in range(20)])
    put_empty(tmp_path, ["0001.wav"])
    with pytest.raises(CorpusError, match="0 is not on the scale 1:9"):
        read_iads_e(asked(tmp_path))


class TestHostileWorkbooks:
    @staticmethod
    def refused(folder: Path, told: str) -> None:
        put_empty(folder, SOUNDS)
        with pytest.raises(CorpusError, match=told) as caught:
            read_iads_e(asked(folder))
        assert "\n" not in str(caught.value)

    def test_not_a_workbook(self, tmp_path: Path) -> None:
        (tmp_path / BOOK).write_bytes(b"PK\x03\x04 not really")
        self.refused(tmp_path, r"not a workbook \(.xlsx\)")

    def test_truncated(self, tmp_path: Path) -> None:
        put_workbook(tmp_path / BOOK, ROWS)
        content = (tmp_path / BOOK).read_bytes()
        (tmp_path / BOOK).write_bytes(content[: len(content) // 2])
        self.refused(tmp_path, "not a workbook")

    def test_an_archive_without_sheets(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / BOOK, "w") as archive:
            archive.writestr("hello.txt", "hello")
        self.refused(tmp_path, "not a readable workbook|cannot be read")

    def test_a_zip_bomb(self, tmp_path: Path) -> None:
        put_workbook(tmp_path / BOOK, ROWS)
        with zipfile.ZipFile(tmp_path / BOOK, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/media/bomb", bytes(80 * 1024 * 1024))
        self.refused(tmp_path, "unpacks to .* bytes; at most")

    def test_shared_texts_without_measure(self, tmp_path: Path) -> None:
        put_workbook(tmp_path / BOOK, ROWS)
        text = b"<si><t>x</t></si>" * 1_100_000
        with zipfile.ZipFile(tmp_path / BOOK, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/more.xml", text)
        assert (tmp_path / BOOK).stat().st_size < 1 << 20
        self.refused(tmp_path, "unpacks to .* bytes; at most")

    def test_a_file_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / BOOK).symlink_to("/dev/zero")
        self.refused(tmp_path, "no Sound Ratings|not a regular file")

    def test_an_xml_bomb(self, tmp_path: Path) -> None:
        put_workbook(tmp_path / "whole.xlsx", ROWS)
        swelling = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
        with (
            zipfile.ZipFile(tmp_path / "whole.xlsx") as whole,
            zipfile.ZipFile(tmp_path / BOOK, "w") as archive,
        ):
            for name in whole.namelist():
                content = whole.read(name)
                if "sheet2" in name:
                    head = f'<!DOCTYPE x [<!ENTITY e0 "ha">{swelling}]>'.encode()
                    content = head + content.replace(b"<sheetData>", b"<sheetData>&e9;")
                archive.writestr(name, content)
        (tmp_path / "whole.xlsx").unlink()
        self.refused(tmp_path, "not a readable workbook")

    def test_a_cell_at_the_far_corner(self, tmp_path: Path) -> None:
        put_workbook(tmp_path / "whole.xlsx", ROWS)
        far = b'<row r="1048576"><c r="XFD1048576" t="n"><v>1</v></c></row></sheetData>'
        with (
            zipfile.ZipFile(tmp_path / "whole.xlsx") as whole,
            zipfile.ZipFile(tmp_path / BOOK, "w") as archive,
        ):
            for name in whole.namelist():
                content = whole.read(name)
                if "sheet2" in name:
                    content = content.replace(b"</sheetData>", far)
                archive.writestr(name, content)
        (tmp_path / "whole.xlsx").unlink()
        self.refused(tmp_path, "more than 20000 rows")


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the rating files are not beside the repository")
def test_the_real_ratings_are_read(tmp_path: Path) -> None:
    shutil.copy(REFERENCE / f"iads-e_{BOOK}", tmp_path / BOOK)
    put_empty(tmp_path, [f"{number:04}.wav" for number in range(1, 1500)])
    put_empty(tmp_path, [f"{number:04}_b.wav" for number in range(1, 1500)])
    put_empty(tmp_path, [f"{number}.wav" for number in range(100, 1000)])
    reading = read_iads_e(asked(tmp_path))
    assert len(reading.clips) == 935
    assert sum(clip.domain == "music" for clip in reading.clips) == 170
    sizes = [clip.group for clip in reading.clips]
    assert max(map(sizes.count, set(sizes))) < 60
    assert len(read_iads_2(asked(tmp_path)).clips) == 167
