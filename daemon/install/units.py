"""Generates the systemd unit and its drop-in for the watched folders."""

from __future__ import annotations

import re
import shlex
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daemon.install.socket_unit import REQUIRED, SOCKET, for_address, network_of
from daemon.paths import printable
from daemon.service_errors import InstallError
from daemon.watch.file_filter import FileFilter
from daemon.watch.symlinks import with_targets
from storage.database.server_address import server_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from config.settings import Settings

UNIT: Final = "valenced.service"
UNIT_FOLDER: Final = Path("/etc/systemd/system")
MARK: Final = "# Made by `valenced install`; `valenced uninstall` takes it away.\n"
STATE: Final = Path("/var/lib/valenced")
"""Where the service of the machine keeps its catalogue."""

DROP_IN: Final = Path("valenced.service.d/50-here.conf")

_SOURCE: Final = Path(__file__).resolve().parents[2]
_SHIPPED: Final = "/opt/valenced/bin/valenced"
_HIDDEN: Final = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108 - what the unit hides, nothing is put there
_STOP_MARGIN_S: Final = 60.0


@dataclass(frozen=True)
class InstalledFile:
    """A file of an installation; its path is absolute, below the root prefix."""

    path: Path
    text: str


def shipped_text(name: str) -> str:
    """Return a file of the folder `systemd`, of the checkout or of the environment."""
    source = _SOURCE / "systemd" / name
    installed = Path(sys.prefix) / "share" / "valenced" / "systemd" / name
    return (source if source.is_file() else installed).read_text(encoding="utf-8")


def machine_files(settings: Settings, command: Path) -> Iterator[InstalledFile]:
    """Yield the files of the machine's service, which runs `command`, an absolute path."""
    yield InstalledFile(UNIT_FOLDER / UNIT, _for_command(shipped_text(UNIT), command))
    if settings.page.listen:
        text = for_address(shipped_text(SOCKET), settings.page.listen)
        yield InstalledFile(UNIT_FOLDER / SOCKET, MARK + text)
    yield InstalledFile(UNIT_FOLDER / DROP_IN, drop_in(settings, _program_folders(command)))
    for kind in ("sysusers.d", "tmpfiles.d"):
        text = MARK + shipped_text(f"{kind}/valenced.conf")
        yield InstalledFile(Path("/etc") / kind / "valenced.conf", text)


def user_files(configuration: Path, settings: Settings, command: Path) -> Iterator[InstalledFile]:
    """Yield the files of the service of a user, whose configuration folder is given."""
    text = _for_command(_listening(shipped_text(f"user/{UNIT}"), settings), command)
    yield InstalledFile(configuration / "systemd" / "user" / UNIT, text)


def _listening(unit: str, settings: Settings) -> str:
    """Let a user's unit open network sockets if the settings need them."""
    families = "RestrictAddressFamilies=AF_UNIX"
    named = settings.page.listen, settings.analysis.cluster, server_host(settings.catalogue.url)
    needs_network = any(named)
    return unit.replace(families, f"{families} AF_INET AF_INET6") if needs_network else unit


def drop_in(settings: Settings, program_folders: Iterable[Path]) -> str:
    """Return the drop-in that opens the watched folders for tags, the program's for reading.

    If the settings need a network socket, it requires the unit that opens it for the service; if
    they name a cluster or a database server, it lets the service reach that address.
    """
    lines = []
    for path, writes in _wanted(settings):
        if is_hidden(path):
            lines.append(f"{'BindPaths' if writes else 'BindReadOnlyPaths'}={_quoted(path)}")
        elif writes:
            lines.append(f"ReadWritePaths={_quoted(path)}")
    lines += [
        f"BindReadOnlyPaths={_quoted(path)}"
        for path in sorted(set(program_folders))
        if is_hidden(path)
    ]
    if settings.annotations.folder is not None:
        path = settings.annotations.folder.resolve()
        lines.append(f"{'BindPaths' if is_hidden(path) else 'ReadWritePaths'}={_quoted(path)}")
    if settings.analysis.cluster:
        lines += network_of(settings.analysis.cluster.partition("://")[2], "analysis.cluster")
    if server := server_host(settings.catalogue.url):
        lines += network_of(server, "catalogue.url")
    lines.append(f"TimeoutStopSec={settings.analysis.timeout_s + _STOP_MARGIN_S:g}s")
    body = "\n".join(dict.fromkeys(lines))
    sockets = REQUIRED if settings.page.listen else ""
    again = "# Run `valenced install` again when watched folders change.\n"
    return f"{MARK}{again}{sockets}[Service]\n{body}\n"


