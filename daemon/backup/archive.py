"""A backup: one tar that holds the catalogue, the bundles and the imported corpora.

It is read with suspicion: it may be damaged, and whoever can write to it could put a bundle into
it, which is code. So it must be ours alone, and nothing but the names below is taken out of it, as
plain files of our own.
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
from shutil import copyfileobj, disk_usage
from typing import IO, TYPE_CHECKING, Final

from daemon.service_errors import BackupError
from storage.database.catalogue_copy import rename_durably, sync
from trainer.bundles.registry import CURRENT, HISTORY, published_name
from trainer.corpora.corpus_store import MANIFEST, TABLE, CorpusManifest, CorpusStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LABEL: Final = "valenced-backup.json"
CATALOGUE: Final = "catalogue.db"
BUNDLES: Final = "bundles"
CORPORA: Final = "corpora"
FORMAT: Final = 1
MOST_MEMBERS: Final = 10_000
LARGEST_LABEL: Final = 64 * 1024
SPARE_BYTES: Final = 16 << 20
_PLAIN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}"
_BUNDLE_FILE: Final = re.compile(f"{BUNDLES}/({_PLAIN})/({_PLAIN})")
_CORPUS_FILE: Final = re.compile(f"{CORPORA}/({_PLAIN})/({TABLE}|{MANIFEST})")
_HISTORY_FILE: Final = f"{BUNDLES}/{HISTORY}"
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class BackupLabel:
    """What a backup says of itself.

    Attributes:
        made_at: when, as ISO 8601 text.
        bundle: name of the bundle in service, None if there was none.
        corpora: how many imported corpora it holds; None if it is of a release that left them out.
        format: of the tar.
    """

    made_at: str
    bundle: str | None
    corpora: int | None
    format: int = FORMAT


@dataclass(frozen=True)
class BackupPaths:
    """Where what a backup holds lies, or is to lie.

    Attributes:
        catalogue: a file that nobody else changes.
        registry: folder of the bundles.
        corpora: folder of the imported corpora.
    """

    catalogue: Path
    registry: Path
    corpora: Path


def pack(places: BackupPaths, archive: Path, made_at: str) -> None:
    """Write a backup, whole or not at all.

    Args:
        places: what goes into it; the folders need not exist. A damaged corpus is left out.
        archive: where to. An earlier backup there is replaced, nothing else is.
        made_at: when, as ISO 8601 text.

    Raises:
        BackupError: there is no room, or something else in that place.
    """
    if os.path.lexists(archive) and not is_backup(archive):
        raise BackupError(f"{archive}: is there already, and no backup of ours; name another file")
    beside = archive.with_name(f".{archive.name}.{os.getpid()}.new")
    try:
        with open(os.open(beside, _NEW, 0o600), "wb") as stream:  # noqa: PTH123 - a descriptor
            with tarfile.open(fileobj=stream, mode="w:", format=tarfile.PAX_FORMAT) as tar:
                shelf = CorpusStore(places.corpora).manifests()
                names = [name for name, found in shelf.items() if isinstance(found, CorpusManifest)]
                label = BackupLabel(made_at, published_name(places.registry), len(names))
                content = json.dumps(asdict(label), indent=2).encode()
                tar.addfile(_member(LABEL, len(content)), io.BytesIO(content))
                _add(tar, CATALOGUE, places.catalogue)
                _add_bundles(tar, places.registry)
                for name in names:
                    _add_corpus(tar, places.corpora / name)
            stream.flush()
            os.fsync(stream.fileno())
        rename_durably(beside, archive)
    except OSError as error:
        raise BackupError(f"{archive}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def is_backup(archive: Path) -> bool:
    """Tell whether a file begins as a backup of ours does."""
    try:
        with archive.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            first = tar.next()
            return first is not None and first.name == LABEL
    except (OSError, tarfile.TarError):
        return False


@contextmanager
def open_backup(archive: Path) -> Iterator[tarfile.TarFile]:
    """Open a backup for the time of a block, if nobody else could have written it.

    Raises:
        BackupError: it is no backup, is damaged, or is open to others.
    """
    try:
        with archive.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BackupError(f"{archive}: not a regular file")
            if status.st_uid not in {0, os.geteuid()}:
                raise BackupError(f"{archive}: belongs to user {status.st_uid}, not to us or root")
            if status.st_mode & _OTHERS_WRITE:
                raise BackupError(
                    f"{archive}: others may write to it, and a bundle is code; if you trust what"
                    " it holds: chmod go-w"
                )
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                yield tar
    except OSError as error:
        raise BackupError(f"{archive}: {error.strerror or error}") from error
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BackupError(f"{archive}: no backup, or a damaged one: {error}") from error


def unpack(tar: tarfile.TarFile, archive: Path, places: BackupPaths) -> BackupLabel:
    """Take a backup out into new places.

    Args:
        tar: as `opened` gives it.
        archive: its name, for messages.
        places: where to; none of them may exist.

    Returns:
        What it says of itself.

    Raises:
        BackupError: it holds something else, or there is no room; what was taken out so far is
            left for the caller to remove.
    """
    members = _demanded(tar, archive, places.catalogue.parent)
    label = _label(tar, members.pop(LABEL), archive)
    registry = places.registry
    registry.mkdir(mode=0o700)
    places.corpora.mkdir(mode=0o700)
    tops = {BUNDLES: registry, CORPORA: places.corpora}
    for name, member in members.items():
        top, _, below = name.partition("/")
        target = places.catalogue if name == CATALOGUE else tops[top] / below
        if name.count("/") > 1:
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
            raise BackupError(f"{archive}: lacks {label.bundle!r}, the bundle that was in service")
        (registry / CURRENT).symlink_to(label.bundle)
    sync(registry)
    sync(places.corpora)
    return label


_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


def _demanded(tar: tarfile.TarFile, archive: Path, folder: Path) -> dict[str, tarfile.TarInfo]:
    """Return the members by name, if each is one of those that a backup has, and there is room."""
    members: dict[str, tarfile.TarInfo] = {}
    for number, member in enumerate(tar):
        name = member.name
        known = name in {LABEL, CATALOGUE, _HISTORY_FILE} or any(
            names.fullmatch(name) for names in (_BUNDLE_FILE, _CORPUS_FILE)
        )
        if number >= MOST_MEMBERS or not known or name in members:
            raise BackupError(f"{archive}: no backup of ours: it holds {name!r}")
        if not member.isreg() or member.issparse() or member.size < 0:
            raise BackupError(f"{archive}: no backup of ours: {name!r} is no plain file")
        members[name] = member
    if missing := {LABEL, CATALOGUE} - set(members):
        raise BackupError(f"{archive}: no backup of ours: it lacks {min(missing)!r}")
    needed = sum(member.size for member in members.values())
    if needed + SPARE_BYTES > disk_usage(folder).free:
        raise BackupError(f"{archive}: takes {needed >> 20} MiB, more than is free in {folder}")
    return members


def _label(tar: tarfile.TarFile, member: tarfile.TarInfo, archive: Path) -> BackupLabel:
    content = tar.extractfile(member)
    assert content is not None
    try:
        said = json.loads(content.read(LARGEST_LABEL))
        label = BackupLabel(
            str(said["made_at"]), said["bundle"], said.get("corpora"), said["format"]
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BackupError(f"{archive}: damaged: {LABEL} cannot be read") from error
    if label.format != FORMAT:
        raise BackupError(f"{archive}: format {label.format!r} is of a later release")
    is_plain = isinstance(label.bundle, str) and re.fullmatch(_PLAIN, label.bundle)
    if label.bundle is not None and not is_plain:
        raise BackupError(f"{archive}: damaged: {label.bundle!r} is not the name of a bundle")
    return label


def _add_bundles(tar: tarfile.TarFile, registry: Path) -> None:
    if (registry / HISTORY).is_file():
        _add(tar, _HISTORY_FILE, registry / HISTORY)
    for directory in sorted(registry.iterdir()) if registry.is_dir() else []:
        if directory.is_symlink() or not directory.is_dir() or directory.name.startswith("."):
            continue
        _add_folder(tar, BUNDLES, directory, lambda directory: sorted(directory.iterdir()))


def _add_corpus(tar: tarfile.TarFile, folder: Path) -> None:
    _add_folder(tar, CORPORA, folder, lambda folder: [folder / MANIFEST, folder / TABLE])


def _add_folder(
    tar: tarfile.TarFile, top: str, folder: Path, wanted: Callable[[Path], list[Path]]
) -> None:
    with ExitStack() as stack:
        try:
            # All are opened before any is written: another process may remove the folder.
            files = [
                stack.enter_context(file.open("rb"))
                for file in wanted(folder)
                if file.is_file() and not file.is_symlink()
            ]
        except FileNotFoundError:
            return
        for file in files:
            name = f"{top}/{folder.name}/{os.path.basename(file.name)}"  # noqa: PTH119
            _add_open(tar, name, file)


def _add(tar: tarfile.TarFile, name: str, file: Path) -> None:
    with file.open("rb") as stream:
        _add_open(tar, name, stream)


def _add_open(tar: tarfile.TarFile, name: str, stream: IO[bytes]) -> None:
    tar.addfile(_member(name, os.fstat(stream.fileno()).st_size), stream)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member
