"""The paths of settings and state that follow from the environment."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from config.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_NAME = "valenced.toml"
SYSTEM_FILE = Path("/etc/valenced") / FILE_NAME


@dataclass(frozen=True)
class DefaultPaths:
    """Paths that follow from the environment.

    Attributes:
        state: folder of everything that the program keeps.
        bundles: folder of the bundles.
        corpora: folder of the imported corpora.
        settings_files: possible settings files; the first that exists is read.
    """

    state: Path
    bundles: Path
    corpora: Path
    settings_files: tuple[Path, ...]


def default_paths(environ: Mapping[str, str]) -> DefaultPaths:
    """Derive the paths from the variables of systemd and of the XDG base directories.

    Raises:
        SettingsError: nothing says where the state directory is.
    """
    home = _absolute(environ.get("HOME")) or _home_of_user()
    # systemd may list several directories, separated by colons; the first is the unit's own.
    state = _absolute(environ.get("STATE_DIRECTORY", "").partition(":")[0])
    xdg_state = _absolute(environ.get("XDG_STATE_HOME"))
    if state is None:
        xdg_state = xdg_state or (home and home / ".local" / "state")
        if xdg_state is None:
            raise SettingsError(
                ["HOME: not set, and this user has no home; set it, or STATE_DIRECTORY to a folder"]
            )
        state = xdg_state / "valenced"
    xdg_config = _absolute(environ.get("XDG_CONFIG_HOME")) or (home and home / ".config")
    configuration = _absolute(environ.get("CONFIGURATION_DIRECTORY", "").partition(":")[0])
    files = [SYSTEM_FILE]
    if xdg_config is not None:
        files.insert(0, xdg_config / "valenced" / FILE_NAME)
    if configuration is not None:
        files.insert(0, configuration / FILE_NAME)
    return DefaultPaths(state, state / "bundles", state / "corpora", tuple(files))


def _home_of_user() -> Path | None:
    """Return the home that the user database names, None if there is none."""
    try:
        return _absolute(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None


def _absolute(text: str | None) -> Path | None:
    """Return a path, None if it is relative: the XDG specification then takes it for unset."""
    return Path(text) if text and Path(text).is_absolute() else None
