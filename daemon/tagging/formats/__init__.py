"""Where tags stand in each container format, and how they are edited."""
