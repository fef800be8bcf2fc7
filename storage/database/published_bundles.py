"""Which bundle is published; on a server also its files, which other services get from there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    Column,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
    text,
    update,
)

from storage.database.sessions import CataloguePart, is_sqlite
from storage.schema.catalogue_errors import CatalogueBusy
from storage.schema.tables import known_bundles
from storage.schema.upserts import upsert

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Executable

_FILES: Final = Table(
    "bundle_files",
    MetaData(),
    Column("bundle", String),
    Column("name", String),
    Column("content", LargeBinary),
    Column("digest", String),
)

# As writers take turns, no other service becomes the main one before the transaction ends.
_IS_REPLACED: Final = text(
    "SELECT current_setting('valenced.service', true) <> '' AND NOT EXISTS (SELECT 1 FROM services"
    " WHERE is_main AND name = current_setting('valenced.service', true))"
)


class PublishedBundles(CataloguePart):
    """The bundles by which a catalogue's predictions were made, of which one is published.

    Of the services on a server, the main one alone may say which; `record` and `share` raise
    CatalogueBusy for one that was taken for dead meanwhile.
    """

    def record(self, name: str, created_at: str, manifest: Mapping[str, Any]) -> None:
        """Record which bundle is published."""
        values = {"created_at": created_at, "manifest": json.dumps(manifest), "in_service": 1}
        self._write_as_main(
            update(known_bundles).values(in_service=0),
            upsert(known_bundles)
            .values(name=name, **values)
            .on_conflict_do_update(index_elements=["name"], set_=values),
        )

    def published(self) -> str | None:
        """Return the name of the published bundle, None before the first start."""
        return self._value(select(known_bundles.c.name).where(known_bundles.c.in_service == 1))

    def can_share(self) -> bool:
        """Return whether the catalogue has room for files: a file of SQLite has one service."""
        return not is_sqlite(self.engine)

    def share(self, name: str, files: Mapping[str, bytes], *, beside: str | None = None) -> None:
        """Store the files of a bundle, in place of those of others but the one `beside` it."""
        rows = [
            {"bundle": name, "name": file, "content": content} for file, content in files.items()
        ]
        is_old = _FILES.c.bundle.is_distinct_from(beside) | (_FILES.c.bundle == name)
        self._write_as_main(delete(_FILES).where(is_old), insert(_FILES).values(rows))

    def shared(self) -> list[str]:
        """Return the names of the bundles with files, in order."""
        named = select(_FILES.c.bundle).distinct().order_by(_FILES.c.bundle)
        return [row.bundle for row in self._rows(named)]

    def _write_as_main(self, *statements: Executable) -> None:
        with self.engine.begin() as connection:
            if not is_sqlite(connection) and connection.execute(_IS_REPLACED).scalar():
                raise CatalogueBusy("another service is the main one of this catalogue now")
            for statement in statements:
                connection.execute(statement)

    def shared_digests(self, name: str) -> set[str]:
        """Return the SHA-256 of each file of a bundle; none if it is not shared."""
        return {
            row[0] for row in self._rows(select(_FILES.c.digest).where(_FILES.c.bundle == name))
        }

    def shared_files(self, name: str) -> dict[str, bytes]:
        """Return the files of a bundle by name; none if it is not shared."""
        wanted = select(_FILES.c.name, _FILES.c.content).where(_FILES.c.bundle == name)
        return {row.name: bytes(row.content) for row in self._rows(wanted)}
