from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path

import pytest

from storage.catalogue import Catalogue
from storage.database.catalogue_file import file_of, only_writer, writer_of
from storage.database.server_address import is_on_server
from storage.schema.catalogue_errors import CatalogueBusy, CatalogueError, SchemaTooNew
from storage.schema.records import Mood, Sound, TagOutcome, TagState
from storage.schema.sound_filter import SoundFilter
from storage.schema.tables import metadata
from tests.catalogue_rows import columns_outside, rows_outside
from tests.records import NOON, analysis, record, stamp

ODD_NAMES = [
    b"/m/caf\xe9.mp3",
    b"/m/two\nlines.mp3",
    b'/m/it\'s "quoted".mp3',
    b"/m/\xff\xfe/x.wav",
]


def found(catalogue: Catalogue, **asked: object) -> list[str]:
    sounds = catalogue.queries.sounds(SoundFilter(**asked))  # type: ignore[arg-type]
    return [sound.path.name for sound in sounds]


@pytest.fixture
def four_moods(catalogue: Catalogue) -> Catalogue:
    record(catalogue, "/m/calm.mp3", -0.4, 0.3)
    record(catalogue, "/m/energetic.mp3", 0.5, 0.2)
    record(catalogue, "/m/sub/sad.mp3", -0.2, -0.6)
    record(catalogue, "/mm/tense.mp3", 0.7, -0.5)
    return catalogue


def test_sounds_of_a_kind_are_found(catalogue: Catalogue) -> None:
    record(catalogue, "/m/song.mp3")
    catalogue.queue.put([(Path("/m/cry.wav"), stamp())], NOON)
    entry = catalogue.queue.claim(NOON)
    assert entry is not None
    heard = analysis("cry", 0.5, -0.5, kind="voice", kind_probability=0.7)
    catalogue.record(entry, "cry", TagState.PENDING, NOON, heard)
    found = catalogue.queries.sounds(SoundFilter(kind="voice"))
    assert [(each.path.name, each.kind, each.kind_probability) for each in found] == [
        ("cry.wav", "voice", 0.7)
    ]
    assert catalogue.queries.sounds(SoundFilter(kind="sound")) == []


def test_a_recorded_sound_is_in_its_view_and_off_the_queue(four_moods: Catalogue) -> None:
    for mood in Mood:
        rows = rows_outside(four_moods, f"SELECT path, mood FROM {mood}")
        assert [(Path(path).stem, word) for path, word in rows] == [(mood.value, mood.value)]
    assert rows_outside(four_moods, "SELECT count(*) FROM queue") == [(0,)]
    assert rows_outside(four_moods, "SELECT count(*) FROM curves") == [(8,)]


def test_the_view_sounds_has_the_promised_columns_in_order(catalogue: Catalogue) -> None:
    columns = columns_outside(catalogue, "sounds")
    assert columns == [column.name for column in fields(Sound)]


def test_the_tables_known_to_the_program_are_those_of_the_migrations(catalogue: Catalogue) -> None:
    for table in metadata.tables.values():
        columns = columns_outside(catalogue, table.name)
        # SQLite numbers the rows of every table, and has one service.
        more = {"queue": {"rowid", "claimed_by"}, "folders": {"service"}}
        columns = [name for name in columns if name not in more.get(table.name, set())]
        assert columns == [column.name for column in table.columns], table.name


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_of_any_bytes_survives_the_round_trip(catalogue: Catalogue, name: bytes) -> None:
    path = Path(os.fsdecode(name))
    record(catalogue, path, 0.5, 0.5)
    clip = catalogue.clip_at(path)
    assert clip is not None
    assert os.fsencode(clip.path) == name
    assert found(catalogue, under=path.parent) == [path.name]
    shown = os.fsdecode(name)
    if is_on_server(catalogue.url) and not shown.isprintable():
        shown = "".join(chr(x) if x < 128 else f"\\{x:03o}" for x in name)
    assert rows_outside(catalogue, "SELECT path FROM energetic") == [(shown,)]


def test_each_filter_selects_its_sounds(four_moods: Catalogue) -> None:
    assert found(four_moods, mood=Mood.CALM) == ["calm.mp3"]
    assert found(four_moods, arousal=(-0.3, 0.5)) == ["energetic.mp3", "sad.mp3"]
    assert found(four_moods, valence=(-1.0, -0.5)) == ["sad.mp3", "tense.mp3"]
    assert found(four_moods, under=Path("/m")) == ["calm.mp3", "energetic.mp3", "sad.mp3"]
    assert found(four_moods, under=Path("/m/sub")) == ["sad.mp3"]
    assert found(four_moods, under=Path("/")) == found(four_moods)
    assert found(four_moods, near=(0.6, -0.4), limit=2) == ["tense.mp3", "energetic.mp3"]
    assert found(four_moods, sort="-valence", limit=1) == ["calm.mp3"]


def test_thresholds_and_percentiles_move_the_moods(four_moods: Catalogue) -> None:
    assert found(four_moods, mood=Mood.ENERGETIC, thresholds=(0.6, -0.6)) == ["tense.mp3"]
    assert found(four_moods, mood=Mood.CALM, percentile=50.0) == ["calm.mp3"]
    four_moods.set_mood_thresholds(0.6, -0.6)
    moods = [sound.mood for sound in four_moods.queries.sounds(SoundFilter())]
    assert Mood.CALM in moods
    assert rows_outside(four_moods, "SELECT path FROM energetic") == [("/mm/tense.mp3",)]


