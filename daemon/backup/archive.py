"""The backup format: one tar of the catalogue, the bundles and the imported corpora.

A backup may be damaged or a stranger's. It must belong to this user or root alone, and only the
names below are extracted, as plain files. What a bundle would unpickle is neither put into a backup
nor taken from one: a restored bundle is fitted again from its table.
"""

from __future__ import annotations

import io
import json
import os
import re
import stat
import tarfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from secrets import token_hex
from shutil import copyfileobj, disk_usage
from typing import IO, TYPE_CHECKING, Final

from daemon.service_errors import BackupError
from storage.database.catalogue_copy import sync
from trainer.bundles import bundle
from trainer.bundles.registry import CURRENT, HISTORY, published_name
from trainer.corpora.corpus_store import MANIFEST, TABLE, CorpusManifest, CorpusStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LABEL: Final = "valenced-backup.json"
CATALOGUE: Final = "catalogue.db"
BUNDLES: Final = "bundles"
CORPORA: Final = "corpora"
FORMAT: Final = 2
"""1: bundles with their pickles, of releases up to 0.1.0, which cannot read a 2."""

OF_A_BUNDLE: Final = frozenset({bundle.MANIFEST, bundle.TABLE, bundle.PERSONAL})
"""The files of a bundle that are put into a backup and taken from one."""

MOST_MEMBERS: Final = 10_000
LARGEST_LABEL: Final = 64 * 1024
SPARE_BYTES: Final = 16 << 20
_PLAIN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}"
_HISTORY_FILE: Final = f"{BUNDLES}/{HISTORY}"
_FIXED: Final = frozenset({LABEL, CATALOGUE, _HISTORY_FILE})
_IN_FOLDER: Final = re.compile(
    f"{BUNDLES}/{_PLAIN}/{_PLAIN}|{CORPORA}/{_PLAIN}/({re.escape(TABLE)}|{re.escape(MANIFEST)})"
)
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True)
class BackupLabel:
    """The description of a backup, stored in it.

    Attributes:
        made_at: when, as ISO 8601 text.
        bundle: name of the published bundle, None if there was none.
        corpora: number of imported corpora; None in backups of releases that left them out.
    """

    made_at: str
    bundle: str | None
    corpora: int | None
    format: int = FORMAT


@dataclass(frozen=True)
class BackupPaths:
    """Where the catalogue, the bundles and the corpora of a backup are, or are to be."""

    catalogue: Path
    registry: Path
    corpora: Path


