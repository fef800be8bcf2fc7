"""Links the man pages and completions of this environment into where the shells look for them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daemon.service_errors import InstallError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PATTERNS: Final = (
    "man/man1/valenced*.1",
    "bash-completion/completions/valenced",
    "zsh/site-functions/_valenced",
    "fish/vendor_completions.d/valenced.fish",
)
"""Ours, below `share` of an environment as of the machine."""

MACHINE_DATA: Final = Path("/usr/local/share")


def data_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of a user's own data."""
    chosen = environ.get("XDG_DATA_HOME", "")
    return Path(chosen) if Path(chosen).is_absolute() else Path.home() / ".local" / "share"


def links(data: Path, prefix: Path = Path(sys.prefix)) -> dict[Path, Path]:
    """Return the links to make in a data folder, each with the file of the environment.

    Empty if the environment has none, or lies there itself.
    """
    own = prefix / "share"
    if own == data:
        return {}
    files = [file for pattern in PATTERNS for file in sorted(own.glob(pattern))]
    return {data / file.relative_to(own): file for file in files}


def make_links(wanted: Mapping[Path, Path], root: Path) -> Iterator[str]:
    """Make links below a root, replacing only links like ours; yield what was left alone.

    Raises:
        InstallError: one cannot be made.
    """
    for path, target in wanted.items():
        link = root / path.relative_to("/")
        try:
            for folder in [each for each in reversed(link.parents) if not each.exists()]:
                # Whatever the umask: these are read by all.
                folder.mkdir()
                folder.chmod(0o755)
            if _is_ours(link):
                link.unlink()
            link.symlink_to(target)
        except FileExistsError:
            yield f"left {link}, which valenced install did not make"
        except OSError as error:
            raise InstallError(f"{link}: cannot be made: {error.strerror}") from error


def remove_links(data: Path, root: Path) -> int:
    """Remove our links from a data folder below a root, and return their number.

    Raises:
        InstallError: one cannot be removed.
    """
    count = 0
    for pattern in PATTERNS:
        for link in (root / data.relative_to("/")).glob(pattern):
            if not _is_ours(link):
                continue
            try:
                link.unlink()
            except OSError as error:
                raise InstallError(f"{link}: cannot be removed: {error.strerror}") from error
            count += 1
    return count


def _is_ours(link: Path) -> bool:
    """Whether a path is a link to a file of this name in the `share` of an environment."""
    if not link.is_symlink():
        return False
    inside = Path("share", *link.parts[-3:])
    return link.readlink().parts[-len(inside.parts) :] == inside.parts
