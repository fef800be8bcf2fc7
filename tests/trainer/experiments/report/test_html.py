from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from tests.trainer.experiments.made import document, experiment, spoken
from trainer.experiments.grouping import Grouping
from trainer.experiments.plans import EXPERIMENTS
from trainer.experiments.report.figure_blocks import blocks_of
from trainer.experiments.report.html import page_of
from trainer.experiments.report.report_files import files_of
from trainer.experiments.report.report_tables import Column, ReportTable
from trainer.experiments.report.svg import Plot, ticks_for
from trainer.experiments.splits import SplitProtocol

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM = shutil.which("chromium")
# Each process that runs these tests would make the document again.
pytestmark = pytest.mark.xdist_group("report page")

HOSTILE = "</title></svg><script>document.title='owned'</script><img src=x onerror=alert(1)>&\"'"
EMPTY = {"meta", "rect", "circle", "path", "polyline", "polygon", "br"}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the document of every experiment, on clips and corpora with hostile names."""
    table = spoken(120, 60)
    table = replace(
        table,
        corpus=np.where(table.domain == "music", HOSTILE, "noises"),
        path=np.array([f"{i}{HOSTILE}" for i in range(len(table))]),
    )
    folder = tmp_path_factory.mktemp("cells")
    outcomes = [
        experiment(name, table, folder, "elasticnet", SplitProtocol(2, 1, 1))
        for name in EXPERIMENTS
    ]
    # A manifest may call its column and groups anything.
    values = np.where(table.domain == "music", f"1{HOSTILE}", "2")
    grouping = Grouping(f"3{HOSTILE}", values, (f"1{HOSTILE}", "2"))
    protocol = SplitProtocol(2, 1, 1)
    outcomes.append(experiment("cross-cultural", table, folder, "elasticnet", protocol, grouping))
    command = f"valenced evaluate --output '{HOSTILE}\udcff'"
    return document(table, outcomes, command, grouping)


def browse(page: Path, *asked: str) -> bytes:
    """Open a page in a browser; return what it writes."""
    line = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", f"--user-data-dir={page.parent / 'profile'}", *asked, page.as_uri(),
    ]  # fmt: skip
    return subprocess.run(line, capture_output=True, check=True, timeout=120).stdout


class Reader(HTMLParser):
    """Reads a page strictly: every element that is opened is closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY:
            assert self.open.pop() == tag


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_the_page_shows_every_experiment_and_the_method(said: dict[str, Any]) -> None:
    page = page_of(said)
    reader = read(page)
    ids = {value for name, value in reader.attributes if name == "id"}
    assert ids == {*EXPERIMENTS, "cross-cultural", "made"}
    assert reader.tags.count("svg") > 30
    for told in ("seed", said["test"], said["protocol"], said["bundle"], said["versions"]["numpy"]):
        assert told in page


def test_names_are_escaped(said: dict[str, Any]) -> None:
    reader = read(page_of(said))
    assert {"script", "img", "link", "iframe", "object", "a"} & set(reader.tags) == {"a"}
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    assert "&lt;script&gt;" in page_of(said)


def test_the_page_is_self_contained(said: dict[str, Any]) -> None:
    page = page_of(said)
    reader = read(page)
    links = [v for name, v in reader.attributes if name in {"href", "src"}]
    assert links
    assert all(link is not None and link.startswith("#") for link in links)
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_light_and_dark_define_the_same_colours(said: dict[str, Any]) -> None:
    light, dark = re.findall(r":root \{(.*?)\}", page_of(said), flags=re.DOTALL)
    names = [set(re.findall(r"--[a-z0-9]+(?=:)", each)) for each in (light, dark)]
    assert names[0] == names[1]
    used = set(re.findall(r"var\((--[a-z0-9]+)\)", page_of(said)))
    assert used == names[0]


@pytest.fixture
def plot() -> Plot:
    return Plot((0, 1), (0, 1), ("a", "b"), "one")


def test_points_outside_a_plot_are_arrows_at_its_edge(plot: Plot) -> None:
    plot.point((0.5, 0.5), "dot", "inside")
    for at in ((0.5, -3.0), (0.5, 3.0), (7.0, 0.5), (-7.0, 0.5)):
        plot.point(at, "dot", "outside")
    drawn = plot.drawn()
    assert drawn.count("<circle") == 1
    assert drawn.count("<path") == 4


@pytest.mark.parametrize(
    ("low", "high", "cut"),
    [(0.0, 1.0, 0), (0.2, 0.4, 0), (-0.5, 0.5, 1), (0.5, 1.5, 1), (-9.0, 9.0, 2)],
)
def test_bars_and_whiskers_that_do_not_fit_are_marked(
    plot: Plot, low: float, high: float, cut: int
) -> None:
    plot.whisker((low, 0.5), (high, 0.5), "c0")
    assert plot.drawn().count("<path") == cut
    plot.whisker((0.5, low), (0.5, high), "c0")
    assert plot.drawn().count("<path") == 2 * cut
    plot.bar((low, high), 0.5, "bar c0", "a bar")
    assert plot.drawn().count("<path") == 3 * cut


def test_a_curve_is_cut_where_it_leaves_the_plot(plot: Plot) -> None:
    before = plot.drawn().count("<polyline")
    plot.curve([(0.0, 0.5), (0.5, -0.5), (0.6, -2.0), (1.0, 0.5)], "curve c0")
    drawn = plot.drawn()
    assert drawn.count("<polyline") == before + 2
    assert f"{plot.x(0.25):.1f},{plot.y(0.0):.1f}" in drawn


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((-1.0, 1.0), [-1.0, -0.5, 0.0, 0.5, 1.0]),
        ((0.0, 0.07), [0.0, 0.02, 0.04, 0.06]),
        ((-0.31, 0.62), [-0.2, 0.0, 0.2, 0.4, 0.6]),
    ],
)
def test_ticks_are_round(span: tuple[float, float], expected: list[float]) -> None:
    assert ticks_for(*span) == pytest.approx(expected)


