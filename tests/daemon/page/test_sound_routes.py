"""Lists of sounds, the map, exports: they find what `valenced query` finds."""

from __future__ import annotations

import json
import struct
from array import array
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from storage.schema.sound_filter import SoundFilter
from storage.search.map_points import FORMATS
from storage.search.reader import open_finder
from tests.daemon.page.conftest import MARKUP, UNDECODABLE

if TYPE_CHECKING:
    from tests.daemon.page.conftest import Library
    from tests.daemon.page.page_client import PageClient

LIST = "/api/v1/sounds"
CALM, LOUD = "a/calm.flac", "a/loud.wav"


def names(document: Any, library: Library) -> list[str]:
    return [row["path"].removeprefix(f"{library.music}/") for row in document["sounds"]]


def columns_of(packed: bytes) -> dict[str, list[int]]:
    """Read points as a page does."""
    mark, count = struct.unpack_from("<4sI", packed)
    assert mark == b"VLP1"
    place, found = 8, {}
    for name, kind in zip(
        ("id", "arousal", "valence", "kind", "novelty", "folder", "format", "flags"),
        "IhhBBHBB",
        strict=True,
    ):
        column = array(kind)
        length = count * column.itemsize
        column.frombytes(packed[place : place + length])
        found[name] = column.tolist()
        place += length + -length % 8
    assert place == len(packed)
    return found


def test_a_list_has_the_rows_of_the_query(page: PageClient, library: Library) -> None:
    document = page.read(LIST)
    with open_finder(f"sqlite:///{library.catalogue}") as finder:
        rows = [vars(sound) | {"path": str(sound.path)} for sound in finder.sounds(SoundFilter())]
    assert [{k: v for k, v in row.items() if k != "id"} for row in document["sounds"]] == rows
    assert [row["id"] for row in document["sounds"]] == [
        library.numbers[name] for name in names(document, library)
    ]
    assert document["next"] is None


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("mood=calm", [CALM, UNDECODABLE]),
        ("arousal=0.5:", [LOUD]),
        ("valence=:-0.4", [LOUD]),
        ("kind=voice", []),
        ("sort=-arousal", [LOUD, MARKUP, CALM, UNDECODABLE]),
        ("near=0.7,-0.4&limit=1", [LOUD]),
        ("text=CALM", [CALM]),
        ("text=a/&text=loud", [LOUD]),
        ("duration=12s:13", [MARKUP, CALM, LOUD, UNDECODABLE]),
        ("interval=0.1", []),
        ("text=%25", []),
        ("from=0.7,-0.4&to=0.8,-0.5&length=13s", [LOUD]),
    ],
)
def test_filters_are_those_of_the_command(
    page: PageClient, library: Library, asked: str, found: list[str]
) -> None:
    given = names(page.read(f"{LIST}?{asked}"), library)
    assert (given if "sort" in asked else sorted(given)) == found


def test_like_leaves_the_sound_itself_out(page: PageClient, library: Library) -> None:
    document = page.read(f"{LIST}?like={library.numbers[CALM]}")
    assert names(document, library) == [MARKUP, UNDECODABLE, LOUD]


@pytest.mark.parametrize(
    "wrong",
    [
        *("arousal=1:0", "arousal=2:", "arousal=nan:", "valence=x", "near=1", "near=9,9"),
        *("duration=-1:", "novelty=1", "interval=3", "interval=nan", "percentile=10"),
        *("percentile=0&mood=calm", "mood=happy", "kind=song", "sort=id", "limit=0", "limit=1001"),
        *("after=-1", "after=1000001", "like=0", "like=99999999999999999999", "like=x"),
        *("unknown=1", "from=calm", "length=1m", "from=calm&to=sad&length=1m&sort=arousal"),
        "text=" + "x" * 5000,
        "&".join(["text=a"] * 17),
        "near=0,0&like=1",
        "arousal=--help",
    ],
)
def test_a_wrong_filter_is_refused_in_plain_words(page: PageClient, wrong: str) -> None:
    for path in (LIST, "/api/v1/points", "/api/v1/command"):
        answer = page.get(f"{path}?{wrong}")
        if path != LIST and wrong.startswith(("limit", "after")):
            assert answer.status == 422
            continue
        assert answer.status in {404, 422}, path
        assert isinstance(answer.document["detail"], str)


def test_pages_follow_one_another(page: PageClient, library: Library) -> None:
    found: list[str] = []
    after: int | None = 0
    while after is not None:
        document = page.read(f"{LIST}?sort=arousal&limit=3&after={after}")
        found += names(document, library)
        after = document["next"]
    assert found == [UNDECODABLE, CALM, MARKUP, LOUD]


def test_rows_of_a_selection_come_in_its_order(page: PageClient, library: Library) -> None:
    asked = [library.numbers[LOUD], 4_000_000, library.numbers[MARKUP]]
    document = page.change("POST", f"{LIST}/rows", {"ids": asked})
    assert names(document, library) == [LOUD, MARKUP]


