"""Records the states of the watched folders, of each service for itself."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert, or_, text

from storage.schema.tables import at_or_below, folders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from storage.schema.records import FolderState

FORGOTTEN_AFTER: Final = timedelta(days=7)
"""The state of a folder that no service has compared for so long says nothing any more."""

_OWN: Final = "service IS NULL OR service = current_setting('valenced.service', true)"


def replace_states(connection: Connection, states: Sequence[FolderState]) -> None:
    """Replace the states of the folders that this service watches.

    Those that other services on a server have recorded stay, unless this one watches them now.
    """
    old = delete(folders)
    # A file has one service.
    if connection.dialect.name != "sqlite":
        taken_over = (at_or_below(folders.c.path, state.path) for state in states)
        is_own = or_(text(_OWN), *taken_over)
        if states:
            latest = max(state.reconciled_at for state in states)
            is_own |= folders.c.reconciled_at < latest - FORGOTTEN_AFTER
        old = old.where(is_own)
    connection.execute(old)
    for state in states:
        connection.execute(insert(folders).values(**vars(state)))
