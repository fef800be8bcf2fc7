"""The catalogue (SQLite): all tables, migrations and queries."""
