"""The paths of settings and state that follow from the environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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
    """Derive the paths from the variables of systemd and of the XDG base directories."""
    home = Path(environ.get("HOME") or Path.home())
    xdg_state = _absolute(environ.get("XDG_STATE_HOME")) or home / ".local" / "state"
    xdg_config = _absolute(environ.get("XDG_CONFIG_HOME")) or home / ".config"
    # systemd may list several directories, separated by colons; the first is the unit's own.
    state = _absolute(environ.get("STATE_DIRECTORY", "").partition(":")[0])
    state = state or xdg_state / "valenced"
    configuration = _absolute(environ.get("CONFIGURATION_DIRECTORY", "").partition(":")[0])
    files = [xdg_config / "valenced" / FILE_NAME, SYSTEM_FILE]
    if configuration is not None:
        files.insert(0, configuration / FILE_NAME)
    return DefaultPaths(state, state / "bundles", state / "corpora", tuple(files))


def _absolute(text: str | None) -> Path | None:
    """Return a path, None if it is relative: the XDG specification then takes it for unset."""
    return Path(text) if text and Path(text).is_absolute() else None
