"""The units as they are installed: with this environment's paths, open for the watched folders."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daemon.errors import InstallError
from daemon.spelling import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from config.settings import Settings

UNIT: Final = "valenced.service"
MARK: Final = "# Made by `valenced install`; `valenced uninstall` takes it away.\n"
DROP_IN: Final = Path("valenced.service.d/50-here.conf")

_SHIPPED: Final = "/opt/valenced/bin/valenced"
_HIDDEN: Final = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108 - what the unit hides, nothing is put there
_STOP_MARGIN_S: Final = 60.0


@dataclass(frozen=True)
class InstalledFile:
    """One file that an installation puts in place.

    Attributes:
        path: where, absolute, below the root prefix.
        text: what is in it.
    """

    path: Path
    text: str


def shipped(name: str) -> str:
    """Return the text of a file of the folder `systemd`, of the checkout or of the environment.

    Raises:
        FileNotFoundError: neither has it.
    """
    beside = Path(__file__).resolve().parents[1] / "systemd" / name
    installed = Path(sys.prefix) / "share" / "valenced" / "systemd" / name
    return (beside if beside.is_file() else installed).read_text(encoding="utf-8")


def for_machine(settings: Settings, command: Path) -> Iterator[InstalledFile]:
    """Yield the files of the service for the whole machine.

    Args:
        settings: whose folders are opened.
        command: absolute path of `valenced` in the environment that is to run.
    """
    units = Path("/etc/systemd/system")
    yield InstalledFile(units / UNIT, _for_command(shipped(UNIT), command))
    yield InstalledFile(units / DROP_IN, drop_in(settings, _program_folders(command)))
    for kind in ("sysusers.d", "tmpfiles.d"):
        text = MARK + shipped(f"{kind}/valenced.conf")
        yield InstalledFile(Path("/etc") / kind / "valenced.conf", text)


def for_user(configuration: Path, command: Path) -> Iterator[InstalledFile]:
    """Yield the files of the service of one user, whose configuration folder is given."""
    text = _for_command(shipped(f"user/{UNIT}"), command)
    yield InstalledFile(configuration / "systemd" / "user" / UNIT, text)


def drop_in(settings: Settings, program_folders: Iterable[Path]) -> str:
    """Return what opens the watched folders for tags, and the program's own for reading."""
    may_write = settings.tags.mode != "none"
    lines = []
    for folder in settings.watch.folder:
        path = folder.path.resolve()
        writes = may_write and folder.tags
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
    lines.append(f"TimeoutStopSec={settings.analysis.timeout_s + _STOP_MARGIN_S:g}s")
    body = "\n".join(dict.fromkeys(lines))
    return f"{MARK}# Run it again when watched folders change.\n[Service]\n{body}\n"


def is_hidden(path: Path) -> bool:
    """Tell whether the service does not see a path unless it is bound."""
    return any(path.is_relative_to(hidden) for hidden in _HIDDEN)


def _for_command(unit: str, command: Path) -> str:
    return MARK + unit.replace(f"ExecStart={_SHIPPED}", f"ExecStart={_quoted(command, '')}")


def _program_folders(command: Path) -> Iterator[Path]:
    """Yield what the interpreter reads: its environment, the one that was made of, our source."""
    yield command.parents[1]
    yield Path(sys.prefix)
    yield Path(sys.base_prefix).resolve()
    source = Path(__file__).resolve().parents[1]
    if not source.is_relative_to(sys.prefix):
        yield source


def _quoted(path: Path, mark: str = "-") -> str:
    """Spell a path for a unit file; one marked `-` need not exist.

    Raises:
        InstallError: it cannot be written in a unit file.
    """
    text = str(path)
    if not text.isprintable():
        raise InstallError(f"{printable(text)}: a unit file cannot name it; rename the folder")
    # A colon would end the path in Bind…Paths=, and % starts a specifier.
    spelled = re.sub(r'([\\":])', r"\\\1", text).replace("%", "%%")
    if not mark:
        spelled = spelled.replace("$", "$$").replace("\\:", ":")
    return f'"{mark}{spelled}"' if re.search(r"[\s'\";]", text) else f"{mark}{spelled}"