@pytest.mark.parametrize(
    "wrong",
    [
        *({}, {"ids": 1}, {"ids": [0]}, {"ids": ["1"]}, {"ids": [1.5]}, {"ids": [True]}),
        *({"ids": list(range(1, 1002))}, {"ids": [2**53]}, {"ids": [1], "x": 1}, [1], "x", None),
    ],
)
def test_a_wrong_selection_is_refused(page: PageClient, wrong: Any) -> None:
    page.change("POST", f"{LIST}/rows", wrong, status=422)


def test_names_with_markup_and_without_utf8_survive(page: PageClient, library: Library) -> None:
    for name in (MARKUP, UNDECODABLE):
        answer = page.get(f"{LIST}/{library.numbers[name]}")
        assert answer.headers["content-type"] == "application/json"
        assert answer.document["path"] == f"{library.music}/{name}"


def test_one_sound_has_curve_and_annotations(page: PageClient, library: Library) -> None:
    document = page.read(f"{LIST}/{library.numbers[CALM]}")
    assert document["sound"]["arousal"] == -0.5
    assert [point["start_s"] for point in document["curve"]] == [0.0, 6.0]
    assert document["annotations"] == []
    assert page.read(f"{LIST}/{library.numbers[CALM]}/curve") == {"curve": document["curve"]}


@pytest.mark.parametrize(
    "number", ["0", "-1", "4000000", "1e3", "9" * 30, "%2e%2e", "1%00", "a", "1;2"]
)
def test_a_hostile_number_finds_nothing(page: PageClient, number: str) -> None:
    for path in ("", "/curve", "/audio"):
        assert page.get(f"{LIST}/{number}{path}").status in {404, 422}


def test_the_map_has_every_sound(page: PageClient, library: Library) -> None:
    answer = page.get("/api/v1/points")
    found = columns_of(answer.body)
    place = found["id"].index(library.numbers[LOUD])
    assert abs(found["arousal"][place] / 32767 - 0.75) < 1e-4
    assert abs(found["valence"][place] / 32767 + 0.5) < 1e-4
    assert found["kind"] == [1] * 4
    assert found["novelty"] == [25] * 4
    folders = page.read("/api/v1/folders")["folders"]
    assert folders[found["folder"][place]] == f"{library.music}/a/"
    formats = page.read("/api/v1/formats")["formats"]
    assert formats[found["format"][place]] == "wav"
    assert sorted(FORMATS[number] for number in found["format"]) == ["flac", "mp3", "mp3", "wav"]
    assert found["flags"] == [0] * 4


def test_the_map_takes_filters_and_is_sent_once(page: PageClient, library: Library) -> None:
    answer = page.get("/api/v1/points?arousal=0.5:")
    assert columns_of(answer.body)["id"] == [library.numbers[LOUD]]
    again = page.get("/api/v1/points?arousal=0.5:", If_None_Match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert columns_of(page.get("/api/v1/points?arousal=0.9:").body)["id"] == []


def test_exports_are_those_of_the_command(page: PageClient, library: Library) -> None:
    def exported(**asked: Any) -> bytes:
        headers = {"X-Valenced-Token": page.token, "Content-Type": "application/json"}
        answer = page.send("POST", "/api/v1/export", json.dumps(asked), headers)
        assert answer.status == 200, answer.body
        assert answer.headers["content-disposition"].startswith("attachment")
        return answer.body

    ids = [library.numbers[LOUD], library.numbers[CALM]]
    assert (
        exported(ids=ids, format="paths")
        == f"{library.music}/{LOUD}\n{library.music}/{CALM}\n".encode()
    )
    playlist = exported(filters={"mood": "calm", "sort": "arousal"}, format="m3u8").decode()
    assert playlist.startswith("#EXTM3U\n")
    assert "caf%E9.mp3" in playlist
    table = exported(filters={}, format="csv").splitlines()
    assert table[0].startswith(b"path,arousal,")
    assert len(table) == 5
    for wrong in (
        {},
        {"format": "m3u8"},
        {"ids": ids, "filters": {}, "format": "csv"},
        {"ids": ids, "format": "exe"},
    ):
        page.change("POST", "/api/v1/export", wrong, status=422)


def test_the_command_finds_the_same(page: PageClient, library: Library) -> None:
    asked = {"mood": "calm", "arousal": "-1:0.5", "text": "it's $(x)", "sort": "-valence"}
    line = page.read(f"/api/v1/command?{urlencode(asked)}")["command"]
    assert line == "valenced query calm --arousal=-1:0.5 '--text=it'\"'\"'s $(x)' --sort=-valence"
    like = page.read(f"/api/v1/command?like={library.numbers[CALM]}")["command"]
    assert like == f"valenced query --like={library.music}/{CALM}"
