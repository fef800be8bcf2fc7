"""Backups: made while the service runs, and read back with suspicion."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import sqlite3
import tarfile
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from daemon.backup.archive import CATALOGUE, LABEL
from storage.catalogue import Catalogue
from tests.driving import Valenced
from tests.records import record
from tests.sounds import music_like, write_audio
from tests.trainer.corpora.brought import put_sounds, put_table
from trainer.bundles.bundle import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Member = tuple[tarfile.TarInfo, bytes]


def state_of(valenced: Valenced) -> Path:
    return valenced.catalogue.parent


def known(valenced: Valenced, *names: str) -> None:
    with closing(Catalogue(f"sqlite:///{valenced.catalogue}")) as catalogue:
        for name in names:
            record(catalogue, f"/m/{name}")


def paths(valenced: Valenced) -> list[str]:
    return [row["path"] for row in valenced.read("query")]


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def rewritten(archive: Path, change: Callable[[list[Member]], None]) -> None:
    """Write a backup anew with other members."""
    members: list[Member] = []
    with tarfile.open(archive, "r:") as tar:
        for member in tar:
            content = tar.extractfile(member)
            members.append((member, content.read() if content else b""))
    change(members)
    with tarfile.open(archive, "w:") as tar:
        for member, content_ in members:
            tar.addfile(member, io.BytesIO(content_))
    archive.chmod(0o600)


def test_a_backup_of_a_running_service_is_restored(
    valenced: Valenced, music: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "a.tar"
    write_audio(music / "a.flac", music_like(2))
    with valenced.start("run", music, "--no-tags") as service:
        service.wait_for("a.flac", "arousal")
        valenced("backup", archive)
        valenced("restore", archive, exit_code=1)
        assert f"process {service.process.pid}" in valenced.stderr
        assert service.stop() == 0
    rows = valenced.read("query")
    assert archive.stat().st_mode & 0o777 == 0o600
    other = Valenced(tmp_path / "other")
    other("restore", archive)
    assert "kept" not in other.stderr
    assert other.read("query") == rows
    assert other.read("bundles", "list") == valenced.read("bundles", "list")
    other("scan", music, "--no-tags")
    assert other.select("SELECT count(*) FROM hearings") == [(1,)]


def test_the_old_catalogue_is_renamed_and_kept(valenced: Valenced, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    known(valenced, "a.mp3")
    valenced("backup", archive)
    known(valenced, "b.mp3")
    valenced("restore", archive)
    (old,) = state_of(valenced).glob("catalogue.before-*.db")
    assert str(old) in valenced.stderr
    assert paths(valenced) == ["/m/a.mp3"]
    with closing(sqlite3.connect(old)) as plain:
        assert plain.execute("SELECT count(*) FROM clips").fetchone() == (2,)
    assert not list(state_of(valenced).glob(".*"))


def test_a_damaged_catalogue_is_replaced_by_its_backup(valenced: Valenced, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    known(valenced, "a.mp3")
    valenced("backup", archive)
    valenced.catalogue.write_bytes(b"nothing that SQLite knows" * 500)
    valenced("query", exit_code=1)
    valenced("restore", archive)
    assert paths(valenced) == ["/m/a.mp3"]


def test_a_backup_replaces_an_earlier_one_and_nothing_else(
    valenced: Valenced, tmp_path: Path
) -> None:
    archive, letter = tmp_path / "a.tar", tmp_path / "letter.txt"
    valenced("backup", archive, exit_code=1)
    assert "no catalogue yet" in valenced.stderr
    known(valenced, "a.mp3")
    valenced("backup", archive)
    first = archive.read_bytes()
    known(valenced, "b.mp3")
    valenced("backup", archive, exit_code=1)
    assert "replace it with --replace" in valenced.stderr
    assert archive.read_bytes() == first
    valenced("backup", archive, "--replace")
    assert archive.read_bytes() != first
    letter.write_text("Dear all")
    valenced("backup", letter, "--replace", exit_code=1)
    assert "name another file" in valenced.stderr
    assert letter.read_text() == "Dear all"
    valenced("backup", tmp_path / "nowhere" / "a.tar", exit_code=1)
    assert "no such folder" in valenced.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "letter.txt", "state"]


def bring_in(valenced: Valenced, folder: Path, name: str) -> None:
    put_sounds(folder, ["1.wav", "2.wav"])
    rows = [("1.wav", 0.5, -0.5), ("2.wav", -0.5, 0.5)]
    put_table(folder / "manifest.csv", ("path", "arousal", "valence"), rows)
    valenced("corpus", "add", "manifest", folder, "--name", name)


def test_corpora_are_restored_and_the_feature_cache_of_others_stays(
    valenced: Valenced, tmp_path: Path
) -> None:
    archive, shelf = tmp_path / "a.tar", state_of(valenced) / "corpora"
    known(valenced, "a.mp3")
    bring_in(valenced, tmp_path / "mine", "mine")
    mine = everything(shelf / "mine")
    (shelf / "damaged").mkdir()
    valenced("backup", archive)
    valenced("corpus", "remove", "damaged")
    bring_in(valenced, tmp_path / "later", "later")
    heard = everything(shelf / ".heard")
    assert len(heard) == 2
    valenced("restore", archive)
    (old,) = state_of(valenced).glob("corpora.before-*")
    assert str(old) in valenced.stderr
    assert sorted(path.name for path in old.iterdir()) == ["later", "mine"]
    assert [row["name"] for row in valenced.read("corpus", "list")] == ["mine"]
    assert everything(shelf / "mine") == mine
    assert everything(shelf / ".heard") == heard
    other = Valenced(tmp_path / "other")
    other("restore", archive)
    assert "kept" not in other.stderr
    assert [row["name"] for row in other.read("corpus", "list")] == ["mine"]


def test_a_file_that_a_restore_would_refuse_is_left_out_of_the_backup(
    valenced: Valenced, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    valenced("scan", tmp_path / "empty")
    stray = state_of(valenced) / "bundles" / SHIPPED.name / ".stray file"
    stray.write_bytes(b"x")
    valenced("backup", tmp_path / "a.tar")
    valenced("restore", tmp_path / "a.tar")
    assert stray.parent.is_dir()
    assert not stray.exists()


def test_a_backup_of_a_release_that_left_corpora_out_leaves_them_as_they_are(
    valenced: Valenced, tmp_path: Path
) -> None:
    archive = tmp_path / "a.tar"
    known(valenced, "a.mp3")
    valenced("backup", archive)
    rewritten(archive, label(bundle=None))
    bring_in(valenced, tmp_path / "mine", "mine")
    valenced("restore", archive)
    assert [row["name"] for row in valenced.read("corpus", "list")] == ["mine"]
    assert not list(state_of(valenced).glob("corpora.before-*"))


BEGUN = (
    "INSERT INTO begun_writes"
    " (rescue, path, device, inode, rescue_inode, rescue_size, owner, audio_hash)"
    " VALUES ('{0}', '/m/{0}', 1, 2, 3, 4, 5, 'hash')"
)


def test_begun_writes_are_those_of_this_disk_not_of_the_backup(
    valenced: Valenced, tmp_path: Path
) -> None:
    archive = tmp_path / "a.tar"
    known(valenced, "a.mp3")
    valenced("backup", archive)
    rewritten(archive, with_catalogue(BEGUN.format("strange")))
    with closing(sqlite3.connect(valenced.catalogue)) as plain, plain:
        plain.execute(BEGUN.format("ours"))
    valenced("restore", archive)
    assert valenced.select("SELECT rescue FROM begun_writes") == [(b"ours",)]
    valenced.catalogue.write_bytes(b"nothing that SQLite knows" * 500)
    valenced("restore", archive)
    assert valenced.select("SELECT rescue FROM begun_writes") == []


def member(name: str, content: bytes = b"x", **fields: Any) -> Member:
    made = tarfile.TarInfo(name)
    made.size = len(content)
    for field, value in fields.items():
        setattr(made, field, value)
    return made, content


def label(**said: Any) -> Callable[[list[Member]], None]:
    content = json.dumps({"made_at": "x", "bundle": None, "format": 1} | said).encode()

    def change(members: list[Member]) -> None:
        members[0] = member(LABEL, content)

    return change


def with_catalogue(statement: str) -> Callable[[list[Member]], None]:
    def change(members: list[Member]) -> None:
        at = [found.name for found, _ in members].index(CATALOGUE)
        with closing(sqlite3.connect(":memory:")) as plain:
            plain.deserialize(members[at][1])
            plain.executescript(statement)
            content = plain.serialize()
        members[at] = member(CATALOGUE, content)

    return change


def adding(*extra: Member) -> Callable[[list[Member]], None]:
    return lambda members: members.extend(extra)


HOSTILE: dict[str, Callable[[list[Member]], None]] = {
    "out of the folder": adding(member("bundles/../../evil", b"x")),
    "absolute": adding(member("/tmp/evil-of-a-backup")),
    "hidden": adding(member("bundles/.x/evil")),
    "deep": adding(member("bundles/x/y/evil")),
    "link": adding(member("bundles/x/y", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
    "hard link": adding(member("bundles/x/y", b"", type=tarfile.LNKTYPE, linkname=CATALOGUE)),
    "pipe": adding(member("bundles/x/y", b"", type=tarfile.FIFOTYPE)),
    "twice": adding(member(CATALOGUE)),
    "corpus out of the folder": adding(member("corpora/../evil", b"x")),
    "corpus hidden": adding(member("corpora/.heard/table.npz")),
    "more than a corpus has": adding(member("corpora/x/model.joblib")),
    "corpus that is none": adding(member("corpora/x/manifest.json", b"{}")),
    "corpus of nonsense": adding(member("corpora/x/manifest.json", b"[" * 9000)),
    "label that is a list": lambda members: members.__setitem__(0, member(LABEL, b"[]")),
    "bundle that is none": adding(member("bundles/x/manifest.json", b"{}")),
    "no label": lambda members: members.__delitem__(0),
    "no catalogue": lambda members: members.__delitem__(1),
    "label of nonsense": lambda members: members.__setitem__(0, member(LABEL, b"[" * 9000)),
    "later format": label(format=3),
    "format of nonsense": label(format=True),
    "bundle elsewhere": label(bundle="../../etc"),
    "bundle that is not there": label(bundle="starter-9"),
    "another database": with_catalogue("DROP TABLE clips"),
    "a trigger": with_catalogue(
        "CREATE TRIGGER t AFTER DELETE ON queue BEGIN DELETE FROM clips; END"
    ),
    "a view of begun writes": with_catalogue(
        "DROP TABLE begun_writes; CREATE VIEW begun_writes AS SELECT * FROM clips"
    ),
    "later schema": with_catalogue("PRAGMA user_version = 99"),
    "a schema that is none": with_catalogue("PRAGMA user_version = -1"),
    "another view": with_catalogue(
        "DROP VIEW sounds; CREATE VIEW sounds AS WITH RECURSIVE n(x) AS"
        " (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT * FROM n"
    ),
    "one view more": with_catalogue("CREATE VIEW more AS SELECT * FROM clips"),
    "one table more": with_catalogue("CREATE TABLE more (x, y AS (zeroblob(x)))"),
    "a virtual table": with_catalogue("CREATE VIRTUAL TABLE more USING fts5(x)"),
    "an index that computes": with_catalogue("CREATE INDEX more ON clips (zeroblob(size))"),
    "a computed column": with_catalogue("ALTER TABLE clips ADD COLUMN more AS (zeroblob(size))"),
    "character device": adding(member("bundles/x/y", b"", type=tarfile.CHRTYPE)),
    "block device": adding(member("bundles/x/y", b"", type=tarfile.BLKTYPE)),
    "folder": adding(member("bundles/x", b"", type=tarfile.DIRTYPE)),
    "unknown type": adding(member("bundles/x/y", b"", type=b"Z")),
    "other case": adding(member(CATALOGUE.upper())),
    "control characters": adding(member("bundles/\x1b[2J\n/manifest.json")),
    "dots": adding(member("./" + CATALOGUE)),
    "other name in PAX": adding(member("bundles/x/table.npz", pax_headers={"path": "/tmp/evil"})),
    "link in PAX": adding(
        member("bundles/x/y", b"", type=tarfile.SYMTYPE, pax_headers={"linkpath": "/etc"})
    ),
    "sparse in PAX": adding(
        member(
            "bundles/x/table.npz",
            b"1\n0\n512\n" + bytes(505),
            pax_headers={
                "GNU.sparse.major": "1",
                "GNU.sparse.minor": "0",
                "GNU.sparse.name": "../evil",
                "GNU.sparse.realsize": str(1 << 50),
            },
        )
    ),
}


@pytest.fixture(scope="module")
def made_backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a state directory and its backup."""
    folder = tmp_path_factory.mktemp("made")
    valenced = Valenced(folder / "state")
    known(valenced, "a.mp3")
    valenced("backup", folder / "a.tar")
    return folder


