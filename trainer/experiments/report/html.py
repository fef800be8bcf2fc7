"""The report as one page that needs nothing else: no script, no network, light and dark."""

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
    """Return the page.

    Args:
        document: what `trainer.experiments.report.document.document_of` returned. Whatever it holds
        of
            names and paths is shown as text and nothing else.
    """
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
        "<header><h1>Does music help to hear sounds, and sounds music?</h1>"
        f'<p class="soft">{escape(clips)}; {_regression(document)}; {document["folds"]} folds, '
        f"drawn {document['repeats']} times; {escape(document['made_at'][:10])}</p>"
        f"<p><code>{escape(document['command'])}</code></p>"
        f'<nav>{links}<a href="#made">how it was made</a></nav></header>'
    )


def _regression(document: Document) -> str:
    name = document["regression"]["name"]
    said = {"own": f"the regression of {document['bundle']}", "svr": "the paper's support vectors"}
    return escape(said.get(name, "the paper's elastic net"))


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
            "By how much the error changes",
            "Mean squared error of held-out clips, with the 95 % interval of the paired test.",
            _forests(experiment["tests"]),
        )
    for name, predicted in experiment["predicted"].items():
        key = _key(charts.corpora_in(document))
        yield _block(
            f"Predicted against rated: {name}",
            "Each clip while its group was held out, first repeat. On the broken line a "
            "prediction is right.",
            charts.scatters(document, predicted),
            key,
        )
        yield _block(
            f"What is left over: {name}",
            "The line is the mean of each eighth of the clips; where it leaves zero, predictions "
            "of that size are too low or too high.",
            charts.residuals(document, predicted),
            key,
        )
        own = [each for each in experiment["figures"] if each["condition"] == name]
        yield _block(
            f"What the {document['interval_level']:.0%} intervals hold: {name}",
            "The shaded part is four hundredths to either side of what is promised.",
            [("", charts.coverage(document, own))],
        )
    if experiment["axis"]:
        yield _block(
            "R2 of held-out clips",
            "Mean over the repeats, with 95 % intervals over groups. An arrow at the bottom is a "
            "point below the plot.",
            charts.curves(document, experiment),
            _key(charts.lines_in(experiment)),
        )
    if experiment["name"] == "ablation":
        yield from _ablation(document, experiment)


def _ablation(document: Document, experiment: Document) -> Iterator[str]:
    yield _block(
        "What is lost",
        "By how much R2 falls if a family is not there when fitting, or is permuted among the "
        "held-out clips of its domain. To the left of zero it does better without.",
        charts.ablations(document, experiment),
        _key(["without it", "permuted"]),
    )
    yield _block(
        "What each family says by itself",
        "The upright line is everything together.",
        charts.lone_families(document, experiment),
    )


def _forests(tests: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for first, second in dict.fromkeys((t["first"], t["second"]) for t in tests):
        own = [t for t in tests if (t["first"], t["second"]) == (first, second)]
        yield f"{first} against {second}", charts.forest(own)


def _block(
    title: str,
    said: str,
    panels: Iterable[tuple[str, str]],
    key: str = "",
) -> str:
    figures = "".join(
        f"<figure>{f'<figcaption>{escape(name)}</figcaption>' if name else ''}{plot}</figure>"
        for name, plot in panels
    )
    return (
        f'<h3>{escape(title)}</h3><p class="soft">{escape(said)}</p>{key}'
        f'<div class="panels">{figures}</div>'
    )


def _key(names: Sequence[str]) -> str:
    items = "".join(
        f'<li><i class="c{place % 8}"></i>{escape(name)}</li>' for place, name in enumerate(names)
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
    return _table("The tests", heads, rows)


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
        "fitted on", "asked of", "", "clips", "R2", "95 % interval", "RMSE", "MAE", "CCC",
        "Spearman", "coverage", "width",
    )  # fmt: skip
    return _table("The figures", heads, rows)


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
    said = {
        "command": document["command"],
        "made at": document["made_at"],
        "seed": document["seed"],
        "bundle": f"{document['bundle']}, heard as {document['hearing']}",
        "regression": f"{document['regression']['name']} {document['regression']['settings']}",
        "corpora": corpora,
        "left aside": "; ".join(document["problems"]) or "nothing",
        "splits": document["protocol"],
        "test": document["test"],
        "versions": f"Python {document['python']}, {versions}",
    }
    rows = "".join(f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>" for k, v in said.items())
    return f'<section id="made"><h2>how it was made</h2><dl>{rows}</dl></section>'


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}".replace("-", "\N{MINUS SIGN}")
