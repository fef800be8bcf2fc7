"""Writes a settings file: a new one, or an edited one once it is checked."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from config.default_paths import SYSTEM_FILE, default_paths
from config.errors import SettingsError, ValencedError
from daemon.cli.output import warn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FOR_ALL: Final = 0o644
_FOR_OWNER: Final = 0o600


class SettingsFileError(ValencedError):
    """A settings file was not written; the message says why."""


def new_file(environ: Mapping[str, str]) -> Path:
    """Return the settings file that a user without one gets; root's is the machine's."""
    files = default_paths(environ).settings_files
    return SYSTEM_FILE if files[0] == SYSTEM_FILE or _is_plain_root(environ) else files[0]


def file_in_force(environ: Mapping[str, str]) -> Path:
    """Return the settings file that is read, or the one that `new_file` gives."""
    found = (path for path in default_paths(environ).settings_files if path.is_file())
    return next(found, None) or new_file(environ)


def create(file: Path, text: str) -> None:
    """Write a new settings file.

    Raises:
        SettingsFileError: there is one, or it cannot be written.
    """
    mode = _FOR_ALL if file == SYSTEM_FILE else _FOR_OWNER
    try:
        _make_folder(file)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(descriptor, mode)
            stream.write(text)
    except FileExistsError as error:
        raise SettingsFileError(
            f"{error.filename}: exists; to change it: valenced config edit"
        ) from error
    except OSError as error:
        raise _not_written(file, error) from error


def folder_tables(folders: Sequence[Path]) -> str:
    """Return the lines of a settings file that name folders to watch.

    Raises:
        SettingsFileError: TOML cannot name one of them.
    """
    for folder in folders:
        if not str(folder).isprintable():
            raise SettingsFileError(f"{folder}: no settings file can name it; rename the folder")
    named = (json.dumps(str(folder), ensure_ascii=False) for folder in folders)
    return "".join(f"\n[[watch.folder]]\npath = {name}\n" for name in named)


def edit(file: Path, template: str, environ: Mapping[str, str]) -> bool:
    """Let the user edit a settings file; replace it once the new text is valid.

    Args:
        file: the settings file; where there is none, the template is edited.
        template: of a new file.
        environ: the environment, of which the settings in it do not count.

    Returns:
        Whether it changed.

    Raises:
        SettingsFileError: it was not replaced: not readable, changed by others meanwhile.
        SettingsError: the new text is wrong, and the user does not correct it.
    """
    # A link, as managers of such files make them, stays one.
    real = Path(os.path.realpath(file))
    before = _content(real)
    text = template.encode() if before is None else before
    draft = None
    try:
        _make_folder(real)
        descriptor, name = tempfile.mkstemp(".toml", ".valenced.", real.parent)
        draft = Path(name)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text)
        _edit_until_valid(draft, file, environ)
        if _content(draft) == text:
            return False
        if _content(real) != before:
            raise SettingsFileError(f"{file}: changed meanwhile; edit it again")
        _put(draft, real, is_new=before is None)
    except OSError as error:
        raise _not_written(file, error) from error
    finally:
        if draft is not None:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
    return True


def _edit_until_valid(draft: Path, file: Path, environ: Mapping[str, str]) -> None:
    while True:
        try:
            click.edit(filename=str(draft))
        except (click.ClickException, ValueError) as error:
            raise SettingsFileError(
                f"{file}: not changed: {error}; set $VISUAL or $EDITOR to an editor that works here"
            ) from error
        problems = list(_problems(draft, file, environ))
        if not problems:
            return
        if not sys.stdin.isatty():
            raise SettingsError([*problems, f"{file}: not changed"])
        warn(*problems)
        if not click.confirm("Edit again? Otherwise nothing changes", default=True, err=True):
            raise SettingsError([f"{file}: not changed"])


def _problems(draft: Path, file: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong in a draft, under the name of the file."""
    from config.loading import ENVIRONMENT_PREFIX, load
    from daemon.cli.session import require_schedule

    others = {key: text for key, text in environ.items() if not key.startswith(ENVIRONMENT_PREFIX)}
    try:
        require_schedule(load(environ=others, file=draft))
    except SettingsError as error:
        yield from (line.replace(str(draft), str(file)) for line in error.problems)


def _put(draft: Path, real: Path, *, is_new: bool) -> None:
    """Replace a file by a draft that gets its mode and owner, whatever the moment of a crash."""
    if is_new:
        draft.chmod(_FOR_ALL if real == SYSTEM_FILE else _FOR_OWNER)
    else:
        status = real.stat()
        if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(draft, status.st_uid, status.st_gid)
        shutil.copymode(real, draft)
    with draft.open("rb") as stream:
        os.fsync(stream.fileno())
    draft.replace(real)


def _make_folder(file: Path) -> None:
    """Make the folder of a file, closed to others unless it is the machine's."""
    for folder in [each for each in reversed(file.parents) if not each.exists()]:
        folder.mkdir()
        folder.chmod(0o755 if file == SYSTEM_FILE else 0o700)


def _content(file: Path) -> bytes | None:
    """Return the bytes of a settings file, None if there is none.

    Raises:
        SettingsFileError: it cannot be read, or is too large for one.
    """
    from config.loading import LARGEST_FILE

    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsFileError(f"{file}: cannot be read: {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise SettingsFileError(f"{file}: larger than {LARGEST_FILE >> 10} KiB")
    return content


def _not_written(file: Path, error: OSError) -> SettingsFileError:
    advice = "; run it as root" if isinstance(error, PermissionError) else ""
    return SettingsFileError(f"{file}: cannot be written: {error.strerror}{advice}")


def _is_plain_root(environ: Mapping[str, str]) -> bool:
    """Whether root runs this, and nothing else says where the settings are."""
    return os.geteuid() == 0 and not environ.get("CONFIGURATION_DIRECTORY")
