"""What can go wrong with the catalogue."""

from __future__ import annotations

from config.errors import ValencedError


class CatalogueError(ValencedError):
    """The catalogue cannot be opened, read or written."""


class SchemaTooNew(CatalogueError):
    """A later release wrote this catalogue; it is left untouched.

    Its exit code is that of wrong settings: trying again mends it no more than those.
    """

    exit_code = 78


class CatalogueBusy(CatalogueError):
    """Another process works on this catalogue."""
