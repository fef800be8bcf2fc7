"""Whatever tags others have put into a file: our write, then restore, changes nothing.

VALENCED_EXAMPLES raises the number of examples for each container.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mutagen
import mutagen.apev2
import mutagen.id3
import mutagen.mp4
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.tagging.api import WriteOptions, WriteOutcome, restore, strip, write
from daemon.tagging.basics import keys
from daemon.tagging.file_history import FileHistory
from daemon.tagging.formats.foreign_tags import foreign_tags
from tests.daemon.tagging.conftest import AFFECT
from tests.daemon.tagging.memory import Memory
from tests.daemon.tagging.readers import PARSER, read
from tests.daemon.tagging.sounds import TAGGED_KINDS, sound

if TYPE_CHECKING:
    from collections.abc import Callable

_EXAMPLES = int(os.environ.get("VALENCED_EXAMPLES", "8"))

id3: Any = mutagen.id3
mp4: Any = mutagen.mp4
apev2: Any = mutagen.apev2
opened: Any = mutagen.File

# Control characters are no text, and surrogates cannot be stored by any of the writers.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
names = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ _", min_size=2, max_size=12).filter(
    lambda name: name.strip() == name and name not in ("ID", "OGGS", "TAG")
)
foreign = st.dictionaries(
    names | st.sampled_from(sorted(keys.ALL_KEYS)),
    st.lists(texts, min_size=1, max_size=3),
    max_size=6,
)
pictures = st.one_of(st.none(), st.binary(min_size=10, max_size=3000))
paddings = st.sampled_from([0, 1, 17, 150, 400, 3000])
pairs = st.tuples(st.floats(-1, 1), st.floats(-1, 1))

Tags = dict[str, list[str]]


def put_id3(path: Path, tags: Tags, picture: bytes | None, padding: int, version: int) -> None:
    file = opened(path)
    if file.tags is None:
        file.add_tags()
    for name, values in tags.items():
        file.tags.add(id3.TXXX(encoding=3, desc=name, text=values))
        file.tags.add(id3.COMM(encoding=1, lang="eng", desc=name, text=values))
    file.tags.add(id3.UFID(owner="somebody", data=b"\xff\xe0\0\xff"))
    if picture:
        file.tags.add(id3.APIC(encoding=0, mime="image/jpeg", type=3, desc="", data=picture))
    if version == 3:
        file.tags.update_to_v23()
    file.save(v2_version=version, padding=lambda _: padding)


def put_comments(path: Path, tags: Tags, _: bytes | None, padding: int, __: int) -> None:
    file = opened(path)
    for name, values in tags.items():
        file[name] = values
    file.save(padding=lambda _: padding)


def put_mp4(path: Path, tags: Tags, picture: bytes | None, padding: int, __: int) -> None:
    file = opened(path)
    file["\xa9cmt"] = "kept"
    if picture:
        file["covr"] = [mp4.MP4Cover(picture)]
    for name, values in tags.items():
        file[f"----:com.apple.iTunes:{name}"] = [value.encode() for value in values]
    file.save(padding=lambda _: padding)


def put_asf(path: Path, tags: Tags, picture: bytes | None, padding: int, __: int) -> None:
    file = opened(path)
    for name, values in tags.items():
        file[name] = values
    file["Rating"] = [3]
    if picture:
        file["WM/Picture"] = [picture]
    file.save(padding=lambda _: padding)


def put_ape(path: Path, tags: Tags, picture: bytes | None, _: int, __: int) -> None:
    try:
        file = apev2.APEv2(path)
    except apev2.APENoHeaderError:
        file = apev2.APEv2()
    for name, values in tags.items():
        file[name] = values
    if picture:
        # Some demuxers hand on any item as text, and PyAV does not open what is not UTF-8 then.
        shown = bytes(byte & 0x7F for byte in picture)
        file["Cover Art (Front)"] = apev2.APEValue(shown, apev2.BINARY)
    file.save(path)


_PUT: dict[str, Callable[[Path, Tags, bytes | None, int, int], None]] = {
    "opus": put_comments,
    "vorbis": put_comments,
    "oggflac": put_comments,
    "flac": put_comments,
    "m4a": put_mp4,
    "m4a-front": put_mp4,
    "alac": put_mp4,
    "wma": put_asf,
    "wavpack": put_ape,
    "ape": put_ape,
    "musepack": put_ape,
}


@pytest.mark.parametrize("kind", TAGGED_KINDS)
@settings(
    max_examples=_EXAMPLES,
    deadline=None,
    derandomize=_EXAMPLES <= 8,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    tags=foreign,
    picture=pictures,
    padding=paddings,
    version=st.sampled_from([3, 4]),
    affects=st.lists(pairs, min_size=1, max_size=3),
    word=st.sampled_from([None, "calm", "energetic"]),
)
def test_restore_undoes_any_writes_over_any_tags(
    kind: str,
    tags: Tags,
    picture: bytes | None,
    padding: int,
    version: int,
    affects: list[tuple[float, float]],
    word: str | None,
) -> None:
    options = WriteOptions(PARSER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound"
        path.write_bytes(sound(kind))
        _PUT.get(kind, put_id3)(path, tags, picture, padding, version)
        before, present = path.read_bytes(), read(path)
        record = None
        for arousal, valence in affects:
            items = {**AFFECT, **keys.affect_items(arousal, valence)}
            items |= keys.mood_item(word) if word else {}
            done = write(path, items, options, FileHistory.of([record] if record else []))
            assert read(path)["MOOD_AROUSAL"] == items["MOOD_AROUSAL"]
            record = done.undo or record
        assert record is not None
        if "MOOD" in present and "MOOD" not in keys.owned_keys(present):
            assert read(path)["MOOD"] == present["MOOD"]
        restore(path, options, FileHistory.of([record]))
        assert path.read_bytes() == before
        check_strip(path, options)


def check_strip(path: Path, options: WriteOptions) -> None:
    """Without an undo record, too, nothing of other programs may go."""
    write(path, AFFECT, options)
    with_ours = read(path)
    container = write(path, AFFECT, options)
    assert container.outcome is WriteOutcome.UNCHANGED
    owned = keys.owned_keys(with_ours)
    strip(path, options)
    assert read(path) == {key: with_ours[key] for key in with_ours if key not in owned}


def test_foreign_tags_differ_exactly_where_others_tags_differ(tmp_path: Path) -> None:
    path = tmp_path / "sound"
    path.write_bytes(sound("flac"))
    put_comments(path, {"TITLE": ["a"]}, None, 0, 4)
    before = foreign_tags(Memory(path.read_bytes()), "flac", keys.ALL_KEYS)
    put_comments(path, {"MOOD_AROUSAL": ["1"]}, None, 0, 4)
    assert foreign_tags(Memory(path.read_bytes()), "flac", keys.ALL_KEYS) == before
    put_comments(path, {"TITLE": ["b"]}, None, 0, 4)
    assert foreign_tags(Memory(path.read_bytes()), "flac", keys.ALL_KEYS) != before
