"""What the main service stores for other processes, such as `valenced status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from storage.service_notes import BUNDLE, CONFINEMENT, PAUSED, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from storage.service_notes import ServiceNotes

_SUBJECTS: Final = (PAUSED, BUNDLE, SETTINGS, CONFINEMENT)


@dataclass
class StatusNotes:
    """Writes notes only when one of them has changed.

    Attributes:
        notes: of the catalogue.
        clock: the time.
    """

    notes: ServiceNotes
    clock: Callable[[], datetime]
    _stored: tuple[str | None, ...] = (None,) * len(_SUBJECTS)

    def store(
        self, paused: str | None, bundle: str | None, settings: str | None, confinement: str | None
    ) -> None:
        """Store what holds at present.

        Args:
            paused: why work is paused.
            bundle: why the published bundle is not in use.
            settings: why the settings that were read last are not in force.
            confinement: what confines the workers.

        Raises:
            CatalogueError: the catalogue cannot be written.
        """
        texts = (paused, bundle, settings, confinement)
        if texts != self._stored:
            for about, text in zip(_SUBJECTS, texts, strict=True):
                self.notes.set(about, text, self.clock())
            self._stored = texts
