"""Measures the map in a real browser, which draws without a graphics card.

    python -m bench.page.map_speed DIR [DIR...]

Each DIR holds a `catalogue.db`, such as `python -m bench.search.made_catalogue DIR --sounds 100000`
makes. Its page is served as by `valenced page`, and opened in Chromium. Printed are the seconds
from the address to the painted map, and how often it was painted or moved in each second while the
plane was dragged, with the longest pause between two of these.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from playwright.sync_api import Page, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND: Final = Path(sys.executable).with_name("valenced")
OPTIONS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
SIZE: Final = {"width": 1360, "height": 860}
DRAG_S: Final = 5.0
TIMES: Final = 3
PATIENCE_MS: Final = 120_000
WATCH: Final = """
const paint = CanvasRenderingContext2D.prototype.putImageData;
window.painted = [];
CanvasRenderingContext2D.prototype.putImageData = function (...values) {
  window.painted.push(performance.now());
  return paint.apply(this, values);
};
new MutationObserver((changes) => {
  // A picture that is moved is not painted anew.
  const isMoved = changes.some((each) => each.target.matches("canvas[data-painted]"));
  if (isMoved) window.painted.push(performance.now());
}).observe(document, { subtree: true, attributeFilter: ["style"] });
"""


@contextmanager
def served(state: Path) -> Iterator[str]:
    """Serve the page of a catalogue, and yield its address."""
    environment = os.environ | {"STATE_DIRECTORY": str(state)}
    line = [str(COMMAND), "page", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip()
    finally:
        process.terminate()
        process.communicate()


def measure(page: Page, url: str) -> dict[str, float]:
    """Open the page, drag the plane for some seconds, and return what was seen."""
    page.goto(url.partition("?")[0], wait_until="commit")
    page.locator("canvas[data-painted]").wait_for()
    painted_ms: float = page.evaluate("window.painted[0]")
    count = int(page.locator("canvas[data-painted]").get_attribute("data-painted") or 0)
    box = page.locator(".plane").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate("window.painted = []")
    began_s = time.monotonic()
    while (passed_s := time.monotonic() - began_s) < DRAG_S:
        page.mouse.move(x + 150 * math.sin(4 * passed_s), y + 100 * math.sin(3 * passed_s))
    page.mouse.up()
    times: list[float] = page.evaluate("window.painted")
    pauses = [after - before for before, after in pairwise(times)]
    return {
        "points": count,
        "paint_s": painted_ms / 1000,
        "frames_per_s": len(times) / DRAG_S,
        "longest_pause_ms": max(pauses, default=math.inf),
    }


def main() -> None:
    """Prints a line for each measurement."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    folders = parser.parse_args().folders
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium on this machine; on Debian: apt install chromium")
    with sync_playwright() as playwright:
        for folder in folders:
            with served(folder) as url:
                for _ in range(TIMES):
                    browser = playwright.chromium.launch(
                        executable_path=chromium, args=list(OPTIONS)
                    )
                    window = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
                    window.set_default_timeout(PATIENCE_MS)
                    window.request.get(url)  # gives the cookie
                    window.add_init_script(WATCH)
                    print(_line(measure(window, url)))
                    browser.close()


def _line(found: dict[str, Any]) -> str:
    return "  ".join(f"{name} {value:.5g}" for name, value in found.items())


if __name__ == "__main__":
    main()
