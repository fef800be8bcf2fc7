"""Whatever tags others have put into a file: our write, then restore, changes nothing.

VALENCED_EXAMPLES raises the number of examples for each container.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.tagging.api import WriteOptions, WriteOutcome, restore, strip, write
from daemon.tagging.basics import keys
from daemon.tagging.file_history import FileHistory
from daemon.tagging.formats.foreign_tags import foreign_tags
from tests.daemon.tagging.conftest import AFFECT
from tests.daemon.tagging.foreign_writers import Tags, put_tags
from tests.daemon.tagging.memory import Memory
from tests.daemon.tagging.readers import PARSER, read
from tests.daemon.tagging.sounds import TAGGED_KINDS, sound

_EXAMPLES = int(os.environ.get("VALENCED_EXAMPLES", "8"))

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
        put_tags(kind, path, tags, picture, padding, version)
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
    put_tags("flac", path, {"TITLE": ["a"]}, padding=0)
    before = foreign_tags(Memory(path.read_bytes()), "flac", keys.ALL_KEYS)
    put_tags("flac", path, {"MOOD_AROUSAL": ["1"]}, padding=0)
    assert foreign_tags(Memory(path.read_bytes()), "flac", keys.ALL_KEYS) == before
    put_tags("flac", path, {"TITLE": ["b"]}, padding=0)
    assert foreign_tags(Memory(path.read_bytes()), "flac", keys.ALL_KEYS) != before
