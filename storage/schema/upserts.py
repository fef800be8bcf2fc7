"""INSERT … ON CONFLICT, in words that SQLite and PostgreSQL share."""

from __future__ import annotations

# The statement of SQLite's dialect cannot be written for PostgreSQL, but this one for both.
from sqlalchemy.dialects.postgresql.dml import insert as upsert

__all__ = ["upsert"]
