"""The tables of a report, for the page, as CSV with every digit, and as LaTeX."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Document = Mapping[str, Any]

_SCORES: Final = ("r2", "r2_low", "r2_high", "rmse", "mae", "ccc", "spearman", "coverage", "width")
_NAMES: Final = {"r2": "R2", "r2_low": "R2 low", "r2_high": "R2 high", "rmse": "RMSE", "mae": "MAE"}
_LATEX: Final = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\N{MINUS SIGN}": "$-$",
        **{character: f"\\{character}" for character in "&%$#_"},
    }
)


class Column(NamedTuple):
    """A heading, and how values are shown: `text`, or a format of numbers."""

    head: str
    form: str = "text"

    def shown(self, value: object) -> str:
        """Return a value for readers; a minus is a minus sign."""
        if value is None:
            return "-"
        if self.form == "text":
            return str(value)
        return format(value, self.form).replace("-", "\N{MINUS SIGN}")


class ReportTable(NamedTuple):
    """A table; `name` is that of its files, unique in the report."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[object]]

    def shown(self) -> Iterator[list[str]]:
        """Yield the rows as readers see them."""
        for row in self.rows:
            yield [column.shown(value) for column, value in zip(self.columns, row, strict=True)]

    def as_csv(self) -> str:
        """Return the table for programs: plain numbers, empty where there is none."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([column.head for column in self.columns])
        writer.writerows(self.rows)
        return stream.getvalue()

    def as_latex(self) -> str:
        """Return the table as a `longtable`, with the lines of `booktabs`."""
        places = "".join("l" if column.form == "text" else "r" for column in self.columns)
        head = _latex_row(column.head for column in self.columns)
        body = "\n".join(_latex_row(row) for row in self.shown())
        return (
            "% \\usepackage{booktabs,longtable}\n"
            f"\\begin{{longtable}}{{{places}}}\n\\toprule\n{head}\n\\midrule\n\\endhead\n"
            f"\\bottomrule\n\\endfoot\n{body}\n\\end{{longtable}}\n"
        )


def tables_of(experiment: Document) -> Iterator[ReportTable]:
    """Yield the tables of an experiment."""
    name = experiment["name"]
    if experiment["against_best"]:
        title = "Joint fit against the best fit on a single kind"
        yield ReportTable(f"{name}-against-best", title, _BEST, _best(experiment))
    if experiment["tests"]:
        yield ReportTable(f"{name}-tests", "Tests", _TESTS, [*map(_test, experiment["tests"])])
    if experiment["falls"]:
        columns = [Column("condition"), Column("tested on"), Column("dimension")]
        columns += [Column(head, "+.3f") for head in ("fall of R2", "low", "high")]
        rows = _cells(experiment["falls"], "condition part dimension fall low high")
        yield ReportTable(f"{name}-falls", "Falls of R2, with 95 % intervals", columns, rows)
    columns = [Column("condition"), Column("tested on"), Column("dimension")]
    columns += [Column(head, "d") for head in ("clips", "groups", "fitted on")]
    columns += [Column(_NAMES.get(key, key), ".3f") for key in _SCORES]
    keys = " ".join(("condition part dimension clips groups fitted_on", *_SCORES))
    rows = _cells(experiment["figures"], keys)
    yield ReportTable(f"{name}-scores", "Scores, R2 with its 95 % interval", columns, rows)


def corpora_table(document: Document) -> ReportTable:
    """Return the table of the corpora and kinds."""
    columns = [Column("part"), Column("clips", "d"), Column("groups", "d")]
    columns += [
        Column(f"{dimension} {of}", ".3f")
        for of in ("mean", "deviation")
        for dimension in ("arousal", "valence")
    ]
    rows = [
        [each["part"], each["clips"], each["groups"], *each["mean"], *each["deviation"]]
        for each in document["corpora"]
    ]
    return ReportTable("corpora", "Corpora", columns, rows)


_TESTS: Final = (
    Column("condition"),
    Column("against"),
    Column("of"),
    Column("dimension"),
    Column("squared error", "+.1%"),
    Column("low", "+.1%"),
    Column("high", "+.1%"),
    Column("p", ".2g"),
    Column("p after Holm", ".2g"),
    Column("result"),
)


_BEST: Final = (
    Column("of"),
    Column("dimension"),
    Column("clips", "d"),
    *(Column(head, ".3f") for head in ("R2 of the joint fit", "low", "high")),
    Column("best single fit"),
    *(Column(head, ".3f") for head in ("R2 of the best single fit", "low", "high")),
    *(Column(head, "+.1%") for head in ("squared error", "lower end", "upper end")),
    Column("p", ".2g"),
    Column("p after Holm", ".2g"),
    Column("result"),
)


def _best(experiment: Document) -> list[list[object]]:
    """Return a row for each cell: both fits, and the change of the error from single to joint."""
    scores = {
        (each["condition"], each["part"], each["dimension"]): each for each in experiment["figures"]
    }
    rows: list[list[object]] = []
    for test in experiment["against_best"]:
        part = (f"all {test['domain']}", test["dimension"])
        joint, single = (scores[test[name], *part] for name in ("first", "second"))
        own, other = ([each[key] for key in _SCORES[:3]] for each in (joint, single))
        cells = [test["domain"], test["dimension"], joint["clips"], *own, test["second"], *other]
        rows.append([*cells, *_test(test)[4:]])
    return rows


def _cells(entries: Sequence[Mapping[str, Any]], keys: str) -> list[list[object]]:
    return [[each[key] for key in keys.split()] for each in entries]


def _test(test: Mapping[str, Any]) -> list[object]:
    keys = ("first", "second", "domain", "dimension")
    change = [-test["gain"], -test["high"], -test["low"]]
    return [*(test[key] for key in keys), *change, test["p"], test["p_holm"], test["verdict"]]


def _latex_row(cells: Iterator[str] | Sequence[str]) -> str:
    # A control character, such as the end of a line, would end the row.
    plain = ("".join(c if c.isprintable() else "?" for c in cell) for cell in cells)
    return " & ".join(cell.translate(_LATEX) for cell in plain) + r" \\"