@pytest.fixture
def archive(made_backup: Path, valenced: Valenced, tmp_path: Path) -> Path:
    """A backup of what is in the state directory."""
    shutil.copytree(made_backup / "state", valenced.catalogue.parent)
    archive = tmp_path / "a.tar"
    shutil.copy2(made_backup / "a.tar", archive)
    return archive


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_backup_changes_nothing(
    valenced: Valenced, archive: Path, tmp_path: Path, kind: str
) -> None:
    rewritten(archive, HOSTILE[kind])
    before = everything(tmp_path)
    valenced("restore", archive, exit_code=1)
    (line,) = valenced.stderr.splitlines()
    assert str(archive) in line
    assert "unexpected" not in line
    assert everything(tmp_path) == before


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "compressed": gzip.compress,
    "compressed twice": lambda tar: gzip.compress(gzip.compress(tar)),
    "wrong checksum": lambda tar: tar[:148] + b"7777777" + tar[155:],
    "size without measure": lambda tar: with_size(tar, b"77777777777"),
    "negative size": lambda tar: with_size(tar, b"\xff" * 12),
    "size of words": lambda tar: with_size(tar, b"many bytes"),
    "no end": lambda tar: tar[: len(tar) // 3],
    "two labels": lambda tar: tar[:1024] + tar,
}


