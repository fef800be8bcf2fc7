"""What must stay of a file in_sidecars its bytes, and what the disk may refuse."""

from __future__ import annotations

import errno
import json
import os
import stat
import struct
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.service_errors import TagWriteError
from daemon.tagging.api import WriteMode, WriteOptions, WriteOutcome, restore, strip, write
from daemon.tagging.disk import temp_names
from daemon.tagging.disk.syscalls import DiskCalls
from daemon.tagging.disk.temp_names import is_temporary
from daemon.tagging.file_history import FileHistory
from daemon.tagging.recovery import clean_up
from tests.daemon.tagging.readers import PARSER, LocalParser, ffmpeg, path_of, read
from tests.daemon.tagging.sounds import encoded, sound, sound_file
from trainer.audio.packets.fingerprint import identify
from trainer.trainer_errors import UnreadableClip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.tagging.basics.keys import Items
    from daemon.tagging.basics.tag_jobs import FileReading
    from storage.begun_writes import BegunWrites

NOBODY = 65534

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do this to a file")


class GivesWay(DiskCalls):
    """Copies a part back into the original and then nothing more, both times it is tried."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.is_in_place = False

    def rename_to_free(self, folder: int, name: str, free: str) -> None:
        super().rename_to_free(folder, name, free)
        self.is_in_place = True

    def copy_range(self, source: int, target: int, start: int, at: int, length: int) -> None:
        if not self.is_in_place:
            super().copy_range(source, target, start, at, length)
            return
        super().copy_range(source, target, start, at, int(length * self.share))
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_owner_permissions_and_attributes_stay(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, "flac")
    with suppress(PermissionError):
        # Root alone may, and not in every container.
        os.chown(path, 1234, 4321)
    path.chmod(0o640)
    attributes = {"user.comment": b"mine\0\xff"}
    if path.stat().st_uid == 1234:
        # Entries for the owner, user 99, the group, the mask and others.
        entries = [(1, 6, -1), (2, 4, 99), (4, 4, -1), (0x10, 4, -1), (0x20, 0, -1)]
        acl = struct.pack("<I", 2) + b"".join(
            struct.pack("<HHI", tag, bits, who & 0xFFFFFFFF) for tag, bits, who in entries
        )
        attributes["system.posix_acl_access"] = acl
    for name, value in attributes.items():
        try:
            os.setxattr(path, name, value)
        except OSError as error:
            pytest.skip(f"this file system keeps no {name}: {error.strerror}")
    was = path.stat()
    write(path, affect, options)
    now = path.stat()
    assert now.st_ino != was.st_ino
    assert (now.st_uid, now.st_gid, now.st_mode) == (was.st_uid, was.st_gid, was.st_mode)
    assert {name: os.getxattr(path, name) for name in os.listxattr(path)} == attributes


@pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.IN_PLACE])
@pytest.mark.parametrize("keep", [True, False])
def test_the_modification_time_stays_by_choice(
    tmp_path: Path,
    options: WriteOptions,
    affect: Items,
    begun: BegunWrites,
    mode: WriteMode,
    *,
    keep: bool,
) -> None:
    path = sound_file(tmp_path, "mp3")
    os.utime(path, ns=(10**18, 10**18 + 7))
    write(path, affect, replace(options, mode=mode, keep_mtime=keep, begun=begun))
    assert (path.stat().st_mtime_ns == 10**18 + 7) is keep


def test_hard_links_are_not_taken_apart(
    tmp_path: Path, options: WriteOptions, affect: Items, begun: BegunWrites
) -> None:
    path = sound_file(tmp_path, "mp3")
    twin = tmp_path / "twin"
    twin.hardlink_to(path)
    with pytest.raises(TagWriteError, match=r"2 hard links; tags\.mode = in-place"):
        write(path, affect, options)
    in_place = replace(options, mode=WriteMode.IN_PLACE, begun=begun)
    done = write(path, affect, in_place)
    assert twin.samefile(path)
    assert read(twin)["MOOD_AROUSAL"] == ["42"]
    assert done.undo is not None
    restore(twin, in_place, FileHistory.of([done.undo]))
    assert path.read_bytes() == sound("mp3")
    assert sorted(tmp_path.iterdir()) == sorted([path, twin])


def test_tags_are_read_through_links_but_written_into_files_only(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    (tmp_path / "album").mkdir()
    path = sound_file(tmp_path / "album", "opus")
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "folder").symlink_to("album")
    for link in (tmp_path / "link", tmp_path / "folder" / path.name):
        with pytest.raises(TagWriteError, match="symbolic link"):
            write(link, affect, options)
    write(path, affect, options)
    assert read(tmp_path / "link") == read(tmp_path / "folder" / path.name) == read(path)


def test_link_circles_end(tmp_path: Path, options: WriteOptions, affect: Items) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(TagWriteError, match="in a circle"):
        write(tmp_path / "a", affect, options)
    with pytest.raises(TagWriteError, match="in a circle"):
        read(tmp_path / "a")


def test_folders_and_pipes_are_refused_at_once(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(TagWriteError, match="not a regular file"):
            write(path, affect, options)


def test_a_missing_file_is_reported_as_gone(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    with pytest.raises(TagWriteError, match="no longer there"):
        write(tmp_path / "x", affect, options)


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Give up root's powers for a while; without them there is nothing to give up."""
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_file_is_not_replaced(options: WriteOptions, affect: Items) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = sound_file(Path(name), "wav")
        path.chmod(0o444)
        with as_nobody(Path(name)), pytest.raises(TagWriteError, match="the file is read-only"):
            write(path, affect, options)
        assert path.read_bytes() == sound("wav")


