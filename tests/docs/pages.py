"""The Markdown pages of the repository, and what stands in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
REFERENCE = ROOT / "docs" / "reference.md"
PAGES = (
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "systemd" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
)
"""Every page that describes the program as it is; the changelog describes what it was."""


class Page(NamedTuple):
    """A page, with its code apart from its prose."""

    path: Path
    text: str

    @property
    def blocks(self) -> list[str]:
        """Its code blocks, fenced or indented by four spaces."""
        fenced = re.findall(r"^```\w*\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)
        indented = re.findall(r"(?:^\n|^)((?:^ {4}.*\n)+)", self._unfenced, re.MULTILINE)
        return [*fenced, *indented]

    @property
    def spans(self) -> list[str]:
        """Its code spans."""
        return re.findall(r"`([^`\n]+)`", self._unfenced)

    @property
    def links(self) -> list[str]:
        """The targets of its links and pictures."""
        return re.findall(r"\]\(([^)\s]+)\)", self._unfenced)

    @property
    def anchors(self) -> set[str]:
        """What a link can lead to, as GitHub and the built pages name it."""
        titles = re.findall(r"^#+ (.+)$", self._unfenced, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}

    @property
    def _unfenced(self) -> str:
        return re.sub(r"^```.*?^```$", "", self.text, flags=re.MULTILINE | re.DOTALL)


def page_at(path: Path) -> Page:
    """Read a page."""
    return Page(path, path.read_text(encoding="utf-8"))


def between(text: str, begin: str, end: str, new: str) -> str:
    """Return a text with other lines between two markers."""
    before, found, rest = text.partition(f"{begin}\n")
    _, closed, after = rest.partition(end)
    assert found, f"{begin} is missing"
    assert closed, f"{end} is missing"
    return f"{before}{begin}\n{new}{end}{after}"
