"""What can go wrong with the catalogue."""

from __future__ import annotations

from config.errors import ValencedError


class CatalogueError(ValencedError):
    """The catalogue cannot be opened, read or written."""


class SchemaTooNew(CatalogueError):
    """A later release wrote this catalogue; it is left untouched."""


class CatalogueBusy(CatalogueError):
    """Another process works on this catalogue."""
