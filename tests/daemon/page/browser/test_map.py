"""The map: painted, heard, corrected, and exported from."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.daemon.page.browser.library import PLACES, PLAYED, Site

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.xdist_group("browser")

HALF = 1.1
"""Units of the plane in half of the shorter side, before any zoom."""


MANY, RINGED = 100_000, 300


def packed(count: int, annotated: int) -> bytes:
    """Return points in the form of the interface, of which the first have been annotated."""
    rng = np.random.default_rng(1)
    columns = (
        np.arange(1, count + 1, dtype="<u4"),
        *(rng.integers(-30_000, 30_000, count).astype("<i2") for _ in range(2)),
        *(np.zeros(count, kind) for kind in ("u1", "u1", "<u2", "u1")),
        (np.arange(count) < annotated).astype("u1"),
    )
    content = (each.tobytes() for each in columns)
    return (
        b"VLP1"
        + struct.pack("<I", count)
        + b"".join(each + bytes(-len(each) % 8) for each in content)
    )


def opened(page: Page, address: str = "/") -> Locator:
    """Open the map, and return the plane once every sound is painted."""
    page.goto(address)
    page.locator(f'canvas[data-painted="{len(PLACES)}"]').wait_for()
    return page.locator(".plane")


def spot(plane: Locator, arousal: float, valence: float) -> tuple[float, float]:
    """Return where a place of the plane is on the screen."""
    box = plane.bounding_box()
    assert box is not None
    scale = min(box["width"], box["height"]) / 2 / HALF
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    return x + arousal * scale, y - valence * scale


def drag(page: Page, *spots: tuple[float, float]) -> None:
    page.mouse.move(*spots[0])
    page.mouse.down()
    for each in spots[1:]:
        page.mouse.move(*each, steps=4)
    page.mouse.up()


def choose(page: Page, plane: Locator, name: str) -> None:
    page.mouse.click(*spot(plane, *PLACES[name]))
    page.locator(".card h2", has_text=Path(name).name).wait_for()


def annotated(site: Site, name: str) -> list[tuple[float, float]]:
    document = site.valenced.read("show", site.music / name)
    return [(one["arousal"], one["valence"]) for one in document["annotations"]]


def test_a_click_plays_the_sound_with_its_course_and_the_position_can_be_chosen(page: Page) -> None:
    plane = opened(page)
    choose(page, plane, "city/crowd.wav")
    page.locator(".clock", has_text=PLAYED).wait_for()
    assert page.locator(".course path.is-arousal").get_attribute("d")
    position = page.get_by_label("Position")
    position.fill("2.5")
    page.locator(".clock", has_text=re.compile("0:0[34] / 0:04")).wait_for()
    page.get_by_role("button", name="Play", exact=True).wait_for()  # it has ended


def test_a_format_that_the_browser_lacks_is_played(page: Page) -> None:
    plane = opened(page)
    choose(page, plane, "city/old engine.aiff")
    page.locator(".clock", has_text=PLAYED).wait_for()


def test_pointing_shows_the_name_as_text_and_the_interval_as_a_cross(page: Page) -> None:
    plane = opened(page)
    page.mouse.move(*spot(plane, *PLACES["morning/slow <b>bell.wav"]))
    page.locator(".tip strong", has_text="slow <b>bell.wav").wait_for()
    assert page.locator(".tip b, .rows b").count() == 0
    assert page.locator(".cross.is-hovered path").count() == 2


def test_a_dragged_sound_is_annotated_until_that_is_undone(page: Page, site: Site) -> None:
    name = "city/alarm.wav"
    plane = opened(page)
    choose(page, plane, name)
    drag(page, spot(plane, *PLACES[name]), spot(plane, 0.2, 0.4))
    page.locator(".annotations li").wait_for()
    ((arousal, valence),) = annotated(site, name)
    assert (arousal, valence) == pytest.approx((0.2, 0.4), abs=0.02)
    plane = opened(page)
    page.mouse.click(*spot(plane, arousal, valence))
    page.locator(".card h2", has_text="alarm.wav").wait_for()
    assert page.locator(".rings circle").count() == 1
    page.locator(".correction").get_by_role("button", name="Undo").click()
    page.locator(".annotations").wait_for(state="detached")
    assert annotated(site, name) == []
    choose(page, opened(page), name)


def test_sliders_and_a_click_place_a_sound_too(page: Page, site: Site) -> None:
    name = "night/wind.wav"
    plane = opened(page)
    choose(page, plane, name)
    page.get_by_label("Arousal", exact=True).fill("-0.7")
    page.get_by_role("button", name="Save place").click()
    page.locator(".annotations li").wait_for()
    ((arousal, valence),) = annotated(site, name)
    assert (arousal, valence) == pytest.approx((-0.7, -0.3), abs=0.01)
    page.get_by_role("button", name="Place by a click").click()
    page.mouse.click(*spot(plane, 0.0, 0.1))
    page.locator(".annotations li", has_text=re.compile(r"0\.0\d · \+0\.1")).wait_for()
    page.locator(".message").get_by_role("button", name="Undo").click()
    page.locator(".annotations").wait_for(state="detached")
    assert annotated(site, name) == []


def test_a_lasso_exports_what_it_encloses(page: Page, site: Site) -> None:
    plane = opened(page)
    page.get_by_role("button", name="Lasso", exact=True).click()
    corners = [(-0.9, 0.1), (-0.9, 0.95), (-0.1, 0.95), (-0.1, 0.1)]
    drag(page, *(spot(plane, *corner) for corner in corners))
    page.get_by_role("heading", name="3 sounds in the lasso").wait_for()
    page.locator(".rows li >> nth=2").wait_for()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save playlist").click()
    lines = saved.value.path().read_text(encoding="utf-8").splitlines()
    assert {line for line in lines if not line.startswith("#")} == {
        str(site.music / name) for name in PLACES if name.startswith("morning/")
    }
    page.get_by_role("button", name="Use its box as a filter").click()
    page.get_by_role("heading", name="3 sounds", exact=True).wait_for()


def test_filters_find_what_their_command_finds(page: Page, site: Site) -> None:
    opened(page)
    page.get_by_label("Text in the path").fill("night wind")
    page.locator('input[name="mood"][value="sad"]').check()
    page.get_by_role("heading", name="1 sound", exact=True).wait_for()
    page.get_by_role("button", name="Command").click()
    command = page.locator("dialog textarea").input_value().split()
    assert command[:3] == ["valenced", "query", "sad"]
    found = site.valenced.read(*command[1:])
    assert [row["path"] for row in found] == [str(site.music / "night/wind.wav")]
    page.keyboard.press("Escape")
    page.reload()
    page.get_by_role("heading", name="1 sound", exact=True).wait_for()


def test_marks_do_not_outweigh_what_many_sounds_look_like(page: Page) -> None:
    opened(page)
    few = page.locator(".rings").get_attribute("stroke-opacity")
    page.route("**/api/v1/points", lambda route: route.fulfill(body=packed(MANY, RINGED)))
    page.reload()
    page.locator(f'canvas[data-painted="{MANY}"]').wait_for()
    page.locator(f".rings circle >> nth={RINGED - 1}").wait_for()
    page.locator('.rings[stroke-opacity="0.45"]').wait_for()
    assert few == "1"
    assert float(page.locator(".rings circle >> nth=0").get_attribute("r") or 9) < 4


def test_the_map_is_used_by_keyboard_alone(page: Page) -> None:
    plane = opened(page)
    plane.focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowUp")
    page.locator(".tip strong", has_text="crowd.wav").wait_for()
    page.keyboard.press("Enter")
    page.locator(".card h2", has_text="crowd.wav").wait_for()
    page.locator(".rows button >> nth=3").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator('.rows li:nth-child(5) button[aria-pressed="true"]').wait_for()
