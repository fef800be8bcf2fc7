"""The files beside the page: each figure as SVG, each table as CSV and LaTeX."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trainer.experiments.report.figure_blocks import blocks_of
from trainer.experiments.report.report_tables import corpora_table, tables_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.experiments.report.charts import Document

FIGURES: Final = "figures"
TABLES: Final = "tables"


def files_of(document: Document) -> Iterator[tuple[str, bytes]]:
    """Yield each file of a report's figures and tables: its path below the page, and its bytes."""
    style = figure_style()
    for experiment in document["experiments"]:
        for block in blocks_of(document, experiment):
            for panel, plot in block.panels:
                name = _file_name(experiment["name"], block.name, panel)
                title = ": ".join(part for part in (block.title, panel) if part)
                drawn = plot.standalone(title, block.key, style)
                yield f"{FIGURES}/{name}.svg", drawn.encode()
    tables = [table for each in document["experiments"] for table in tables_of(each)]
    for table in (*tables, corpora_table(document)):
        # Names of corpora may hold lone surrogates.
        yield f"{TABLES}/{table.name}.csv", table.as_csv().encode(errors="backslashreplace")
        yield f"{TABLES}/{table.name}.tex", table.as_latex().encode(errors="backslashreplace")


def figure_style() -> str:
    """Return the style of plots in the page's light colours, without variables.

    Programs that draw SVG often know no variables.
    """
    found = re.search(r":root \{(.*?)\}", _style("page.css"), re.DOTALL)
    assert found is not None
    colours = dict(re.findall(r"(--[a-z0-9]+):([^;]+);", found[1]))
    plain = _style("plot.css").replace("font-family:inherit", "font-family:sans-serif")
    return re.sub(r"var\((--[a-z0-9]+)\)", lambda name: colours[name[1]], plain)


def page_style() -> str:
    """Return the style sheet of the page."""
    return _style("page.css") + _style("plot.css")


def _style(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")


def _file_name(*parts: str) -> str:
    """Join names to that of a file: lower case, with hyphens."""
    return re.sub(r"[^a-z0-9.]+", "-", "-".join(parts).lower()).strip("-.")
