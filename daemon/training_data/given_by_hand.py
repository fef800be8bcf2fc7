"""Records and withdraws what one person says of one sound, by a command or on the page."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

from storage.jobs import RETAG

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from storage.annotations import GivenAnnotation
    from storage.catalogue import Catalogue


def record_by_hand(catalogue: Catalogue, given: GivenAnnotation, now: datetime) -> bool:
    """Record an annotation, and have the tags written; return whether it changes anything."""
    added = catalogue.annotations.add([given], now)
    catalogue.jobs.request(RETAG, now)
    return bool(added)


def withdraw_by_hand(
    catalogue: Catalogue, identity: str, annotators: Sequence[str], now: datetime
) -> int:
    """Withdraw people's annotations of a sound, and have the tags written; return their number."""
    count = sum(catalogue.annotations.withdraw(identity, name, now) for name in annotators)
    catalogue.jobs.request(RETAG, now)
    return count


def this_user() -> str:
    """Return the name of the user who runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
