"""The defaults of the settings, as shipped; reading them validates nothing."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

_HEADER: Final = """\
# The settings of valenced. A line such as #settle_s = 3.0 shows a default: to
# change it, remove its #. `valenced config edit` checks what you write, and
# `valenced config show` prints the settings in force.
"""

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def defaults_text() -> str:
    """Return the commented defaults file."""
    return Path(__file__).with_name("defaults.toml").read_text(encoding="utf-8")


def settings_template() -> str:
    """Return a settings file that changes nothing: every setting, commented out.

    The folders to watch come last: in TOML, what follows a table of theirs belongs to it.
    """
    _, *paragraphs = defaults_text().rstrip().split("\n\n")
    first = next(text for text in paragraphs if text.endswith("folder = []"))
    paragraphs[paragraphs.index(first)] = "[watch]"
    folders = first.removeprefix("[watch]\n").removesuffix("folder = []")
    body = "\n\n".join(paragraphs)
    return f"{_HEADER}\n{_commented_out(body)}\n\n{folders}"


def _commented_out(text: str) -> str:
    """Mark the values of a settings file as comments; a comment in words has a blank behind #."""
    return "\n".join(
        line if not line or line.startswith(("#", "[")) else f"#{line}" for line in text.split("\n")
    )


def default_values() -> dict[str, Any]:
    """Return the default of every setting, by its dotted key."""
    return dict(flattened(tomllib.loads(defaults_text())))


def flattened(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested tables, each with its dotted key."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
