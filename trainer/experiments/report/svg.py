"""Plots as SVG: axes, points, lines, bars. The page's style sheet sets the colours.

All text is escaped here. What does not fit into a plot ends in an arrow at its edge.
"""

from __future__ import annotations

import math
import re
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Point = tuple[float, float]

_LEFT: Final = 44
_RIGHT: Final = 20
_TOP: Final = 10
_BOTTOM: Final = 36
_TICKS: Final = 5
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ARROWS: Final = {"left": "l7,-4v8", "right": "l-7,-4v8", "down": "l-4,-7h8", "up": "l-4,7h8"}
_LETTER: Final = 5.6
"""Mean width of a letter in pixels."""


class KeyEntry(NamedTuple):
    """An entry of a legend: what is drawn, the classes that it has in the plot, and its meaning."""

    shape: Literal["dot", "line", "area"]
    kind: str
    text: str

    def mark(self) -> str:
        """Return a sample of it, 18 pixels wide and 10 high."""
        if self.shape == "dot":
            return f'<circle class="{self.kind}" cx="9" cy="5" r="4"/>'
        if self.shape == "line":
            return f'<polyline class="{self.kind}" points="0,5 18,5"/>'
        return f'<rect class="{self.kind}" x="0" y="1" width="18" height="8"/>'


def xml_text(text: str) -> str:
    """Escape text; what no XML document may contain is replaced."""
    return escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))


