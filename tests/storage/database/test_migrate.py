"""Every released schema, with rows in it, on the way to the newest."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest

from storage.catalogue import Catalogue
from storage.database.catalogue_file import file_of
from storage.database.migrate import apply, schemas
from storage.schema.catalogue_errors import CatalogueBusy, CatalogueError, SchemaTooNew
from storage.schema.sound_filter import SORT_KEYS, SoundFilter
from tests.records import NOON
from tests.torture.disks import Full, NoDisk, memory_disk

NEWEST = len(schemas())
RELEASED = range(1, NEWEST)
NUMBERED = 12
"""From this schema on, tables have numbers in place of texts that repeat."""
ODD = b"/m/caf\xe9 two\nlines.mp3"
AT = "2026-01-31T12:00:00.000Z"
AT_MS = 1_769_860_800_000
SOUNDS = 40


def old_catalogue(url: str, schema: int) -> Path:
    """Write a catalogue as the release of a schema left it: its scripts alone, and rows."""
    file = file_of(url)
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file, isolation_level=None)) as plain:
        plain.execute("PRAGMA journal_mode = WAL")
        plain.execute("BEGIN")
        apply(plain, schemas()[:schema], 0)
        for number in range(SOUNDS):
            (_insert_sound if schema < NUMBERED else _insert_numbered_sound)(plain, number)
        name = (
            "INSERT INTO queue (path, size, mtime_ns, inode, state, attempts, queued_at, due_at,"
            " reason) VALUES (CAST(? AS TEXT), 1, 1, 1, ?, ?, ?, ?, ?)"
        )
        plain.execute(name, (ODD, "waiting", 0, AT, AT, None))
        plain.execute(name, (b"/m/bad.mp3", "given up", 6, AT, AT, "no sound in it"))
        plain.execute(name, (b"/m/hand.mp3", "running", 1, AT, AT, None))
        plain.execute("INSERT INTO known_bundles VALUES ('starter-1', ?, '{}', 1)", (AT,))
        sound = ("identity", "'sound 1'") if schema < NUMBERED else ("sound_id", "2")
        plain.execute(
            f"INSERT INTO tag_journal (clip_id, {sound[0]}, written_at, before)"
            f" VALUES (2, {sound[1]}, ?, '{{\"size\": 7}}')",
            (AT,),
        )
        if schema >= 11:
            probability = 0.5 if schema < NUMBERED else 500_000
            plain.execute(
                f"UPDATE predictions SET kind = 'voice', kind_probability = {probability}"
            )
        if schema >= 2:
            plain.execute("INSERT INTO folders VALUES ('/m', 'events', ?, NULL)", (AT,))
        if schema >= 3:
            plain.execute(
                "INSERT INTO given_annotations VALUES"
                " (1, 'sound 1', '/m/1.mp3', 'ann', 0.5, -0.5, ?, 'cli', NULL, NULL)",
                (AT,),
            )
            plain.execute("INSERT INTO timetable VALUES ('learn', 'daily', ?)", (AT,))
        plain.execute("COMMIT")
    return file


def _insert_sound(plain: sqlite3.Connection, number: int) -> None:
    identity = f"sound {number}"
    plain.execute(
        "INSERT INTO clips (path, identity, size, mtime_ns, inode, found_at, tag_state)"
        " VALUES (?, ?, 1, 1, ?, ?, 'written')",
        (f"/m/{number}.mp3", identity, number, AT),
    )
    vector = os.urandom(5000)
    plain.execute("INSERT INTO hearings VALUES (?, 'x/1', 9.5, ?, ?)", (identity, AT, vector))
    values = (identity, "starter-1", 0.1, 0.0, 0.2, -0.1, -0.2, 0.0, 0.5, AT)
    columns = "identity, bundle, arousal, arousal_low, arousal_high, valence, valence_low,"
    columns += " valence_high, novelty, analysed_at"
    marks = ", ".join("?" * len(values))
    plain.execute(f"INSERT INTO predictions ({columns}) VALUES ({marks})", values)
    plain.execute("INSERT INTO curve_points VALUES (?, 0.0, 0.1, -0.1)", (identity,))


def _insert_numbered_sound(plain: sqlite3.Connection, number: int) -> None:
    if not number:
        plain.execute("INSERT INTO labels VALUES (1, 'x/1'), (2, 'starter-1')")
        plain.execute("INSERT INTO directories (id, path) VALUES (1, '/m/')")
    own = number + 1
    plain.execute("INSERT INTO identities VALUES (?, ?)", (own, f"sound {number}"))
    plain.execute(
        "INSERT INTO clips (directory_id, name, sound_id, size, mtime_ns, inode, found_at,"
        " tag_state) VALUES (1, ?, ?, 1, 1, ?, ?, 'written')",
        (f"{number}.mp3", own, number, AT_MS),
    )
    plain.execute("INSERT INTO hearings VALUES (?, 1, ?, ?)", (own, AT_MS, os.urandom(5000)))
    columns = "sound_id, bundle, arousal, arousal_low, arousal_high, valence, valence_low,"
    columns += " valence_high, novelty, analysed_at, duration_ms, curve"
    affect = (100_000, 0, 200_000, -100_000, -200_000, 0)
    values = (own, 2, *affect, 500_000, AT_MS, 9500, "[0,100,-100]")
    marks = ", ".join("?" * len(values))
    plain.execute(f"INSERT INTO predictions ({columns}) VALUES ({marks})", values)


def rows_of(file: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as plain:
        plain.text_factory = bytes
        return plain.execute(statement).fetchall()


def everything(file: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(file)) as plain:
        tables = plain.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {name: rows_of(file, f"SELECT * FROM {name}") for (name,) in sorted(tables)}


_SHOWN = (
    f"SELECT {', '.join(SORT_KEYS[:13])} FROM sounds WHERE bundle != 'annotation' ORDER BY path",
    "SELECT * FROM curves ORDER BY path, start_s",
    "SELECT * FROM failures",
    "SELECT * FROM bundles",
)


def test_the_scripts_are_numbered_by_the_schema_that_they_lead_to() -> None:
    folder = resources.files("storage.database.migrations")
    names = [entry.name for entry in folder.iterdir() if entry.name.endswith(".sql")]
    assert sorted(int(name[:4]) for name in names) == list(range(1, NEWEST + 1))


def test_a_script_stays_as_it_was_when_catalogues_were_made_by_it() -> None:
    folder = Path(str(resources.files("storage.database.migrations")))
    known = Path(__file__).with_name("migrations.sha256").read_text(encoding="ascii")
    assert dict(line.split()[::-1] for line in known.splitlines()) == {
        script.relative_to(folder).as_posix(): hashlib.sha256(script.read_bytes()).hexdigest()
        for script in folder.rglob("*.sql")
    }


@pytest.mark.parametrize("schema", RELEASED)
def test_a_migration_keeps_everything(file_url: str, schema: int) -> None:
    file = old_catalogue(file_url, schema)
    before = everything(file)
    with closing(Catalogue(file_url)) as catalogue:
        assert len(catalogue.queries.sounds(SoundFilter())) == SOUNDS
        assert catalogue.queue.release_claims() == 1
        entry = catalogue.queue.claim(NOON)
        assert entry is not None
        assert os.fsencode(entry.path) == ODD
        assert len(catalogue.queued_stamps()) == 3
        clip = catalogue.clip_at(Path("/m/1.mp3"))
        assert clip is not None
        assert catalogue.tag_journal.undos(clip) == [{"size": 7}]
        if schema >= 11:
            assert {sound.kind for sound in catalogue.queries.sounds(SoundFilter())} == {"voice"}
        if schema >= 3:
            affect = catalogue.affect_of("sound 1")
            assert affect is not None
            assert (affect.arousal, affect.bundle) == (0.5, "annotation")
            assert catalogue.annotations.changed_since(None) == 1
            assert catalogue.jobs.next_run("learn", "daily") == NOON
    assert rows_of(file, "PRAGMA user_version") == [(NEWEST,)]
    assert rows_of(file, "PRAGMA integrity_check") == [(b"ok",)]
    assert rows_of(file, "PRAGMA foreign_key_check") == []
    copy = file.with_name(f"catalogue.schema-{schema}.db")
    assert everything(copy) == before
    for statement in _SHOWN:
        assert rows_of(file, statement) == rows_of(copy, statement), statement
    kept = "SELECT settings, heard_at, vector FROM hearings ORDER BY vector"
    as_before = (
        "SELECT label, strftime('%Y-%m-%dT%H:%M:%S.000Z', heard_at / 1000, 'unixepoch'), vector"
        " FROM hearings JOIN labels ON labels.id = settings ORDER BY vector"
    )
    assert rows_of(file, as_before) == rows_of(copy, kept if schema < NUMBERED else as_before)
    assert copy.stat().st_mode & 0o777 == 0o600


def test_what_other_programs_left_does_not_stop_a_migration(file_url: str) -> None:
    """Rows of a clip that was deleted without foreign keys, and a novelty beyond all bounds."""
    file = old_catalogue(file_url, NUMBERED - 1)
    with closing(sqlite3.connect(file)) as plain, plain:
        plain.execute("DELETE FROM clips WHERE id = 2")
        plain.execute("DELETE FROM hearings WHERE identity = 'sound 2'")
        plain.execute("UPDATE predictions SET novelty = 9e999 WHERE identity = 'sound 3'")
    with closing(Catalogue(file_url)) as catalogue:
        assert len(catalogue.queries.sounds(SoundFilter())) == SOUNDS - 2
        assert len(catalogue.queries.sounds(SoundFilter(novelty=(2.0, None)))) == 1
    assert rows_of(file, "PRAGMA foreign_key_check") == []
    assert rows_of(file, "SELECT * FROM tag_journal") == []


def test_an_old_small_file_can_shrink_from_then_on_as_a_new_one_can(file_url: str) -> None:
    file = old_catalogue(file_url, NEWEST - 1)
    assert rows_of(file, "PRAGMA auto_vacuum") == [(0,)]
    Catalogue(file_url).close()
    assert rows_of(file, "PRAGMA auto_vacuum") == [(2,)]


def test_only_the_newest_copy_stays_and_a_new_catalogue_has_none(file_url: str) -> None:
    file = old_catalogue(file_url, 1)
    stale = file.with_name("catalogue.schema-0.db")
    stale.write_bytes(b"")
    Catalogue(file_url).close()
    assert sorted(path.name for path in file.parent.glob("*.schema-*")) == ["catalogue.schema-1.db"]
    fresh = f"sqlite:///{file.parent / 'new' / 'catalogue.db'}"
    Catalogue(fresh).close()
    assert [path.name for path in file_of(fresh).parent.iterdir()] == ["catalogue.db"]
    assert rows_of(file_of(fresh), "PRAGMA auto_vacuum") == [(2,)]


def test_several_processes_at_once_migrate_it_once(file_url: str) -> None:
    file = old_catalogue(file_url, 1)
    script = "import sys\nfrom storage.catalogue import Catalogue\nCatalogue(sys.argv[1]).close()"
    all_ = [subprocess.Popen([sys.executable, "-c", script, file_url]) for _ in range(3)]
    assert [process.wait() for process in all_] == [0, 0, 0]
    assert rows_of(file, "PRAGMA user_version") == [(NEWEST,)]
    assert rows_of(file.with_name("catalogue.schema-1.db"), "PRAGMA user_version") == [(1,)]


def test_nothing_changes_under_a_service_of_an_earlier_release(file_url: str) -> None:
    file = old_catalogue(file_url, 1)
    script = (
        "import sys\nfrom storage.database.catalogue_file import only_writer\n"
        "with only_writer(sys.argv[1]):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, file_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(CatalogueBusy, match=f"process {holder.pid} .* stop that process"):
            Catalogue(file_url)
        holder.kill()
    assert rows_of(file, "PRAGMA user_version") == [(1,)]
    Catalogue(file_url).close()


@pytest.mark.parametrize("for_the_copy", [False, True])
def test_a_full_disk_leaves_the_old_catalogue_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, for_the_copy: bool
) -> None:
    """Without room for the copy, and with room for the copy but not for the change.

    Others may fill the disk after the check of its room, which therefore is left out here.
    """
    state = tmp_path / "state"
    url = f"sqlite:///{state / 'catalogue.db'}"
    try:
        with memory_disk(state, "size=2m,mode=700"):
            file = old_catalogue(url, 1)
            before = everything(file)
            disk = Full(state)
            disk.fail()
            room = (48 << 10) + for_the_copy * file.stat().st_size
            with disk._ballast.open("r+b") as ballast:
                ballast.truncate(disk._ballast.stat().st_size - room)
            with pytest.raises(CatalogueError, match=r"needs \d+ MiB .* 0 MiB are free"):
                Catalogue(url)
            assert not list(state.glob("*.schema-*"))
            monkeypatch.setattr("storage.database.migrate._COPIES", 0)
            with pytest.raises(CatalogueError, match="as it was") as caught:
                Catalogue(url)
            assert "\n" not in str(caught.value)
            assert ("before the migration" in str(caught.value)) != for_the_copy
            disk.repair()
            assert everything(file) == before
            assert not list(state.glob(".*"))
            Catalogue(url).close()
            assert rows_of(file, "PRAGMA user_version") == [(NEWEST,)]
    except NoDisk as error:
        pytest.skip(str(error))


def test_a_newer_schema_is_left_untouched(file_url: str) -> None:
    file = old_catalogue(file_url, NEWEST - 1)
    with closing(sqlite3.connect(file)) as plain:
        plain.execute(f"PRAGMA user_version = {NEWEST + 1}")
    before = file.read_bytes()
    with pytest.raises(SchemaTooNew, match="upgrade valenced"):
        Catalogue(file_url)
    assert file.read_bytes() == before
    assert not list(file.parent.glob("*.schema-*"))
