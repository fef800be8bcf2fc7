"""How the catalogue stores points in time as text, and small numbers as whole ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

MILLION: Final = 1_000_000
"""Values, intervals, novelty and probabilities are stored as whole numbers of millionths."""


def as_text(moment: datetime) -> str:
    """Return a moment as the catalogue shows it: `2026-01-31T08:15:00.000Z`."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
