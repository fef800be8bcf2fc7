"""The page in a real browser, at the real server."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.daemon.page.browser.library import Site, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=user-gesture-required",
)
PATIENCE_MS = 30_000


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine; on Debian: apt install chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where it is needed

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield running
        running.close()


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Site]:
    del browser  # where there is none, no page is needed
    with served(tmp_path_factory.mktemp("page")) as running:
        yield running


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """A new window at the page; nothing in it may ask another host, or break the page's policy."""
    with browser.new_context(
        viewport={"width": 1360, "height": 860}, base_url=site.url, reduced_motion="reduce"
    ) as context:
        context.set_default_timeout(PATIENCE_MS)
        # The cookie that it gives lets in all windows.
        assert context.request.get(site.opened).ok
        window = context.new_page()
        asked, said = [], []
        window.on("request", lambda request: asked.append(request.url))
        window.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        window.on("pageerror", lambda error: said.append(f"error: {error}"))
        yield window
        foreign = [url for url in asked if not url.startswith((site.url, "blob:"))]
        assert foreign == []
        assert [line for line in said if line.startswith("error")] == []
