"""Installs and removes the files of a service, and makes systemd use them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.install.socket_unit import SOCKET
from daemon.install.units import DROP_IN, UNIT, UNIT_FOLDER, is_ours
from daemon.service_errors import InstallError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.install.units import InstalledFile

TIMEOUT_S = 240.0


def user_config_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of a user's own configuration."""
    chosen = environment.get("XDG_CONFIG_HOME", "")
    return Path(chosen) if Path(chosen).is_absolute() else Path.home() / ".config"


def installed_paths(configuration: Path | None) -> list[Path]:
    """Return the paths of a user's service in a configuration folder; None: of the machine's."""
    if configuration is not None:
        return [configuration / "systemd" / "user" / UNIT]
    others = [Path("/etc", kind, "valenced.conf") for kind in ("sysusers.d", "tmpfiles.d")]
    return [*(UNIT_FOLDER / name for name in (UNIT, DROP_IN, SOCKET)), *others]


def install_file(file: InstalledFile, root: Path) -> Path:
    """Write a file below a root, replacing only an earlier one of ours; return its path.

    Raises:
        InstallError: a file of another origin is there, or it cannot be written.
    """
    path = root / file.path.relative_to("/")
    try:
        if path.exists() and not is_ours(path):
            raise InstallError(f"{path}: not made by valenced install; move it away first")
        for folder in [each for each in reversed(path.parents) if not each.exists()]:
            # Whatever the umask: these are read by all.
            folder.mkdir()
            folder.chmod(0o755)
        path.write_text(file.text, encoding="utf-8")
        path.chmod(0o644)
    except OSError as error:
        advice = "; run it as root, or with --user" if isinstance(error, PermissionError) else ""
        raise InstallError(f"{path}: cannot be written: {error.strerror}{advice}") from error
    return path


def remove_file(path: Path, root: Path) -> Iterator[str]:
    """Remove a file of ours, and its folder if that is an empty drop-in folder; yield a report.

    Raises:
        InstallError: it cannot be removed.
    """
    path = root / path.relative_to("/")
    try:
        if not path.exists():
            return
        if not is_ours(path):
            yield f"left {path}, which valenced install did not make"
            return
        path.unlink()
        yield f"removed {path}"
        if path.parent.name == f"{UNIT}.d" and not any(path.parent.iterdir()):
            path.parent.rmdir()
    except OSError as error:
        raise InstallError(f"{path}: cannot be removed: {error.strerror}") from error


def reload_systemd(*, user: bool, makes_user: bool = True) -> None:
    """Make systemd read the units, after creating the service's user and folders.

    Raises:
        InstallError: a program of systemd fails.
    """
    if makes_user and not user:
        _run("systemd-sysusers", "/etc/sysusers.d/valenced.conf")
        _run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/valenced.conf")
    _run("systemctl", *(["--user"] if user else []), "daemon-reload")


def stop_service(configuration: Path | None) -> None:
    """Stop and disable the service, if it is installed.

    Raises:
        InstallError: it does not stop.
    """
    scope = ["--user"] if configuration is not None else []
    if installed_paths(configuration)[0].exists():
        _run("systemctl", *scope, "disable", "--now", UNIT)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - systemd's own programs, and no text from outside
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(f"{command[0]}: {error}; is this a machine with systemd?") from error
    if done.returncode:
        reason = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        if "--user" in command:
            # `su` and `sudo` start no systemd for the user, so there is none to reach.
            reason += "; log in as this user itself, not by su or sudo"
        raise InstallError(f"{' '.join(command)}: {reason}")