class Plot:
    """One plot with two axes.

    Args:
        across: range of the horizontal axis.
        up: range of the vertical axis.
        labels: of the two axes.
        name: of the plot, for screen readers.
        size: width and height in pixels of the page.
        left: width of the labels on the left.
        ticks: values with a grid line, for each axis; automatic if None.
        percent: whether the horizontal axis shows shares in percent.
    """

    def __init__(
        self,
        across: Point,
        up: Point,
        labels: tuple[str, str],
        name: str,
        *,
        size: tuple[int, int] = (440, 310),
        left: int = _LEFT,
        ticks: tuple[Sequence[float] | None, Sequence[float] | None] = (None, None),
        percent: bool = False,
    ) -> None:
        self._across, self._up = across, up
        self._percent = percent
        self._size, self._left = size, left
        self._name = name
        self._parts: list[str] = []
        self._grid(labels, ticks)

    def x(self, value: float) -> float:
        """Return the horizontal position of a value, clipped to the plot."""
        return self._left + _share(value, self._across) * (self._size[0] - self._left - _RIGHT)

    def y(self, value: float) -> float:
        """Return the vertical position of a value, clipped to the plot."""
        height = self._size[1] - _TOP - _BOTTOM
        return self._size[1] - _BOTTOM - _share(value, self._up) * height

    def rule(self, *, across: float | None = None, up: float | None = None, kind: str) -> None:
        """Draw a line across the plot at a value of an axis, if that is in its range."""
        if across is not None and self._across[0] <= across <= self._across[1]:
            self.line([(across, self._up[0]), (across, self._up[1])], kind)
        if up is not None and self._up[0] <= up <= self._up[1]:
            self.line([(self._across[0], up), (self._across[1], up)], kind)

    def zone(self, low: float, high: float, kind: str) -> None:
        """Shade the area between two values of the horizontal axis."""
        top, bottom = self.y(self._up[1]), self.y(self._up[0])
        self._parts.append(
            f'<rect class="{kind}" x="{self.x(low):.1f}" y="{top:.1f}" '
            f'width="{self.x(high) - self.x(low):.1f}" height="{bottom - top:.1f}"/>'
        )

    def line(self, points: Iterable[Point], kind: str) -> None:
        """Draw a line through points."""
        positions = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self._parts.append(f'<polyline class="{kind}" points="{positions}"/>')

    def curve(self, points: Sequence[Point], kind: str) -> None:
        """Draw a line from point to point, cut where it leaves the plot at the top or bottom."""
        for first, second in pairwise(points):
            ends = [self._cut(first, second), self._cut(second, first)]
            if None not in ends:
                self.line([end for end in ends if end is not None], kind)

    def point(self, at: Point, kind: str, title: str, radius: float = 3.0) -> None:
        """Draw a dot with a tooltip; an arrow at the edge if it lies outside the plot."""
        if (side := self._side(at)) is not None:
            self._arrow(at, side, kind, title)
            return
        x, y = self.x(at[0]), self.y(at[1])
        self._parts.append(
            f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}">'
            f"<title>{xml_text(title)}</title></circle>"
        )

    def whisker(self, low: Point, high: Point, kind: str) -> None:
        """Draw the interval between two points; an end outside the plot becomes an arrow."""
        self.line([low, high], f"whisker {kind}")
        for end in (low, high):
            if (side := self._side(end)) is not None:
                self._arrow(end, side, f"cut {kind}", "continues outside the plot")

    def bar(self, span: Point, up: float, kind: str, title: str, height: float = 8.0) -> None:
        """Draw a horizontal bar with a tooltip, from one value to another."""
        for end in span:
            if (side := self._side((end, up))) is not None:
                self._arrow((end, up), side, f"cut {kind}", title)
        low, high = sorted((self.x(span[0]), self.x(span[1])))
        self._parts.append(
            f'<rect class="{kind}" x="{low:.1f}" y="{self.y(up) - height / 2:.1f}" '
            f'width="{max(high - low, 0.5):.1f}" height="{height:g}" rx="1.5">'
            f"<title>{xml_text(title)}</title></rect>"
        )

    def row(self, up: float, text: str) -> None:
        """Write the label of a row, left of the plot."""
        self._text(self._left - 8, self.y(up) + 3.5, text, "end")

    def note(self, text: str) -> None:
        """Write a line into the upper left corner of the plot."""
        self._text(self._left + 5, _TOP + 10, text, "start", "note")

    def drawn(self) -> str:
        """Return the plot as an SVG element of a page."""
        width, height = self._size
        return (
            f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{xml_text(self._name)}">'
            f"{''.join(self._parts)}</svg>"
        )

    def standalone(self, title: str, key: Sequence[KeyEntry], style: str) -> str:
        """Return the plot as an SVG document, with its title, a style sheet, and a legend.

        The legend has the entries of `key` that are drawn in this plot.
        """
        width, height = self._size
        body = "".join(self._parts)
        marks, x, y = [], float(_RIGHT), height + 4.0
        for entry in key:
            if f'class="{entry.kind}"' not in body:
                continue
            needed = 30 + _LETTER * len(entry.text)
            if x > _RIGHT and x + needed > width:
                x, y = float(_RIGHT), y + 16.0
            marks.append(
                f'<g transform="translate({x:.1f},{y:.1f})">{entry.mark()}'
                f'<text class="tick" x="23" y="8.5">{xml_text(entry.text)}</text></g>'
            )
            x += needed
        total = y + 16.0 + 20.0
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{total:g}" '
            f'viewBox="0 -20 {width} {total:g}"><title>{xml_text(title)}</title>'
            f'<style>{style}</style><text class="heading" x="{_RIGHT}" y="-6">{xml_text(title)}'
            f"</text>{body}{''.join(marks)}</svg>\n"
        )

    def _cut(self, at: Point, other: Point) -> Point | None:
        """Move a point above or below the plot along a line to its edge; None if both are."""
        edge = min(max(at[1], self._up[0]), self._up[1])
        if edge == at[1]:
            return at
        if (at[1] - edge) * (other[1] - edge) >= 0:
            return None
        share = (edge - at[1]) / (other[1] - at[1])
        return at[0] + share * (other[0] - at[0]), edge

    def _side(self, at: Point) -> str | None:
        """Return the side on which a point lies outside the plot; None if inside."""
        # A rounding error is not outside.
        room = [1e-9 * (span[1] - span[0]) for span in (self._across, self._up)]
        if at[1] < self._up[0] - room[1]:
            return "down"
        if at[1] > self._up[1] + room[1]:
            return "up"
        if at[0] > self._across[1] + room[0]:
            return "right"
        return "left" if at[0] < self._across[0] - room[0] else None

    def _arrow(self, at: Point, side: str, kind: str, title: str) -> None:
        """Draw an arrow whose tip is at the edge."""
        self._parts.append(
            f'<path class="{kind}" d="M{self.x(at[0]):.1f},{self.y(at[1]):.1f}{_ARROWS[side]}z">'
            f"<title>{xml_text(title)}</title></path>"
        )

    def _grid(
        self, labels: tuple[str, str], ticks: tuple[Sequence[float] | None, Sequence[float] | None]
    ) -> None:
        width, height = self._size
        bottom = height - _BOTTOM
        for value in ticks_for(*self._across) if ticks[0] is None else ticks[0]:
            self.rule(across=value, kind="grid")
            shown = f"{_number(100 * value)} %" if self._percent else _number(value)
            self._text(self.x(value), bottom + 14, shown, "middle")
        for value in ticks_for(*self._up) if ticks[1] is None else ticks[1]:
            self.rule(up=value, kind="grid")
            self._text(self._left - 6, self.y(value) + 3.5, _number(value), "end")
        self._text((self._left + width - _RIGHT) / 2, height - 6, labels[0], "middle", "label")
        if labels[1]:
            self._parts.append(
                f'<text class="label" text-anchor="middle" '
                f'transform="translate(11,{(bottom + _TOP) / 2:.1f}) rotate(-90)">'
                f"{xml_text(labels[1])}</text>"
            )

    def _text(self, x: float, y: float, text: str, anchor: str, kind: str = "tick") -> None:
        self._parts.append(
            f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
            f"{xml_text(text)}</text>"
        )


def ticks_for(low: float, high: float) -> list[float]:
    """Return about five round values in a range."""
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(each for each in (1, 2, 2.5, 5, 10) if each * power >= raw) * power
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _share(value: float, span: Point) -> float:
    low, high = span
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")
