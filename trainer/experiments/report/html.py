"""The report as one self-contained HTML page: no script, no network, light and dark."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from trainer.experiments.report import charts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Document = Mapping[str, Any]

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_FEW_CONDITIONS: Final = 4
_SCORES: Final = ("rmse", "mae", "ccc", "spearman")

_STYLE: Final = Path(__file__).with_name("page.css")


def page_of(document: Document) -> str:
    """Return the page of a document; names and paths in it are escaped."""
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_title(document)}</title><style>{_STYLE.read_text('utf-8')}</style></head><body><main>",
            _head(document),
            *(_experiment(document, each) for each in document["experiments"]),
            _foot(document),
            "</main></body></html>\n",
        ]
    )


def _title(document: Document) -> str:
    return escape(f"Music and sounds, {', '.join(e['name'] for e in document['experiments'])}")


def _head(document: Document) -> str:
    parts = [p for p in document["corpora"] if p["part"].startswith("all ")]
    clips = " and ".join(
        f"{p['clips']} clips of {p['part'].removeprefix('all ')} in {p['groups']} groups"
        for p in parts
    )
    links = "".join(
        f'<a href="#{escape(e["name"])}">{escape(e["name"])}</a>' for e in document["experiments"]
    )
    return (
        "<header><h1>Does training on music help to predict sounds, and the reverse?</h1>"
        f'<p class="soft">{escape(clips)}; {_regression(document)}; {document["folds"]} folds, '
        f"{document['repeats']} repeats; {escape(document['made_at'][:10])}</p>"
        f"<p><code>{escape(document['command'])}</code></p>"
        f'<nav>{links}<a href="#made">method</a></nav></header>'
    )


def _regression(document: Document) -> str:
    name = document["regression"]["name"]
    names = {
        "own": f"the regression of {document['bundle']}",
        "svr": "the paper's support vector regression",
        "elasticnet": "the paper's elastic net",
    }
    return escape(names[name])


def _experiment(document: Document, experiment: Document) -> str:
    verdict = experiment["verdict"]
    answer = f'<p class="answer">{escape(verdict[0])}</p>' if verdict else ""
    return (
        f'<section id="{escape(experiment["name"])}"><h2>{escape(experiment["name"])}</h2>'
        f'<p class="soft">{escape(experiment["question"])}</p>{answer}'
        f"{''.join(_plots(document, experiment))}{_tests(experiment)}{_figures(experiment)}"
        "</section>"
    )


def _plots(document: Document, experiment: Document) -> Iterator[str]:
    if experiment["tests"] and len(experiment["tests"]) <= 4 * _FEW_CONDITIONS:
        yield _block(
            "Change of the error",
            "Mean squared error of held-out clips, with the 95 % interval of the paired test.",
            _forests(experiment["tests"]),
        )
    for name, predicted in experiment["predicted"].items():
        key = _key(charts.corpora_in(document))
        yield _block(
            f"Predictions against ratings: {name}",
            "Each clip with its group held out, first repeat. On the dashed line a prediction "
            "equals the rating.",
            charts.scatters(document, predicted),
            key,
        )
        yield _block(
            f"Residuals: {name}",
            "The line is the mean of each eighth of the clips; where it differs from zero, "
            "predictions of that size are too low or too high.",
            charts.residuals(document, predicted),
            key,
        )
        own = [each for each in experiment["figures"] if each["condition"] == name]
        yield _block(
            f"Coverage of the {document['interval_level']:.0%} intervals: {name}",
            "The shaded area is four percentage points to either side of the nominal coverage.",
            [("", charts.coverage(document, own))],
        )
    if experiment["axis"]:
        yield _block(
            "R2 of held-out clips",
            "Mean over the repeats, with 95 % intervals over groups. An arrow at the bottom marks "
            "a point below the plot.",
            charts.curves(document, experiment),
            _key(charts.lines_in(experiment)),
        )
    if experiment["name"] == "ablation":
        yield from _ablation(document, experiment)


def _ablation(document: Document, experiment: Document) -> Iterator[str]:
    yield _block(
        "Loss without a family",
        "The fall of R2 if a family is left out of the fit, or is permuted among the held-out "
        "clips of a domain. Left of zero, predictions are better without it.",
        charts.ablations(document, experiment),
        _key(["without it", "permuted"]),
    )
    yield _block(
        "Each family alone",
        "The vertical line is the fit on all families.",
        charts.lone_families(document, experiment),
    )


def _forests(tests: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for first, second in dict.fromkeys((t["first"], t["second"]) for t in tests):
        own = [t for t in tests if (t["first"], t["second"]) == (first, second)]
        yield f"{first} against {second}", charts.forest(own)


def _block(title: str, text: str, panels: Iterable[tuple[str, str]], key: str = "") -> str:
    figures = "".join(
        f"<figure>{f'<figcaption>{escape(name)}</figcaption>' if name else ''}{plot}</figure>"
        for name, plot in panels
    )
    return (
        f'<h3>{escape(title)}</h3><p class="soft">{escape(text)}</p>{key}'
        f'<div class="panels">{figures}</div>'
    )


def _key(names: Sequence[str]) -> str:
    items = "".join(
        f'<li><i class="c{number % 8}"></i>{escape(name)}</li>' for number, name in enumerate(names)
    )
    return f'<ul class="key">{items}</ul>'


def _tests(experiment: Document) -> str:
    if not experiment["tests"]:
        return ""
    rows = [
        f'<tr><td class="name">{escape(t["first"])} against {escape(t["second"])}</td>'
        f'<td class="name">{escape(t["dimension"])} of {escape(t["domain"])}</td>'
        f"<td>{-t['gain']:+.1%}</td><td>[{-t['high']:+.1%}, {-t['low']:+.1%}]</td>"
        f"<td>{t['p']:.2g}</td><td>{t['p_holm']:.2g}</td>"
        f'<td class="name {escape(t["verdict"])}">{escape(t["verdict"])}</td></tr>'
        for t in experiment["tests"]
    ]
    heads = ("compared", "of", "squared error", "95 % interval", "p", "after Holm", "")
    return _table("Tests", heads, rows)


def _figures(experiment: Document) -> str:
    few = len(experiment["conditions"]) <= _FEW_CONDITIONS
    shown = [f for f in experiment["figures"] if few or f["part"].startswith("all ")]
    rows = [
        f'<tr><td class="name">{escape(f["condition"])}</td><td class="name">{escape(f["part"])}'
        f'</td><td class="name">{escape(f["dimension"])}</td><td>{f["clips"]}</td>'
        f"<td>{_number(f['r2'])}</td><td>[{_number(f['r2_low'])}, {_number(f['r2_high'])}]</td>"
        + "".join(f"<td>{_number(f[score])}</td>" for score in _SCORES)
        + f"<td>{_number(f['coverage'])}</td><td>{_number(f['width'])}</td></tr>"
        for f in shown
    ]
    heads = (
        "condition", "tested on", "", "clips", "R2", "95 % interval", "RMSE", "MAE", "CCC",
        "Spearman", "coverage", "width",
    )  # fmt: skip
    return _table("Scores", heads, rows)


def _table(title: str, heads: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    return (
        f'<details><summary>{escape(title)}</summary><div class="scroll"><table><thead><tr>{head}'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div></details>"
    )


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
    rows = "".join(f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>" for k, v in facts.items())
    return f'<section id="made"><h2>method</h2><dl>{rows}</dl></section>'


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}".replace("-", "\N{MINUS SIGN}")