def pack(paths: BackupPaths, archive: Path, made_at: str) -> None:
    """Write a backup; if it fails, nothing is left or changed.

    Args:
        paths: the contents; the catalogue must be a file that nobody changes, the folders need not
            exist, and a damaged corpus is left out.
        archive: the file to write. An earlier backup there is replaced, nothing else is.
        made_at: when, as ISO 8601 text.

    Raises:
        BackupError: the disk is full, or another file has that name.
    """
    if os.path.lexists(archive) and not is_backup(archive):
        raise BackupError(f"{archive}: exists, and is not a valenced backup; name another file")
    new = f".valenced.{token_hex(8)}.new"
    try:
        # Others may exchange the folder meanwhile; all is done in the one that was opened.
        folder = os.open(archive.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            descriptor = os.open(new, _NEW, 0o600, dir_fd=folder)
            try:
                with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor
                    with tarfile.open(fileobj=stream, mode="w:", format=tarfile.PAX_FORMAT) as tar:
                        _add_contents(tar, paths, made_at)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.replace(new, archive.name, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(new, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise BackupError(f"{archive}: cannot be written: {error.strerror or error}") from error


def is_backup(archive: Path) -> bool:
    """Whether a file begins as a valenced backup does."""
    try:
        with archive.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            first = tar.next()
            return first is not None and first.name == LABEL
    except (OSError, tarfile.TarError):
        return False


@contextmanager
def open_backup(archive: Path) -> Iterator[tarfile.TarFile]:
    """Open a backup for the duration of a block, if no other user could have written it.

    Raises:
        BackupError: it is no backup, is damaged, or others may write to it.
    """
    try:
        with archive.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BackupError(f"{archive}: not a regular file")
            if status.st_uid not in {0, os.geteuid()}:
                raise BackupError(
                    f"{archive}: belongs to user {status.st_uid}, not to this user or root"
                )
            if status.st_mode & _OTHERS_WRITE:
                raise BackupError(
                    f"{archive}: others may write to it; if you trust its contents: chmod go-w"
                )
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                yield tar
    except OSError as error:
        raise BackupError(f"{archive}: {error.strerror or error}") from error
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BackupError(f"{archive}: no backup, or a damaged one: {error}") from error


def unpack(tar: tarfile.TarFile, archive: Path, paths: BackupPaths) -> BackupLabel:
    """Extract a backup to paths that do not exist yet, and return its label.

    Raises:
        BackupError: it has other contents, or the disk is full; the caller removes what was
            extracted so far.
    """
    members = _checked_members(tar, archive, paths.catalogue.parent)
    label = _label(tar, members.pop(LABEL), archive)
    registry = paths.registry
    folders = {BUNDLES: registry, CORPORA: paths.corpora}
    for folder in folders.values():
        folder.mkdir(mode=0o700)
    for name, member in members.items():
        top, _, below = name.partition("/")
        if not _is_kept(name):
            continue
        target = folders[top] / below if below else paths.catalogue
        target.parent.mkdir(mode=0o700, exist_ok=True)
        content = tar.extractfile(member)
        assert content is not None
        with open(os.open(target, _NEW, 0o600), "wb") as stream:  # noqa: PTH123 - a descriptor
            copyfileobj(content, stream, 1 << 20)
            stream.flush()
            os.fsync(stream.fileno())
        if target.stat().st_size != member.size:
            raise BackupError(f"{archive}: damaged: {name} is cut off")
    if label.bundle is not None:
        if not (registry / label.bundle).is_dir():
            raise BackupError(f"{archive}: lacks the published bundle {label.bundle!r}")
        (registry / CURRENT).symlink_to(label.bundle)
    for folder in folders.values():
        sync(folder)
    return label


def _checked_members(
    tar: tarfile.TarFile, archive: Path, folder: Path
) -> dict[str, tarfile.TarInfo]:
    """Return the members by name, after checking each, and that `folder` has room for them."""
    members: dict[str, tarfile.TarInfo] = {}
    for number, member in enumerate(tar):
        name = member.name
        is_ours = name in _FIXED or _IN_FOLDER.fullmatch(name)
        if number >= MOST_MEMBERS or not is_ours or name in members:
            raise BackupError(f"{archive}: not a valenced backup: it holds {name!r}")
        if not member.isreg() or member.issparse() or member.size < 0:
            raise BackupError(f"{archive}: not a valenced backup: {name!r} is not a plain file")
        members[name] = member
    if missing := {LABEL, CATALOGUE} - set(members):
        raise BackupError(f"{archive}: not a valenced backup: it lacks {min(missing)!r}")
    needed = sum(member.size for member in members.values())
    if needed + SPARE_BYTES > disk_usage(folder).free:
        raise BackupError(f"{archive}: takes {needed >> 20} MiB, more than is free in {folder}")
    return members


def _label(tar: tarfile.TarFile, member: tarfile.TarInfo, archive: Path) -> BackupLabel:
    content = tar.extractfile(member)
    assert content is not None
    try:
        read = json.loads(content.read(LARGEST_LABEL))
        label = BackupLabel(
            str(read["made_at"]), read["bundle"], read.get("corpora"), read["format"]
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BackupError(f"{archive}: damaged: {LABEL} cannot be read") from error
    if type(label.format) is not int or not 1 <= label.format <= FORMAT:
        raise BackupError(f"{archive}: format {label.format!r} is of a later release")
    is_plain = isinstance(label.bundle, str) and re.fullmatch(_PLAIN, label.bundle)
    if label.bundle is not None and not is_plain:
        raise BackupError(f"{archive}: damaged: {label.bundle!r} is not the name of a bundle")
    return label


def _add_contents(tar: tarfile.TarFile, paths: BackupPaths, made_at: str) -> None:
    registry, corpora = paths.registry, CorpusStore(paths.corpora).manifests()
    usable = [name for name, found in corpora.items() if isinstance(found, CorpusManifest)]
    label = BackupLabel(made_at, published_name(registry), len(usable))
    content = json.dumps(asdict(label), indent=2).encode()
    tar.addfile(_member(LABEL, len(content)), io.BytesIO(content))
    _add(tar, CATALOGUE, paths.catalogue)
    if (registry / HISTORY).is_file():
        _add(tar, _HISTORY_FILE, registry / HISTORY)
    for folder in sorted(registry.iterdir()) if registry.is_dir() else []:
        if folder.is_dir() and not folder.is_symlink():
            _add_folder(tar, BUNDLES, folder)
    for name in usable:
        _add_folder(tar, CORPORA, paths.corpora / name)


def _is_kept(name: str) -> bool:
    """Whether a member that a backup may contain is extracted."""
    if not name.startswith(f"{BUNDLES}/") or name == _HISTORY_FILE:
        return True
    return name.rpartition("/")[2] in OF_A_BUNDLE


def _add_folder(tar: tarfile.TarFile, top: str, folder: Path) -> None:
    """Add the files of a folder that `unpack` would accept."""
    with ExitStack() as stack:
        try:
            # All are opened before any is added: another process may remove the folder.
            streams = {
                name: stack.enter_context(file.open("rb"))
                for file in sorted(folder.iterdir())
                if _IN_FOLDER.fullmatch(name := f"{top}/{folder.name}/{file.name}")
                and _is_kept(name)
                and file.is_file()
                and not file.is_symlink()
            }
        except FileNotFoundError:
            return
        for name, stream in streams.items():
            _add_open(tar, name, stream)


def _add(tar: tarfile.TarFile, name: str, file: Path) -> None:
    with file.open("rb") as stream:
        _add_open(tar, name, stream)


def _add_open(tar: tarfile.TarFile, name: str, stream: IO[bytes]) -> None:
    tar.addfile(_member(name, os.fstat(stream.fileno()).st_size), stream)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member