@root_only
def test_an_immutable_file_is_left_alone(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, "wav")
    if subprocess.run(["chattr", "+i", path], capture_output=True, check=False).returncode:
        pytest.skip("no immutable files here")
    try:
        with pytest.raises(TagWriteError, match=r"read-only|immutable"):
            write(path, affect, options)
        with pytest.raises(TagWriteError, match=r"read-only|immutable"):
            write(path, affect, replace(options, mode=WriteMode.IN_PLACE))
    finally:
        subprocess.run(["chattr", "-i", path], check=True)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == sound("wav")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.IN_PLACE])
def test_a_full_disk_keeps_the_original(
    small_disk: Path, options: WriteOptions, affect: Items, mode: WriteMode
) -> None:
    path = small_disk / "long.wav"
    path.write_bytes(encoded("wav", 1.0))
    before = path.read_bytes()
    with pytest.raises(TagWriteError, match="no room on its disk") as caught:
        write(path, affect, replace(options, mode=mode))
    assert caught.value.retry
    assert path.read_bytes() == before
    assert list(small_disk.iterdir()) == [path]


@pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.IN_PLACE, WriteMode.SIDECAR])
def test_a_read_only_disk_keeps_everything(
    small_disk: Path, options: WriteOptions, affect: Items, mode: WriteMode
) -> None:
    path = sound_file(small_disk, "opus")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(TagWriteError, match="read-only"):
        write(path, affect, replace(options, mode=mode))
    assert read(path) == {}


@pytest.mark.parametrize(
    "name", [b"a\nb.flac", b"\xff\xfe\x80.mp3", b"x" * 255, b"quo'te \"\\ $(x).ogg", b"-n", b" "]
)
def test_any_name_will_do(
    tmp_path: Path, options: WriteOptions, affect: Items, name: bytes
) -> None:
    path = sound_file(tmp_path, "flac", os.fsdecode(name))
    write(path, affect, options)
    assert read(path)["MOOD_AROUSAL"] == ["42"]
    assert [os.fsencode(entry.name) for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.IN_PLACE])
