"""INSERT … ON CONFLICT for both databases, written once."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.sqlite.dml import OnConflictDoNothing, OnConflictDoUpdate
from sqlalchemy.dialects.sqlite.dml import insert as upsert
from sqlalchemy.ext.compiler import compiles

__all__ = ["upsert"]

# PostgreSQL's dialect writes the same words, and asks for one more attribute. To import its own
# statement takes each command 30 ms, also those on SQLite.


@compiles(OnConflictDoUpdate, "postgresql")
def _do_update(clause: Any, compiler: Any, **options: Any) -> str:
    clause.constraint_target = None
    return str(compiler.visit_on_conflict_do_update(clause, **options))


@compiles(OnConflictDoNothing, "postgresql")
def _do_nothing(clause: Any, compiler: Any, **options: Any) -> str:
    clause.constraint_target = None
    return str(compiler.visit_on_conflict_do_nothing(clause, **options))
