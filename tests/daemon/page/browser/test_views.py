"""The other views, and what holds for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe

from storage.database.catalogue_file import only_writer
from tests.daemon.page.browser.library import PLACES, PLAYED, Site

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.xdist_group("browser")

READY = {
    "map": ".rows li >> nth=0",
    "review": ".asked h2",
    "learning": "#bundle-heading",
    "status": ".figures",
}
"""What each view shows once it has its data."""


CUT_OFF = """[...document.querySelectorAll("h1, h2, h3, p:not(.for-readers), .caption, button, a")]
    .filter((each) => each.getBoundingClientRect().right > innerWidth && !each.closest("table"))
    .map((each) => each.outerHTML)"""
"""What a narrow screen does not show, apart from tables, which are moved sideways."""

RUN_TOGETHER = """[...document.querySelectorAll("svg text")].flatMap((one, at, all) => {
    const here = one.getBoundingClientRect();
    return all.slice(at + 1).filter((other) => {
        const there = other.getBoundingClientRect();
        return here.left < there.right && there.left < here.right
            && here.top < there.bottom && there.top < here.bottom;
    }).map((other) => `${one.textContent} ${other.textContent}`);
})"""
"""Numbers that are written over each other."""


@pytest.mark.parametrize("view", READY)
def test_axe_finds_no_serious_fault_and_no_screen_is_too_narrow(page: Page, view: str) -> None:
    page.goto(f"/#{view}")
    page.locator(READY[view]).wait_for()
    if view == "map":
        page.locator(".row >> nth=0").click()
        page.locator(".card h2").wait_for()
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        found: list[dict[str, Any]] = Axe().run(page).response["violations"]
        serious = [
            (each["id"], [node["html"] for node in each["nodes"]])
            for each in found
            if each["impact"] in {"serious", "critical"}
        ]
        assert serious == [], scheme
    page.set_viewport_size({"width": 360, "height": 740})
    # What is painted again for the new size is painted at the next frame.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate(RUN_TOGETHER) == []


def test_review_goes_by_keyboard_alone(page: Page, site: Site) -> None:
    page.goto("/")
    # Browsers let a page play by itself only once somebody has pressed a key in it.
    page.get_by_role("link", name="Review").press("Enter")
    name = page.locator(".asked h2")
    name.wait_for()
    first = name.inner_text()
    page.locator(".clock", has_text=PLAYED).wait_for()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Play", exact=True).wait_for()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Pause", exact=True).wait_for()
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_text("1 placed").wait_for()
    page.locator(".asked h2").filter(has_not_text=first).wait_for()
    (path,) = (site.music / each for each in PLACES if each.endswith(f"/{first}"))
    (given,) = site.valenced.read("show", path)["annotations"]
    assert (given["arousal"], given["valence"]) == (0.4, -0.05)
    page.keyboard.press("u")
    page.get_by_text("0 placed").wait_for()
    assert name.inner_text() == first
    assert page.locator(".course path.is-arousal").get_attribute("d") == ""
    assert site.valenced.read("show", path)["annotations"] == []
    page.keyboard.press("s")
    page.locator(".asked h2").filter(has_not_text=first).wait_for()


def test_publishing_asks_first(page: Page) -> None:
    page.goto("/#learning")
    page.locator("#bundle-heading", has_text="starter").wait_for()
    # No service has used it yet, as the status says, too.
    assert page.get_by_text("from the first start", exact=True).count() == 1
    assert page.get_by_text("in service", exact=True).count() == 0
    assert page.get_by_role("button", name="Roll back").is_disabled()


def test_the_status_is_live(page: Page, site: Site) -> None:
    page.goto("/#status")
    page.get_by_text("Live.").wait_for()
    page.get_by_text("No service is running").wait_for()
    page.locator(".state", has_text="no service").wait_for()
    assert page.get_by_text("All promises are kept.").count() == 0
    # What is kept is only told of a service, of which its lock is the sign.
    with only_writer(f"sqlite:///{site.valenced.catalogue}"):
        page.get_by_text("All promises are kept.").wait_for()
        page.locator(".state", has_text="all well").wait_for()
        assert page.get_by_text("No service is running").count() == 0
    page.locator(".figures div", has_text="Bundle").get_by_text("none used so far").wait_for()
    annotated = page.locator(".figures div", has_text="Annotations")
    annotated.get_by_text("0", exact=True).wait_for()
    path = site.music / "city/crowd.wav"
    site.valenced("annotate", path, "--arousal", "0.1", "--valence", "0.1")
    annotated.get_by_text("1", exact=True).wait_for()
    site.valenced("annotate", path, "--withdraw")
    annotated.get_by_text("0", exact=True).wait_for()
