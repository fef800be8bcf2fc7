"""The report as one self-contained HTML page: no script, no network, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trainer.experiments.report.figure_blocks import FEW_CONDITIONS, blocks_of
from trainer.experiments.report.report_files import page_style
from trainer.experiments.report.report_tables import corpora_table, tables_of
from trainer.experiments.report.svg import xml_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainer.experiments.report.figure_blocks import FigureBlock
    from trainer.experiments.report.report_tables import Column, ReportTable
    from trainer.experiments.report.svg import KeyEntry

    Document = Mapping[str, Any]

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def page_of(document: Document) -> str:
    """Return the page of a document; names and paths in it are escaped."""
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_title(document)}</title><style>{page_style()}</style></head><body><main>",
            _head(document),
            *(_experiment(document, each) for each in document["experiments"]),
            _foot(document),
            "</main></body></html>\n",
        ]
    )


def _title(document: Document) -> str:
    return xml_text(f"Music and sounds, {', '.join(e['name'] for e in document['experiments'])}")


def _head(document: Document) -> str:
    parts = [p for p in document["corpora"] if p["part"].startswith("all ")]
    clips = ", ".join(
        f"{p['clips']} clips of {p['part'].removeprefix('all ')} in {p['groups']} groups"
        for p in parts
    )
    links = "".join(
        f'<a href="#{xml_text(e["name"])}">{xml_text(e["name"])}</a>'
        for e in document["experiments"]
    )
    return (
        "<header><h1>Does training on one kind of sound help to predict the others?</h1>"
        f'<p class="soft">{xml_text(clips)}; {_regression(document)}; {document["folds"]} folds, '
        f"{document['repeats']} repeats; {xml_text(document['made_at'][:10])}</p>"
        f"<p><code>{xml_text(document['command'])}</code></p>"
        f'<nav>{links}<a href="#made">method</a></nav></header>'
    )


def _regression(document: Document) -> str:
    name = document["regression"]["name"]
    names = {
        "own": f"the regression of {document['bundle']}",
        "svr": "the paper's support vector regression",
        "elasticnet": "the paper's elastic net",
    }
    return xml_text(names[name])


def _experiment(document: Document, experiment: Document) -> str:
    verdict = experiment["verdict"]
    answer = f'<p class="answer">{xml_text(verdict[0])}</p>' if verdict else ""
    many = len(experiment["conditions"]) > FEW_CONDITIONS
    tables = (
        _table(each, kinds_only=many and each.name.endswith("-scores"))
        for each in tables_of(experiment)
    )
    return (
        f'<section id="{xml_text(experiment["name"])}"><h2>{xml_text(experiment["name"])}</h2>'
        f'<p class="soft">{xml_text(experiment["question"])}</p>{answer}'
        f"{''.join(map(_block, blocks_of(document, experiment)))}{''.join(tables)}</section>"
    )


def _block(block: FigureBlock) -> str:
    figures = "".join(
        f"<figure>{f'<figcaption>{xml_text(name)}</figcaption>' if name else ''}{plot.drawn()}"
        "</figure>"
        for name, plot in block.panels
    )
    return (
        f'<h3>{xml_text(block.title)}</h3><p class="soft">{xml_text(block.text)}</p>'
        f'{_key(block.key)}<div class="panels">{figures}</div>'
    )


def _key(entries: Sequence[KeyEntry]) -> str:
    items = "".join(
        f'<li><svg viewBox="0 0 18 10" width="18" height="10">{entry.mark()}</svg>'
        f"{xml_text(entry.text)}</li>"
        for entry in entries
    )
    return f'<ul class="key">{items}</ul>'


def _table(table: ReportTable, *, kinds_only: bool = False) -> str:
    """Return a table, with the scores of whole kinds only where there are many others."""
    heads = "".join(f"<th>{xml_text(column.head)}</th>" for column in table.columns)
    rows = []
    for cells in table.shown():
        if kinds_only and not cells[1].startswith("all "):
            continue
        row = "".join(
            f"<td{_class(column, cell)}>{xml_text(cell)}</td>"
            for column, cell in zip(table.columns, cells, strict=True)
        )
        rows.append(f"<tr>{row}</tr>")
    return (
        f"<details><summary>{xml_text(table.title)}</summary>"
        f'<p class="soft">tables/{table.name}.csv and .tex</p>'
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></details>"
    )


def _class(column: Column, cell: str) -> str:
    if column.form != "text":
        return ""
    return f' class="name {cell}"' if cell in {"better", "worse"} else ' class="name"'


def _foot(document: Document) -> str:
    corpora = "; ".join(
        f"{p['part']}: {p['clips']} clips in {p['groups']} groups" for p in document["corpora"]
    )
    versions = ", ".join(f"{name} {number}" for name, number in document["versions"].items())
    facts = {
        "command": document["command"],
        "made at": document["made_at"],
        "seed": document["seed"],
        "bundle": f"{document['bundle']}, features {document['hearing']}",
        "regression": f"{document['regression']['name']} {document['regression']['settings']}",
        "corpora": corpora,
        "not used": "; ".join(document["problems"]) or "nothing",
        "repeated sounds": "; ".join(document["repeated"]) or "none",
        "splits": document["protocol"],
        "test": document["test"],
        "versions": f"Python {document['python']}, {versions}",
    }
    rows = "".join(f"<dt>{xml_text(k)}</dt><dd>{xml_text(str(v))}</dd>" for k, v in facts.items())
    table = _table(corpora_table(document))
    return f'<section id="made"><h2>method</h2><dl>{rows}</dl>{table}</section>'
