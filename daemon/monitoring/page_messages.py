"""What a service and its page process tell each other."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping


TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"

Subject = Literal["health", "health as JSON", "metrics", "status"]
"""What the page can ask about."""


@dataclass(frozen=True)
class Reply:
    """The reply to a request: status and content of HTTP."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True)
class PageConfig:
    """The configuration of a page.

    Attributes:
        settings: in force.
        url: of the catalogue, absolute.
        registry: folder of the bundles, absolute.
        address: where it listens, as part of a URL.
        token: what a request that changes something must prove to know.
        log_level: of its log.
    """

    settings: Settings
    url: str
    registry: Path
    address: str
    token: str
    log_level: str

    def message(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return {
            "settings": _plain(self.settings.model_dump()),
            "url": self.url,
            "registry": os.fspath(self.registry),
            "address": self.address,
            "token": self.token,
            "log_level": self.log_level,
        }

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Self:
        """Return what a message says."""
        return cls(
            Settings.model_validate(message["settings"]),
            message["url"],
            Path(message["registry"]),
            message["address"],
            message["token"],
            message["log_level"],
        )


def _plain(value: Any) -> Any:
    """Return a value with texts in place of paths: names need not be UTF-8."""
    match value:
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case Path():
            return os.fspath(value)
    return value