def with_size(tar: bytes, size: bytes) -> bytes:
    """Return an archive with another size in its first header, and the checksum that fits."""
    head = tar[:124] + size.ljust(12, b"\0") + b" " * 12 + tar[148:512]
    head = head[:136] + tar[136:148] + b" " * 8 + tar[156:512]
    return head[:148] + b"%06o\0 " % sum(head) + head[156:] + tar[512:]


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_archive_changes_nothing(
    valenced: Valenced, archive: Path, tmp_path: Path, kind: str
) -> None:
    archive.write_bytes(DAMAGED[kind](archive.read_bytes()))
    before = everything(tmp_path)
    valenced("restore", archive, exit_code=1)
    (line,) = valenced.stderr.splitlines()
    assert str(archive) in line
    assert "run again with --debug" not in line
    assert everything(tmp_path) == before


def test_a_backup_that_others_could_have_written_or_that_is_cut_off_is_refused(
    valenced: Valenced, tmp_path: Path
) -> None:
    archive = tmp_path / "a.tar"
    known(valenced, "a.mp3")
    valenced("backup", archive)
    archive.chmod(0o622)
    valenced("restore", archive, exit_code=1)
    assert "chmod go-w" in valenced.stderr
    archive.chmod(0o600)
    whole = archive.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no tar" * 999, os.urandom(4096)):
        archive.write_bytes(content)
        valenced("restore", archive, exit_code=1)
        assert "a damaged one" in valenced.stderr or "lacks" in valenced.stderr
        assert len(valenced.stderr.splitlines()) == 1
    assert paths(valenced) == ["/m/a.mp3"]
    valenced("restore", tmp_path / "absent.tar", exit_code=2)
