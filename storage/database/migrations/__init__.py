"""Ordered changes of the schema, each an SQL script applied once, in a transaction."""