def test_every_panel_says_n_and_r2_and_every_legend_what_is_drawn(said: dict[str, Any]) -> None:
    for one in said["experiments"]:
        for block in blocks_of(said, one):
            assert block.key, block.title
            drawn = [plot.drawn() for _, plot in block.panels]
            for entry in block.key:
                assert any(f'class="{entry.kind}' in each for each in drawn) or entry.kind in {
                    "mark better", "mark worse", "mark nothing", "rule",
                }, (block.title, entry)  # fmt: skip
            for each in drawn:
                assert re.search(r"\bn(?: =)? \d+", each), block.title
                assert "R2" in each or block.name.startswith(("tests", "coverage"))


def test_the_ablation_has_error_bars(said: dict[str, Any]) -> None:
    (ablation,) = [each for each in said["experiments"] if each["name"] == "ablation"]
    for fall in ablation["falls"]:
        assert fall["low"] <= fall["fall"] <= fall["high"]
    blocks = {block.name: block for block in blocks_of(said, ablation)}
    for name, bars in (("losses", 6), ("alone", 3)):
        for _, plot in blocks[name].panels:
            assert plot.drawn().count('class="whisker ink"') == bars


def test_each_figure_is_a_file_that_stands_alone(said: dict[str, Any]) -> None:
    files = dict(files_of(said))
    figures = [name for name in files if name.endswith(".svg")]
    panels = [
        plot
        for one in said["experiments"]
        for block in blocks_of(said, one)
        for _, plot in block.panels
    ]
    assert len(figures) == len(panels)
    for name in figures:
        assert re.fullmatch(r"figures/[a-z0-9.-]+\.svg", name)
        root = ET.fromstring(files[name].decode())
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert float(root.attrib["width"]) > 100
        text = files[name].decode()
        assert not re.search(r"var\(|@import|url\(|<script", text)
    shown = files["figures/single-domain-predictions-arousal-of-sound.svg"].decode()
    # Of two corpora, one has sounds.
    assert ">noises</text>" in shown
    assert "onerror" not in re.sub(r"<title>.*?</title>", "", shown)


def test_each_table_is_a_file_for_programs_and_for_papers(said: dict[str, Any]) -> None:
    files = {name: content.decode() for name, content in files_of(said)}
    for one in said["experiments"]:
        name = one["name"]
        rows = list(csv.DictReader(io.StringIO(files[f"tables/{name}-scores.csv"])))
        assert len(rows) == len(one["figures"])
        for row, figure in zip(rows, one["figures"], strict=True):
            assert row["tested on"] == figure["part"]
            assert float(row["R2"]) == figure["r2"]
        paper = files[f"tables/{name}-scores.tex"]
        assert paper.count(r" \\") == len(rows) + 1
        assert paper.count("&") == (len(rows) + 1) * 14 + paper.count(r"\&")
    told = files["tables/corpora.tex"]
    assert r"\&\textquotedbl" in told or r"\&" in told
    assert not re.search(r"(?<!\\)[#_]", told.replace("% \\usepackage{booktabs,longtable}", ""))


def test_a_table_escapes_what_latex_and_csv_would_read() -> None:
    table = ReportTable("t", "T", [Column("a"), Column("b", ".2f")], [["x_%&\\{}~^$#\n\x1b", -1.5]])
    row = table.as_latex().splitlines()[-2]
    assert row == (
        r"x\_\%\&\textbackslash{}\{\}\textasciitilde{}\textasciicircum{}\$\#?? & $-$1.50 \\"
    )
    assert list(csv.reader(io.StringIO(table.as_csv()))) == [
        ["a", "b"], ["x_%&\\{}~^$#\n\x1b", "-1.5"],
    ]  # fmt: skip


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
def test_it_prints_without_empty_pages(said: dict[str, Any], tmp_path: Path) -> None:
    page, printed = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_bytes(page_of(said).encode(errors="xmlcharrefreplace"))
    browse(page, "--no-pdf-header-footer", f"--print-to-pdf={printed}")
    content = printed.read_bytes()
    objects = dict(re.findall(rb"\n(\d+) 0 obj\n(.*?)\nendobj", content, flags=re.DOTALL))
    pages = [each for each in objects.values() if re.search(rb"/Type /Page\b", each)]
    assert len(pages) > 10
    for each in pages:
        (number,) = re.findall(rb"/Contents (\d+) 0 R", each)
        stream = objects[number].partition(b"stream\n")[2].rpartition(b"\nendstream")[0]
        drawn = zlib.decompress(stream)
        # Glyphs and strokes; a page that holds little more than a heading has a few dozen.
        assert drawn.count(b"\n") > 150


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
def test_a_browser_shows_it_and_runs_no_script(said: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(page_of(said).encode(errors="xmlcharrefreplace"))

    shown = browse(page, "--dump-dom").decode()
    assert "<title>Music and sounds, single-domain" in shown
    assert "<script" not in shown
    assert "<img" not in shown
    assert shown.count("<svg") == page.read_text().count("<svg")
    picture = tmp_path / "picture.png"
    browse(page, "--window-size=1200,2000", f"--screenshot={picture}")
    assert picture.stat().st_size > 20_000
