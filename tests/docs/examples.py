"""The answers that README and its picture show: real commands on the eleven recordings."""

from __future__ import annotations

import html
import io
import re
import shlex
import shutil
from typing import TYPE_CHECKING

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from tests.docs.pages import ROOT, between
from tests.driving import Valenced
from tests.shared_data import INBOX

if TYPE_CHECKING:
    from pathlib import Path

BEGIN, END = "<!-- examples: written by make examples -->", "<!-- end of examples -->"
PICTURE = ROOT / "docs" / "picture.svg"
PICTURED = (
    "valenced query calm",
    "valenced query energetic",
    "valenced query --near 0.1,-0.2 --limit 4",
)
SHOWN_AS = "/music"
"""The folder of the recordings, as the examples call it."""

_NUMBER = re.compile(r"[-+]?\d+\.\d+(?![\d.]*T)")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
_TOLERANCE = 0.0151


class Examples:
    """The eleven recordings, analysed in a catalogue of their own.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self._music = folder / "music"
        self._music.mkdir()
        for file in INBOX.glob("*.ogg"):
            shutil.copy(file, self._music)
        self._valenced = Valenced(folder / "state")
        self._valenced("scan", "--no-tags", self._music)

    def answer(self, command: str) -> str:
        """Run a command line of the examples, and return what it prints."""
        program, *arguments = shlex.split(command.replace(SHOWN_AS, str(self._music)))
        if program == "sqlite3":
            rows = self._valenced.select(arguments[1])
            text = "\n".join("|".join(map(_cell, row)) for row in rows)
        else:
            assert program == "valenced"
            text = self._valenced(*arguments).decode()
        lines = text.replace(str(self._music), SHOWN_AS).splitlines()
        return "\n".join(line.rstrip() for line in lines)

    def transcript(self, commands: list[str]) -> str:
        """Return commands and answers as a terminal shows them."""
        return "\n\n".join(f"$ {command}\n{self.answer(command)}" for command in commands)

    def picture(self) -> str:
        """Return a terminal with the pictured commands and their answers, as SVG."""
        answers = [self.answer(command) for command in PICTURED]
        width = max(len(line) for answer in answers for line in answer.splitlines())
        console = Console(record=True, file=io.StringIO(), width=width, highlight=False)
        for command, answer in zip(PICTURED, answers, strict=True):
            heading, _, rows = answer.partition("\n")
            console.print(Text("$ ", "bold green"), Text(command, "bold"), sep="")
            console.print(Text(heading, "bold"))
            console.print(Text(rows), end="\n" if command == PICTURED[-1] else "\n\n")
        return console.export_svg(title="valenced", unique_id="valenced", code_format=_svg_format())


def commands_in(transcript: str) -> list[str]:
    """Return the commands of a transcript."""
    return re.findall(r"^\$ (.+)$", transcript, re.MULTILINE)


def transcript_in(page: str) -> str:
    """Return the transcript that stands between the markers of a page."""
    block = page.partition(BEGIN)[2].partition(END)[0]
    return block.partition("```console\n")[2].partition("\n```")[0]


def updated(page: str, examples: Examples) -> str:
    """Return a page with the answers of its commands as the program gives them."""
    shown = transcript_in(page)
    transcript = examples.transcript(commands_in(shown))
    if _TIME.sub("", transcript) == _TIME.sub("", shown):
        return page
    return between(page, BEGIN, END, f"```console\n{transcript}\n```\n")


def words_of(picture: str) -> str:
    """Return the text of a picture, line by line."""
    cells = re.findall(r'<text [^>]*y="([\d.]+)"[^>]*>(.*?)</text>', picture, re.DOTALL)
    lines = dict[str, str]()
    for height, cell in cells:
        text = html.unescape(re.sub(r"<[^>]+>", "", cell)).replace("\xa0", " ")
        lines[height] = f"{lines.get(height, '')} {text}"
    return "\n".join(" ".join(line.split()) for line in lines.values())


def is_same(shown: str, real: str) -> bool:
    """Compare texts but for the times in them; numbers may differ by rounding elsewhere.

    Predictions agree to about 1e-4 between machines, so the last digit shown may differ by one.
    """
    skeletons = [_NUMBER.sub("N", _TIME.sub("TIME", text)).split() for text in (shown, real)]
    if skeletons[0] != skeletons[1]:
        return False
    pairs = zip(*(_NUMBER.findall(_TIME.sub("", text)) for text in (shown, real)), strict=True)
    return all(abs(float(left) - float(right)) < _TOLERANCE for left, right in pairs)


def _cell(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _svg_format() -> str:
    """Return rich's picture of a terminal without the fonts that a reader would fetch."""
    local = re.sub(
        r"@font-face \{\{.*?\}\}\s*|<!--.*?-->\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL
    )
    return local.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
