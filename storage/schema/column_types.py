"""Types of columns: paths, points in time, small numbers."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import BigInteger, LargeBinary, String, cast
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator, UserDefinedType

from storage.schema.column_formats import MILLION, as_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import BindParameter, ColumnElement
    from sqlalchemy.engine import Dialect


_Name = TypeVar("_Name", Path, str)


class _ExactText(UserDefinedType[Any]):
    """The type of a name, as the target of a cast that keeps bytes as they are."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TEXT"


@compiles(_ExactText, "postgresql")
def _as_bytes(*_: Any, **__: Any) -> str:
    return "BYTEA"


class _ExactName(TypeDecorator[_Name]):
    """The exact bytes of a name, valid UTF-8 or not: TEXT in SQLite, BYTEA in PostgreSQL.

    Python's driver for SQLite does not bind lone surrogates, so the bytes are bound as a blob and
    cast to TEXT. Reading needs the text factory of `storage.database.engine`.
    """

    impl = LargeBinary
    cache_ok = True
    of: Callable[[str], _Name]

    def process_bind_param(self, value: Path | str | None, dialect: Dialect) -> bytes | None:
        """Bind the bytes of the name."""
        del dialect
        return None if value is None else os.fsencode(value)

    def bind_expression(self, bindvalue: BindParameter[_Name]) -> ColumnElement[_Name]:
        """Cast the bound bytes to the type of the column."""
        return cast(bindvalue, _ExactText())

    def process_result_value(self, value: Any, dialect: Dialect) -> _Name | None:
        """Return the text or the bytes of the driver as a path or a string."""
        del dialect
        return None if value is None else self.of(os.fsdecode(value))

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Skip the processor of the blob type, which would turn text into bytes."""
        del coltype
        return lambda value: self.process_result_value(value, dialect)


class PathText(_ExactName[Path]):
    """A path."""

    cache_ok = True
    of = Path


class NameText(_ExactName[str]):
    """Part of a path, read as a string: a name, or a folder that ends in a slash."""

    cache_ok = True
    of = str


class HexBytes(TypeDecorator[str]):
    """Hexadecimal digits, stored as the bytes that they stand for."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        """Bind the bytes."""
        del dialect
        return None if value is None else bytes.fromhex(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        """Return the digits."""
        del dialect
        return None if value is None else value.hex()


class Moment(TypeDecorator[datetime]):
    """A point in time as ISO 8601 UTC text of fixed width, so that text order is time order."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Bind the fixed-width text."""
        del dialect
        return None if value is None else as_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Return the moment, aware of its zone."""
        del dialect
        return None if value is None else datetime.fromisoformat(value)


class Milliseconds(TypeDecorator[datetime]):
    """A point in time as a number of milliseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Bind the number."""
        del dialect
        return None if value is None else round(value.timestamp() * 1000)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Return the moment, aware of its zone."""
        del dialect
        return None if value is None else _EPOCH + timedelta(milliseconds=value)


class Millionths(TypeDecorator[float]):
    """A number as a whole number of millionths: three bytes instead of eight."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> int | None:
        """Bind the whole number."""
        del dialect
        return None if value is None else round(min(max(value, -_MOST), _MOST) * MILLION)

    def process_result_value(self, value: int | None, dialect: Dialect) -> float | None:
        """Return the number."""
        del dialect
        return None if value is None else value / MILLION


_MOST: Final = 1e12
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
