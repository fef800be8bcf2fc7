"""The defaults of the settings, as shipped; reading them validates nothing."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def defaults_text() -> str:
    """Return the commented defaults file."""
    return Path(__file__).with_name("defaults.toml").read_text(encoding="utf-8")


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
