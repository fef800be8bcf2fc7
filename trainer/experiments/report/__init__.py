"""The report of an evaluation: HTML, SVG charts, JSON and terminal output."""
