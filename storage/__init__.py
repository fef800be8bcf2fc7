"""The catalogue: the only place that knows a table, a migration or a query."""