def unopened_folders(settings: Settings, units: Path) -> list[Path]:
    """Return the folders of the settings that the unit installed in a folder does not open.

    If `valenced install` made none there, the result is empty.

    Raises:
        InstallError: the installed files cannot be read.
    """
    try:
        if not is_ours(units / UNIT):
            return []
        written, seen = set[Path](), set[Path]()
        for file in (units / f"{UNIT}.d").glob("*.conf"):
            for key, path in _opened_by(file.read_text(encoding="utf-8", errors="replace")):
                (seen if key == "BindReadOnlyPaths" else written).add(path)
    except OSError as error:
        raise InstallError(f"{error.filename}: cannot be read: {error.strerror}") from error
    return [
        path
        for path, writes in _wanted(settings)
        if (writes or is_hidden(path))
        and not {path, *path.parents} & (written if writes else written | seen)
    ]


def other_catalogue_hint(
    catalogue: Path, command: Path, units: Path = UNIT_FOLDER, ask: str = "status"
) -> str | None:
    """Return how to `ask` the machine's service, if there is one and it has another catalogue."""
    with suppress(OSError):
        if is_ours(units / UNIT) and not catalogue.is_relative_to(STATE):
            return (
                "the service of this machine has another catalogue: sudo -u valenced"
                f" STATE_DIRECTORY={STATE} {command} {ask}"
            )
    return None


def is_ours(file: Path) -> bool:
    """Whether a file exists and was made by `valenced install`; raises OSError."""
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            return stream.readline() == MARK
    except FileNotFoundError:
        return False


def _wanted(settings: Settings) -> Iterator[tuple[Path, bool]]:
    """Yield the folders that the service works in, and whether it writes tags there."""
    watch = settings.watch
    folders = [folder.model_copy(update={"path": folder.path.resolve()}) for folder in watch.folder]
    if watch.follow_links:
        folders = with_targets(folders, FileFilter(watch.suffixes, watch.ignore))
    for folder in folders:
        # The copy of a single file that a link leads to is made in its folder.
        path = folder.path.parent if folder.path.is_file() else folder.path
        yield path, folder.tags and settings.tags.mode != "none"


def _opened_by(drop_in: str) -> Iterator[tuple[str, Path]]:
    """Yield the paths that a drop-in opens, each with its key."""
    for line in drop_in.splitlines():
        key, _, value = line.partition("=")
        if key.strip() in {"ReadWritePaths", "BindPaths", "BindReadOnlyPaths"}:
            with suppress(ValueError):
                for word in shlex.split(value.replace("\\:", "\0")):
                    source = word.lstrip("-+").partition(":")[0]
                    yield key.strip(), Path(source.replace("\0", ":").replace("%%", "%"))


def is_hidden(path: Path) -> bool:
    """Whether the service's unit hides a path unless it is bound."""
    return any(path.is_relative_to(hidden) for hidden in _HIDDEN)


def _for_command(unit: str, command: Path) -> str:
    return MARK + unit.replace(f"ExecStart={_SHIPPED}", f"ExecStart={_quoted(command, '')}")


def _program_folders(command: Path) -> Iterator[Path]:
    """Yield what the interpreter reads: its environment, that one's base, and our source."""
    yield command.parents[1]
    yield Path(sys.prefix)
    yield Path(sys.base_prefix).resolve()
    if not _SOURCE.is_relative_to(sys.prefix):
        yield _SOURCE


def _quoted(path: Path, mark: str = "-") -> str:
    """Quote a path for a unit file; one marked `-` need not exist. Raises InstallError."""
    text = str(path)
    if not text.isprintable():
        raise InstallError(f"{printable(text)}: a unit file cannot name it; rename the folder")
    # A colon would end the path in Bind…Paths=, and % starts a specifier.
    spelled = re.sub(r'([\\":])', r"\\\1", text).replace("%", "%%")
    if not mark:
        spelled = spelled.replace("$", "$$").replace("\\:", ":")
    return f'"{mark}{spelled}"' if re.search(r"[\s'\";]", text) else f"{mark}{spelled}"
