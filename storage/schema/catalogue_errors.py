"""The errors of the catalogue."""

from __future__ import annotations

from config.errors import ValencedError


class CatalogueError(ValencedError):
    """The catalogue cannot be opened, read or written."""


class SchemaTooNew(CatalogueError):
    """A later release wrote this catalogue, which stays unchanged.

    Its exit code is that of wrong settings, on which systemd does not restart the service.
    """

    exit_code = 78


class CatalogueBusy(CatalogueError):
    """Another process works on this catalogue."""
