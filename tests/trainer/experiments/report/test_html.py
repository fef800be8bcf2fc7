from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.trainer.experiments.made import document, experiment, spoken
from trainer.experiments.plans import EXPERIMENTS
from trainer.experiments.report.html import page_of
from trainer.experiments.report.svg import Plot, ticks_for
from trainer.experiments.splits import SplitProtocol

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM = shutil.which("chromium")
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
    return document(table, outcomes, command=f"valenced evaluate --output '{HOSTILE}\udcff'")


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
    assert ids == {*EXPERIMENTS, "made"}
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


def test_points_outside_a_plot_are_arrows_at_its_edge() -> None:
    plot = Plot((0, 1), (0, 1), ("a", "b"), "one")
    plot.point((0.5, 0.5), "dot", "inside")
    plot.point((0.5, -3.0), "dot", "below")
    plot.point((7.0, 0.5), "dot", "right")
    drawn = plot.drawn()
    assert drawn.count("<circle") == 1
    assert drawn.count("<path") == 2


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


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
def test_a_browser_shows_it_and_runs_no_script(said: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(page_of(said).encode(errors="xmlcharrefreplace"))

    def browse(*asked: str) -> bytes:
        line = [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", *asked, page.as_uri(),
        ]  # fmt: skip
        return subprocess.run(line, capture_output=True, check=True, timeout=120).stdout

    shown = browse("--dump-dom").decode()
    assert "<title>Music and sounds, single-domain" in shown
    assert "<script" not in shown
    assert "<img" not in shown
    assert shown.count("<svg") == page.read_text().count("<svg")
    picture = tmp_path / "picture.png"
    browse("--window-size=1200,2000", f"--screenshot={picture}")
    assert picture.stat().st_size > 20_000