def test_a_folder_that_is_renamed_meanwhile_keeps_no_copy(
    tmp_path: Path, affect: Items, mode: WriteMode
) -> None:
    album = tmp_path / "album"
    album.mkdir()
    path = sound_file(album, "mp3")

    def read_and_rename(file: int, *, hashed: bool = True) -> FileReading:
        reading, path = ffmpeg(file, hashed=hashed), path_of(file)
        if path.parent == album and not is_temporary(path.name):
            album.rename(tmp_path / "renamed")
        return reading

    with suppress(TagWriteError):
        done = write(path, affect, WriteOptions(LocalParser(read_and_rename), mode=mode))
        assert done.outcome is WriteOutcome.CHANGED
    (file,) = (tmp_path / "renamed").iterdir()
    assert file.read_bytes() == sound("mp3")


@pytest.mark.parametrize("kind", ["mp3", "mp3-bare", "flac", "wav", "opus", "m4a"])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
def test_an_interrupted_write_in_place_is_restored_before_the_next_write(
    tmp_path: Path, affect: Items, begun: BegunWrites, kind: str, share: float
) -> None:
    hash_of = partial(identify, every_packet=True)
    path = sound_file(tmp_path, kind)
    identity = hash_of(path)
    options = WriteOptions(PARSER, mode=WriteMode.IN_PLACE, begun=begun)
    with pytest.raises(TagWriteError, match="restored from") as broken:
        write(path, affect, replace(options, disk=GivesWay(share)))
    assert broken.value.retry
    with suppress(TagWriteError):
        write(path, affect, options)
    list(clean_up([tmp_path], begun, hash_of))
    assert begun.all() == []
    assert hash_of(path) == identity
    assert list(tmp_path.iterdir()) == [path]


def test_a_worker_that_died_during_the_proof_is_retried(tmp_path: Path, affect: Items) -> None:
    def fail(file: int, *, hashed: bool = True) -> FileReading:  # noqa: ARG001 - as a reader
        raise UnreadableClip(path_of(file), "the worker that read it was ended by SIGKILL")

    path = sound_file(tmp_path, "mp3")
    with pytest.raises(TagWriteError, match="ended by SIGKILL") as failed:
        write(path, affect, WriteOptions(LocalParser(fail)))
    assert failed.value.retry
    assert path.read_bytes() == sound("mp3")


def test_nothing_is_written_if_the_undo_record_cannot_be_stored(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    def fail(record: object) -> None:
        raise OSError(errno.ENOSPC, json.dumps(record))

    path = sound_file(tmp_path, "mp3")
    with pytest.raises(TagWriteError, match="no room"):
        write(path, affect, replace(options, record=fail))
    assert path.read_bytes() == sound("mp3")


def test_a_sidecar_leaves_the_sound_alone(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, "matroska", os.fsdecode(b"\xff.mka"))
    in_sidecar = replace(options, mode=WriteMode.SIDECAR)
    assert write(path, affect, in_sidecar).outcome is WriteOutcome.WRITTEN
    assert write(path, affect, in_sidecar).outcome is WriteOutcome.UNCHANGED
    sidecar = temp_names.sidecar_of(path)
    assert json.loads(sidecar.read_bytes())["items"]["MOOD_AROUSAL"] == ["42"]
    assert stat.S_IMODE(sidecar.stat().st_mode) == 0o644
    assert path.read_bytes() == sound("matroska")
    for removed in (replace(in_sidecar, dry_run=True), in_sidecar):
        assert sidecar.exists()
        planned = WriteOutcome.PLANNED if removed.dry_run else WriteOutcome.WRITTEN
        assert strip(path, removed).outcome is planned
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_others_with_a_sidecars_name_stays(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, "mp3")
    temp_names.sidecar_of(path).write_text("{}")
    with pytest.raises(TagWriteError, match="not a valenced sidecar"):
        write(path, affect, replace(options, mode=WriteMode.SIDECAR))


def test_mode_none_writes_nothing(tmp_path: Path, options: WriteOptions, affect: Items) -> None:
    path = sound_file(tmp_path, "mp3")
    assert (
        write(path, affect, replace(options, mode=WriteMode.NONE)).outcome is WriteOutcome.SKIPPED
    )
    assert path.read_bytes() == sound("mp3")
