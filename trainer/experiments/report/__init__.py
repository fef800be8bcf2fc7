"""The report of the experiments: HTML, SVG charts, JSON and terminal output."""