def test_a_missing_file_is_hidden_but_not_forgotten(four_moods: Catalogue) -> None:
    four_moods.mark_missing([Path("/m/calm.mp3")], NOON)
    assert found(four_moods, mood=Mood.CALM) == []
    clip = four_moods.clip_at(Path("/m/calm.mp3"))
    assert clip is not None
    assert clip.is_missing
    assert four_moods.is_analysed(clip.identity, "test/1")
    assert not four_moods.is_analysed(clip.identity, "test/2")


def test_a_clip_keeps_its_journal_when_its_file_is_renamed(catalogue: Catalogue) -> None:
    clip = record(catalogue, "/m/a.mp3")
    catalogue.tag_journal.begin(clip, {"items": {}}, NOON)
    catalogue.tag_journal.record(clip, TagOutcome(TagState.WRITTEN, stamp=stamp(size=140)))
    catalogue.rename_clip(clip, Path("/m/b.mp3"))
    moved = catalogue.clip_at(Path("/m/b.mp3"))
    assert moved is not None
    assert moved.stamp.size == 140
    assert catalogue.tag_journal.undos(moved) == [{"items": {}}]
    assert catalogue.clip_at(Path("/m/a.mp3")) is None


def test_a_file_replaced_by_another_sound_does_not_inherit_the_journal(
    catalogue: Catalogue,
) -> None:
    clip = record(catalogue, "/m/a.mp3")
    catalogue.tag_journal.begin(clip, {"items": {}, "size": 140}, NOON)
    other = replace(clip, identity="another sound")
    assert catalogue.tag_journal.undos(other) == []
    copy = replace(clip, id=99, path=Path("/m/copy.mp3"))
    assert catalogue.tag_journal.undos(copy) == []
    assert catalogue.tag_journal.undos_of_copies(copy, 140) == [{"items": {}, "size": 140}]
    assert catalogue.tag_journal.undos_of_copies(copy, 141) == []
    assert catalogue.tag_journal.undos_of_copies(clip, 140) == []


def test_only_the_last_journal_entry_outlives_a_finished_write(catalogue: Catalogue) -> None:
    clip = record(catalogue, "/m/a.mp3")
    for number in range(3):
        catalogue.tag_journal.begin(clip, {"number": number}, NOON)
    kept = [{"number": number} for number in (2, 1, 0)]
    catalogue.tag_journal.record(clip, TagOutcome(TagState.PENDING, "the disk is full"))
    assert catalogue.tag_journal.undos(clip) == kept
    catalogue.tag_journal.record(clip, TagOutcome(TagState.WRITTEN, stamp=stamp(size=140)))
    assert catalogue.tag_journal.undos(clip) == kept[:1]
    assert rows_outside(catalogue, "SELECT count(*) FROM tag_journal") == [(1,)]


def test_a_second_writer_is_refused_with_the_id_of_the_first(file_url: str) -> None:
    assert writer_of(file_url) is None
    script = (
        "import sys, time\nfrom storage.database.catalogue_file import only_writer\n"
        "with only_writer(sys.argv[1]):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, file_url], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert writer_of(file_url) == holder.pid
        with pytest.raises(CatalogueBusy, match=str(holder.pid)), only_writer(file_url):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with only_writer(file_url):
        assert writer_of(file_url) == os.getpid()


def test_a_catalogue_of_a_later_release_is_left_untouched(file_url: str) -> None:
    Catalogue(file_url).close()
    file = file_of(file_url)
    with closing(sqlite3.connect(file)) as plain:
        plain.execute("PRAGMA user_version = 99")
    before = file.read_bytes()
    with pytest.raises(SchemaTooNew, match="schema 99"):
        Catalogue(file_url)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"this is not a database at all, but a long enough text" * 40, b"SQLite format 3\0"]
)
def test_a_file_that_is_no_catalogue_is_refused_in_one_line(file_url: str, content: bytes) -> None:
    file = file_of(file_url)
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(CatalogueError) as caught:
        Catalogue(file_url)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("bad", ["sqlite://", "sqlite:///:memory:", "not a url"])
def test_a_url_that_names_no_file_is_refused(bad: str) -> None:
    with pytest.raises(CatalogueError, match=r"sqlite:////(absolute/)?path\.db"):
        Catalogue(bad)


def test_two_processes_can_open_a_new_catalogue_at_once(url: str) -> None:
    script = "import sys\nfrom storage.catalogue import Catalogue\nCatalogue(sys.argv[1]).close()"
    both = [subprocess.Popen([sys.executable, "-c", script, url]) for _ in range(4)]
    assert [process.wait() for process in both] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (None, "abc"),
        (["/"], "abc"),
        (["/m"], "ab"),
        (["/m/in"], "b"),
        (["/m/a.mp3", "/n"], "ac"),
        (["/m/%", "/M", "/m/a"], ""),
        ([], ""),
    ],
)
def test_clips_are_found_by_the_state_of_their_tags_and_by_folders(
    catalogue: Catalogue, folders: list[str] | None, names: str
) -> None:
    for path in ("/m/a.mp3", "/m/in/b.mp3", "/n/c.mp3", "/m/gone.mp3"):
        record(catalogue, path)
    catalogue.mark_missing([Path("/m/gone.mp3")], NOON)
    wanted = None if folders is None else [Path(folder) for folder in folders]
    found = catalogue.clips_in(TagState.PENDING, wanted)
    assert sorted(clip.path.stem for clip in found) == [*names]
    assert not list(catalogue.clips_in(TagState.WRITTEN, wanted))
