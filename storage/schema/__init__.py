"""The schema of the catalogue: tables, views, migrations, rows and records."""
